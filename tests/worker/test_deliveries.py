"""Records and dead letters for targets outside our own SQS: deliveries of their own, durable like events."""

import re
from datetime import timedelta
from pathlib import Path

import orjson

from tests.worker.conftest import System, failure, function
from worker import messages
from worker.clock import from_ms
from worker.function import EventInvokeConfig
from worker.ledger import Ledger
from worker.retry import Condition, Die, Retry, Succeed
from worker.settlement import settlement_of

TOPIC = "arn:aws:sns:us-east-1:000000000000:dead"


def failed_event(system: System) -> tuple[str, str]:
    """An event whose failure goes to a topic; its request id, and the id of the delivery."""
    config = EventInvokeConfig(maximum_retry_attempts=0, on_failure=TOPIC)
    system.define(function(event_invoke_config=config))
    system.environments.outcomes = [failure()]
    request_id = system.enqueue()
    system.work()
    (message,) = (orjson.loads(m) for m in system.redis.lrange(system.keys.invocations, 0, -1))
    assert message["headers"]["task"] == messages.DELIVER
    return request_id, system.messages()[0]


def test_delivery_is_made_in_the_step_that_ends_the_event(system: System):
    """The event counts as dead-lettered, and the delivery knows target, body and cause."""
    request_id, delivery_id = failed_event(system)

    claimed = system.worker.claim(delivery_id, "token")

    assert claimed is not None
    assert (claimed.invocation.invoked_arn, claimed.cause, claimed.cause_function) == (TOPIC, request_id, "f")
    assert orjson.loads(claimed.invocation.payload)["requestContext"]["requestId"] == request_id
    assert system.ledger().total.dead_lettered == 1


def test_delivery_that_cannot_be_made_now_is_made_later(system: System):
    """It waits like an event and uses up nothing."""
    _, delivery_id = failed_event(system)
    claimed = system.worker.claim(delivery_id, "token")
    assert claimed is not None

    retry = Retry(timedelta(seconds=1), uses_attempt=False)
    system.worker.settle(settlement_of(claimed, None, retry, from_ms(claimed.now_ms)))
    system.clock.advance(1.1)
    system.worker.sweep()

    again = system.worker.claim(delivery_id, "again")
    assert again is not None
    assert again.history.backoffs == 1
    assert system.worker.settle(settlement_of(again, None, Succeed(), from_ms(again.now_ms)))
    assert system.record(delivery_id)["state"] == "succeeded"


def test_failed_delivery_is_counted_under_the_function(system: System):
    """A target that does not exist is not tried again, and the failure can be seen."""
    _, delivery_id = failed_event(system)
    claimed = system.worker.claim(delivery_id, "token")
    assert claimed is not None

    die = Die(Condition.TARGET_MISSING)
    system.worker.settle(settlement_of(claimed, None, die, from_ms(claimed.now_ms)))

    assert system.redis.hget(system.keys.ledger, "f|destination_delivery_failures") == b"1"
    assert Ledger.of(system.redis.hgetall(system.keys.ledger)).total.is_balanced


def test_fields_of_records_are_documented(system: System):
    """Whatever is written into the record of an event or a delivery stands in docs/redis-keys.md."""
    request_id, delivery_id = failed_event(system)
    waiting = system.enqueue()
    system.worker.claim(waiting, "token")

    written = {name for key in (request_id, delivery_id, waiting) for name in system.record(key)}

    page = (Path(__file__).parents[2] / "docs" / "redis-keys.md").read_text()
    assert {"payload", "attempts", "worker", "cause", "condition"} <= written
    assert written - set(re.findall(r"`(\w+)`", page)) == set()
