"""The Runtime API as a client sees it: states, answers, and everything that HTTP allows."""

import http.client
import json
import os
import re
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import orjson
import pytest

from worker.runtime import wire
from worker.runtime.runtime_api import Event, RuntimeApi
from worker.runtime.wire import Frame

API = "/2018-06-01/runtime"
NEXT = f"{API}/invocation/next"


class Served:
    """An API that serves this process, and what it said."""

    def __init__(self, driver, pid):
        self.api = RuntimeApi()
        self.frames = []
        self.parts = []
        self.taken = 0
        self._driver = driver
        self._threads = ThreadPoolExecutor(4)
        self.api.serve(driver.loop, pid, self.frames.append, self._count)

    def _count(self):
        self.taken += 1

    def offer(self, payload=b"{}", headers=(), request_id="RID", *, streams=False):
        """Offer an event, whose invocation id is `attempt-1`."""
        self.api.offer(
            Event(
                request_id=request_id, invocation_id="attempt-1", headers=list(headers), payload=payload,
                on_part=self.parts.append if streams else None,
            )
        )  # fmt: skip

    def begin(self, method, path, body=None, headers=None, **how):
        """Ask in a thread; the loop runs only when somebody waits."""
        return self._threads.submit(self._ask, method, path, body, headers or {}, how)

    def _ask(self, method, path, body, headers, how):
        host, port = self.api.address.split(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=60)
        connection.request(method, path, body, headers, **how)
        response = connection.getresponse()
        answer = response.status, dict(response.getheaders()), response.read()
        connection.close()
        return answer

    def ask(self, *args, **how):
        """Status and body, if that is JSON as it is meant."""
        asked = self.begin(*args, **how)
        self._driver.until(asked.done, "the API has answered")
        status, _, content = asked.result()
        return status, orjson.loads(content)

    def take(self, **offered):
        """Offer an event to a runtime that waits for it, and let it take it."""
        asked = self.begin("GET", NEXT)
        self._driver.until(lambda: self.api._waiting, "the runtime waits")
        self.offer(**offered)
        self._driver.until(asked.done, "the event has been taken")
        return asked.result()

    def close(self):
        """Serve no more."""
        self.api.close()
        self._threads.shutdown()


@pytest.fixture
def served(driver):
    served = Served(driver, os.getpid())
    yield served
    served.close()


OK = (202, {"status": "OK"})


@pytest.mark.parity("runtime-api.next", "runtime-api.headers", "runtime-api.bytes", "runtime-api.accepted")
def test_event_and_answer(served):
    """The event comes with its headers and its bytes as they are; the answer is taken once."""
    headers = [(b"Lambda-Runtime-Deadline-Ms", b"17"), (b"Lambda-Runtime-Trace-Id", b"Root=1")]

    status, seen, content = served.take(payload=b'{"a":  1}', headers=headers)

    assert (status, content, served.taken) == (200, b'{"a":  1}', 1)
    assert {name: value for name, value in seen.items() if name != "Content-Length"} == {
        "Content-Type": "application/json", "Lambda-Runtime-Aws-Request-Id": "RID",
        "Lambda-Runtime-Invocation-Id": "attempt-1", "Lambda-Runtime-Deadline-Ms": "17",
        "Lambda-Runtime-Trace-Id": "Root=1",
    }  # fmt: skip
    assert served.frames == [Frame(wire.READY, {}, b"")]
    assert served.ask("POST", f"{API}/invocation/RID/response", b"[1]") == OK
    assert served.frames[1:] == [Frame(wire.RESULT, {}, b"[1]")]
    assert served.ask("POST", f"{API}/invocation/RID/response", b"[2]")[0] == 403
    assert len(served.frames) == 2


REFUSED = {
    "another invocation": ("POST", f"{API}/invocation/OTHER/response", {}, 400, "InvalidRequestID"),
    "another attempt": (
        "POST", f"{API}/invocation/RID/response", {"Lambda-Runtime-Invocation-Id": "attempt-0"}, 400,
        "InvalidInvocationId",
    ),
    "a mode that is none": (
        "POST", f"{API}/invocation/RID/response", {"Lambda-Runtime-Function-Response-Mode": "odd"}, 400,
        "InvalidFunctionResponseMode",
    ),
    "the next before the answer": ("GET", NEXT, {}, 403, "InvalidStateTransition"),
    "an init error after the init": ("POST", f"{API}/init/error", {}, 403, "InvalidStateTransition"),
    "an extension": ("POST", "/2020-01-01/extension/register", {}, 403, "NotOffered"),
    "an extension that waits": ("GET", "/2020-01-01/extension/event/next", {}, 403, "NotOffered"),
    "telemetry": ("PUT", "/2022-07-01/telemetry", {}, 403, "NotOffered"),
    "logs": ("PUT", "/2020-08-15/logs", {}, 403, "NotOffered"),
    "SnapStart": ("GET", f"{API}/restore/next", {}, 403, "NotOffered"),
    "something else": ("GET", "/etc", {}, 404, "NotFound"),
    "another method": ("PUT", NEXT, {}, 404, "NotFound"),
}  # fmt: skip


