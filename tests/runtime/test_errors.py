"""Error objects: what the caller gets to see of every way to fail, from real processes."""

import re
from dataclasses import replace

import orjson
import pytest

from tests.runtime.conftest import event, messages, result
from worker.invocation import Crashed, FunctionError, Succeeded, TimedOut


def failed(app="def handler(event, context): pass", **changes):
    return app, changes


INIT_FAILURES = {
    "module missing": (
        failed(handler="nothere.handler"),
        "Runtime.ImportModuleError",
        "Unable to import module 'nothere': No module named 'nothere'",
    ),
    "import inside it fails": (
        failed("import nothere"),
        "Runtime.ImportModuleError",
        "Unable to import module 'app': No module named 'nothere'",
    ),
    "attribute missing": (
        failed("x = 1"),
        "Runtime.HandlerNotFound",
        "Handler 'handler' missing on module 'app'",
    ),
    "no dot": (
        failed(handler="app"),
        "Runtime.MalformedHandlerName",
        "Bad handler 'app': not enough values to unpack (expected 2, got 1)",
    ),
    "builtin module": (
        failed(handler="sys.exit"),
        "Runtime.BuiltInModuleConflict",
        "Cannot use built-in module sys as a handler module",
    ),
}


@pytest.mark.parity(
    "async.function-errors.import",
    "object.import",
    "object.handler-missing",
    "object.handler-malformed",
    "object.builtin",
    "object.init.request-id",
    "object.init.process-ends",
)
@pytest.mark.parametrize("case", INIT_FAILURES)
def test_handler_that_cannot_be_imported(environment, case):
    """The object has an empty request id and no trace, keys in AWS's order, and the process has ended."""
    (app, changes), kind, message = INIT_FAILURES[case]
    broken = environment(app, **changes)

    attempt = broken.invoke(event())

    assert isinstance(attempt.outcome, FunctionError)
    assert (attempt.outcome.error_type, attempt.outcome.error_message) == (kind, message)
    assert list(result(attempt).items()) == [
        ("errorMessage", message),
        ("errorType", kind),
        ("requestId", ""),
        ("stackTrace", []),
    ]
    assert not broken.is_warm


@pytest.mark.parity("object.syntax")
def test_syntax_error(environment):
    """The trace is one text with file, line and source."""
    attempt = environment("\ndef handler(:\n").invoke(event())

    seen = result(attempt)

    assert seen["errorType"] == "Runtime.UserCodeSyntaxError"
    assert seen["errorMessage"] == "Syntax error in module 'app': invalid syntax (app.py, line 2)"
    assert len(seen["stackTrace"]) == 1
    assert re.fullmatch(r'  File ".*/app\.py" Line 2\n    def handler\(:\n', seen["stackTrace"][0])


@pytest.mark.parity("object.init.module-body")
def test_module_body_that_raises(environment):
    """The frames of importlib are part of the trace, ours are not."""
    attempt = environment("raise KeyError('x')").invoke(event())

    seen = result(attempt)

    assert (seen["errorMessage"], seen["errorType"], seen["requestId"]) == ("'x'", "KeyError", "")
    assert "importlib" in seen["stackTrace"][0]
    assert seen["stackTrace"][-1].endswith("in <module>\n    raise KeyError('x')\n")
    assert not any("bootstrap.py" in frame for frame in seen["stackTrace"])


@pytest.mark.parity("object.init.repeated", "log.start.version", "log.init-report")
def test_failed_init_is_reported_and_repeated_in_the_invocation(environment):
    """As on AWS, the first try is reported by itself, and the second one is what the caller sees."""
    attempt = environment("print('importing'); raise ValueError('no')").invoke(event())

    log = [re.sub(r"\d+\.\d\d ms", "N ms", line.partition("\n")[0]) for line in messages(attempt)]
    init_start, *_, report = log
    assert re.match(r"INIT_START Runtime Version: python:3\.\d+\.\d+", init_start)
    assert log[:-1] == [
        init_start,
        "importing",
        "[ERROR] ValueError: no",
        "INIT_REPORT Init Duration: N ms\tPhase: init\tStatus: error\tError Type: ValueError",
        "START RequestId: RID Version: $LATEST",
        init_start,
        "importing",
        "[ERROR] ValueError: no",
        "INIT_REPORT Init Duration: N ms\tPhase: invoke\tStatus: error\tError Type: ValueError",
        "END RequestId: RID",
    ]
    assert report.endswith("Status: error\tError Type: ValueError")


