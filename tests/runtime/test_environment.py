"""One environment: what a handler sees of the world, and what becomes of its process."""

import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import orjson
import pytest

from tests.runtime.conftest import ACCESS, ARN, event, is_gone, messages, result
from tests.waiting import wait_until
from worker.invocation import Crashed, Lost, Succeeded, TimedOut
from worker.runtime.child import CannotStart
from worker.runtime.interpreter import own_runtime

COUNTS = """
import os
calls = 0
def handler(event, context):
    global calls
    calls += 1
    return [calls, os.getpid()]
"""


@pytest.mark.parity("environment.warm")
def test_environment_stays_warm(environment):
    """Module and process are the same at the second invocation; only the first one reports an init."""
    counting = environment(COUNTS)

    first, second = counting.invoke(event()), counting.invoke(event())

    assert [result(first), result(second)] == [[1, counting.pid], [2, counting.pid]]
    assert first.init_duration_ms > 0
    assert second.init_duration_ms is None
    assert first.log_stream == second.log_stream
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", first.log_stream)


@pytest.mark.parity("object.timeout.process")
def test_timeout_replaces_the_process_and_keeps_the_folder(environment):
    """After a timeout globals are gone, the temporary folder and the log stream are still there."""
    app = """
    import os, pathlib, tempfile, time
    calls = 0
    def handler(event, context):
        global calls
        calls += 1
        seen = pathlib.Path(tempfile.gettempdir(), "seen")
        if event == "hang":
            seen.touch()
            while True: pass
        return [calls, seen.exists(), os.getpid()]
    """
    hanging = environment(app, timeout=1)
    before = hanging.invoke(event())
    pid = hanging.pid

    hung = hanging.invoke(event("hang"))
    after = hanging.invoke(event())

    assert result(before) == [1, False, pid]
    assert isinstance(hung.outcome, TimedOut)
    assert is_gone(pid)
    assert result(after) == [1, True, hanging.pid]
    assert hanging.pid != pid
    assert before.log_stream == hung.log_stream == after.log_stream


def test_process_that_died_while_idle_is_replaced(environment):
    """A warm process that is killed between two invocations costs a start, not the invocation."""
    counting = environment(COUNTS)
    counting.invoke(event())
    pid = counting.pid

    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: is_gone(pid), "the process has ended")

    assert result(counting.invoke(event()))[0] == 1


@pytest.mark.parity("environment.variables", "environment.endpoint")
def test_environment_variables_are_those_of_lambda(environment, monkeypatch):
    """Exactly AWS's names, the user's, and the way back to us; nothing of the worker's own environment."""
    monkeypatch.setenv("THRICE_PORT", "4566")
    monkeypatch.setenv("VIRTUAL_ENV", "/venv")
    app = "import os\ndef handler(event, context): return dict(os.environ)\n"
    mine = {"TABLE": "orders", "TZ": "Europe/Berlin", "AWS_REGION": "mars-1"}

    seen = result(environment(app, environment=mine).invoke(event(trace_header="Root=1-2-3")))

    assert set(seen) == {
        "_HANDLER", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_RUNTIME_API", "AWS_EXECUTION_ENV", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR", "PATH",
        "LD_LIBRARY_PATH", "PYTHONPATH", "LANG", "LC_CTYPE", "TZ", "PWD", "SHLVL", "AWS_XRAY_CONTEXT_MISSING",
        "AWS_XRAY_DAEMON_ADDRESS", "_AWS_XRAY_DAEMON_ADDRESS", "_AWS_XRAY_DAEMON_PORT", "_X_AMZN_TRACE_ID",
        "TMPDIR", "HOME", "AWS_ENDPOINT_URL", "TABLE",
    }  # fmt: skip
    chosen = ["TABLE", "TZ", "AWS_REGION", "AWS_ENDPOINT_URL", "AWS_EXECUTION_ENV", "_X_AMZN_TRACE_ID"]
    assert [seen[name] for name in chosen] == [
        "orders", "Europe/Berlin", "eu-west-1", ACCESS.endpoint_url, f"AWS_Lambda_{own_runtime()}", "Root=1-2-3",
    ]  # fmt: skip
    assert not any(sys.prefix in value for name, value in seen.items() if name != "LAMBDA_TASK_ROOT")