@pytest.mark.parity("runtime-api.invocation-id", "runtime-api.request-id", "runtime-api.order", "runtime-api.restore")
def test_what_is_refused(served):
    """Each with a status and AWS's form of body; none of it ends the invocation that is under way."""
    served.take()

    for case, (method, path, headers, status, kind) in REFUSED.items():
        answered, body = served.ask(method, path, b"{}", headers)
        assert (answered, body["errorType"]) == (status, kind), case
        assert body["errorMessage"], case

    assert (
        served.ask("POST", f"{API}/invocation/RID/response", b"1", {"Lambda-Runtime-Invocation-Id": "attempt-1"}) == OK
    )
    assert [frame.kind for frame in served.frames] == [wire.READY, wire.RESULT]


TYPED = {"Lambda-Runtime-Function-Error-Type": "H"}
WHOLE = b'{"errorMessage":"m","errorType":"T","x":1}'

ERRORS = {
    "an object": (WHOLE, {}, "T", "m", WHOLE),
    "an object without a type": (b'{"errorMessage":"m"}', TYPED, "H", "m", b'{"errorMessage":"m"}'),
    "a text": (b"odd", TYPED, "H", "odd", b'{"errorType":"H","errorMessage":"odd"}'),
    "nothing": (b"", {}, "Runtime.Unknown", "", b'{"errorType":"Runtime.Unknown","errorMessage":""}'),
}  # fmt: skip


@pytest.mark.parity("runtime-api.next", "runtime-api.accepted", "runtime-api.error-type", "runtime-api.xray-cause")
@pytest.mark.parametrize("case", ERRORS)
def test_errors(served, case):
    """The caller gets the runtime's own bytes if they are an object; type and message are found all the same."""
    content, headers, kind, message, payload = ERRORS[case]
    served.take()
    cause = {"Lambda-Runtime-Function-XRay-Error-Cause": json.dumps({"x": "y" * 200_000})}

    assert served.ask("POST", f"{API}/invocation/RID/error", content, headers | cause) == OK

    assert served.frames[1:] == [Frame(wire.ERROR, {"type": kind, "message": message}, payload)]


@pytest.mark.parity("runtime-api.init-error", "runtime-api.accepted")
def test_init_error(served):
    """It is said once, before the first question."""
    content = b'{"errorMessage":"m","errorType":"Runtime.ImportModuleError"}'

    assert served.ask("POST", f"{API}/init/error", content) == OK

    assert served.frames == [
        Frame(wire.INIT_ERROR, {"type": "Runtime.ImportModuleError", "message": "m"}, content)
    ]  # fmt: skip


@pytest.mark.parity("runtime-api.too-large")
def test_response_that_is_too_large(served):
    """One byte more than may be returned is refused with 413, however it is sent; the last one that fits is taken."""
    largest = b"1" * 6_291_556
    served.take()
    assert served.ask("POST", f"{API}/invocation/RID/response", largest) == OK
    served.take(request_id="RID2")

    status, body = served.ask(
        "POST", f"{API}/invocation/RID2/response", iter([largest, b"1"]), encode_chunked=True,
        headers={"Transfer-Encoding": "chunked"},
    )  # fmt: skip

    assert (status, body["errorType"]) == (413, "RequestEntityTooLarge")
    assert served.frames[1:] == [Frame(wire.RESULT, {}, largest), Frame(wire.TOO_LARGE, {"largest": 6_291_556}, b"")]


STREAM = (
    b"POST /2018-06-01/runtime/invocation/RID/response HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
    b"Lambda-Runtime-Function-Response-Mode: streaming\r\n\r\n3\r\none\r\n"
)
FAILS = (
    b"3\r\ntwo\r\n0\r\nLambda-Runtime-Function-Error-Type: Odd\r\n"
    b"Lambda-Runtime-Function-Error-Body: eyJlcnJvclR5cGUiOiJPZGQiLCJlcnJvck1lc3NhZ2UiOiJtIn0=\r\n\r\n"
)
ODD = b'{"errorType":"Odd","errorMessage":"m"}'
BROKEN = b'{"errorType":"Runtime.TruncatedResponse","errorMessage":"The runtime broke off the response in the middle."}'

ENDS = {
    "well": (b"3\r\ntwo\r\n0\r\n\r\n", [b"one", b"two"], Frame(wire.RESULT, {}, b"")),
    "in an error": (FAILS, [b"one", b"two"], Frame(wire.ERROR, {"type": "Odd", "message": "m"}, ODD)),
    "in the middle": (
        b"", [b"one"],
        Frame(
            wire.ERROR,
            {"type": "Runtime.TruncatedResponse", "message": "The runtime broke off the response in the middle."},
            BROKEN,
        ),
    ),
}  # fmt: skip


