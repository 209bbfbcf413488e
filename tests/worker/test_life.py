"""The life of an event on a real Redis, with a clock that is moved: 0 s, 60 s, 180 s, dead letter."""

import orjson
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.worker.conftest import System, failure, function
from worker.executor import Executor
from worker.function import EventInvokeConfig
from worker.identity import new_request_id
from worker.invocation import Invocation, LogEvent, Lost, Succeeded, Throttled
from worker.log_entry import attempt_json, lines_of
from worker.metric_store import MetricStore
from worker.queue import EventQueue
from worker.retry import Condition, Die, Succeed
from worker.scripts import LIBRARY, source
from worker.settler import GATHER
from worker.transport.calls import Calls
from worker.transport.keys import Namespace


def create_queue(system: System, name: str) -> str:
    """Make an SQS queue as the API would, and return its ARN."""
    attributes = {"DelaySeconds": "0", "MaximumMessageSize": "1048576", "MessageRetentionPeriod": "345600"}
    record = {"v": 1, "attributes": attributes, "tags": {}}
    system.redis.hset(system.keys.queues, name, orjson.dumps(record))
    return f"arn:aws:sqs:us-east-1:000000000000:{name}"


@pytest.mark.parity(
    "limit.retries.default",
    "limit.delay.function-error",
    "invoke.request-id.context",
    "async.life.exhausted",
    "dlq.body",
    "dlq.request-id",
    "dlq.error-code",
    "dlq.error-message",
)
def test_third_failure_is_the_last(system: System, queue_messages):
    """An event that keeps failing runs at 0 s, 60 s and 180 s, and is then a dead letter: the event itself."""
    system.define(function(dead_letter_arn=create_queue(system, "dlq")))
    system.environments.outcomes = [failure("no such sku")]
    request_id = system.enqueue(payload=b'{"sku": 7}')

    moments = system.drain()

    record, message = system.record(request_id), queue_messages("dlq")[0]
    assert moments == [0, 60, 180]
    assert [run.attempt for run in system.environments.runs] == [1, 2, 3]
    assert {run.request_id for run in system.environments.runs} == {request_id}
    assert (record["state"], record["condition"], record["attempts_made"]) == ("dead_lettered", "RetriesExhausted", "3")
    assert len(orjson.loads(f"[{record['attempts']}]")) == 3
    assert (message["body"], message["attributes"]) == (
        '{"sku": 7}',
        {
            "RequestID": {"DataType": "String", "StringValue": request_id},
            "ErrorCode": {"DataType": "Number", "StringValue": "200"},
            "ErrorMessage": {"DataType": "String", "StringValue": "no such sku"},
        },
    )
    assert system.ledger().total.document() == {
        "accepted": 1,
        "succeeded": 0,
        "dead_lettered": 1,
        "dropped": {},
        "in_hand": {"ready": 0, "waiting": 0, "running": 0},
        "retried": 2,
        "dead_letter_errors": 0,
        "destination_delivery_failures": 0,
        "balanced": True,
    }


@pytest.mark.parity("async.life.success")
def test_success_ends_an_event(system: System):
    """An event that succeeds runs once, and its record expires."""
    request_id = system.enqueue()

    moments = system.drain()

    assert moments == [0]
    assert system.record(request_id)["state"] == "succeeded"
    assert 0 < system.redis.ttl(system.keys.event(request_id)) <= 3_600
    assert system.ledger().total.succeeded == 1


@pytest.mark.parity("async.life.retry")
def test_event_recovers_on_its_second_attempt(system: System):
    """A failure that passes costs a retry and no more."""
    system.environments.outcomes = [failure(), Succeeded(b"1")]
    request_id = system.enqueue()

    moments = system.drain()

    assert moments == [0, 60]
    assert system.record(request_id)["state"] == "succeeded"
    assert system.ledger().total.retried == 1


