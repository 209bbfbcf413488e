"""Who caused what: in a trace header, and in the records of events."""

from urllib.parse import quote

import orjson
import pytest

from tests.worker.conftest import System, failure, function
from tests.worker.test_life import create_queue
from worker.function import EventInvokeConfig
from worker.identity import new_request_id
from worker.invocation import Succeeded
from worker.lineage import MOST_FUNCTIONS, Runs, inherited, root_of, runs_of, with_root, with_stop

ROOT = "6a7e8feb-b491-4cf7-a9f1-bf3703467718"
OTHER = "11111111-2222-4333-8444-555555555555"
TRACE = "Root=1-67891233-abcdef012345678912345678;Parent=463ac35c9f6413ad;Sampled=0"
QUEUE = "arn:aws:sqs:us-east-1:000000000000:dead"
AWS_LINEAGE = "Lineage=a87bd80c:1|68fd508a:5"


@pytest.mark.parametrize(
    ("header", "root"),
    [
        (None, None),
        ("", None),
        (TRACE, None),
        (f"{TRACE};Lineage={ROOT}", ROOT),
        (f"Lineage={ROOT};{TRACE}", ROOT),
        (f"Root=1;  Lineage={ROOT} ", ROOT),
        (f"{TRACE};{AWS_LINEAGE}", None),
        (f"{TRACE};Lineage={ROOT}x", None),
        (f"{TRACE};Lineage={ROOT}.0123abcd:16:stopped.0123abce:2", ROOT),
        (f"{TRACE};Lineage={ROOT}.0123abcd:16:else", None),
        (f"{TRACE};NoLineage={ROOT}", None),
        ("Lineage=*", None),
    ],
)
def test_root_is_read_from_a_header(header: str | None, root: str | None):
    """Wherever its segment stands; and what is no request id of ours is not taken for one."""
    assert root_of(header) == root


@pytest.mark.parity("trace.kept", "trace.made")
@pytest.mark.parametrize(
    ("header", "root", "written"),
    [
        (TRACE, ROOT, f"{TRACE};Lineage={ROOT}"),
        (TRACE, "", f"{TRACE};Lineage={OTHER}"),
        (f"{TRACE};Lineage={ROOT}", ROOT, f"{TRACE};Lineage={ROOT}"),
        (f"{TRACE};{AWS_LINEAGE}", ROOT, f"{TRACE};Lineage={ROOT}"),
        (
            None,
            ROOT,
            f"Root=1-6a7e8feb-b4914cf7a9f1bf3703467718;Parent=1111111122224333;Sampled=0;Lineage={ROOT}",
        ),
        (
            "Root=nonsense",
            "",
            f"Root=1-11111111-222243338444555555555555;Parent=1111111122224333;Sampled=0;Lineage={OTHER}",
        ),
    ],
)
def test_root_is_written_into_a_header(header: str | None, root: str, written: str):
    """What a caller sent stays; where there is no trace, one of AWS's form begins, named after the root."""
    assert with_root(header, OTHER, root) == written


@pytest.mark.parametrize(
    ("own", "callers", "result"),
    [
        (None, None, None),
        (None, TRACE, TRACE),
        (TRACE, None, TRACE),
        ("Root=own", f"{TRACE};Lineage={ROOT}", f"Root=own;Lineage={ROOT}"),
        (f"Root=own;Lineage={OTHER}", f"{TRACE};Lineage={ROOT}", f"Root=own;Lineage={OTHER}"),
    ],
)
def test_own_trace_gets_the_lineage_of_the_call(own: str | None, callers: str | None, result: str | None):
    """A trace that a message brings is not replaced, but whoever caused it is not forgotten."""
    assert inherited(own, callers) == result


def test_functions_of_a_chain_are_counted():
    """Each by itself: whoever gets the header knows how often a function has run in the chain that led to him."""
    header: str | None = TRACE
    for function_name in ("f", "g", "f", "h", "f"):
        header = with_root(header, OTHER, ROOT, function_name)
    counted = [runs_of(header, name).times for name in ("f", "g", "h", "never")]
    stopped = with_stop(str(header), "f")

    assert counted == [3, 1, 1, 0]
    assert runs_of(stopped, "f") == Runs(3, was_stopped=True)
    assert runs_of(with_root(stopped, OTHER, ROOT, "f"), "f") == Runs(4, was_stopped=True)
    assert runs_of(with_root(stopped, OTHER, ROOT), "f") == Runs(3, was_stopped=True)
    assert inherited("Root=own", stopped) == f"Root=own;{stopped.rpartition(';')[2]}"
    assert root_of(stopped) == ROOT