@pytest.mark.parity("runtime-api.streaming")
@pytest.mark.parametrize("case", ENDS)
def test_streamed_response(served, driver, case):
    """Parts go on as they come, before the end is there; the end says whether it went well."""
    rest, parts, frame = ENDS[case]
    served.take(streams=True)
    with connect(served) as client:
        client.sendall(STREAM)
        driver.until(lambda: served.parts, "the first part has come")
        assert served.frames[1:] == []

        client.sendall(rest)
        client.shutdown(socket.SHUT_WR)
        driver.until(lambda: served.frames[1:], "the response has ended")

    assert (served.parts, served.frames[1:]) == (parts, [frame])


def test_a_runtime_waits_for_a_slow_reader(served, driver):
    """While the response is paused nothing more is taken in, beyond what is read at once; then all of it comes."""
    part = b"x" * 65_536
    served.take(streams=True)
    path = f"{API}/invocation/RID/response"
    sent = served.begin(
        "POST", path, iter([part] * 128), {"Lambda-Runtime-Function-Response-Mode": "streaming"}, encode_chunked=True
    )
    driver.until(lambda: served.parts, "the first part has come")

    served.api.pause_response()
    taken = sum(map(len, served.parts))
    turns = iter(range(20))
    driver.until(lambda: next(turns, None) is None, "the loop has turned, and would have read what is there")
    still = sum(map(len, served.parts))
    served.api.resume_response()
    driver.until(sent.done, "the response has been taken")

    assert taken == still < 128 * len(part)
    assert b"".join(served.parts) == part * 128
    assert sent.result()[0] == 202


def connect(served):
    """A connection of bytes."""
    host, port = served.api.address.split(":")
    return socket.create_connection((host, int(port)), timeout=60)


def received(client, driver, enough):
    """What came until it is `enough`."""
    client.setblocking(False)
    seen = bytearray()

    def more():
        try:
            seen.extend(client.recv(65_536))
        except BlockingIOError:
            return False
        return enough(bytes(seen))

    driver.until(more, "the API has answered")
    return bytes(seen)


def test_one_connection_for_everything(served, driver):
    """Requests may follow each other on a connection, also before the answer is there; a large one may ask first."""
    with connect(served) as client:
        client.sendall(f"GET {NEXT} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        driver.until(lambda: served.frames, "the runtime is ready")
        ahead = f"POST {API}/invocation/RID/response HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{{}}"
        client.sendall(ahead.encode() + b"GET /2018-06-01/ping HTTP/1.1\r\nHost: h\r\n\r\n")
        served.offer()
        answers = received(client, driver, lambda seen: b"pong" in seen)
        assert re.findall(rb"HTTP/1.1 (\d+) ", answers) == [b"200", b"202", b"200"]

        head = f"POST {API}/init/error HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        client.sendall(head.encode())
        assert received(client, driver, bool) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"{}")
        assert received(client, driver, bool).startswith(b"HTTP/1.1 403 Forbidden\r\n")

    assert [frame.kind for frame in served.frames] == [wire.READY, wire.RESULT]


def test_client_that_went_away_gets_no_event(served, driver):
    """A runtime that stopped waiting and asks anew on another connection gets the event there."""
    with connect(served) as client:
        client.sendall(f"GET {NEXT} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        driver.until(lambda: served.frames, "the runtime is ready")
    driver.until(lambda: not served.api._connections, "the connection is seen to be closed")

    served.offer(b"1")
    asked = served.begin("GET", NEXT)
    driver.until(asked.done, "the event has been taken")

    assert asked.result()[2] == b"1"


@pytest.mark.parametrize("sent", [b"what\r\n\r\n", b"\x16\x03\x01\x02\x00\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"])
def test_what_is_no_http(served, driver, sent):
    """It is refused, and the connection closed; the next one is served as ever."""
    with connect(served) as client:
        client.sendall(sent)
        assert received(client, driver, bool).startswith(b"HTTP/1.1 400 ")

    assert served.ask("GET", "/etc")[0] == 404


@pytest.mark.parity("runtime-api.address")
@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux says who is at the other end of a connection.")
def test_other_processes_are_not_served(driver):
    """The port is no secret; a process that is not the environment's is turned away without a word."""
    with subprocess.Popen(["sleep", "60"]) as other:
        served = Served(driver, other.pid)
        try:
            with connect(served) as client:
                driver.until(partial(is_closed, client), "the connection is closed")
            assert served.frames == []
        finally:
            served.close()
            other.kill()


def is_closed(client):
    """Whether the other side has closed it."""
    client.setblocking(False)
    try:
        return not client.recv(1)
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True