def test_init_that_works_the_second_time(environment, folder):
    """A module that fails once is imported again under the function's timeout, and the invocation succeeds."""
    app = f"""
    import pathlib
    mark = pathlib.Path({str(folder)!r}) / "mark"
    if not mark.exists():
        mark.touch()
        raise RuntimeError("not yet")
    def handler(event, context): return "now"
    """

    attempt = environment(app).invoke(event())

    assert attempt.outcome == Succeeded(b'"now"')


HANDLER_FAILURES = {
    "plain": ('raise ValueError("no such sku")', "ValueError", "no such sku"),
    "key error": ("raise KeyError('x')", "KeyError", "'x'"),
    "cannot describe itself": (
        "class E(Exception):\n        def __str__(self): raise RuntimeError\n    raise E()",
        "E",
        "<unprintable E object>",
    ),
    "lone surrogate": ("raise ValueError('\\ud800')", "ValueError", "\\ud800"),
}


@pytest.mark.parity("object.type", "object.message", "object.process-lives")
@pytest.mark.parametrize("case", HANDLER_FAILURES)
def test_handler_that_raises(environment, case):
    """Class name and text reach the caller with the request id; the process lives on."""
    body, kind, message = HANDLER_FAILURES[case]
    raising = environment(f"def handler(event, context):\n    {body}\n")

    first = raising.invoke(event())
    pid = raising.pid
    second = raising.invoke(event())

    assert (first.outcome.error_type, first.outcome.error_message) == (kind, message)
    assert type(first.outcome) is FunctionError
    assert first.outcome.response.startswith(b'{"errorMessage": ')
    assert b'"requestId": "RID"' in first.outcome.response
    assert raising.pid == pid
    assert second.outcome == first.outcome


@pytest.mark.parity("object.keys", "object.frames")
def test_error_object_is_exactly_that_of_aws(environment):
    """Keys, order, and formatted frames without those of the runtime."""
    raising = environment('import json\n\ndef handler(event, context):\n    raise ValueError("no such sku")\n')

    attempt = raising.invoke(event())

    expected = (
        r'\{"errorMessage": "no such sku", "errorType": "ValueError", "requestId": "RID", "stackTrace": '
        r'\["  File \\"[^"]*/app\.py\\", line 4, in handler\\n    raise ValueError\(\\"no such sku\\"\)\\n"\]\}'
    )
    assert re.fullmatch(expected, attempt.outcome.response.decode())


@pytest.mark.parity("log.handler-error")
def test_handler_error_is_one_event_in_the_log(environment):
    """Type and text, then the traceback with its indentation in NO-BREAK SPACES; REPORT blames nobody."""
    attempt = environment('def handler(event, context):\n    raise ValueError("boom")\n').invoke(event())

    *_, error, end, report = messages(attempt)

    nbsp = "\u00a0"
    lines = error.split("\n")
    assert lines[:2] == ["[ERROR] ValueError: boom", "Traceback (most recent call last):"]
    assert re.fullmatch(rf'{nbsp}{{2}}File ".*/app\.py", line 2, in handler', lines[2])
    assert lines[3] == f'{nbsp * 4}raise ValueError("boom")'
    assert end == "END RequestId: RID"
    assert "Status" not in report


UNMARSHALLABLE = {
    "object": ("object()", "Object of type object is not JSON serializable"),
    "set in a list": ("[{1}]", "Object of type set is not JSON serializable"),
    "NaN": ("float('nan')", "Out of range float values are not JSON compliant"),
    "Decimal NaN": (
        "__import__('decimal').Decimal('NaN')",
        "Out of range float values are not JSON compliant: NaN",
    ),
    "tuple as a key": ("{(1, 2): 3}", "keys must be str, int, float, bool or None, not tuple"),
    "bytes that are no JSON": (
        "b'no'",
        "the bytes returned are not JSON: Expecting value: line 1 column 1 (char 0)",
    ),
}


