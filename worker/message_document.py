"""What is kept of one SQS message: the body, its attributes and their digests, as one JSON document. Pure.

The document never changes: what happens to a message, such as receives and visibility, is kept beside it by the
scripts. The attributes here are AWS's `MessageAttributes`, except that a `BinaryValue` is text in base64, so that they
can travel in JSON.
"""

import base64
import hashlib
import struct
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

#: AWS's message attributes: name -> {"DataType": …, "StringValue": … or "BinaryValue": base64}.
Attributes = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class MessageDocument:
    """A message, ready to be sent. `size` is what counts against a queue's MaximumMessageSize."""

    message_id: str
    json: bytes
    size: int
    md5_of_body: str
    md5_of_attributes: str | None  # None: there are none
    md5_of_system_attributes: str | None


def message_document(
    body: str, attributes: Attributes | None = None, *, sender: str, trace_header: str | None = None
) -> MessageDocument:
    """Make a new message, under a new id. `sender` is its SenderId, `trace_header` its AWSTraceHeader."""
    attributes = attributes or {}
    md5_of_body = hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()
    document: dict[str, Any] = {"v": 1, "body": body, "md5": md5_of_body, "sender": sender}
    if attributes:
        document["attributes"] = attributes
    if trace_header:
        document["trace"] = trace_header
    system = {"AWSTraceHeader": {"DataType": "String", "StringValue": trace_header}} if trace_header else {}
    return MessageDocument(
        message_id=str(uuid.uuid4()),
        json=orjson.dumps(document),
        size=size_of(body, attributes),
        md5_of_body=md5_of_body,
        md5_of_attributes=attributes_md5(attributes),
        md5_of_system_attributes=attributes_md5(system),
    )


def attributes_md5(attributes: Attributes) -> str | None:
    """MD5OfMessageAttributes, None where there are none.

    Source: Amazon SQS Developer Guide, "Calculating the MD5 message digest for message attributes".
    """
    if not attributes:
        return None
    digest = hashlib.md5(usedforsecurity=False)
    for name, value in sorted(attributes.items()):
        for part in (name.encode(), value["DataType"].encode()):
            digest.update(struct.pack("!I", len(part)) + part)
        content = _content_of(value)
        digest.update((b"\x02" if "BinaryValue" in value else b"\x01") + struct.pack("!I", len(content)) + content)
    return digest.hexdigest()


def size_of(body: str, attributes: Attributes) -> int:
    """What counts against the limits of SQS and SNS, in bytes: the body, and names, types and values of attributes."""
    return len(body.encode()) + sum(
        len(name.encode()) + len(value["DataType"].encode()) + len(_content_of(value))
        for name, value in attributes.items()
    )


def _content_of(value: Mapping[str, str]) -> bytes:
    return base64.b64decode(value["BinaryValue"]) if "BinaryValue" in value else value["StringValue"].encode()
