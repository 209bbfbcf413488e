"""What arrives: the event of a function and the envelope in a queue, field by field and through Powertools."""

from datetime import UTC, datetime

import orjson
import pytest
from aws_lambda_powertools.utilities.parser.envelopes import SnsSqsEnvelope
from aws_lambda_powertools.utilities.parser.models import SnsModel, SnsNotificationModel
from pydantic import BaseModel

from producers.sns.event import Notification, envelope, lambda_event

TOPIC = "arn:aws:sns:us-east-1:000000000000:t"
SUBSCRIPTION = f"{TOPIC}:9f0c0000-0000-4000-8000-000000000000"
MESSAGE_ID = "b1a2f0de-0000-4000-8000-000000000000"
CERTIFICATE = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0000000000000000000000.pem"
UNSUBSCRIBE = f"https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe&SubscriptionArn={SUBSCRIPTION}"
ATTRIBUTES = {
    "kind": {"DataType": "String", "StringValue": "order"},
    "blob": {"DataType": "Binary", "BinaryValue": "AP8="},
}
SHOWN = {"kind": {"Type": "String", "Value": "order"}, "blob": {"Type": "Binary", "Value": "AP8="}}


def notification(subject: str | None = None, attributes: dict[str, dict[str, str]] | None = None) -> Notification:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678_901, UTC)
    return Notification(MESSAGE_ID, TOPIC, '{"n":1}', subject, attributes or {}, moment)


@pytest.mark.parity("sns.lambda.spelling", "sns.signature")
def test_a_function_gets_one_record_with_the_spelling_that_functions_get():
    """`Subject` is null and `MessageAttributes` empty where there are none; the URLs end in Url."""
    event = orjson.loads(lambda_event(notification(), SUBSCRIPTION))

    signature = event["Records"][0]["Sns"].pop("Signature")
    assert signature.endswith("=")
    assert event == {
        "Records": [
            {
                "EventSource": "aws:sns",
                "EventVersion": "1.0",
                "EventSubscriptionArn": SUBSCRIPTION,
                "Sns": {
                    "Type": "Notification",
                    "MessageId": MESSAGE_ID,
                    "TopicArn": TOPIC,
                    "Subject": None,
                    "Message": '{"n":1}',
                    "Timestamp": "2026-01-02T03:04:05.678Z",
                    "SignatureVersion": "1",
                    "SigningCertUrl": CERTIFICATE,
                    "UnsubscribeUrl": UNSUBSCRIBE,
                    "MessageAttributes": {},
                },
            }
        ]
    }


@pytest.mark.parity("sns.sqs.spelling")
def test_a_queue_gets_an_envelope_with_the_spelling_that_queues_get():
    """What is not there is left out; the URLs end in URL."""
    body = orjson.loads(envelope(notification(), SUBSCRIPTION))

    body.pop("Signature")
    assert body == {
        "Type": "Notification",
        "MessageId": MESSAGE_ID,
        "TopicArn": TOPIC,
        "Message": '{"n":1}',
        "Timestamp": "2026-01-02T03:04:05.678Z",
        "SignatureVersion": "1",
        "SigningCertURL": CERTIFICATE,
        "UnsubscribeURL": UNSUBSCRIBE,
    }


@pytest.mark.parity("sns.attributes")
def test_subject_and_attributes_are_in_both():
    """Binary values are base64 in either."""
    full = notification("news", ATTRIBUTES)

    event = orjson.loads(lambda_event(full, SUBSCRIPTION))["Records"][0]["Sns"]
    body = orjson.loads(envelope(full, SUBSCRIPTION))

    assert (event["Subject"], event["MessageAttributes"]) == ("news", SHOWN)
    assert (body["Subject"], body["MessageAttributes"]) == ("news", SHOWN)


@pytest.mark.parametrize("full", [notification(), notification("news", ATTRIBUTES)])
def test_the_parsers_of_powertools_take_both(full: Notification):
    """As handlers use them: the event of a function, the envelope by itself, and the envelope in a record of SQS."""

    class Content(BaseModel):
        n: int

    SnsModel.model_validate_json(lambda_event(full, SUBSCRIPTION))
    SnsNotificationModel.model_validate_json(envelope(full, SUBSCRIPTION))
    records = {
        "Records": [
            {
                "messageId": MESSAGE_ID,
                "receiptHandle": "handle",
                "body": envelope(full, SUBSCRIPTION).decode(),
                "attributes": {
                    "ApproximateReceiveCount": "1",
                    "ApproximateFirstReceiveTimestamp": "1767323045678",
                    "SenderId": "aws:sns",
                    "SentTimestamp": "1767323045678",
                },
                "messageAttributes": {},
                "md5OfBody": "0" * 32,
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:q",
                "awsRegion": "us-east-1",
            }
        ]
    }

    assert SnsSqsEnvelope().parse(records, Content) == [Content(n=1)]
