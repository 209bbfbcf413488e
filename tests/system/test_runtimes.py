"""Functions that bring their own runtime, through the whole system: gateway, queue, worker, destinations."""

import base64
import io
import json
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.system.running import ROLE, RunningSystem, zipped
from worker.runtime import interpreter
from worker.runtime.interpreter import InterpreterMissing

#: A client of the Runtime API with nothing but Python's standard library. It answers with what it got, or without JSON.
BOOTSTRAP = f"""#!{getattr(sys, "_base_executable", sys.executable)} -S
import http.client, os
host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
api = http.client.HTTPConnection(host, int(port))
path = "/2018-06-01/runtime/invocation"
while True:
    api.request("GET", path + "/next")
    answer = api.getresponse()
    event = answer.read()
    request_id = answer.headers["Lambda-Runtime-Aws-Request-Id"]
    print("serving", request_id, flush=True)
    result = b"no JSON" if event == b'"odd"' else event
    api.request("POST", f"{{path}}/{{request_id}}/response", result)
    assert api.getresponse().read() == b'{{"status":"OK"}}\\n'
"""


def package() -> bytes:
    """A zip with the bootstrap, executable, as Linux makes it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        entry = zipfile.ZipInfo("bootstrap")
        entry.create_system = 3
        entry.external_attr = 0o755 << 16
        archive.writestr(entry, BOOTSTRAP)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def echo(up: RunningSystem) -> Any:
    """A Lambda client, with a function `own-runtime` that answers with its event."""
    client = up.client("lambda")
    client.create_function(
        FunctionName="own-runtime", Runtime="provided.al2023", Role=ROLE, Handler="any.thing", Timeout=60,
        MemorySize=512, Code={"ZipFile": package()},
    )  # fmt: skip
    return client


def invoke(client: Any, payload: bytes, **how: Any) -> tuple[dict[str, Any], bytes]:
    """The answer, and what the function returned."""
    answer = client.invoke(FunctionName="own-runtime", Payload=payload, **how)
    return answer, answer["Payload"].read()


def test_synchronous_calls_of_every_size(echo: Any) -> None:
    """The same bytes come back, up to the largest payload there is; the log's tail has what the program printed."""
    for size in (1, 100_000, 6_000_000):
        payload = b'"' + b"x" * size + b'"'
        answer, returned = invoke(echo, payload, LogType="Tail")

        assert "FunctionError" not in answer
        assert returned == payload
        request_id = answer["ResponseMetadata"]["RequestId"]
        assert f"serving {request_id}\n" in base64.b64decode(answer["LogResult"]).decode()


def test_result_without_json(up: RunningSystem, echo: Any) -> None:
    """A caller gets the bytes; the record of an event has them as a string."""
    url, arn = up.create_queue("own-runtime-records")
    echo.put_function_event_invoke_config(
        FunctionName="own-runtime", DestinationConfig={"OnSuccess": {"Destination": arn}}
    )

    assert invoke(echo, b'"odd"')[1] == b"no JSON"
    invoke(echo, b'"odd"', InvocationType="Event")

    record = json.loads(up.receive(url)["Body"])
    assert (record["requestPayload"], record["responsePayload"]) == ("odd", "no JSON")
    assert record["requestContext"]["condition"] == "Success"


def is_here(runtime: str) -> bool:
    """Whether this machine has an interpreter for it."""
    try:
        interpreter.find(runtime)
    except InterpreterMissing:
        return False
    return True


def test_runtime_that_this_machine_has_not(up: RunningSystem) -> None:
    """It can be created; a call says what to install."""
    client = up.client("lambda")
    missing = next((name for name in ("nodejs24.x", "python3.14", "python3.9") if not is_here(name)), None)
    if missing is None:
        pytest.skip("This machine has every runtime that was thought of.")
    client.create_function(
        FunctionName="not-here", Runtime=missing, Role=ROLE, Handler="app.handler", Code={"ZipFile": package()}
    )

    answer = client.invoke(FunctionName="not-here", Payload=b"{}")

    assert answer["FunctionError"] == "Unhandled"
    error = answer["Payload"].read().decode()
    assert '"errorType":"Runtime.NotInstalled"' in error
    assert f"Runtime '{missing}' needs" in error


STREAMING = """
export const handler = awslambda.streamifyResponse(async (event, stream) => {
    stream.write('the first part')
    await new Promise((resolve, reject) => {
        import('node:http').then(({ default: http }) => http.get(event.gate, resolve).on('error', reject))
    })
    if (event.fails) throw new Error('in the middle')
    stream.write('the last part')
    stream.end()
})
"""


@pytest.mark.skipif(not is_here("nodejs20.x"), reason="this machine has no Node.js 20")
@pytest.mark.parity("stream.handler")
@pytest.mark.parametrize("fails", [False, True])
def test_caller_reads_a_part_while_the_handler_has_not_written_the_next(up: RunningSystem, fails: bool) -> None:
    """The handler goes on only after the caller has the first part; an error after it ends the stream."""
    is_read = threading.Event()

    class Gate(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_read.wait(60)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    name = f"streams-{fails}"
    up.client("lambda").create_function(
        FunctionName=name, Runtime="nodejs20.x", Role=ROLE, Handler="app.handler", Timeout=90, MemorySize=256,
        Code={"ZipFile": zipped(STREAMING, "app.mjs")},
    )  # fmt: skip
    with ThreadingHTTPServer(("127.0.0.1", 0), Gate) as gate:
        threading.Thread(target=gate.serve_forever, daemon=True).start()
        event = {"gate": f"http://127.0.0.1:{gate.server_port}/", "fails": fails}
        answer = up.client("lambda").invoke_with_response_stream(FunctionName=name, Payload=json.dumps(event))
        events = iter(answer["EventStream"])
        first = next(events)
        is_read.set()
        rest = list(events)
        gate.shutdown()

    assert first["PayloadChunk"]["Payload"] == b"the first part"
    parts = b"".join(part["PayloadChunk"]["Payload"] for part in rest[:-1])
    end = rest[-1]["InvokeComplete"]
    assert (parts, end.get("ErrorCode")) == ((b"", "Unhandled") if fails else (b"the last part", None))
    assert ("in the middle" in end.get("ErrorDetails", "")) is fails
