"""The operations on messages as a client sees them, and deliveries from inside."""

import hashlib
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parser.models import SqsModel

from config import limits
from producers.seams import TargetMissing
from tests.sqs.conftest import Caller
from tests.sqs.test_queues import ARN, refusal
from worker.message_document import attributes_md5

TEXT = {"DataType": "String", "StringValue": "v"}
BINARY = {"DataType": "Binary", "BinaryValue": b"\x00\xff"}
TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"


def test_a_message_arrives_as_it_was_sent(caller: Caller):
    """Body, attributes and digests; system attributes only when asked for."""
    url = caller.queue()

    sent = caller.send_message(QueueUrl=url, MessageBody="bödy", MessageAttributes={"t": TEXT, "b": BINARY})
    (message,) = caller.receive(url, MessageAttributeNames=["All"])

    message.pop("ReceiptHandle")
    digest = attributes_md5({"t": TEXT, "b": {"DataType": "Binary", "BinaryValue": "AP8="}})
    body_digest = hashlib.md5("bödy".encode()).hexdigest()
    assert sent == {
        "MessageId": message["MessageId"],
        "MD5OfMessageBody": body_digest,
        "MD5OfMessageAttributes": digest,
    }
    assert message == {
        "MessageId": sent["MessageId"],
        "MD5OfBody": body_digest,
        "Body": "bödy",
        "MD5OfMessageAttributes": digest,
        "MessageAttributes": {"t": TEXT, "b": BINARY},
    }


@pytest.mark.parity("sqs.receive.attributes")
@pytest.mark.parametrize(
    ("wanted", "got"),
    [
        ([], set()),
        (["All"], {"a", "foo.x", "foo.y"}),
        ([".*"], {"a", "foo.x", "foo.y"}),
        (["foo.*"], {"foo.x", "foo.y"}),
        (["a", "foo.y", "never"], {"a", "foo.y"}),
        (["never"], set()),
    ],
)
def test_attributes_are_given_that_are_asked_for(caller: Caller, wanted: list[str], got: set[str]):
    """With the digest of what is given, so that a client can verify it."""
    url = caller.queue()
    caller.send(url, "m", MessageAttributes=dict.fromkeys(("a", "foo.x", "foo.y"), TEXT))

    (message,) = caller.receive(url, MessageAttributeNames=wanted)

    assert set(message.get("MessageAttributes", {})) == got
    assert message.get("MD5OfMessageAttributes") == attributes_md5(dict.fromkeys(got, TEXT))


def test_system_attributes_are_given_that_are_asked_for(caller: Caller):
    """By either of the two parameters; the trace header comes from the request or from the message."""
    url = caller.queue(VisibilityTimeout="0")
    caller.send_message(QueueUrl=url, MessageBody="1", headers={"x-amzn-trace-id": TRACE})
    own = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=own"}}
    answer = caller.send_message(
        QueueUrl=url, MessageBody="2", MessageSystemAttributes=own, headers={"x-amzn-trace-id": TRACE}
    )

    everything = [message["Attributes"] for message in caller.receive(url, AttributeNames=["All"])]
    some = [
        message["Attributes"]
        for message in caller.receive(url, MessageSystemAttributeNames=["AWSTraceHeader", "MessageGroupId"])
    ]

    assert [set(attributes) for attributes in everything] == [
        {
            "SenderId",
            "SentTimestamp",
            "ApproximateReceiveCount",
            "ApproximateFirstReceiveTimestamp",
            "AWSTraceHeader",
        }
    ] * 2
    assert some == [{"AWSTraceHeader": TRACE}, {"AWSTraceHeader": "Root=own"}]
    assert answer["MD5OfMessageSystemAttributes"] == attributes_md5(own)
    assert refusal(caller.receive_message, QueueUrl=url, AttributeNames=["Nonsense"])[0] == "InvalidAttributeName"


@pytest.mark.parity("sqs.receive.range")
@pytest.mark.parametrize(
    "parameters",
    [
        {"MaxNumberOfMessages": 0},
        {"MaxNumberOfMessages": 11},
        {"VisibilityTimeout": -1},
        {"VisibilityTimeout": 43_201},
        {"WaitTimeSeconds": 21},
    ],
)
def test_numbers_out_of_range_are_refused(caller: Caller, parameters: dict[str, int]):
    """In AWS's words, which name the value, the parameter and the range."""
    ((name, value),) = parameters.items()
    ranges = {"MaxNumberOfMessages": (1, 10), "VisibilityTimeout": (0, 43_200), "WaitTimeSeconds": (0, 20)}
    smallest, largest = ranges[name]

    assert refusal(caller.receive_message, QueueUrl=caller.queue(), **parameters) == (
        "InvalidParameterValue",
        (
            f"Value {value} for parameter {name} is invalid. "
            f"Reason: Must be between {smallest} and {largest}, if provided."
        ),
    )


