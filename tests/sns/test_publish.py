"""Publishing: who gets what, together or not at all, and what becomes of what cannot be delivered."""

import logging
from typing import Any

import orjson
import pytest
from redis import Redis

from config import limits
from producers.seams import TargetMissing
from tests.sns.conftest import FUNCTION, QUEUE, TOPIC, Caller
from tests.sns.test_topics import refusal

TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"
TEXT = {"DataType": "String", "StringValue": "order"}
BINARY = {"DataType": "Binary", "BinaryValue": b"\x00\xff"}


@pytest.mark.parity("sns.raw")
def test_a_message_goes_to_every_subscriber(caller: Caller):
    """Each in its own form, all under the id that was answered."""
    arn, function, queue, raw = caller.topic(), caller.function(), caller.queue(), caller.queue("raw")
    to_function = caller.subscribed(arn, function)
    caller.subscribed(arn, queue)
    caller.subscribed(arn, raw, RawMessageDelivery="true")

    answer = caller.publish(
        TopicArn=arn,
        Message="hello",
        Subject="news",
        MessageAttributes={"kind": TEXT, "blob": BINARY},
        headers={"x-amzn-trace-id": TRACE},
    )

    ((source, trace, event),) = caller.neighbours.events(function)
    (record,) = event["Records"]
    (enveloped,) = caller.received(queue)
    (plain,) = caller.received(raw)
    body = orjson.loads(enveloped["Body"])
    shown = {"kind": {"Type": "String", "Value": "order"}, "blob": {"Type": "Binary", "Value": "AP8="}}
    assert (source, trace, record["EventSubscriptionArn"]) == ("aws:sns", TRACE, to_function)
    for content in (record["Sns"], body):
        assert content["MessageId"] == answer["MessageId"]
        assert (content["Message"], content["Subject"], content["MessageAttributes"]) == ("hello", "news", shown)
    assert "MessageAttributes" not in enveloped
    assert enveloped["Attributes"]["AWSTraceHeader"] == TRACE
    assert (plain["Body"], plain["MessageAttributes"]) == ("hello", {"kind": TEXT, "blob": BINARY})


@pytest.mark.parity("sns.filter.attributes", "sns.filter.body")
def test_only_what_passes_the_filter_arrives(caller: Caller):
    """By attributes, and by the body; changing the filter changes what comes next."""
    arn, by_attribute, by_body = caller.topic(), caller.queue("a"), caller.queue("b")
    subscription = caller.subscribed(arn, by_attribute, FilterPolicy='{"kind":["order"]}', RawMessageDelivery="true")
    caller.subscribed(
        arn,
        by_body,
        FilterPolicy='{"n":[{"numeric":[">",1]}]}',
        FilterPolicyScope="MessageBody",
        RawMessageDelivery="true",
    )

    caller.publish(TopicArn=arn, Message='{"n":1}', MessageAttributes={"kind": TEXT})
    caller.publish(TopicArn=arn, Message='{"n":2}')
    filtered = caller.bodies(by_attribute), caller.bodies(by_body)
    caller.set_subscription_attributes(SubscriptionArn=subscription, AttributeName="FilterPolicy", AttributeValue="")
    caller.publish(TopicArn=arn, Message='{"n":0}')

    assert filtered == ([{"n": 1}], [{"n": 2}])
    assert (caller.bodies(by_attribute), caller.bodies(by_body)) == ([{"n": 0}], [])


