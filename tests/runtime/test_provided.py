"""Programs that bring their own runtime: in shell, in Rust, and AWS's own client for Python."""

import shutil
import subprocess
import sys
import textwrap
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import orjson
import pytest

from tests.runtime.conftest import event, is_gone, messages, result
from tests.waiting import wait_until
from worker.invocation import Crashed, FunctionError, Lost, Succeeded, TimedOut
from worker.runtime import api_process, interpreter


@pytest.fixture
def provided(folder, make):
    """Make an environment whose package has a `bootstrap` of this text, and further files by name."""
    made = []

    def make_provided(bootstrap, files=None, mode=0o755, **changes):
        root = folder / f"provided-{len(made)}"
        root.mkdir()
        made.append(root)
        for name, text in (files or {}).items():
            (root / name).write_text(textwrap.dedent(text))
        if isinstance(bootstrap, bytes):
            (root / "bootstrap").write_bytes(bootstrap)
        elif bootstrap is not None:
            (root / "bootstrap").write_text(textwrap.dedent(bootstrap))
        if bootstrap is not None:
            (root / "bootstrap").chmod(mode)
        return make(root, **{"runtime": "provided.al2023", "handler": "a.b", "timeout": 60} | changes)

    return make_provided


#: The bootstrap of AWS's tutorial, in our words: what the function answers is up to the event.
SHELL = """\
#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime"
n=0
while :; do
    event=$(curl -sS -D "$TMPDIR/headers" "$api/invocation/next")
    id=$(sed -n 's/^[Ll]ambda-[Rr]untime-[Aa]ws-[Rr]equest-[Ii]d: *//p' "$TMPDIR/headers" | tr -d '\\r\\n')
    n=$((n + 1))
    echo "got $event"
    case $event in
        '"fail"') curl -sS -o "$TMPDIR/answer" "$api/invocation/$id/error" \
            -H 'Lambda-Runtime-Function-Error-Type: Runtime.Odd' -d '{"errorMessage": "m", "errorType": "Odd"}' ;;
        '"text"') curl -sS -o "$TMPDIR/answer" "$api/invocation/$id/error" \
            -H 'Lambda-Runtime-Function-Error-Type: Runtime.Odd' -d 'no JSON' ;;
        '"exit"') exit 3 ;;
        '"big"') head -c 6300000 /dev/zero | tr '\\0' 1 > "$TMPDIR/big"
            curl -sS -o "$TMPDIR/answer" "$api/invocation/$id/response" --data-binary "@$TMPDIR/big" ;;
        '"leave"') curl -sS -o "$TMPDIR/answer" "$api/invocation/$id/response" -d '"left"'; exit 0 ;;
        *) curl -sS -o "$TMPDIR/answer" "$api/invocation/$id/response" -d "{\\"n\\": $n, \\"event\\": $event}" ;;
    esac
done
"""

has_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed.")


@pytest.mark.parity("runtime-api.provided", "runtime-api.too-large", "runtime-api.exit")
@has_curl
def test_shell_bootstrap(provided, sunk):
    """A whole life: warm calls, errors, a response that is too large, an exit, one after an answer, and new starts."""
    shell = provided(SHELL)

    def ask(what):
        return shell.invoke(event(what, request_id=f"id-{what}"))

    one, two, failed, text, big = (ask(what) for what in (1, 2, "fail", "text", "big"))

    assert one.outcome == Succeeded(b'{"n": 1, "event": 1}')
    assert one.init_duration_ms > 0
    assert two.outcome == Succeeded(b'{"n": 2, "event": 2}')
    assert two.init_duration_ms is None
    assert failed.outcome == FunctionError(b'{"errorMessage": "m", "errorType": "Odd"}', "Odd", "m")
    assert text.outcome == FunctionError(
        b'{"errorType":"Runtime.Odd","errorMessage":"no JSON"}', "Runtime.Odd", "no JSON"
    )
    assert big.outcome.error_type == "Function.ResponseSizeTooLarge"
    assert "INIT_START Runtime Version: provided:al2023" in messages(one, sunk)[0]
    assert "got 1" in messages(one, sunk)
    odd = shell.invoke(event(5, "id-5", trace_header=" Root=1\r\nHost: ü\x00 ", client_context="no base64"))
    assert odd.outcome == Succeeded(b'{"n": 6, "event": 5}')

    exited = ask("exit")
    assert isinstance(exited.outcome, Crashed)
    assert exited.outcome.error_message == "RequestId: id-exit Error: Runtime exited with error: exit status 3"
    assert [result(ask(what)) for what in ("leave", 4)] == ["left", {"n": 1, "event": 4}]


