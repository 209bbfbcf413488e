"""Records and dead letters for targets outside our own SQS: deliveries of their own, durable like events."""

import re
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from tests.worker.conftest import System, failure, function
from worker import event_message
from worker.claim import Claimed
from worker.event_record import event_document
from worker.function import EventInvokeConfig
from worker.retry import Condition, Die, Retry, Succeed

TOPIC = "arn:aws:sns:us-east-1:000000000000:dead"


def failed_event(system: System) -> tuple[str, Claimed]:
    """An event whose failure goes to a topic: its request id, and the delivery as a worker claims it."""
    config = EventInvokeConfig(maximum_retry_attempts=0, on_failure=TOPIC)
    system.define(function(event_invoke_config=config))
    system.environments.outcomes = [failure()]
    request_id = system.enqueue()
    system.work()
    (delivery,) = system.worker.claim()
    return request_id, delivery


def test_delivery_is_made_in_the_step_that_ends_the_event(system: System):
    """The event counts as dead-lettered, and the delivery knows target, body and cause."""
    request_id, delivery = failed_event(system)

    details = delivery.details
    assert details["task"] == event_message.DELIVER
    assert (delivery.invocation.invoked_arn, details["cause"], details["cause_function"]) == (TOPIC, request_id, "f")
    assert orjson.loads(delivery.invocation.payload)["requestContext"]["requestId"] == request_id
    assert delivery.invocation.root == request_id
    assert system.ledger().total.dead_lettered == 1


@pytest.mark.parity("destination.not-now")
def test_delivery_that_cannot_be_made_now_is_made_later(system: System):
    """It waits like an event, uses up nothing, and forgets nothing."""
    _, delivery = failed_event(system)

    system.worker.settle(delivery, Retry(timedelta(seconds=1), uses_attempt=False))
    system.clock.advance(1.1)
    (again,) = system.worker.claim()

    assert again.history.backoffs == 1
    assert (again.invocation.payload, again.details["attributes"]) == (
        delivery.invocation.payload,
        delivery.details["attributes"],
    )
    assert system.worker.settle(again, Succeed())
    assert system.record(again.invocation.request_id)["state"] == "succeeded"


@pytest.mark.parity("destination.failure")
def test_failed_delivery_is_counted_under_the_function(system: System):
    """A target that does not exist is not tried again, and the failure can be seen."""
    _, delivery = failed_event(system)

    system.worker.settle(delivery, Die(Condition.TARGET_MISSING))

    assert system.redis.hget(system.keys.ledger, "f|destination_delivery_failures") == b"1"
    assert system.ledger().total.is_balanced


@pytest.mark.parametrize(("decision", "outcome"), [(Succeed(), "delivered"), (Die(Condition.TARGET_MISSING), "failed")])
def test_record_of_the_event_says_what_became_of_its_deliveries(system: System, decision: Succeed | Die, outcome: str):
    """Target, kind and outcome, for whoever looks the event up: on its way at first, then delivered or failed."""
    request_id, delivery = failed_event(system)

    def told() -> object:
        (document,) = event_document(request_id, system.redis.hgetall(system.keys.event(request_id)), "", 0)[
            "deliveries"
        ]
        return document

    before = told()
    system.worker.settle(delivery, Retry(timedelta(seconds=1), uses_attempt=False))
    system.clock.advance(1.1)
    (again,) = system.worker.claim()
    meanwhile = told()
    system.worker.settle(again, decision)

    expected = {"target": TOPIC, "kind": "destination", "id": delivery.invocation.request_id, "outcome": "pending"}
    assert before == meanwhile == expected
    assert told() == expected | {"outcome": outcome}


def test_fields_of_records_are_documented(system: System):
    """Whatever is written into the record of an event or a delivery stands in docs/redis-keys.md."""
    request_id, delivery = failed_event(system)
    waiting = system.enqueue()
    system.worker.claim()

    ids = (request_id, delivery.invocation.request_id, waiting)
    written = {name for key in ids for name in system.record(key)}

    page = (Path(__file__).parents[2] / "docs" / "redis-keys.md").read_text()
    assert {"payload", "attempts", "condition"} <= written
    assert written - set(re.findall(r"`(\w+)`", page)) == set()