@pytest.mark.parity("async.silent-drop")
def test_without_a_dead_letter_queue_an_event_is_dropped_with_a_reason(system: System):
    """Nobody takes it, so the ledger says why it is gone."""
    system.environments.outcomes = [failure()]
    system.enqueue()

    system.drain()

    assert system.ledger().total.dropped == {"RetriesExhausted": 1}


@pytest.mark.parity("dlq.failure")
def test_dead_letter_queue_that_is_gone_is_counted(system: System, caplog: pytest.LogCaptureFixture):
    """A dead letter that nobody took does not count as dead-lettered; the record and the log say so."""
    system.define(function(dead_letter_arn="arn:aws:sqs:us-east-1:000000000000:gone"))
    system.environments.outcomes = [failure()]
    request_id = system.enqueue()

    system.drain()

    assert system.ledger().total.dropped == {"RetriesExhausted": 1}
    assert system.ledger().functions["f"].dead_letter_errors == 1
    (told,) = orjson.loads(f"[{system.record(request_id)['deliveries']}]")
    assert (told["target"].rpartition(":")[2], told["kind"], told["outcome"]) == ("gone", "dead_letter", "failed")
    assert "DeliveryFailed" in caplog.text
    assert "the queue does not exist" in caplog.text


def test_failure_of_one_target_does_not_stop_the_other(system: System, queue_messages):
    """The destination is gone, the dead-letter queue is there: it has its message, and the event is dead-lettered."""
    config = EventInvokeConfig(maximum_retry_attempts=0, on_failure="arn:aws:sqs:us-east-1:000000000000:gone")
    system.define(function(event_invoke_config=config, dead_letter_arn=create_queue(system, "dlq")))
    system.environments.outcomes = [failure()]
    request_id = system.enqueue()

    system.drain()

    told = orjson.loads(f"[{system.record(request_id)['deliveries']}]")
    assert [(each["kind"], each["outcome"]) for each in told] == [
        ("destination", "failed"),
        ("dead_letter", "delivered"),
    ]
    assert system.record(request_id)["state"] == "dead_lettered"
    assert len(queue_messages("dlq")) == 1
    assert system.ledger().total.destination_delivery_failures == 1


def test_throttled_event_ends_at_its_age(system: System, queue_messages):
    """The only place stays taken: the next pause would be too long for its age, and it is given up, without a run."""
    config = EventInvokeConfig(maximum_event_age=60, on_failure=create_queue(system, "bad"))
    system.define(function(reserved_concurrency=1, event_invoke_config=config))
    system.enqueue()
    system.another_worker().claim()
    request_id = system.enqueue()

    system.drain()

    record = orjson.loads(queue_messages("bad")[0]["body"])
    ended = float(system.record(request_id)["ended_at"]) - float(system.record(request_id)["accepted_at"])
    assert 0 < ended <= 60_000
    assert (record["requestContext"]["condition"], record["requestContext"]["approximateInvokeCount"]) == (
        "EventAgeExceeded",
        0,
    )
    assert list(record) == ["version", "timestamp", "requestContext", "requestPayload"]
    assert system.environments.runs == []


@pytest.mark.parity("both.dead-letter-and-destination", "record.arn", "record.digits")
def test_destinations_get_records(system: System, queue_messages):
    """OnSuccess and OnFailure get AWS's record; the dead-letter queue is sent to as well."""
    config = EventInvokeConfig(
        maximum_retry_attempts=0, on_success=create_queue(system, "good"), on_failure=create_queue(system, "bad")
    )
    system.define(function(event_invoke_config=config, dead_letter_arn=create_queue(system, "dlq")))
    system.environments.outcomes = [Succeeded(b'{"total": 12345678901234567890}'), failure()]
    good, bad = system.enqueue(payload=b'{"a":[]}'), system.enqueue()

    system.drain()

    success = queue_messages("good")[0]["body"]
    record = orjson.loads(queue_messages("bad")[0]["body"])
    assert '"responsePayload":{"total": 12345678901234567890}' in success
    assert orjson.loads(success)["requestContext"] == {
        "requestId": good,
        "functionArn": "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST",
        "condition": "Success",
        "approximateInvokeCount": 1,
    }
    assert (record["requestContext"]["requestId"], record["requestContext"]["condition"]) == (bad, "RetriesExhausted")
    assert record["responseContext"] == {
        "statusCode": 200,
        "executedVersion": "$LATEST",
        "functionError": "Unhandled",
    }
    assert len(queue_messages("dlq")) == 1
    assert system.ledger().total.dead_lettered == 1