@pytest.mark.parity("async.function-errors.result", "object.marshal", "object.nan")
@pytest.mark.parametrize("case", UNMARSHALLABLE)
def test_result_without_json_form(environment, case):
    """Runtime.MarshalError with an empty trace; the process lives on."""
    expression, reason = UNMARSHALLABLE[case]
    odd = environment(f"def handler(event, context): return {expression}\n")

    attempt = odd.invoke(event())

    assert result(attempt) == {
        "errorMessage": f"Unable to marshal response: {reason}",
        "errorType": "Runtime.MarshalError",
        "requestId": "RID",
        "stackTrace": [],
    }
    assert odd.is_warm


@pytest.mark.parity("object.unmarshal")
@pytest.mark.parametrize("payload", [b"{", b"", b"\xff"])
def test_payload_that_is_no_json(environment, payload):
    """Runtime.UnmarshalError, with request id and empty trace; the handler is not called, the process lives on."""
    called = environment("def handler(event, context): return 'called'")

    attempt = called.invoke(event(payload))

    assert attempt.outcome.error_type == "Runtime.UnmarshalError"
    assert attempt.outcome.error_message.startswith("Unable to unmarshal input: ")
    assert (result(attempt)["requestId"], result(attempt)["stackTrace"]) == ("RID", [])
    assert called.is_warm


@pytest.mark.parity("object.client-context")
def test_client_context_that_is_no_json(environment):
    """Its own error type, as on AWS, with the request id and an empty trace; the process lives on."""
    called = environment("def handler(event, context): pass")

    attempt = called.invoke(event(client_context="bm8="))

    assert attempt.outcome.error_type == "Runtime.LambdaContextUnmarshalError"
    assert attempt.outcome.error_message.startswith("Unable to parse Client Context JSON: ")
    assert (result(attempt)["requestId"], result(attempt)["stackTrace"]) == ("RID", [])
    assert called.is_warm


ENDINGS = {
    "sys.exit(0)": ("sys.exit(0)", "without providing a reason"),
    "sys.exit(3)": ("sys.exit(3)", "with error: exit status 3"),
    "os._exit(127)": ("os._exit(127)", "with error: exit status 127"),
    "SIGKILL": ("os.kill(os.getpid(), 9)", "with error: signal: killed"),
    "SIGSEGV": ("os.kill(os.getpid(), 11)", "with error: signal: segmentation fault"),
}


@pytest.mark.parity(
    "object.exit", "object.exit.status", "object.exit.signal", "object.exit.import", "log.report.error-type"
)
@pytest.mark.parametrize("where", ["handler", "import"])
@pytest.mark.parametrize("case", ENDINGS)
def test_process_that_ends(environment, case, where):
    """The platform says how it ended: type first, no request id key, no trace; both styles are in the log."""
    statement, ending = ENDINGS[case]
    body = f"def handler(event, context): {statement}" if where == "handler" else statement
    message = f"RequestId: RID Error: Runtime exited {ending}"

    attempt = environment(f"import os, sys\n{body}\n").invoke(event())

    response = orjson.dumps({"errorType": "Runtime.ExitError", "errorMessage": message})
    assert attempt.outcome == Crashed(response, "Runtime.ExitError", message)
    assert f"{message}\nRuntime.ExitError" in messages(attempt)
    assert messages(attempt)[-1].endswith("Status: error\tError Type: Runtime.ExitError")