@pytest.mark.parity("invoke.trace.passed-on", "environment.trace")
def test_trace_header_belongs_to_one_invocation(environment):
    """The variable has the header of this invocation, and is absent when there is none."""
    tracing = environment("import os\ndef handler(event, context): return os.environ.get('_X_AMZN_TRACE_ID')\n")

    seen = [result(tracing.invoke(event(trace_header=header))) for header in ("Root=1", "Root=2", None, None)]

    assert seen == ["Root=1", "Root=2", None, None]


@pytest.mark.parity("handler.code-root")
def test_nothing_of_ours_can_be_imported(environment):
    """Our packages and what we need are not on the path; the code root is first, and the working directory."""
    app = """
    import importlib.util, os, sys
    names = ["worker", "config", "producers", "console", "celery", "redis", "pydantic", "pip", "pool", "shelf"]
    def handler(event, context):
        found = [name for name in names if importlib.util.find_spec(name)]
        return [found, sys.path[0] == os.getcwd() == os.environ["LAMBDA_TASK_ROOT"], sys.argv[1:], callable(exit)]
    """

    assert result(environment(app).invoke(event())) == [[], True, [], True]


def test_bundle_may_have_packages_named_like_ours(make, write_code):
    """`config` and `worker` of the deployment package are the function's own."""
    root = write_code(
        "import config, worker\ndef handler(event, context): return [config.A, worker.B]",
        config="A = 1",
        worker="B = 2",
    )
    attempt = make(root).invoke(event())

    assert attempt.outcome == Succeeded(b"[1, 2]")


@pytest.mark.parity("handler.boto3")
@pytest.mark.parametrize("changes", [{}, {"PYTHONPATH": "/nowhere"}])
def test_boto3_is_there_and_leads_to_us(environment, changes):
    """As on Lambda, boto3 need not be in the bundle; its clients talk to this system, with the given key."""
    app = """
    import boto3
    client = boto3.client("sqs")
    def handler(event, context):
        return [client.meta.endpoint_url, client.meta.region_name, boto3.Session().get_credentials().access_key]
    """

    seen = result(environment(app, environment=changes, timeout=30, memory_size=256).invoke(event()))

    assert seen == [ACCESS.endpoint_url, "eu-west-1", ACCESS.access_key_id]


@pytest.mark.parity("handler.boto3.own")
def test_bundled_module_wins_over_the_one_that_comes_with_the_runtime(make, write_code):
    """The code root comes before boto3's folder on the path."""
    root = write_code("import six\ndef handler(event, context): return six.MINE", six="MINE = True")
    attempt = make(root).invoke(event())

    assert attempt.outcome == Succeeded(b"true")


@pytest.mark.parity("handler.path")
def test_handler_in_a_package(make, write_code):
    """`pkg/mod.handler` and `pkg.mod.handler` are the same."""
    root = write_code("")
    (root / "pkg").mkdir()
    (root / "pkg" / "mod.py").write_text("def handler(event, context): return __name__")

    answers = [make(root, handler=name).invoke(event()).outcome for name in ("pkg/mod.handler", "pkg.mod.handler")]

    assert answers == [Succeeded(b'"pkg.mod"')] * 2


@pytest.mark.parity(
    "invoke.request-id.context",
    "context.ids",
    "context.memory",
    "context.log",
    "context.identity",
    "context.tenant",
    "context.remaining",
    "context.async-client",
)
def test_context(environment):
    """Every attribute of AWS's context, with AWS's types."""
    app = """
    def handler(event, context):
        left = context.get_remaining_time_in_millis()
        return {
            "ids": [context.aws_request_id, context.function_name, context.function_version],
            "arn": context.invoked_function_arn, "memory": context.memory_limit_in_mb,
            "log": [context.log_group_name, context.log_stream_name],
            "identity": [context.identity.cognito_identity_id, context.identity.cognito_identity_pool_id],
            "none": [context.client_context, context.tenant_id],
            "left": [type(left).__name__, 0 < left <= 7000],
        }
    """

    attempt = environment(app, timeout=7).invoke(event(invoked_arn=f"{ARN}:$LATEST"))

    assert result(attempt) == {
        "ids": ["RID", "f", "$LATEST"],
        "arn": f"{ARN}:$LATEST",
        "memory": "128",
        "log": ["/aws/lambda/f", attempt.log_stream],
        "identity": [None, None],
        "none": [None, None],
        "left": ["int", True],
    }


