"""Node.js handlers in our client of the Runtime API."""

import re
import textwrap

import orjson
import pytest

from tests.runtime.conftest import event, messages, result
from worker.invocation import Crashed, FunctionError, Succeeded, TimedOut
from worker.runtime import interpreter
from worker.runtime.forking import CAN_FORK
from worker.runtime.interpreter import InterpreterMissing
from worker.runtime.runtimes import RUNTIMES, Family


def installed():
    """The runtimes of Node.js that this machine has an interpreter for."""
    for name, runtime in RUNTIMES.items():
        if runtime.family is Family.NODE:
            try:
                interpreter.find(name)
            except InterpreterMissing:
                continue
            yield name


NODES = list(installed())
HAS_CALLBACKS = bool(NODES) and RUNTIMES[NODES[0]].version < (24,)

pytestmark = pytest.mark.skipif(not NODES, reason="No Node.js of a version that Lambda has is on the PATH.")


@pytest.fixture
def can_fork():
    """The worker's way: how Python starts makes no difference to Node."""
    return CAN_FORK


@pytest.fixture
def node(folder, make):
    """Make an environment for files by name; the handler is `app.handler` unless something else is given."""
    made = []

    def make_node(files, handler="app.handler", **changes):
        root = folder / f"node-{len(made)}"
        made.append(root)
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))
        return make(root, **{"runtime": NODES[0], "handler": handler, "timeout": 60} | changes)

    return make_node


CJS = "exports.handler = async () => typeof require === 'function' ? 'common' : 'none';\n"
ESM = "export const handler = async () => import.meta.url.startsWith('file:') ? 'module' : 'none';\n"

PLACES = {
    "CommonJS by default": ({"app.js": CJS}, "app.handler", "common"),
    "an ECMAScript module by its ending": ({"app.mjs": ESM}, "app.handler", "module"),
    "one by its package": ({"package.json": '{"type": "module"}', "lib/app.js": ESM}, "lib/app.handler", "module"),
    "CommonJS in such a package": ({"package.json": '{"type": "module"}', "app.cjs": CJS}, "app.handler", "common"),
    "a nested export": ({"a/b/app.js": "exports.x = {y: async () => 'nested'};"}, "a/b/app.x.y", "nested"),
    "a default export": ({"app.mjs": "export default {handler: async () => 'default'};"}, "app.handler", "default"),
}


@pytest.mark.parity("runtime-api.node", "node.modules")
@pytest.mark.parametrize("place", PLACES)
def test_where_a_handler_may_be(node, place):
    """Every kind of module that Lambda loads, by file and export."""
    files, handler, expected = PLACES[place]

    attempt = node(files, handler).invoke(event())

    assert attempt.outcome == Succeeded(orjson.dumps(expected))


WORLD = """
let calls = 0;
export const handler = async (event, context) => {
  const { getRemainingTimeInMillis, ...rest } = context;
  const left = getRemainingTimeInMillis();
  return { calls: ++calls, event, context: rest, left, env: { ...process.env }, cwd: process.cwd() };
};
"""


@pytest.mark.parity("runtime-api.node", "node.context")
def test_what_a_handler_sees(node):
    """The event, a context with AWS's members, AWS's variables, and a module that stays loaded."""
    environment = node({"app.mjs": WORLD}, memory_size=256, environment={"TABLE": "orders"})

    first = environment.invoke(event({"ü": [1, None]}, trace_header="Root=1-2-3"))
    second = environment.invoke(event(request_id="RID2", client_context="eyJjdXN0b20iOiB7ImEiOiAiXHUwMGZjIn19"))

    seen, again = result(first), result(second)
    assert (seen["calls"], again["calls"]) == (1, 2)
    assert first.init_duration_ms > 0
    assert second.init_duration_ms is None
    assert seen["event"] == {"ü": [1, None]}
    assert 0 < seen["left"] <= 60_000
    assert seen["context"] == {
        "callbackWaitsForEmptyEventLoop": True, "functionVersion": "$LATEST", "functionName": "f",
        "memoryLimitInMB": "256", "logGroupName": "/aws/lambda/f", "logStreamName": first.log_stream,
        "invokedFunctionArn": "arn:aws:lambda:eu-west-1:000000000000:function:f", "awsRequestId": "RID",
    }  # fmt: skip
    assert again["context"]["clientContext"] == {"custom": {"a": "ü"}}
    assert seen["env"]["_X_AMZN_TRACE_ID"] == "Root=1-2-3"
    assert "_X_AMZN_TRACE_ID" not in again["env"]
    assert seen["env"]["AWS_EXECUTION_ENV"] == f"AWS_Lambda_{NODES[0]}"
    assert seen["env"]["TABLE"] == "orders"
    assert re.fullmatch(r"127\.\d+\.\d+\.\d+:\d+", seen["env"]["AWS_LAMBDA_RUNTIME_API"])
    assert seen["cwd"] == seen["env"]["LAMBDA_TASK_ROOT"]