@pytest.mark.parity("age.looks-ahead", "age.90")
def test_age_is_looked_at_ahead(system: System, queue_messages):
    """With 90 s of age there is one retry; the next would come too late, and the event is given up at once."""
    config = EventInvokeConfig(maximum_event_age=90, on_failure=create_queue(system, "bad"))
    system.define(function(event_invoke_config=config))
    system.environments.outcomes = [failure()]
    system.enqueue()

    moments = system.drain()

    context = orjson.loads(queue_messages("bad")[0]["body"])["requestContext"]
    assert moments == [0, 60]
    assert (context["condition"], context["approximateInvokeCount"]) == ("EventAgeExceeded", 2)


@pytest.mark.parity("age.in-queue", "record.age-unrun")
def test_event_that_grew_too_old_in_the_queue_is_not_run(system: System, queue_messages):
    """Nothing ran, so the record says so: no response, count 0."""
    config = EventInvokeConfig(maximum_event_age=60, on_failure=create_queue(system, "bad"))
    system.define(function(event_invoke_config=config))
    system.enqueue()
    system.clock.advance(61)

    moments = system.drain()

    record = orjson.loads(queue_messages("bad")[0]["body"])
    assert moments == []
    assert record["requestContext"]["approximateInvokeCount"] == 0
    assert sorted(record) == ["requestContext", "requestPayload", "timestamp", "version"]


def test_event_that_grew_too_old_after_an_attempt_tells_of_that_attempt(system: System, queue_messages):
    """It failed once and then waited too long for a worker: the record has the error of the attempt that was made."""
    config = EventInvokeConfig(maximum_event_age=100, on_failure=create_queue(system, "bad"))
    system.define(function(event_invoke_config=config))
    system.environments.outcomes = [failure("the first time")]
    system.enqueue()
    system.work()
    system.clock.advance(101)

    system.work()

    record = orjson.loads(queue_messages("bad")[0]["body"])
    assert len(system.environments.runs) == 1
    assert record["requestContext"]["condition"] == "EventAgeExceeded"
    assert record["requestContext"]["approximateInvokeCount"] == 1
    assert record["responsePayload"]["errorMessage"] == "the first time"


@pytest.mark.parity("async.zero-concurrency.at-once")
def test_reserved_concurrency_of_zero_goes_straight_to_the_dead_letter_queue(system: System, queue_messages):
    """No run, no retry: ZeroReservedConcurrency."""
    system.define(function(reserved_concurrency=0, dead_letter_arn=create_queue(system, "dlq")))
    request_id = system.enqueue()

    moments = system.drain()

    assert moments == []
    assert system.record(request_id)["condition"] == "ZeroReservedConcurrency"
    assert queue_messages("dlq")[0]["attributes"]["ErrorCode"]["StringValue"] == "429"


@pytest.mark.parity("async.throttle.no-attempt")
def test_throttled_event_waits_and_uses_up_no_attempt(system: System):
    """While the only place is taken an event backs off 1 s, 2 s, 4 s; then it is run as attempt 1."""
    system.define(function(reserved_concurrency=1))
    system.enqueue()
    (holder,) = system.another_worker().claim()
    request_id = system.enqueue()
    waits = []
    for _ in range(3):
        system.work()
        waits.append(float(system.record(request_id)["due_at"]) - system.clock.now().timestamp() * 1000)
        system.clock.advance(waits[-1] / 1000 + 0.01)

    system.another_worker().settle(holder, Succeed())
    system.work()

    assert [round(wait / 1000) for wait in waits] == [1, 2, 4]
    assert [run.attempt for run in system.environments.runs] == [1]
    assert system.record(request_id)["state"] == "succeeded"