def test_header_of_a_long_chain_is_not_long():
    """Clients send it on as it is, and EventBridge takes 500 characters; the functions that ran last are in it."""
    header: str | None = None
    for number in range(200):
        header = with_root(header, OTHER, ROOT, f"function-{number}")
    for _ in range(15):
        header = with_root(header, OTHER, ROOT, "function-199")

    assert header is not None
    assert len(header) < 500
    assert quote(header, safe="-=;:+&[]{}\"',") == header
    assert runs_of(header, "function-199").times == 16
    assert runs_of(header, f"function-{200 - MOST_FUNCTIONS}").times == 1


def looping(system: System, runs: int) -> str:
    """The trace header of an event to which so many runs of `f` have led."""
    header = None
    for _ in range(runs):
        header = with_root(header, OTHER, ROOT, "f")
    return str(header)


@pytest.mark.parity("limit.recursion", "recursion.detected", "async.recursion-dropped")
def test_seventeenth_run_in_a_chain_is_stopped(system: System, queue_messages):
    """Sixteen run. The next is given up unrun, with a condition of its own; OnFailure and the queue hear of it."""
    config = EventInvokeConfig(on_failure=create_queue(system, "bad"))
    system.define(function(event_invoke_config=config, dead_letter_arn=create_queue(system, "dlq")))

    runs, header = 0, None
    while runs == len(system.environments.runs) and runs < 20:
        request_id = system.enqueue(trace_header=header)
        system.drain()
        header, runs = system.environments.runs[-1].trace_header, runs + 1

    record = system.record(request_id)
    assert len(system.environments.runs) == 16
    assert (record["state"], record["condition"], record["attempts_made"]) == ("dead_lettered", "RecursiveLoop", "0")
    told = orjson.loads(queue_messages("bad")[0]["body"])
    assert told["requestContext"]["condition"] == "RecursiveLoop"
    assert {"responseContext", "responsePayload"} & told.keys() == set()
    assert queue_messages("dlq")[0]["attributes"]["ErrorCode"]["StringValue"] == "400"


def test_loop_through_what_is_told_of_its_end_is_stopped_as_well(system: System, queue_messages):
    """A function that is its own failure destination hears of the loop once; nothing is told of that event's end."""
    system.define(function(dead_letter_arn=create_queue(system, "dlq")))
    system.enqueue(trace_header=looping(system, 16))
    system.drain()
    (first,) = queue_messages("dlq")

    again = system.enqueue(trace_header=first["trace"])
    system.drain()

    assert system.record(again)["state"] == "dropped"
    assert system.ledger().total.dropped == {"RecursiveLoop": 1}
    assert len(queue_messages("dlq")) == 1


def test_many_events_of_one_root_and_many_attempts_are_no_loop(system: System):
    """What counts is how often a function has run in the chain that led to an event, not how often for one root."""
    system.environments.outcomes = [failure(), failure(), Succeeded(b"1")]
    header = looping(system, 15)
    fan_out = [system.enqueue(trace_header=header, root=ROOT) for _ in range(20)]

    system.drain()

    assert {system.record(request_id)["state"] for request_id in fan_out} == {"succeeded"}
    assert {runs_of(run.trace_header, "f").times for run in system.environments.runs} == {16}


@pytest.mark.parity("recursion-config.default")
def test_function_that_allows_loops_runs_on(system: System):
    """RecursiveLoop Allow."""
    system.define(function(recursive_loop="Allow"))
    request_id = system.enqueue(trace_header=looping(system, 100))

    system.drain()

    assert system.record(request_id)["state"] == "succeeded"
    assert runs_of(system.environments.runs[-1].trace_header, "f").times == 101


def counts(system: System, root: str) -> tuple[str | None, ...]:
    """Open, caused and failed of a root."""
    record = system.record(root)
    return tuple(record.get(name) for name in ("open", "caused", "failed"))


def test_event_that_causes_nothing_is_alone_in_its_lineage(system: System):
    """It is open until it has ended, and its record then expires after an hour."""
    request_id = system.enqueue()
    before = counts(system, request_id), system.redis.pttl(system.keys.event(request_id))

    system.drain()

    assert before == (("1", None, None), -1)
    assert counts(system, request_id) == ("0", None, None)
    assert 3_500_000 < system.redis.pttl(system.keys.event(request_id)) <= 3_600_000