ANSWERS = """
const later = (work) => setTimeout(work, 20);
const ways = {
  undefined: async () => {},
  promise: () => new Promise((resolve) => later(() => resolve("late"))),
  never: () => new Promise(() => {}),
  callback: (event, context, callback) => { later(() => callback(null, "called")); },
  twice: (event, context, callback) => { callback(null, 1); callback(null, 2); },
  waits: (event, context, callback) => { callback(null, ways); ways.seen = false; later(() => { ways.seen = true; }); },
  hurries: (event, context, callback) => {
    context.callbackWaitsForEmptyEventLoop = false;
    const timer = setInterval(() => {}, 1000);
    callback(null, "at once");
    later(() => clearInterval(timer));
  },
  silent: () => "not looked at",
  succeed: (event, context) => { context.succeed("done"); },
  failed: (event, context, callback) => { callback(new TypeError("refused")); },
};
exports.handler = (event, context, callback) => ways[event](event, context, callback);
"""

EXPECTED = {
    "undefined": None, "promise": "late", "never": None, "callback": "called", "twice": 2, "waits": {"seen": True},
    "hurries": "at once", "silent": None, "succeed": "done",
}  # fmt: skip


@pytest.mark.parity("node.answers")
@pytest.mark.skipif(not HAS_CALLBACKS, reason="Node.js 24 has no callbacks on Lambda.")
def test_ways_to_answer(node):
    """Promises and callbacks, early or late, called once or twice or never: in one process, one after the other."""
    environment = node({"app.js": ANSWERS})

    answers = {way: result(environment.invoke(event(way))) for way in EXPECTED}
    failed = environment.invoke(event("failed"))

    assert answers == EXPECTED
    assert (failed.outcome.error_type, failed.outcome.error_message) == ("TypeError", "refused")


FAILS = """
class SkuMissing extends Error { constructor(m) { super(m); this.name = "SkuMissing"; this.sku = 7; } }
let calls = 0;
const busy = () => new Promise((resolve) => setTimeout(resolve, 50000));
export const handler = async (event) => {
  calls += 1;
  switch (event) {
    case "error": throw new SkuMissing("no such\\nsku");
    case "text": throw "just text";
    case "circle": { const a = {}; a.a = a; return a; }
    case "rejection": Promise.reject(new Error("left alone")); await busy(); return;
    case "exception": setTimeout(() => { throw new RangeError("out"); }, 1); await busy(); return;
    case "exit": process.exit(7);
    case "hang": for (;;) {}
    case "levels":
      console.log("a %s", "b", { c: [1] });
      for (const level of ["debug", "info", "warn", "error"]) console[level]("two\\nlines");
      return calls;
    default: return calls;
  }
};
"""


@pytest.mark.parity("node.errors")
def test_errors_that_the_process_survives(node, sunk):
    """The object has AWS's three members; the log has the error with what its author added; the next call is warm."""
    environment = node({"app.mjs": FAILS})

    thrown, text, circle = (environment.invoke(event(case)) for case in ("error", "text", "circle"))
    after = environment.invoke(event())

    described = result(thrown)
    assert {key: described[key] for key in ("errorType", "errorMessage")} == {
        "errorType": "SkuMissing", "errorMessage": "no such\nsku",
    }  # fmt: skip
    assert described["trace"][:2] == ["SkuMissing: no such", "sku"]
    assert type(thrown.outcome) is FunctionError
    [line] = [one for one in messages(thrown, sunk) if "\tERROR\t" in one]
    assert re.match(r"\d{4}-\d\d-\d\dT[\d:.]{12}Z\tRID\tERROR\tInvoke Error \t\{", line)
    assert '"sku":7' in line
    assert result(text) == {"errorType": "string", "errorMessage": "just text", "trace": []}
    assert circle.outcome.error_type == "Runtime.MarshalError"
    assert result(after) == 4