@pytest.mark.parity("async.reserved-concurrency")
def test_batch_does_not_exceed_the_reserved_concurrency(system: System):
    """Of five events that are claimed at once two may run; the others are throttled. All places are given back."""
    system.define(function(reserved_concurrency=2))
    for _ in range(5):
        system.enqueue()

    held = system.worker.claim()
    during = system.concurrency()
    for claimed in held:
        system.worker.attempt(claimed)

    assert [claimed.throttled for claimed in held] == [None, None, *[Throttled(2)] * 3]
    assert (during, system.concurrency()) == (2, 0)
    ledger = system.ledger()
    assert (ledger.total.succeeded, ledger.total.waiting) == (2, 3)


@pytest.mark.parity("async.function-deleted")
def test_function_deleted_meanwhile(system: System):
    """An event whose function is gone is dropped, and the ledger says why."""
    system.enqueue()
    system.redis.hdel(system.keys.functions, "f")

    system.drain()

    assert system.ledger().total.dropped == {"FunctionDeleted": 1}


@pytest.mark.parity("async.configuration-at-run-time")
def test_what_runs_is_the_configuration_in_force(system: System):
    """An event that was queued before a change runs with the new configuration."""
    system.enqueue()
    system.define(function(timeout=9))

    (claimed,) = system.worker.claim()

    assert claimed.function == function(timeout=9)


@pytest.mark.parity("async.system-error.no-attempt")
def test_our_own_failure_uses_up_no_attempt(system: System):
    """A process that could not be started is not the function's fault."""
    system.environments.outcomes = [Lost("no process"), Lost("no process"), Succeeded(b"1")]
    request_id = system.enqueue()

    moments = system.drain()

    assert moments == [0, 1, 3]
    assert system.record(request_id)["attempts_made"] == "1"


def test_event_that_is_in_a_batch_twice_is_there_once(system: System):
    """Both requests of a client that asks again may be taken in together."""
    invocation = Invocation(new_request_id(), "f", "arn:f", b"{}", system.clock.now())

    system.queue.enqueue_all([invocation, invocation])

    assert len(system.worker.claim()) == 1
    assert system.ledger().total.accepted == 1


def test_event_that_is_enqueued_twice_is_there_once(system: System):
    """A client whose connection broke before the answer asks again."""
    request_id = system.enqueue()
    again = system.worker.claim()[0].invocation
    system.queue.enqueue_all([again])

    assert system.worker.claim() == []
    assert again.request_id == request_id
    assert system.ledger().total.accepted == 1


def test_function_that_is_served_twice_by_one_claim_does_not_exceed_its_reserved_concurrency(system: System):
    """The claim counts what it has handed out itself: a lane may have more than one turn."""
    system.define(function(reserved_concurrency=1))
    for name in ("f", "f", "f", "f", "f", "f", "g"):
        system.enqueue(name)

    held = system.worker.claim(count=8)

    assert [claimed.invocation.function for claimed in held] == ["f", "f", "f", "f", "g", "f", "f"]
    assert [claimed.throttled is None for claimed in held] == [True, False, False, False, True, False, False]
    assert system.concurrency() == 1


@pytest.mark.parity("async.order")
def test_functions_are_claimed_in_turn(system: System):
    """A backlog of one function does not hold up another."""
    system.define(function("g"))
    for _ in range(10):
        system.enqueue("f")
    system.enqueue("g")

    held = system.worker.claim(count=4)

    assert [claimed.invocation.function for claimed in held] == ["f", "f", "g", "f"]


@pytest.mark.parity("async.duplicates")
def test_events_of_a_dead_worker_come_back(system: System):
    """A worker that dies holds its event no longer than its lease; its place is free again as well."""
    request_id = system.enqueue()
    another = system.another_worker()
    assert len(another.claim()) == 1
    assert system.ledger().total.running == 1

    another.die()
    places = system.concurrency()
    system.work()

    assert places == 0
    assert system.record(request_id)["state"] == "succeeded"
    assert system.record(request_id)["workers_lost"] == "1"
    assert system.ledger().total.succeeded == 1