def test_a_delay_out_of_range_is_refused(caller: Caller):
    """In AWS's words."""
    assert refusal(caller.send_message, QueueUrl=caller.queue(), MessageBody="m", DelaySeconds=901) == (
        "InvalidParameterValue",
        "Value 901 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.",
    )


def test_a_message_may_be_as_long_as_the_queue_says(caller: Caller):
    """Bytes, not characters, and attributes count."""
    url = caller.queue(MaximumMessageSize="1024")
    attributes = {"a": {"DataType": "String", "StringValue": "é"}}
    caller.send(url, "é" * 507 + "x", MessageAttributes=attributes)

    assert refusal(caller.send, url=url, body="é" * 508, MessageAttributes=attributes) == (
        "InvalidParameterValue",
        "One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes.",
    )
    assert caller.counts(url) == (1, 0, 0)


@pytest.mark.parity("limit.sqs-message")
def test_the_largest_message_of_all_passes(caller: Caller):
    """One MiB comes back whole."""
    url = caller.queue()
    body = "x" * limits.MAX_SQS_MESSAGE
    caller.send(url, body)

    assert caller.bodies(url) == [body]
    assert refusal(caller.send, url=url, body=body + "x")[0] == "InvalidParameterValue"


@pytest.mark.parity("sqs.batch")
def test_a_batch_is_taken_in_parts(caller: Caller):
    """What is refused is told by its id, and does not stop the rest."""
    url = caller.queue(MaximumMessageSize="1024")
    entries: list[dict[str, Any]] = [
        {"Id": "good", "MessageBody": "m"},
        {"Id": "empty", "MessageBody": ""},
        {"Id": "long", "MessageBody": "x" * 1_025},
        {"Id": "group", "MessageBody": "m", "MessageGroupId": "g"},
        {"Id": "late", "MessageBody": "l", "DelaySeconds": 5},
    ]

    answer = caller.send_message_batch(QueueUrl=url, Entries=entries)

    assert [(entry["Id"], entry["MD5OfMessageBody"]) for entry in answer["Successful"]] == [
        ("good", hashlib.md5(b"m").hexdigest()),
        ("late", hashlib.md5(b"l").hexdigest()),
    ]
    assert {(entry["Id"], entry["Code"], entry["SenderFault"]) for entry in answer["Failed"]} == {
        ("empty", "MissingParameter", True),
        ("long", "InvalidParameterValue", True),
        ("group", "InvalidParameterValue", True),
    }
    assert caller.counts(url) == (1, 0, 1)


@pytest.mark.parity("sqs.batch")
@pytest.mark.parametrize(
    ("ids", "code", "words"),
    [
        ([], "EmptyBatchRequest", "There should be at least one SendMessageBatchRequestEntry in the request."),
        (
            [str(n) for n in range(11)],
            "TooManyEntriesInBatchRequest",
            "Maximum number of entries per request are 10. You have sent 11.",
        ),
        (["a", "b", "a"], "BatchEntryIdsNotDistinct", "Id a repeated."),
        (
            ["a b"],
            "InvalidBatchEntryId",
            (
                "A batch entry id can only contain alphanumeric characters, hyphens and underscores. "
                "It can be at most 80 letters long."
            ),
        ),
    ],
)
def test_a_batch_that_breaks_a_rule_is_refused_as_a_whole(caller: Caller, ids: list[str], code: str, words: str):
    """And sends nothing."""
    url = caller.queue()
    entries = [{"Id": name, "MessageBody": "m"} for name in ids]

    assert refusal(caller.send_message_batch, QueueUrl=url, Entries=entries) == (code, words)
    assert caller.counts(url) == (0, 0, 0)