@pytest.mark.parity("node.console")
def test_console_lines(node, sunk):
    """Each call is one event of the log, in Lambda's form, with its level; several lines stay together."""
    attempt = node({"app.mjs": FAILS}).invoke(event("levels"))

    lines = [line.split("\t") for line in messages(attempt, sunk) if "\tRID\t" in line]

    assert [line[1:] for line in lines] == [
        ["RID", "INFO", "a b { c: [ 1 ] }"], ["RID", "DEBUG", "two\nlines"], ["RID", "INFO", "two\nlines"],
        ["RID", "WARN", "two\nlines"], ["RID", "ERROR", "two\nlines"],
    ]  # fmt: skip


ENDS = {
    "rejection": (FunctionError, "Runtime.UnhandledPromiseRejection", "Error: left alone"),
    "exception": (FunctionError, "RangeError", "out"),
    "exit": (Crashed, "Runtime.ExitError", "RequestId: RID Error: Runtime exited with error: exit status 7"),
}


@pytest.mark.parity("node.unhandled")
def test_errors_that_end_the_process(node):
    """What nobody catches is the invocation's error; a process that exits is said to have; the next one is new."""
    environment = node({"app.mjs": FAILS})

    for case, (outcome, kind, message) in ENDS.items():
        attempt = environment.invoke(event(case))

        assert (type(attempt.outcome), attempt.outcome.error_type, attempt.outcome.error_message) == (
            outcome, kind, message,
        )  # fmt: skip
        assert result(environment.invoke(event())) == 1, f"a new process comes after {case}"


def test_timeout_ends_the_process(node):
    """An endless loop is killed at the function's timeout, with AWS's words."""
    attempt = node({"app.mjs": FAILS}, timeout=1).invoke(event("hang"))

    assert isinstance(attempt.outcome, TimedOut)
    assert attempt.outcome.error_message == "RequestId: RID Error: Task timed out after 1.00 seconds"


BROKEN = {
    "a module that is not there": ({"other.js": CJS}, "app.handler", "Runtime.ImportModuleError", "Cannot find module"),
    "one that it needs": ({"app.mjs": "import 'nothere';"}, "app.handler", "Runtime.ImportModuleError", "nothere"),
    "no such export": ({"app.js": CJS}, "app.other", "Runtime.HandlerNotFound", "app.other is undefined"),
    "bad syntax": ({"app.js": "let let;"}, "app.handler", "Runtime.UserCodeSyntaxError", "SyntaxError"),
    "no dot": ({"app.js": CJS}, "app", "Runtime.MalformedHandlerName", "Bad handler 'app'"),
    "a body that throws": ({"app.js": "throw new TypeError('at init')"}, "app.handler", "TypeError", "at init"),
}


@pytest.mark.parity("node.load")
@pytest.mark.parametrize("case", BROKEN)
def test_handlers_that_cannot_be_loaded(node, case, sunk):
    """AWS's error types; the log tells of two failed inits, as on AWS."""
    files, handler, kind, text = BROKEN[case]

    attempt = node(files, handler).invoke(event())

    assert attempt.outcome.error_type == kind
    assert text in attempt.outcome.error_message
    assert result(attempt)["errorType"] == kind
    assert [f"Error Type: {kind}" in line for line in messages(attempt, sunk) if line.startswith("INIT_REPORT")] == [
        True
    ] * 2


STREAMS = """
const { setTimeout: wait } = await import("node:timers/promises");
export const handler = awslambda.streamifyResponse(async (event, stream, context) => {
  if (event === "http") stream = awslambda.HttpResponseStream.from(stream, { statusCode: 201, headers: { a: "b" } });
  if (event === "early") throw new TypeError("early");
  stream.write("one ");
  await wait(20);
  stream.write("two");
  if (event === "late") { await wait(20); throw new TypeError("late"); }
  stream.end();
});
"""


@pytest.mark.parity("node.streaming")
def test_streamed_responses(node):
    """Parts come as they are written; who wants no stream gets them together; an error may come after some parts."""
    environment = node({"app.mjs": STREAMS})

    def stream(case):
        parts = []
        attempt = environment.invoke(event(case, wants_stream=True), parts.append)
        return parts, attempt.outcome

    assert environment.invoke(event("plain")).outcome == Succeeded(b"one two")
    assert stream("plain") == ([b"one ", b"two"], Succeeded(b""))
    assert b"".join(stream("http")[0]) == b'{"statusCode":201,"headers":{"a":"b"}}' + bytes(8) + b"one two"
    for case, sent in (("early", b""), ("late", b"one two")):
        parts, outcome = stream(case)
        assert (b"".join(parts), outcome.error_type, outcome.error_message) == (sent, "TypeError", case)
    assert environment.invoke(event("plain")).outcome == Succeeded(b"one two")