@pytest.mark.parity("async.poison")
def test_event_that_kills_its_workers_is_given_up(system: System):
    """After five dead workers the event is taken for the cause, and is dropped with a reason of its own."""
    system.enqueue()
    for number in range(5):
        worker = system.another_worker(f"worker-{number}")
        assert len(worker.claim()) == 1
        worker.die()

    system.work()

    assert system.environments.runs == []
    assert system.ledger().total.dropped == {"WorkerLost": 1}


def test_lost_workers_are_counted_across_attempts(system: System):
    """An attempt in between that could not be made does not make an event harmless, nor its record forget."""
    system.environments.outcomes = [Lost("no process"), Succeeded(b"1")]
    request_id = system.enqueue()
    for number in range(3):
        worker = system.another_worker(f"worker-{number}")
        worker.claim()
        worker.die()
    system.work()
    system.clock.advance(2)
    worker = system.another_worker("the last")
    worker.claim()
    worker.die()

    (claimed,) = system.worker.claim()

    assert claimed.history.workers_lost == 4
    assert system.record(request_id)["workers_lost"] == "4"


def test_worker_that_was_given_up_can_change_nothing(system: System):
    """A worker that wakes up after its lease ended settles in vain: the event belongs to another now."""
    request_id = system.enqueue()
    another = system.another_worker()
    (claimed,) = another.claim()
    another.die()
    system.worker.claim()
    before = system.record(request_id)

    late = [another.settle(claimed, decision) for decision in (Succeed(), Die(Condition.RETRIES_EXHAUSTED))]

    assert late == [False, False]
    assert system.record(request_id) == before
    assert system.ledger().total.running == 1


def test_outcome_is_settled_once(system: System):
    """A second settlement of the same attempt finds nothing to settle."""
    system.enqueue()
    (claimed,) = system.worker.claim()

    answers = [system.worker.settle(claimed, Succeed()) for _ in range(2)]

    assert answers == [True, False]
    assert system.ledger().total.succeeded == 1


def test_result_waits_for_redis(system: System):
    """Redis is away when a handler has ended: the result is settled when it is back, and the event is not lost."""
    request_id = system.enqueue()
    system.worker.scripts.failures = [("before", RedisConnectionError("refused"))] * 2

    system.work()

    assert system.worker.timers.pauses[-2:] == [0.05, 0.1]
    assert system.record(request_id)["state"] == "succeeded"


def test_settlement_whose_answer_got_lost_happens_once(system: System):
    """The connection breaks after the script has run: the repetition changes nothing."""
    system.environments.outcomes = [failure()]
    system.define(function(dead_letter_arn=create_queue(system, "dlq")))
    system.enqueue()
    for _ in range(3):
        system.worker.scripts.failures = [("after", RedisConnectionError("reset"))]
        system.work()
        system.clock.advance(200)

    ledger = system.ledger().total
    assert (ledger.retried, ledger.dead_lettered, len(system.environments.runs)) == (2, 1, 3)
    assert system.redis.hlen(system.keys.queue_messages("dlq")) == 1


def test_outcomes_are_settled_together(system: System):
    """What ends within a moment goes into one call, also where the outcomes differ."""
    system.environments.outcomes = [Succeeded(b"1"), failure(), Lost("no process"), Succeeded(b"2")]
    for _ in range(4):
        system.enqueue()
    held = system.worker.claim()

    for claimed in held:
        system.worker.executor.attempt(claimed, lambda _: None)
    before = system.ledger().total.running
    system.worker.timers.fire()

    ledger = system.ledger().total
    assert before == 4
    assert system.worker.timers.pauses == [GATHER]
    assert (ledger.succeeded, ledger.waiting, ledger.running) == (2, 2, 0)
    assert system.worker.forgotten == [claimed.field for claimed in held]