@pytest.mark.parity("sns.structure")
def test_each_protocol_may_have_its_own_text(caller: Caller):
    """MessageStructure=json: by protocol, else the default one."""
    arn, function, queue = caller.topic(), caller.function(), caller.queue()
    caller.subscribed(arn, function)
    caller.subscribed(arn, queue)

    caller.publish(TopicArn=arn, Message='{"default":"d","lambda":"l","email":"e"}', MessageStructure="json")

    ((_, _, event),) = caller.neighbours.events(function)
    assert event["Records"][0]["Sns"]["Message"] == "l"
    assert [body["Message"] for body in caller.bodies(queue)] == ["d"]


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"Message": ""}, "Empty message"),
        ({"Message": "x" * (limits.MAX_SNS_MESSAGE + 1)}, "Message too long"),
        ({"Message": "x" * limits.MAX_SNS_MESSAGE, "MessageAttributes": {"kind": TEXT}}, "Message too long"),
        ({"Message": "m", "Subject": ""}, "Subject"),
        ({"Message": "m", "Subject": "x" * 101}, "Subject"),
        ({"Message": "m", "Subject": "two\nlines"}, "Subject"),
        ({"Message": "m", "MessageStructure": "xml"}, "MessageStructure"),
        ({"Message": "m", "MessageStructure": "json"}, "Message Structure - JSON message body failed to parse"),
        ({"Message": "[]", "MessageStructure": "json"}, "Message Structure - JSON message body failed to parse"),
        (
            {"Message": '{"lambda":"l"}', "MessageStructure": "json"},
            "Message Structure - No default entry in JSON message body",
        ),
        (
            {"Message": '{"default":1}', "MessageStructure": "json"},
            "Message Structure - No default entry in JSON message body",
        ),
    ],
)
def test_what_cannot_be_published_is_refused(caller: Caller, parameters: dict[str, Any], words: str):
    """In AWS's words."""
    assert refusal(caller.publish, TopicArn=caller.topic(), **parameters) == (
        "InvalidParameter",
        f"Invalid parameter: {words}",
    )


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("AWS.a", TEXT, "The message attribute name 'AWS.a' is invalid."),
        ("a", {"StringValue": "v"}, "The message attribute 'a' must contain non-empty message attribute type."),
        ("a", {"DataType": "Text", "StringValue": "v"}, "the set of supported type prefixes is Binary, Number, and"),
        ("a", {"DataType": "String"}, "must contain non-empty message attribute value"),
        ("a", {"DataType": "Number", "StringValue": "x"}, "Could not cast message attribute 'a' value to number."),
    ],
)
def test_an_attribute_that_is_not_allowed_is_refused(caller: Caller, name: str, value: dict[str, str], words: str):
    """With words that name it."""
    code, message = refusal(caller.publish, TopicArn=caller.topic(), Message="m", MessageAttributes={name: value})
    assert code == "ParameterValueInvalid"
    assert words in message


@pytest.mark.parity("limit.sns-message")
def test_the_largest_message_passes(caller: Caller):
    """And arrives whole."""
    arn, queue = caller.topic(), caller.queue()
    caller.subscribed(arn, queue, RawMessageDelivery="true")

    caller.publish(TargetArn=arn, Message="x" * limits.MAX_SNS_MESSAGE)

    assert [len(message["Body"]) for message in caller.received(queue)] == [limits.MAX_SNS_MESSAGE]


def test_a_subscriber_that_vanished_does_not_stop_the_others(caller: Caller, caplog: pytest.LogCaptureFixture):
    """It is logged, with what to do."""
    arn, queue = caller.topic(), caller.queue()
    caller.subscribed(arn, FUNCTION + "gone")
    caller.subscribed(arn, queue)

    with caplog.at_level(logging.WARNING, "thrice.sns"):
        answer = caller.publish(TopicArn=arn, Message="m")

    assert [body["Message"] for body in caller.bodies(queue)] == ["m"]
    (line,) = caplog.messages
    assert line.startswith(f"Message {answer['MessageId']} was not delivered to {FUNCTION}gone: {FUNCTION}gone. It is")
    assert "RedrivePolicy" in line


@pytest.mark.parity("sns.retries")
def test_what_cannot_be_delivered_goes_to_the_subscriptions_dead_letter_queue(
    caller: Caller, caplog: pytest.LogCaptureFixture
):
    """As the envelope that a queue gets, also of a function's message; raw where that was asked for."""
    arn, dead = caller.topic(), caller.queue("dead")
    small = caller.queue("small", MaximumMessageSize="1024")
    redrive = orjson.dumps({"deadLetterTargetArn": dead}).decode()
    caller.subscribed(arn, FUNCTION + "gone", RedrivePolicy=redrive)
    caller.subscribed(arn, small, RedrivePolicy=redrive, RawMessageDelivery="true")
    text = "x" * 1_025

    caller.publish(TopicArn=arn, Message=text, MessageAttributes={"kind": TEXT})

    assert caller.received(small) == []
    letters = caller.received(dead)
    (raw,) = [letter for letter in letters if letter["Body"] == text]
    (enveloped,) = [orjson.loads(letter["Body"]) for letter in letters if letter["Body"] != text]
    assert raw["MessageAttributes"] == {"kind": TEXT}
    assert (enveloped["Type"], enveloped["Message"]) == ("Notification", text)
    assert any("takes messages of 1024 bytes" in line and dead in line for line in caplog.messages)


def test_a_dead_letter_queue_that_vanished_too_is_logged(caller: Caller, caplog: pytest.LogCaptureFixture):
    """Both problems are named."""
    arn = caller.topic()
    redrive = orjson.dumps({"deadLetterTargetArn": QUEUE + "lost"}).decode()
    caller.subscribed(arn, FUNCTION + "gone", RedrivePolicy=redrive)

    caller.publish(TopicArn=arn, Message="m")

    (line,) = caplog.messages
    assert f"{FUNCTION}gone" in line
    assert f"{QUEUE}lost" in line