def test_root_is_open_as_long_as_anything_that_it_caused(system: System):
    """Children and grandchildren count for the root, whose record expires only after the last of them."""
    root = system.enqueue()
    (first,) = system.worker.claim()
    child = system.enqueue(root=root)
    system.worker.attempt(first)
    after_root = counts(system, root), system.redis.pttl(system.keys.event(root))
    (second,) = system.worker.claim()
    grandchild = system.enqueue(root=second.invocation.root)
    system.worker.attempt(second)
    after_child = counts(system, root), system.redis.smembers(system.keys.event_open(root))
    system.drain()

    assert after_root == (("1", "1", None), -1)
    assert after_child == (("1", "2", None), {grandchild.encode()})
    assert counts(system, root) == ("0", "2", None)
    assert system.record(child)["root"] == system.record(grandchild)["root"] == root
    assert not system.redis.exists(system.keys.event_open(root))
    assert 3_500_000 < system.redis.pttl(system.keys.event(root)) <= 3_600_000
    assert 3_500_000 < system.redis.pttl(system.keys.event(grandchild)) <= 3_600_000


def test_end_of_a_lineage_is_published_once(system: System):
    """To the channel of ends, when the last event has ended, and not before."""
    subscription = system.redis.pubsub(ignore_subscribe_messages=True)
    subscription.subscribe(system.keys.ended)
    subscription.get_message(timeout=10)
    root = system.enqueue()
    (first,) = system.worker.claim()
    system.enqueue(root=root)
    system.worker.attempt(first)
    while_open = subscription.get_message()

    system.drain()

    message = subscription.get_message(timeout=10)
    assert while_open is None
    assert message is not None
    assert message["data"] == root.encode()
    assert subscription.get_message() is None
    subscription.close()


def test_what_ended_badly_is_counted_at_the_root(system: System):
    """With the ids of the events, and the root of a dead letter is kept as long as the dead letter."""
    system.redis.hset(system.keys.queues, "dead", '{"attributes":{"MaximumMessageSize":"262144","DelaySeconds":"0"}}')
    system.define(function("bad", dead_letter_arn=QUEUE))
    root = system.enqueue()
    (first,) = system.worker.claim()
    bad = system.enqueue("bad", root=root)
    system.worker.attempt(first)
    system.environments.outcomes = [failure()]

    system.drain()

    assert counts(system, root) == ("0", "1", "1")
    assert system.record(root)["failures"] == bad
    assert system.record(bad)["state"] == "dead_lettered"
    assert system.redis.pttl(system.keys.event(root)) > 1_000_000_000


def test_record_is_not_kept_for_less_than_its_own_end_asks(system: System):
    """A dead-lettered root is kept that long also if a child ends later, or begins after all had ended."""
    system.redis.hset(system.keys.queues, "dead", '{"attributes":{"MaximumMessageSize":"262144","DelaySeconds":"0"}}')
    once = EventInvokeConfig(maximum_retry_attempts=0)
    system.define(function("bad", dead_letter_arn=QUEUE, event_invoke_config=once))
    system.environments.outcomes = [failure(), Succeeded(b"null")]
    root = system.enqueue("bad")
    (first,) = system.worker.claim()
    system.enqueue(root=root)
    system.worker.attempt(first)
    system.drain()
    after_first = system.redis.pttl(system.keys.event(root))
    system.enqueue(root=root)
    while_open = system.redis.pttl(system.keys.event(root))
    system.drain()

    assert after_first > 1_000_000_000
    assert while_open == -1
    assert system.redis.pttl(system.keys.event(root)) > 1_000_000_000


def test_root_without_a_record_gets_one_of_numbers_alone(system: System):
    """What a synchronous invocation caused can be waited for, too; the numbers go some time after the last end."""
    call = new_request_id()
    first, second = system.enqueue(root=call), system.enqueue(root=call)
    before = counts(system, call)

    system.drain()

    assert before == ("2", "2", None)
    assert system.record(call) == {"open": "0", "caused": "2"}
    assert system.record(first)["root"] == system.record(second)["root"] == call
    assert 3_500_000 < system.redis.pttl(system.keys.event(call)) <= 3_600_000


def test_retried_event_is_born_once(system: System):
    """Another attempt, and an enqueue that is asked for twice, count nothing."""
    system.environments.outcomes = [failure(), Succeeded(b"null")]
    request_id = system.enqueue()
    system.work()
    waiting = counts(system, request_id)

    system.drain()

    assert waiting == ("1", None, None)
    assert counts(system, request_id) == ("0", None, None)


def test_delivery_belongs_to_its_event(system: System):
    """A record on its way to a topic keeps the lineage open, and its handler's header has the root."""
    topic = "arn:aws:sns:us-east-1:000000000000:t"
    system.define(function(event_invoke_config=EventInvokeConfig(on_success=topic)))
    request_id = system.enqueue()
    system.work()
    after_event = counts(system, request_id)
    (delivery,) = system.worker.claim()

    assert after_event == ("1", "1", None)
    assert delivery.invocation.root == request_id
    assert root_of(delivery.invocation.trace_header) == request_id