def test_first_countdown_delays_the_first_attempt(system: System):
    """With countdowns of 5, 60, 120 the first attempt is made after 5 s."""
    system.queue = EventQueue(system.redis, system.keys, countdown=5)
    system.enqueue()

    assert system.drain() == [5]


def test_log_of_an_attempt_is_kept_with_its_settlement(system: System):
    """What the handler logged can be read under the function's log."""
    request_id = system.enqueue()

    system.drain()

    entries = system.redis.xrange(system.keys.log("f"))
    assert [list(lines_of(fields[b"attempts"])) for _, fields in entries] == [
        [("s", 1, f"START RequestId: {request_id}")]
    ]


def test_log_is_trimmed_by_attempts_however_many_are_in_an_entry(system: System):
    """About 10,000 attempts stay: those of the last ten marks, each of which stands for a thousand."""
    script = system.redis.register_script(source("write_log"))
    entry = attempt_json("s", "", [LogEvent(1, "a line")])
    for _ in range(11_500):
        script(keys=[system.keys.log("f")], args=[str(system.keys), "f", entry])

    assert 10_000 <= system.redis.xlen(system.keys.log("f")) <= 11_000
    assert system.redis.llen(system.keys.log_marks("f")) == 10


def test_log_is_trimmed_by_its_size(system: System):
    """A function that prints without end fills its own log, of some 40 MB, and not the server."""
    script = system.redis.register_script(source("write_log"))
    entry = attempt_json("s", "", [LogEvent(1, "x" * 65_000)])
    for _ in range(1_000):
        script(keys=[system.keys.log("f")], args=[str(system.keys), "f", entry])

    assert 35_000_000 <= system.redis.xlen(system.keys.log("f")) * len(entry) <= 50_000_000


def test_no_key_is_left_without_an_expiry(system: System, queue_messages):
    """After all has ended only permanent keys stay, those of the ledger, the functions and the log."""
    system.define(function(dead_letter_arn=create_queue(system, "dlq")))
    system.environments.outcomes = [failure(), Succeeded(b"1")]
    for _ in range(4):
        system.enqueue()

    system.drain()
    MetricStore(system.redis, system.keys).add_up_notes()

    lasting = {key.decode() for key in system.redis.scan_iter() if system.redis.ttl(key) == -1}
    keys = system.keys
    assert lasting == {
        keys.functions, keys.queues, keys.ledger, keys.concurrency, keys.account, keys.consumers, keys.clock,
        keys.log("f"), keys.log_counts, keys.wake(keys.invocations),
        keys.metrics_active, keys.metrics_open,
    }  # fmt: skip


def test_revoked_event_is_not_tried_again(system: System, queue_messages):
    """An operator gave it up while it ran: it is a dead letter with a reason of its own, and no attempt follows."""
    system.define(function(dead_letter_arn=create_queue(system, "dlq")))
    system.environments.outcomes = [failure()]
    request_id = system.enqueue()
    worker = system.worker
    worker.executor = Executor(
        system.environments, worker.settler.add, (0.0, 60.0, 120.0), system.clock, lambda name: name == request_id
    )

    moments = system.drain()

    assert moments == [0]
    assert (system.record(request_id)["state"], system.record(request_id)["condition"]) == ("dead_lettered", "Revoked")
    assert len(queue_messages("dlq")) == 1


def test_purge_takes_no_event(system: System):
    """`celery purge` removes what no lane has: what was accepted is kept, and the books say so."""
    calls = Calls(Namespace(f"{{{system.keys.namespace}}}"), LIBRARY)
    system.environments.outcomes = [failure(), Succeeded(b"1")]
    system.enqueue()
    system.work()
    system.enqueue()
    system.redis.lpush(system.keys.invocations, "a message of nobody's")

    removed = calls.clear(system.keys.invocations).run(system.redis)

    ledger = system.ledger().total
    assert (removed, ledger.waiting, ledger.ready) == (1, 1, 1)
