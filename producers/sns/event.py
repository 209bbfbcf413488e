"""What arrives of a published message: the event of a function, and the envelope in a queue. Pure.

The two say the same with small differences, which handlers rely on: a function sees `SigningCertUrl` and
`UnsubscribeUrl`, `Subject` as null and `MessageAttributes` as {} where there are none; in a queue it is
`SigningCertURL` and `UnsubscribeURL`, and what is not there is left out.

There is no certificate here, so the signature is a placeholder: base64 that verifies against nothing. Its URLs have
AWS's form, because parsers check that; nothing fetches them.
"""

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import orjson

from worker.arn import Arn
from worker.clock import iso_ms
from worker.message_document import Attributes


@dataclass(frozen=True, slots=True)
class Notification:
    """One published message, as one subscription gets it."""

    message_id: str
    topic_arn: str
    message: str
    subject: str | None
    attributes: Attributes  # a BinaryValue is text in base64
    published_at: datetime


def lambda_event(notification: Notification, subscription_arn: str) -> bytes:
    """The event of a subscribed function."""
    signing_cert, unsubscribe = _urls(notification.topic_arn, subscription_arn)
    record = {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": subscription_arn,
        "Sns": {
            "Type": "Notification",
            "MessageId": notification.message_id,
            "TopicArn": notification.topic_arn,
            "Subject": notification.subject,
            "Message": notification.message,
            "Timestamp": iso_ms(notification.published_at),
            "SignatureVersion": "1",
            "Signature": _signature(notification),
            "SigningCertUrl": signing_cert,
            "UnsubscribeUrl": unsubscribe,
            "MessageAttributes": _shown(notification.attributes),
        },
    }
    return orjson.dumps({"Records": [record]})


def envelope(notification: Notification, subscription_arn: str) -> bytes:
    """The body of the message in a subscribed queue, unless it asked for raw delivery."""
    signing_cert, unsubscribe = _urls(notification.topic_arn, subscription_arn)
    document: dict[str, Any] = {
        "Type": "Notification",
        "MessageId": notification.message_id,
        "TopicArn": notification.topic_arn,
    }
    if notification.subject is not None:
        document["Subject"] = notification.subject
    document |= {
        "Message": notification.message,
        "Timestamp": iso_ms(notification.published_at),
        "SignatureVersion": "1",
        "Signature": _signature(notification),
        "SigningCertURL": signing_cert,
        "UnsubscribeURL": unsubscribe,
    }
    if notification.attributes:
        document["MessageAttributes"] = _shown(notification.attributes)
    return orjson.dumps(document)


def _shown(attributes: Attributes) -> dict[str, dict[str, str]]:
    return {
        name: {"Type": value["DataType"], "Value": value.get("BinaryValue") or value["StringValue"]}
        for name, value in attributes.items()
    }


def _urls(topic_arn: str, subscription_arn: str) -> tuple[str, str]:
    host = f"https://sns.{Arn.parse(topic_arn).region}.amazonaws.com"
    unsubscribe = urlencode({"Action": "Unsubscribe", "SubscriptionArn": subscription_arn}, safe=":")
    return f"{host}/SimpleNotificationService-0000000000000000000000.pem", f"{host}/?{unsubscribe}"


def _signature(notification: Notification) -> str:
    """A placeholder of a signature's form, the same for the same message."""
    return base64.b64encode(hashlib.sha256(notification.message_id.encode()).digest()).decode()