@has_curl
def test_exits_are_seen_where_nobody_tells(provided, monkeypatch):
    """Without descriptors of processes, a program that ends is found out when it is looked at, and replaced."""
    monkeypatch.setattr(api_process, "open_pidfd", lambda _: None)
    shell = provided(SHELL)

    attempts = [shell.invoke(event(what, request_id=f"id-{what}")) for what in (1, "exit", "leave", 2)]

    assert [attempts[0].outcome, *(attempt.outcome for attempt in attempts[2:])] == [
        Succeeded(b'{"n": 1, "event": 1}'), Succeeded(b'"left"'), Succeeded(b'{"n": 1, "event": 2}'),
    ]  # fmt: skip
    assert attempts[1].outcome.error_message.endswith("exit status 3")


@pytest.fixture
def pids(folder):
    """The process ids that a program writes into a file, once it has."""
    mark = folder / "pids"

    def read():
        wait_until(mark.exists, "the program runs")
        return [int(pid) for pid in mark.read_text().split()]

    return read


def hanging(folder):
    """A bootstrap that says who it and its child are, and does nothing more."""
    return f"#!/bin/sh\nsleep 600 &\necho $$ $! > {folder}/new\nmv {folder}/new {folder}/pids\nwait\n"


def test_program_that_never_asks(provided, host, folder, pids):
    """It is ended with its children when the init has taken too long, and so is the second try, under the timeout."""
    impatient = replace(host, init_timeout=0.1)

    attempt = provided(hanging(folder), host=impatient, timeout=1).invoke(event())

    assert isinstance(attempt.outcome, TimedOut)
    started = pids()
    wait_until(lambda: all(map(is_gone, started)), f"{started} have ended")


def test_no_program_outlives_a_worker_that_is_killed(provided, folder, pids, can_fork):
    """After SIGKILL of the worker the kernel ends the bootstrap and its child, whatever they are."""
    root = provided(hanging(folder)).environment._code_root
    worker = textwrap.dedent(f"""
    from pathlib import Path
    from tests.runtime.conftest import configure, event, make_host
    from tests.runtime.driver import Driven, Driver
    from worker.runtime.environment import ExecutionEnvironment
    folder = Path({str(folder)!r})
    driver = Driver()
    host = make_host(folder, folder, driver, {can_fork}, print)
    environment = ExecutionEnvironment(configure(runtime="provided.al2023"), Path({str(root)!r}), host)
    Driven(environment, driver).invoke(event())
    """)
    with subprocess.Popen([sys.executable, "-c", worker], cwd=Path(__file__).parents[2]) as process:
        found = pids()
        assert not any(map(is_gone, found))

        process.kill()

    wait_until(lambda: all(map(is_gone, found)), f"{found} have ended")


MISSING = {
    "no bootstrap": (None, 0o755, "Couldn't find valid bootstrap(s)"),
    "one that may not be run": ("#!/bin/sh\n", 0o644, "permission denied"),
    "one that is no program": ("no program\n", 0o755, "exec format error"),
    "one without its interpreter": ("#!/no/such/thing\n", 0o755, "no such file or directory"),
}


@pytest.mark.parity("runtime-api.bootstrap")
@pytest.mark.parametrize("case", MISSING)
def test_bootstraps_that_cannot_be_started(provided, case):
    """The attempt fails with AWS's error type, and says what is wrong with which file."""
    bootstrap, mode, text = MISSING[case]

    attempt = provided(bootstrap, mode=mode).invoke(event())

    assert type(attempt.outcome) is FunctionError
    assert attempt.outcome.error_type == "Runtime.InvalidEntrypoint"
    assert text in attempt.outcome.error_message


@pytest.mark.parity("runtime-api.exit")
def test_program_that_ends_before_it_asks(provided):
    """A program that ends before it asks for an invocation is reported with its exit code."""
    attempt = provided("#!/bin/sh\nexit 9\n").invoke(event())

    assert attempt.outcome.error_message == "RequestId: RID Error: Runtime exited with error: exit status 9"


def test_worker_that_ends_while_a_program_runs(provided, driver):
    """What a custom runtime does when the worker ends its environments is not the function's fault."""
    environment = provided("#!/bin/sh\nexec sleep 600\n")
    attempts = []
    environment.environment.invoke(event(), attempts.append)
    driver.until(lambda: environment.pid, "the process has started")
    pid = environment.pid

    environment.abort()
    driver.until(lambda: attempts, "the attempt has ended")

    assert isinstance(attempts[0].outcome, Lost)
    assert is_gone(pid)


