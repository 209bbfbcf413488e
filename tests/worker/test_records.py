"""What is told when an event has ended, member by member: records and dead letters on a real Redis."""

import re

import orjson
import pytest

from tests.worker.conftest import System, function
from tests.worker.test_life import create_queue
from worker.function import EventInvokeConfig
from worker.invocation import FunctionError, Succeeded


def with_destinations(system: System, **numbers: int) -> None:
    """The function sends its records to the queues `good` and `bad`, and dead letters to `dlq`."""
    config = EventInvokeConfig(
        on_success=create_queue(system, "good"), on_failure=create_queue(system, "bad"), **numbers
    )
    system.define(function(event_invoke_config=config, dead_letter_arn=create_queue(system, "dlq")))


def error(message: str) -> FunctionError:
    """An error of a handler."""
    response = orjson.dumps({"errorMessage": message, "errorType": "E", "requestId": "r", "stackTrace": []})
    return FunctionError(response, "E", message)


@pytest.mark.parity("record.envelope", "record.timestamp", "record.embedded", "record.order", "record.response-context")
def test_record_has_awss_members_in_their_order(system: System, queue_messages):
    """Version, time, context, payload, response; payloads are embedded, and the time has milliseconds and a Z."""
    with_destinations(system, maximum_retry_attempts=0)
    system.environments.outcomes = [Succeeded(b'{"total":1}'), error("no")]
    system.enqueue(payload=b'{"sku":7}')
    system.enqueue(payload=b'{"sku":8}')

    system.drain()

    success, failed = (orjson.loads(queue_messages(name)[0]["body"]) for name in ("good", "bad"))
    members = ["version", "timestamp", "requestContext", "requestPayload", "responseContext", "responsePayload"]
    assert list(success) == list(failed) == members
    assert success["version"] == "1.0"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", success["timestamp"])
    assert list(success["requestContext"]) == ["requestId", "functionArn", "condition", "approximateInvokeCount"]
    assert (success["requestPayload"], success["responsePayload"]) == ({"sku": 7}, {"total": 1})
    assert success["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST"}
    assert failed["responseContext"] == success["responseContext"] | {"functionError": "Unhandled"}
    assert failed["responsePayload"]["errorMessage"] == "no"


@pytest.mark.parity("record.null-result", "record.no-payload", "record.no-attributes")
def test_record_of_an_event_without_payload_and_a_result_of_nothing(system: System, queue_messages):
    """An empty object and null; the message has no attributes."""
    with_destinations(system)
    system.environments.outcomes = [Succeeded(b"null")]
    system.enqueue(payload=b"{}")

    system.drain()

    (message,) = queue_messages("good")
    record = orjson.loads(message["body"])
    assert (record["requestPayload"], record["responsePayload"]) == ({}, None)
    assert "attributes" not in message


@pytest.mark.parity("record.zero-concurrency", "async.zero-concurrency.condition")
def test_record_of_an_event_that_may_never_run(system: System, queue_messages):
    """ZeroReservedConcurrency, count 0, and neither of the two response keys."""
    config = EventInvokeConfig(on_failure=create_queue(system, "bad"))
    system.define(function(event_invoke_config=config, reserved_concurrency=0))
    system.enqueue()

    moments = system.drain()

    record = orjson.loads(queue_messages("bad")[0]["body"])
    context = record["requestContext"]
    assert moments == []
    assert (context["condition"], context["approximateInvokeCount"]) == ("ZeroReservedConcurrency", 0)
    assert list(record) == ["version", "timestamp", "requestContext", "requestPayload"]


@pytest.mark.parity("record.exhausted", "record.success-count")
@pytest.mark.parametrize(("retries", "count"), [(0, 1), (1, 2), (2, 3)])
def test_count_is_that_of_the_attempts(system: System, queue_messages, retries: int, count: int):
    """1 to 3 where retries are exhausted; a success that follows failures counts them."""
    with_destinations(system, maximum_retry_attempts=retries)
    system.environments.outcomes = [error("no")]
    system.enqueue()
    system.drain()
    system.environments.outcomes = [*[error("no")] * retries, Succeeded(b"1")]
    system.enqueue()
    system.drain()

    contexts = [orjson.loads(queue_messages(name)[0]["body"])["requestContext"] for name in ("bad", "good")]
    assert [(each["condition"], each["approximateInvokeCount"]) for each in contexts] == [
        ("RetriesExhausted", count),
        ("Success", count),
    ]


@pytest.mark.parity("age.60", "record.age-exceeded")
def test_age_of_a_minute_leaves_one_attempt(system: System, queue_messages):
    """EventAgeExceeded at once: the next attempt would come too late. The record has the attempt's error."""
    with_destinations(system, maximum_event_age=60)
    system.environments.outcomes = [error("no")]
    system.enqueue()

    moments = system.drain()

    record = orjson.loads(queue_messages("bad")[0]["body"])
    context = record["requestContext"]
    assert moments == [0]
    assert (context["condition"], context["approximateInvokeCount"]) == ("EventAgeExceeded", 1)
    assert record["responseContext"]["functionError"] == "Unhandled"
    assert record["responsePayload"]["errorMessage"] == "no"


@pytest.mark.parity("dlq.error-message.1kb", "dlq.error-message.characters", "dlq.error-message.empty")
@pytest.mark.parametrize(
    ("message", "sent"),
    [
        ("x" * 1_025, "x" * 1_024),
        ("ü" * 513, "ü" * 512),
        ("€" * 342, "€" * 341),
        ("a\x00b\x1bc", "a\ufffdb\ufffdc"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("", "(no error message)"),
    ],
    ids=["too long", "cut between characters", "odd cut", "control characters", "allowed", "empty"],
)
def test_error_message_is_what_sqs_takes(system: System, queue_messages, message: str, sent: str):
    """The first 1 KB, no torn character, nothing that SQS refuses, never empty."""
    with_destinations(system, maximum_retry_attempts=0)
    system.environments.outcomes = [error(message)]
    system.enqueue()

    system.drain()

    assert queue_messages("dlq")[0]["attributes"]["ErrorMessage"] == {"DataType": "String", "StringValue": sent}


@pytest.mark.parity("dlq.without-error")
def test_dead_letter_of_an_event_that_never_ran_has_the_code_of_a_throttle(system: System, queue_messages):
    """429 and the words of a throttled call."""
    system.define(function(reserved_concurrency=0, dead_letter_arn=create_queue(system, "dlq")))
    system.enqueue()

    system.drain()

    attributes = queue_messages("dlq")[0]["attributes"]
    assert attributes["ErrorCode"] == {"DataType": "Number", "StringValue": "429"}
    assert attributes["ErrorMessage"] == {"DataType": "String", "StringValue": "Rate Exceeded."}


@pytest.mark.parity("both.independent")
def test_delivery_that_nobody_takes_keeps_no_other_back(system: System, queue_messages):
    """The queue of the record is gone; the dead letter is there, and the failure is counted."""
    config = EventInvokeConfig(maximum_retry_attempts=0, on_failure="arn:aws:sqs:us-east-1:000000000000:gone")
    system.define(function(event_invoke_config=config, dead_letter_arn=create_queue(system, "dlq")))
    system.environments.outcomes = [error("no")]
    system.enqueue()

    system.drain()

    assert len(queue_messages("dlq")) == 1
    assert system.redis.hget(system.keys.ledger, "f|destination_delivery_failures") == b"1"