def test_a_raw_message_may_have_ten_attributes(caller: Caller, caplog: pytest.LogCaptureFixture):
    """More is more than a message in a queue can have: it is not delivered, as on AWS."""
    arn, queue = caller.topic(), caller.queue()
    caller.subscribed(arn, queue, RawMessageDelivery="true")

    for count in (10, 11):
        caller.publish(TopicArn=arn, Message=str(count), MessageAttributes={f"a{n}": TEXT for n in range(count)})

    assert [message["Body"] for message in caller.received(queue)] == ["10"]
    assert "takes messages of 10 attributes at the most" in caplog.text


def test_a_batch_is_published_in_parts(caller: Caller):
    """What is refused is told by its id; the rest arrives in order."""
    arn, queue = caller.topic(), caller.queue()
    caller.subscribed(arn, queue)
    entries: list[dict[str, Any]] = [
        {"Id": "one", "Message": "1"},
        {"Id": "empty", "Message": ""},
        {"Id": "group", "Message": "m", "MessageGroupId": "g"},
        {"Id": "two", "Message": "2", "Subject": "s", "MessageAttributes": {"kind": TEXT}},
    ]

    answer = caller.publish_batch(TopicArn=arn, PublishBatchRequestEntries=entries)

    bodies = {body["MessageId"]: body["Message"] for body in caller.bodies(queue)}
    assert {entry["Id"]: bodies[entry["MessageId"]] for entry in answer["Successful"]} == {"one": "1", "two": "2"}
    assert [(entry["Id"], entry["Code"], entry["SenderFault"]) for entry in answer["Failed"]] == [
        ("empty", "InvalidParameter", True),
        ("group", "InvalidParameter", True),
    ]


@pytest.mark.parametrize(
    ("entries", "code"),
    [
        ([], "EmptyBatchRequest"),
        ([{"Id": str(n), "Message": "m"} for n in range(11)], "TooManyEntriesInBatchRequest"),
        ([{"Id": "a", "Message": "m"}] * 2, "BatchEntryIdsNotDistinct"),
        ([{"Id": "a b", "Message": "m"}], "InvalidBatchEntryId"),
        ([{"Id": str(n), "Message": "x" * 131_073} for n in range(2)], "BatchRequestTooLong"),
    ],
)
def test_a_batch_that_breaks_a_rule_is_refused_as_a_whole(caller: Caller, entries: list[dict[str, str]], code: str):
    """And publishes nothing."""
    arn, queue = caller.topic(), caller.queue()
    caller.subscribed(arn, queue)

    assert refusal(caller.publish_batch, TopicArn=arn, PublishBatchRequestEntries=entries)[0] == code
    assert caller.received(queue) == []


def test_a_delivery_from_inside_is_published(caller: Caller, redis: Redis):
    """Nothing happens before the pipe is executed; a dead letter's attributes come along."""
    arn, queue, function = caller.topic(), caller.queue(), caller.function()
    caller.subscribed(arn, queue)
    caller.subscribed(arn, function)
    attributes = {
        "RequestID": {"DataType": "String", "StringValue": "RID"},
        "ErrorCode": {"DataType": "Number", "StringValue": "200"},
    }

    with redis.pipeline(transaction=True) as pipe:
        caller.sns.deliver(pipe, arn, b'{"n":1}', source="lambda", trace_header=TRACE, attributes=attributes)
        before = caller.received(queue), caller.neighbours.events(function)
        pipe.execute()

    (body,) = caller.bodies(queue)
    ((_, trace, event),) = caller.neighbours.events(function)
    shown = {"RequestID": {"Type": "String", "Value": "RID"}, "ErrorCode": {"Type": "Number", "Value": "200"}}
    assert before == ([], [])
    assert trace == TRACE
    assert (body["Message"], body["MessageAttributes"], "Subject" in body) == ('{"n":1}', shown, False)
    assert event["Records"][0]["Sns"]["MessageAttributes"] == shown


@pytest.mark.parametrize(
    ("arn", "payload"),
    [
        (TOPIC + "gone", b"{}"),
        ("arn:aws:sns:eu-west-1:000000000000:t", b"{}"),
        (QUEUE + "t", b"{}"),
        (TOPIC + "t", b"x" * (limits.MAX_SNS_MESSAGE + 1)),
    ],
)
def test_a_delivery_that_no_topic_takes_is_refused(caller: Caller, redis: Redis, arn: str, payload: bytes):
    """Before anything is added to the pipe."""
    caller.topic()
    pipe = redis.pipeline(transaction=True)

    with pytest.raises(TargetMissing, match=arn):
        caller.sns.deliver(pipe, arn, payload, source="aws:s3")

    assert len(pipe) == 0


def test_a_message_to_nobody_is_accepted(caller: Caller):
    """A topic without subscriptions still answers an id."""
    assert len(caller.publish(TopicArn=caller.topic(), Message="m")["MessageId"]) == 36