RUST = r"""
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

fn ask(host: &str, head: &str, body: &[u8]) -> (Vec<String>, Vec<u8>) {
    let mut stream = TcpStream::connect(host).unwrap();
    let length = body.len();
    write!(stream, "{head} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n").unwrap();
    stream.write_all(body).unwrap();
    let mut reader = BufReader::new(stream);
    let (mut headers, mut size) = (Vec::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim_end().to_string();
        if line.is_empty() { break; }
        if let Some(text) = line.to_lowercase().strip_prefix("content-length: ") { size = text.parse().unwrap(); }
        headers.push(line);
    }
    let mut content = vec![0; size];
    reader.read_exact(&mut content).unwrap();
    (headers, content)
}

fn main() {
    let host = std::env::var("AWS_LAMBDA_RUNTIME_API").unwrap();
    let api = "/2018-06-01/runtime/invocation";
    loop {
        let (headers, event) = ask(&host, &format!("GET {api}/next"), b"");
        let id = headers.iter().find_map(|line| line.strip_prefix("Lambda-Runtime-Aws-Request-Id: ")).unwrap();
        let mut answer = b"{\"rust\": ".to_vec();
        answer.extend(event);
        answer.push(b'}');
        println!("answering {id}");
        ask(&host, &format!("POST {api}/{id}/response"), &answer);
    }
}
"""


@pytest.fixture(scope="module")
def rust_program(tmp_path_factory):
    """The text above as a program, which needs nothing but Rust's standard library."""
    rustc = shutil.which("rustc")
    if rustc is None:
        pytest.skip("rustc is not installed.")
    folder = tmp_path_factory.mktemp("rust")
    (folder / "main.rs").write_text(RUST)
    command = [rustc, "-o", folder / "bootstrap", folder / "main.rs"]
    built = subprocess.run(command, check=False, capture_output=True, text=True)
    if built.returncode:
        pytest.skip(f"rustc does not work here: {built.stderr[:300]}")
    return (folder / "bootstrap").read_bytes()


@pytest.mark.parity("runtime-api.provided")
def test_rust_program(provided, rust_program, sunk):
    """A compiled program that speaks HTTP by itself, with a connection a call."""
    environment = provided(rust_program, runtime="provided.al2")

    answers = [environment.invoke(event(n, request_id=f"id-{n}")) for n in range(3)]

    assert [result(one) for one in answers] == [{"rust": n} for n in range(3)]
    assert "answering id-2" in messages(answers[2], sunk)


RIC = """
import sys
def handler(event, context):
    print("working", context.aws_request_id)
    match event:
        case "fail": raise KeyError("no such sku")
        case "exit": sys.exit(5)
        case "remaining": return 0 < context.get_remaining_time_in_millis() <= 60_000
        case _: return {"event": event, "arn": context.invoked_function_arn, "client": context.client_context}
"""


@pytest.fixture
def ric(provided):
    """Make an environment that runs AWS's client; more text comes after the handler's."""
    found = find_spec("awslambdaric")
    if found is None:
        pytest.skip("awslambdaric is not installed: it has wheels for Linux only.")
    packages = Path(found.origin).parents[1]
    bootstrap = f'#!/bin/sh\nexport PYTHONPATH={packages}\nexec {interpreter.base().path} -m awslambdaric "$_HANDLER"\n'

    def make_ric(more="", handler="app.handler"):
        return provided(bootstrap, {"app.py": textwrap.dedent(RIC) + more}, handler=handler)

    return make_ric


@pytest.mark.parity("runtime-api.awslambdaric", "runtime-api.headers")
def test_awslambdaric(ric, sunk):
    """AWS's own runtime client does all that it does on AWS: results, errors, exits, and calls that stay warm."""
    environment = ric()

    first, failed, remaining = (environment.invoke(event(what)) for what in (1, "fail", "remaining"))
    exited = environment.invoke(event("exit"))

    assert result(first) == {"event": 1, "arn": "arn:aws:lambda:eu-west-1:000000000000:function:f", "client": None}
    assert "working RID" in messages(first, sunk)
    described = result(failed)
    assert {key: described[key] for key in ("errorMessage", "errorType", "requestId")} == {
        "errorMessage": "'no such sku'", "errorType": "KeyError", "requestId": "RID",
    }  # fmt: skip
    assert failed.outcome.error_type == "KeyError"
    assert remaining.outcome == Succeeded(b"true")
    assert exited.outcome.error_message == "RequestId: RID Error: Runtime exited with error: exit status 5"


@pytest.mark.parity("runtime-api.init-error")
def test_awslambdaric_that_cannot_import(ric):
    """Its init error is ours: the type, and an empty request id."""
    attempt = ric(handler="nothere.handler").invoke(event())

    assert attempt.outcome.error_type == "Runtime.ImportModuleError"
    assert result(attempt)["requestId"] == ""
    assert orjson.loads(attempt.outcome.response)["errorMessage"].startswith("Unable to import module 'nothere'")
