"""What each kind of destination and dead-letter queue gets, byte for byte where AWS says so."""

import re
from typing import Any

import orjson
import pytest

from producers.seams import TargetMissing
from tests.internal.conftest import Running
from tests.worker.conftest import System, failure, function
from worker.claim import Claimed
from worker.event_message import DELIVERY_FUNCTION
from worker.function import EventInvokeConfig
from worker.invocation import Succeeded

BUS = "arn:aws:events:us-east-1:000000000000:event-bus/default"
FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST"

#: The record of an event {"sku": 7} that failed once, whose one attempt was all it had.
RECORD = re.compile(
    r'{"version":"1.0","timestamp":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",'
    r'"requestContext":{"requestId":"[0-9a-f-]{36}","functionArn":"' + re.escape(FUNCTION) + r'",'
    r'"condition":"RetriesExhausted","approximateInvokeCount":1},"requestPayload":{"sku": 7},'
    r'"responseContext":{"statusCode":200,"executedVersion":"\$LATEST","functionError":"Unhandled"},'
    r'"responsePayload":{"errorMessage":"boom","errorType":"ValueError","requestId":"","stackTrace":\[\]}}'
)  # fmt: skip


def fail(system: System, *, on_failure: str | None = None, dead_letter: str | None = None) -> str:
    """An event that fails once and is given up; its request id."""
    config = EventInvokeConfig(maximum_retry_attempts=0, on_failure=on_failure)
    system.define(function(event_invoke_config=config, dead_letter_arn=dead_letter))
    system.environments.outcomes = [failure()]
    request_id = system.enqueue(payload=b'{"sku": 7}')
    system.work()
    return request_id


def deliver(gateway: Running, system: System) -> None:
    """Make every delivery that is ready."""
    for claimed in system.worker.claim():
        assert claimed.invocation.function == DELIVERY_FUNCTION
        send(gateway, claimed)


def send(gateway: Running, claimed: Claimed) -> None:
    """What the task does that makes a delivery."""
    delivery = claimed.invocation
    gateway.services.send(delivery.invoked_arn, delivery.payload, claimed.details["attributes"], delivery.trace_header)


def queue(gateway: Running, name: str) -> str:
    """A queue; its ARN."""
    gateway.client("sqs").create_queue(QueueName=name)
    return f"arn:aws:sqs:us-east-1:000000000000:{name}"


def topic(gateway: Running, name: str, subscriber: str) -> str:
    """A topic to which a queue subscribes; its ARN."""
    arn = str(gateway.client("sns").create_topic(Name=name)["TopicArn"])
    gateway.client("sns").subscribe(TopicArn=arn, Protocol="sqs", Endpoint=subscriber)
    return arn


def received(gateway: Running, name: str) -> Any:
    """The one message of a queue."""
    sqs = gateway.client("sqs")
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    (message,) = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"]
    return message


def test_queue_gets_the_record(system: System, gateway: Running):
    """As its body, without attributes."""
    fail(system, on_failure=queue(gateway, "bad"))

    message = received(gateway, "bad")

    assert RECORD.fullmatch(message["Body"])
    assert "MessageAttributes" not in message


def test_topic_gets_the_record(system: System, gateway: Running):
    """As its message, without a subject."""
    fail(system, on_failure=topic(gateway, "bad", queue(gateway, "subscriber")))
    deliver(gateway, system)

    envelope = orjson.loads(received(gateway, "subscriber")["Body"])

    assert RECORD.fullmatch(envelope["Message"])
    assert {"Subject", "MessageAttributes"} & envelope.keys() == set()


def test_function_gets_the_record(system: System, gateway: Running):
    """As its event."""
    arn = gateway.create_function("target")
    fail(system, on_failure=arn)
    deliver(gateway, system)

    (event,) = system.worker.claim()

    assert event.invocation.function == "target"
    assert RECORD.fullmatch(event.invocation.payload.decode())