@pytest.mark.parity("context.client")
def test_client_context_of_a_synchronous_call(environment):
    """Custom, env and client, as the caller sent them."""
    app = """
    def handler(event, context):
        sent = context.client_context
        return [sent.custom, sent.env, sent.client.app_title, sent.client.installation_id]
    """
    encoded = "eyJjdXN0b20iOnsiYSI6MX0sImVudiI6eyJsIjoiZGUifSwiY2xpZW50Ijp7ImFwcF90aXRsZSI6InQifX0="

    attempt = environment(app).invoke(event(client_context=encoded))

    assert result(attempt) == [{"a": 1}, {"l": "de"}, "t", None]


RESULTS = {
    "nothing": ("None", b"null"),
    "decimal": ("__import__('decimal').Decimal('1.10')", b"1.10"),
    "keys become strings": ("{1: 2, None: 3}", b'{"1": 2, "null": 3}'),
    "bytes that are JSON": ("b' [1]'", b" [1]"),
    "lone surrogate": ("'\\ud800'", rb'"\ud800"'),
}


@pytest.mark.parity("invoke.sync.null", "object.decimal")
@pytest.mark.parametrize("case", RESULTS)
def test_result_as_json(environment, case):
    """The bytes that the caller gets."""
    expression, expected = RESULTS[case]

    attempt = environment(f"def handler(event, context): return {expression}\n").invoke(event())

    assert attempt.outcome == Succeeded(expected)


def test_six_megabytes_both_ways(environment):
    """The largest payload goes in and comes back, with output on the way, and nothing waits for the other."""
    app = "def handler(event, context):\n    print('y' * 300_000)\n    return event\n"
    payload = b'"' + b"x" * (6_291_456 - 2) + b'"'

    attempt = environment(app, timeout=20).invoke(event(payload))

    assert attempt.outcome == Succeeded(payload)


@pytest.mark.parity("log.records")
def test_print_and_logging(environment):
    """Printed lines as they are; records with level, time and request id; a record of several lines is one event."""
    app = """
    import logging, sys
    logging.warning("at import")
    def handler(event, context):
        print("out")
        print("err", file=sys.stderr)
        logging.getLogger("mine").info("not shown: the level is WARNING")
        logging.getLogger("mine").error("two\\nlines")
        context.log("no end")
    """

    attempt = environment(app).invoke(event())

    shown = [re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "TIME", line) for line in messages(attempt)]
    assert shown[1:-1] == [
        "[WARNING]\tTIME\t\tat import",
        "START RequestId: RID Version: $LATEST",
        "out",
        "err",
        "[ERROR]\tTIME\tRID\ttwo\nlines",
        "no end",
        "END RequestId: RID",
    ]


@pytest.mark.parity("log.start", "log.report", "log.report.init")
def test_report_has_the_format_of_aws(environment):
    """Tabs between the fields, one at the end; an init duration only on the cold start."""
    counting = environment(COUNTS)
    number = r"\d+\.\d\d"
    fields = rf"REPORT RequestId: RID\tDuration: {number} ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\t"

    cold, warm = messages(counting.invoke(event()))[-1], messages(counting.invoke(event()))[-1]

    assert re.fullmatch(rf"{fields}Max Memory Used: [1-9]\d* MB\tInit Duration: {number} ms\t", cold)
    assert re.fullmatch(rf"{fields}Max Memory Used: [1-9]\d* MB\t", warm)