@pytest.mark.parity("sqs.batch")
def test_a_batch_may_have_one_mebibyte_in_all(caller: Caller):
    """However it is divided."""
    url = caller.queue()
    half = "x" * (limits.MAX_SQS_MESSAGE // 2)
    fits = [{"Id": "1", "MessageBody": half}, {"Id": "2", "MessageBody": half}]
    caller.send_message_batch(QueueUrl=url, Entries=fits)

    assert refusal(caller.send_message_batch, QueueUrl=url, Entries=[*fits, {"Id": "3", "MessageBody": "x"}]) == (
        "BatchRequestTooLong",
        "Batch requests cannot be longer than 1048576 bytes. You have sent 1048577 bytes.",
    )


def test_messages_are_deleted_and_given_back_in_batches(caller: Caller):
    """Bad handles fail by themselves."""
    url = caller.queue()
    for n in range(3):
        caller.send(url, str(n))
    handles = [message["ReceiptHandle"] for message in caller.receive(url)]

    deleted = caller.delete_message_batch(
        QueueUrl=url,
        Entries=[{"Id": "good", "ReceiptHandle": handles[0]}, {"Id": "bad", "ReceiptHandle": "x"}],
    )
    given_back = caller.change_message_visibility_batch(
        QueueUrl=url, Entries=[{"Id": "good", "ReceiptHandle": handles[1], "VisibilityTimeout": 0}]
    )

    assert deleted["Successful"] == [{"Id": "good"}]
    assert [(entry["Id"], entry["Code"]) for entry in deleted["Failed"]] == [("bad", "ReceiptHandleIsInvalid")]
    assert given_back == {"Successful": [{"Id": "good"}]}
    assert caller.counts(url) == (1, 1, 0)


def test_a_delivery_from_inside_is_a_message(caller: Caller):
    """Nothing is sent before the pipe is executed; attributes come along."""
    url = caller.queue()
    redis = caller._seams.redis
    attributes = {"ErrorCode": {"DataType": "Number", "StringValue": "200"}}

    with redis.pipeline(transaction=True) as pipe:
        caller.sqs.deliver(pipe, ARN + "q", b'{"n":1}', source="aws:s3", trace_header=TRACE, attributes=attributes)
        before = caller.counts(url)
        pipe.execute()

    (message,) = caller.receive(url, AttributeNames=["SenderId", "AWSTraceHeader"], MessageAttributeNames=["All"])
    assert before == (0, 0, 0)
    assert message["Body"] == '{"n":1}'
    assert message["MessageAttributes"] == attributes
    assert message["Attributes"] == {"SenderId": "aws:s3", "AWSTraceHeader": TRACE}


@pytest.mark.parametrize(
    "arn",
    [
        ARN + "gone",
        "arn:aws:sqs:eu-west-1:000000000000:q",
        "arn:aws:sqs:us-east-1:111111111111:q",
        "arn:aws:sns:us-east-1:000000000000:q",
        "q",
    ],
)
def test_a_delivery_to_no_queue_of_ours_is_refused(caller: Caller, arn: str):
    """Before anything is added to the pipe."""
    caller.queue()

    with caller._seams.redis.pipeline(transaction=True) as pipe:
        with pytest.raises(TargetMissing, match=arn):
            caller.sqs.deliver(pipe, arn, b"{}", source="aws:s3")
        assert len(pipe) == 0


def test_a_delivery_that_is_too_long_for_the_queue_is_refused(caller: Caller):
    """So that a sender can do something else with it."""
    caller.queue(MaximumMessageSize="1024")

    pipe = caller._seams.redis.pipeline(transaction=True)

    with pytest.raises(TargetMissing, match="takes messages of 1024 bytes; this one has 1025"):
        caller.sqs.deliver(pipe, ARN + "q", b"x" * 1025, source="aws:s3")


def test_what_is_received_is_what_parsers_of_handlers_expect(caller: Caller):
    """A record made of a received message passes the model of Powertools."""
    url = caller.queue()
    caller.send(url, "m", MessageAttributes={"t": TEXT})
    (message,) = caller.receive(url, AttributeNames=["All"], MessageAttributeNames=["All"])

    SqsModel.model_validate(
        {
            "Records": [
                {
                    "messageId": message["MessageId"],
                    "receiptHandle": message["ReceiptHandle"],
                    "body": message["Body"],
                    "attributes": message["Attributes"],
                    "messageAttributes": {"t": {"stringValue": "v", "dataType": "String"}},
                    "md5OfBody": message["MD5OfBody"],
                    "md5OfMessageAttributes": message["MD5OfMessageAttributes"],
                    "eventSource": "aws:sqs",
                    "eventSourceARN": ARN + "q",
                    "awsRegion": "us-east-1",
                }
            ]
        }
    )