@pytest.mark.parametrize("result", ["Success", "Failure"])
def test_bus_gets_the_record_as_detail(system: System, gateway: Running, result: str):
    """Source `lambda`; the bus is the first of the resources, the qualified function the second."""
    arn = queue(gateway, "events")
    events = gateway.client("events")
    events.put_rule(Name="r", EventPattern='{"source": ["lambda"]}')
    events.put_targets(Rule="r", Targets=[{"Id": "1", "Arn": arn}])
    if result == "Failure":
        fail(system, on_failure=BUS)
    else:
        system.define(function(event_invoke_config=EventInvokeConfig(on_success=BUS)))
        system.enqueue()
        system.work()
    deliver(gateway, system)

    event = orjson.loads(received(gateway, "events")["Body"])

    assert (event["source"], event["detail-type"], event["resources"]) == (
        "lambda",
        f"Lambda Function Invocation Result - {result}",
        [BUS, FUNCTION],
    )
    assert event["detail"]["requestContext"]["condition"] == {"Failure": "RetriesExhausted"}.get(result, result)


def test_bucket_gets_the_record_as_an_object(system: System, gateway: Running):
    """Its key tells function and moment."""
    s3 = gateway.client("s3")
    s3.create_bucket(Bucket="records")
    fail(system, on_failure="arn:aws:s3:::records")
    deliver(gateway, system)

    (found,) = s3.list_objects_v2(Bucket="records")["Contents"]

    assert re.fullmatch(
        r"aws/lambda/async/f/(\d{4})/(\d\d)/(\d\d)/\1-\2-\3T\d\d\.\d\d\.\d\d-[0-9a-f-]{36}", found["Key"]
    )
    assert RECORD.fullmatch(s3.get_object(Bucket="records", Key=found["Key"])["Body"].read().decode())


def test_dead_letters_are_the_event_with_three_attributes(system: System, gateway: Running):
    """In a queue, and by a topic: what is told of the error is the same."""
    by_queue = fail(system, dead_letter=queue(gateway, "dead"))
    by_topic = fail(system, dead_letter=topic(gateway, "dead", queue(gateway, "subscriber")))
    deliver(gateway, system)

    message, envelope = received(gateway, "dead"), orjson.loads(received(gateway, "subscriber")["Body"])

    def told(request_id: str) -> dict[str, tuple[str, str]]:
        return {
            "RequestID": ("String", request_id),
            "ErrorCode": ("Number", "200"),
            "ErrorMessage": ("String", "boom"),
        }

    assert message["Body"] == envelope["Message"] == '{"sku": 7}'
    assert "Subject" not in envelope
    attributes = message["MessageAttributes"].items()
    assert {name: (each["DataType"], each["StringValue"]) for name, each in attributes} == told(by_queue)
    attributes = envelope["MessageAttributes"].items()
    assert {name: (each["Type"], each["Value"]) for name, each in attributes} == told(by_topic)


@pytest.mark.parametrize(
    ("service", "size"), [("sns", 262_144), ("lambda", 1_048_576), ("events", 1_048_576), ("sqs", 1_048_576)]
)
def test_record_that_is_too_long_for_its_target_is_not_delivered(
    system: System, gateway: Running, service: str, size: int
):
    """The result of the handler was allowed, the record around it is not: counted as a failure, and not tried again."""
    targets = {"events": BUS, "lambda": gateway.create_function("target"), "sqs": queue(gateway, "q")}
    targets["sns"] = topic(gateway, "t", targets["sqs"])
    system.define(function(event_invoke_config=EventInvokeConfig(on_success=targets[service])))
    system.environments.outcomes = [Succeeded(b'"%s"' % (b"x" * size))]
    request_id = system.enqueue()
    system.work()

    for claimed in system.worker.claim():
        with pytest.raises(TargetMissing, match=str(size)):
            send(gateway, claimed)

    _, record = gateway.get(f"events/{request_id}")
    (told,) = record["deliveries"]
    assert (told["target"], told["outcome"]) == (targets[service], "failed" if service == "sqs" else "pending")


def test_failure_goes_to_the_destination_and_the_dead_letter_queue(system: System, gateway: Running):
    """Both, whatever becomes of the other; and who looks the event up is told of both."""
    request_id = fail(system, on_failure="arn:aws:sns:us-east-1:000000000000:gone", dead_letter=queue(gateway, "dead"))

    with pytest.raises(TargetMissing):
        deliver(gateway, system)

    status, record = gateway.get(f"events/{request_id}")
    assert status == 200
    assert [(each["kind"], each["outcome"]) for each in record["deliveries"]] == [
        ("destination", "pending"),
        ("dead_letter", "delivered"),
    ]
    assert received(gateway, "dead")["Body"] == '{"sku": 7}'