def test_log_of_a_long_invocation_does_not_wait_for_its_end(environment, sunk, folder):
    """After a second, the lines so far are handed to the sink while the handler still runs."""
    app = """
    import pathlib, time
    def handler(event, context):
        print("early")
        while not pathlib.Path(event).exists(): time.sleep(0.01)
        print("late")
    """
    mark = folder / "mark"
    long = environment(app, timeout=20)
    handed_on = sunk.append

    def note(batch):
        handed_on(batch)
        mark.touch()

    long._log._sink = lambda function, stream, events: note((function, stream, events))
    attempt = long.invoke(event(str(mark)))

    assert attempt.outcome == Succeeded(b"null")
    [(function, stream, early)] = sunk
    assert (function, stream) == ("f", attempt.log_stream)
    assert early[-1].message == "early"
    assert messages(attempt)[0] == "late"


def test_handler_cannot_write_into_the_protocol(environment):
    """Printing anything, to any stream, or closing them, does not touch the answer."""
    app = """
    import os, sys
    def handler(event, context):
        os.write(1, b"S\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02{}")
        sys.stdout = None
        sys.__stdout__.close()
        os.close(2)
        return "answer"
    """
    odd = environment(app)

    assert odd.invoke(event()).outcome == Succeeded(b'"answer"')


def test_fork_that_returns_from_the_handler_answers_nothing(environment):
    """A handler that forks and lets the child come back gives one answer, the parent's."""
    app = """
    import os
    def handler(event, context):
        child = os.fork()
        if child:
            os.waitpid(child, 0)
        return "child" if not child else "parent"
    """
    forking = environment(app)

    attempts = [forking.invoke(event()) for _ in range(2)]

    assert [attempt.outcome for attempt in attempts] == [Succeeded(b'"parent"')] * 2
    assert not any("Traceback" in line for attempt in attempts for line in messages(attempt))


def test_children_do_not_inherit_the_descriptors(environment):
    """A child of the handler has nothing open but the three standard streams."""
    app = """
    import subprocess
    def handler(event, context):
        listing = subprocess.run(["ls", "/proc/self/fd"], capture_output=True, text=True, close_fds=False).stdout
        return [int(name) for name in listing.split()][:3], len(listing.split())
    """

    assert result(environment(app).invoke(event())) == [[0, 1, 2], 4]  # the fourth is the folder that ls reads


def test_temporary_folder_is_its_own_and_goes(host, environment):
    """Only the owner may enter it; it is the home as well; it is removed at the end."""
    app = """
    import os, pathlib, tempfile
    def handler(event, context):
        folder = tempfile.gettempdir()
        pathlib.Path(folder, "file").touch()
        return [folder, str(pathlib.Path.home()), oct(os.stat(folder).st_mode)[-3:]]
    """
    own = environment(app)
    folder, home, mode = result(own.invoke(event()))

    own.close()

    assert (home, mode, Path(folder).parent) == (folder, "700", host.temporary)
    assert not Path(folder).exists()


@pytest.mark.parity("environment.fork-frozen")
@pytest.mark.parametrize("ending", ["close", "timeout"])
def test_background_process_ends_with_the_environment(environment, ending):
    """What a handler starts and leaves behind lives as long as its process."""
    app = """
    import subprocess, time
    def handler(event, context):
        if event == "hang": time.sleep(60)
        return subprocess.Popen(["sleep", "600"]).pid
    """
    leaving = environment(app, timeout=1)
    background = result(leaving.invoke(event()))
    assert not is_gone(background)

    if ending == "close":
        leaving.close()
    else:
        leaving.invoke(event("hang"))

    wait_until(lambda: is_gone(background), "the background process has ended")


def test_last_words_between_invocations_are_kept(environment, driver, sunk):
    """What a thread of the handler prints after the answer is in the log when the environment ends."""
    app = """
    import os, threading
    def late(): print("late", flush=True)
    def handler(event, context): threading.Timer(0.05, late).start(); return os.getpid()
    """
    late = environment(app)
    late.invoke(event())

    driver.until(lambda: late._log._events, "the thread has printed")
    late.close()

    assert [line.message for _, _, events in sunk for line in events] == ["late"]


HANGS = "import pathlib, time\ndef handler(event, context):\n    pathlib.Path(event).touch()\n    time.sleep(60)\n"


