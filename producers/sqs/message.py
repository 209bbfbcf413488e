"""What may be in a message, and how a received one is shown. Pure."""

import base64
import re
from collections.abc import Collection, Mapping
from typing import Any

from producers.errors import ApiError
from worker.message_document import Attributes, attributes_md5
from worker.message_store import ReceivedMessage

#: Most attributes of one message. Source: Amazon SQS Developer Guide, "Amazon SQS message metadata".
MAX_ATTRIBUTES = 10

#: System attributes that a receiver may ask for. Those of FIFO queues are known and never there.
_SYSTEM_ATTRIBUTES = frozenset(
    (
        "All", "SenderId", "SentTimestamp", "ApproximateReceiveCount", "ApproximateFirstReceiveTimestamp",
        "AWSTraceHeader", "DeadLetterQueueSourceArn", "SequenceNumber", "MessageDeduplicationId", "MessageGroupId",
    )
)  # fmt: skip

_NOT_ALLOWED = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ATTRIBUTE_NAME = re.compile(r"(?!aws\.|amazon\.|\.)(?!.*\.\.)(?!.*\.$)[\w.-]{1,256}", re.ASCII | re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def check_body(body: str) -> None:
    """Refuse a body that is empty, or has characters that XML cannot carry.

    Raises:
        ApiError: it does.
    """
    if not body:
        raise ApiError("MissingParameter", "The request must contain the parameter MessageBody.")
    _check_characters(body)


def check_attributes(attributes: Mapping[str, Mapping[str, Any]]) -> Attributes:
    """The message attributes of a request as they are kept, with binary values in base64.

    Raises:
        ApiError: there are too many, or one has a name, type or value that is not allowed.
    """
    if len(attributes) > MAX_ATTRIBUTES:
        raise _invalid(
            f"Number of message attributes [{len(attributes)}] exceeds the allowed maximum [{MAX_ATTRIBUTES}]."
        )
    return {name: _check_attribute(name, value) for name, value in attributes.items()}


def _check_attribute(name: str, value: Mapping[str, Any]) -> dict[str, str]:
    if not _ATTRIBUTE_NAME.fullmatch(name):
        raise _invalid(
            f"The message attribute name '{name}' is invalid. It has 1 to 256 characters, which are A-Z, a-z, 0-9, "
            "underscores, hyphens and single periods; it neither starts nor ends with a period, nor starts with "
            "'AWS.' or 'Amazon.'."
        )
    data_type = value.get("DataType") or ""
    if not data_type:
        raise _invalid(f"The message attribute '{name}' must contain a non-empty message attribute type.")
    kind = data_type.partition(".")[0]
    if kind not in ("String", "Number", "Binary") or len(data_type) > 256:
        raise _invalid(
            f"The message attribute '{name}' has an invalid message attribute type, the set of supported type "
            "prefixes is Binary, Number, and String."
        )
    member = "BinaryValue" if kind == "Binary" else "StringValue"
    if value.get("StringListValues") or value.get("BinaryListValues"):
        raise ApiError(
            "UnsupportedOperation", "Message attribute list values in SendMessage operation are not supported."
        )
    if not value.get(member) or ("StringValue" in value and "BinaryValue" in value):
        raise _invalid(
            f"The message attribute '{name}' must contain a non-empty message attribute value for message attribute "
            f"type '{kind}', in {member} alone."
        )
    if kind == "Binary":
        return {"DataType": data_type, "BinaryValue": base64.b64encode(value["BinaryValue"]).decode()}
    if kind == "Number" and not _NUMBER.fullmatch(value["StringValue"]):
        raise _invalid(f"Can't cast the value of message (user) attribute '{name}' to a number.")
    _check_characters(value["StringValue"])
    return {"DataType": data_type, "StringValue": value["StringValue"]}


def check_trace_header(attributes: Mapping[str, Mapping[str, Any]]) -> str | None:
    """The one system attribute that a sender may set.

    Raises:
        ApiError: there is another, or it is no text.
    """
    if not attributes:
        return None
    header = attributes.get("AWSTraceHeader", {})
    if set(attributes) != {"AWSTraceHeader"} or header.get("DataType") != "String" or not header.get("StringValue"):
        raise _invalid("The only system attribute that can be sent is AWSTraceHeader, of type String and not empty.")
    return str(header["StringValue"])


def check_system_attribute_names(names: Collection[str]) -> None:
    """Refuse names of system attributes that nobody knows.

    Raises:
        ApiError: there is one.
    """
    for name in names:
        if name not in _SYSTEM_ATTRIBUTES:
            raise ApiError("InvalidAttributeName", f"Unknown Attribute {name}.")


def shown(message: ReceivedMessage, system_names: Collection[str], attribute_names: Collection[str]) -> dict[str, Any]:
    """A message as ReceiveMessage gives it, with the attributes that were asked for."""
    document = message.document
    answer: dict[str, Any] = {
        "MessageId": message.message_id,
        "ReceiptHandle": message.receipt_handle,
        "MD5OfBody": document["md5"],
        "Body": document["body"],
    }
    system = {
        name: value
        for name, value in _system_attributes(message).items()
        if value is not None and ("All" in system_names or name in system_names)
    }
    if system:
        answer["Attributes"] = system
    attributes = {
        name: value
        for name, value in document.get("attributes", {}).items()
        if any(_asks_for(wanted, name) for wanted in attribute_names)
    }
    if attributes:
        # The digest is of what is shown: a client checks it against what it got.
        answer["MD5OfMessageAttributes"] = attributes_md5(attributes)
        answer["MessageAttributes"] = {name: _with_bytes(value) for name, value in attributes.items()}
    return answer


def _system_attributes(message: ReceivedMessage) -> dict[str, str | None]:
    return {
        "SenderId": message.document["sender"],
        "SentTimestamp": str(message.sent_ms),
        "ApproximateReceiveCount": str(message.receive_count),
        "ApproximateFirstReceiveTimestamp": str(message.first_received_ms),
        "AWSTraceHeader": message.document.get("trace"),
        "DeadLetterQueueSourceArn": message.source_arn,
    }


def _asks_for(wanted: str, name: str) -> bool:
    return wanted in ("All", name) or (wanted.endswith(".*") and name.startswith(wanted[:-2]))


def _with_bytes(value: Mapping[str, str]) -> dict[str, Any]:
    if "BinaryValue" not in value:
        return dict(value)
    return {"DataType": value["DataType"], "BinaryValue": base64.b64decode(value["BinaryValue"])}


def _check_characters(text: str) -> None:
    if _NOT_ALLOWED.search(text):
        raise ApiError(
            "InvalidMessageContents",
            "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | "
            "#xE000 to #xFFFD | #x10000 to #x10FFFF.",
        )


def _invalid(message: str) -> ApiError:
    return ApiError("InvalidParameterValue", message)