@pytest.mark.parity("object.timeout", "object.timeout.text", "log.report.timeout")
def test_timeout(environment, sunk):
    """The process is killed at the configured timeout; both styles are in the log; what was printed before is kept."""
    app = "import time\ndef handler(event, context):\n    print('on it')\n    time.sleep(60)\n"
    slow = environment(app, timeout=1)

    attempt = slow.invoke(event())

    message = "RequestId: RID Error: Task timed out after 1.00 seconds"
    response = b'{"errorType":"Sandbox.Timedout","errorMessage":"' + message.encode() + b'"}'
    assert attempt.outcome == TimedOut(response, "Sandbox.Timedout", message)
    assert attempt.duration_ms >= 1000
    assert not slow.is_warm
    assert "on it" in messages(attempt, sunk)
    older_style = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z RID Task timed out after 1\.00 seconds"
    assert re.fullmatch(older_style, messages(attempt)[-3])
    assert messages(attempt)[-1].endswith("Status: timeout")


@pytest.mark.parity("limit.init-phase")
def test_init_that_takes_too_long_is_repeated_under_the_timeout(host, make, write_code, sunk):
    """An init longer than its limit starts again, and then the function's timeout ends it."""
    slow = make(write_code("import time\ntime.sleep(60)"), replace(host, init_timeout=0.3), timeout=1)

    attempt = slow.invoke(event())

    assert isinstance(attempt.outcome, TimedOut)
    assert attempt.init_duration_ms >= 300
    assert attempt.duration_ms >= 1000
    phases = [re.findall(r"Phase: (\w+)\tStatus: (\w+)", line) for line in messages(attempt, sunk)]
    assert [phase for found in phases for phase in found] == [("init", "timeout"), ("invoke", "timeout")]


@pytest.mark.parity("object.memory", "memory.limit", "log.report.memory")
def test_more_memory_than_allowed(environment):
    """A handler that holds more than the function's memory is killed as Runtime.OutOfMemory."""
    greedy = environment(
        "import time\ndef handler(event, context):\n    held = b'x' * (250 << 20)\n    time.sleep(30)\n", timeout=20
    )

    attempt = greedy.invoke(event())

    message = "RequestId: RID Error: Runtime exited with error: signal: killed"
    response = b'{"errorType":"Runtime.OutOfMemory","errorMessage":"' + message.encode() + b'"}'
    assert attempt.outcome == Crashed(response, "Runtime.OutOfMemory", message)
    assert attempt.duration_ms < 10_000
    assert attempt.max_memory_mb > 128
    assert messages(attempt)[-1].endswith("Status: error\tError Type: Runtime.OutOfMemory")


@pytest.mark.parity("memory.children")
def test_children_count_for_the_memory(environment):
    """A child of the handler that grows is the function's memory as well."""
    app = """
    import subprocess, sys
    def handler(event, context):
        subprocess.run([sys.executable, "-c", "held = b'x' * (250 << 20); import time; time.sleep(30)"])
    """

    attempt = environment(app, timeout=20).invoke(event())

    assert attempt.outcome.error_type == "Runtime.OutOfMemory"


def test_absurd_allocation_fails_at_once(environment):
    """An allocation far beyond the limit is a MemoryError inside the handler."""
    attempt = environment("def handler(event, context): return len(bytearray(1 << 40))").invoke(event())

    assert attempt.outcome.error_type == "MemoryError"


def test_memory_that_is_too_much_at_the_end_costs_the_process_not_the_result(host, make, write_code):
    """A result that was given before anybody looked stands; the process that holds too much is not used again."""
    code = write_code("held = []\ndef handler(event, context): held.append(b'x' * (140 << 20))\n")
    greedy = make(code, replace(host, look_every=60.0))

    attempt = greedy.invoke(event())

    assert attempt.outcome == Succeeded(b"null")
    assert not greedy.is_warm


@pytest.mark.parity("limit.sync-response", "object.too-large")
def test_answer_that_is_too_large(environment):
    """One byte over AWS's check is refused with AWS's words; the process lives on."""
    talkative = environment("def handler(event, context): return 'x' * event")

    largest = talkative.invoke(event(6_291_556 - 2))
    larger = talkative.invoke(event(6_291_556 - 1))

    assert len(largest.outcome.response) == 6_291_556
    assert type(larger.outcome) is FunctionError
    assert larger.outcome.response == (
        b'{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).",'
        b'"errorType":"Function.ResponseSizeTooLarge"}'
    )
    assert talkative.is_warm