def test_aborted_invocation_is_lost(environment, driver, folder):
    """When the worker ends, the function is not blamed for the kill."""
    long = environment(HANGS, timeout=30)
    mark = folder / "mark"
    attempts = []

    long.environment.invoke(event(str(mark)), attempts.append)
    driver.until(mark.exists, "the handler runs")
    long.abort()
    driver.until(lambda: attempts, "the attempt is answered")

    assert [type(attempt.outcome) for attempt in attempts] == [Lost]


def test_killed_invocation_is_a_crash(environment, driver, folder):
    """A kill on request is as one from outside; the next invocation gets a new process."""
    long = environment(HANGS, timeout=30)
    mark = folder / "mark"
    attempts = []

    long.environment.invoke(event(str(mark)), attempts.append)
    driver.until(mark.exists, "the handler runs")
    long.kill()
    driver.until(lambda: attempts, "the attempt is answered")

    assert [type(attempt.outcome) for attempt in attempts] == [Crashed]
    assert attempts[0].outcome.error_message.endswith("Runtime exited with error: signal: killed")
    assert long.invoke(event(None)).outcome.error_type == "TypeError"


def test_kill_before_the_process_has_started(environment, driver):
    """A kill that comes while the process is being started reaches it all the same."""
    early = environment("import time; time.sleep(60)", timeout=60)
    attempts = []

    early.environment.invoke(event(), attempts.append)
    early.kill()
    driver.until(lambda: attempts, "the attempt is answered")

    assert [type(attempt.outcome) for attempt in attempts] == [Crashed]


def test_process_that_cannot_be_started(make, folder):
    """Without a code folder there is no process; the error is ours."""
    with pytest.raises(CannotStart):
        make(folder / "missing").invoke(event())


STUCK = {
    "python": "while True: pass",
    "c": "import re; re.match(r'(a+)+$', 'a' * 60 + 'b')",
    "idle": "return None",
}


@pytest.mark.parametrize("case", STUCK)
def test_nothing_outlives_a_worker_that_is_killed(folder, write_code, can_fork, case):
    """After SIGKILL of the worker, handler and background process end, also in endless loops that hold the lock."""
    app = f"""
    import os, pathlib, subprocess
    def handler(event, context):
        child = subprocess.Popen(["sleep", "600"]).pid
        mark = pathlib.Path({str(folder)!r}, "pids")
        mark.with_suffix(".new").write_text(f"{{os.getpid()}} {{child}}")
        mark.with_suffix(".new").rename(mark)
        {STUCK[case]}
    """
    root = write_code(app)
    worker = textwrap.dedent(f"""
    from pathlib import Path
    from tests.runtime.conftest import configure, event, make_host
    from tests.runtime.driver import Driven, Driver
    from worker.runtime.environment import ExecutionEnvironment
    folder = Path({str(folder)!r})
    driver = Driver()
    host = make_host(folder, folder, driver, {can_fork}, print)
    environment = ExecutionEnvironment(configure(timeout=900), Path({str(root)!r}), host)
    Driven(environment, driver).invoke(event())
    input()
    """)
    with subprocess.Popen(
        [sys.executable, "-c", worker], stdin=subprocess.PIPE, cwd=Path(__file__).parents[2]
    ) as process:
        mark = folder / "pids"
        wait_until(mark.exists, "the handler runs")
        pids = [int(pid) for pid in mark.read_text().split()]
        assert not any(map(is_gone, pids))

        process.kill()

    wait_until(lambda: all(map(is_gone, pids)), f"{pids} have ended")


@pytest.mark.parity("invoke.payload.bytes")
def test_payload_is_not_encoded_again(environment):
    """The handler's JSON reaches the caller byte by byte."""
    attempt = environment("def handler(event, context): return {'b': 1, 'a': [1.0, 2]}").invoke(event())

    assert attempt.outcome.response == b'{"b": 1, "a": [1.0, 2]}'
    assert orjson.loads(attempt.outcome.response) == {"b": 1, "a": [1.0, 2]}


@pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="only Linux has this policy")
def test_handler_does_not_interrupt_who_wakes_it(environment):
    """It is woken thousands of times a second by the worker's loop, which has more to do than this one event."""
    patient = environment("import os\ndef handler(event, context): return os.sched_getscheduler(0)")

    assert result(patient.invoke(event())) == os.SCHED_BATCH
