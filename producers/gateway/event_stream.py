"""AWS's event streams: an answer that goes out message by message (`application/vnd.amazon.eventstream`).

A message is a prelude (its whole length, the length of its headers, the CRC-32 of both), the headers, the payload, and
the CRC-32 of all that stands before. Every header that AWS sends here is a string. A message tells by its headers what
it is: one of the events of the model, or an error that ends the stream, which has then begun with a 200 all the same.
"""

import struct
from collections.abc import Mapping
from typing import Any
from zlib import crc32

from botocore.model import StructureShape

CONTENT_TYPE = "application/vnd.amazon.eventstream"

#: Type number of a string among the headers' values. Source: the Smithy specification of the event stream encoding.
_STRING = 7

#: Bytes of the prelude with its checksum, and of the checksum at the end.
_PRELUDE, _END = 12, 4


def event(name: str, payload: bytes, content_type: str) -> bytes:
    """One event of a stream, by the name that the model gives it."""
    return _message({":message-type": "event", ":event-type": name, ":content-type": content_type}, payload)


def error(code: str, text: str) -> bytes:
    """What ends a stream that cannot go on; clients raise it."""
    return _message({":message-type": "error", ":error-code": code, ":error-message": text}, b"")


def payload_member(shape: StructureShape) -> str | None:
    """The member of an event that is its payload as it is; None: the payload is the event's JSON."""
    return next((name for name, member in shape.members.items() if member.serialization.get("eventpayload")), None)


def only_event(members: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """The name and the members of the one event that a union holds."""
    ((name, value),) = members.items()
    return name, value


def _message(headers: Mapping[str, str], payload: bytes) -> bytes:
    encoded = b"".join(_header(name, value) for name, value in headers.items())
    prelude = struct.pack("!II", _PRELUDE + len(encoded) + len(payload) + _END, len(encoded))
    checked = prelude + struct.pack("!I", crc32(prelude)) + encoded + payload
    return checked + struct.pack("!I", crc32(checked))


def _header(name: str, value: str) -> bytes:
    name_bytes, value_bytes = name.encode(), value.encode()
    return struct.pack("!B", len(name_bytes)) + name_bytes + struct.pack("!BH", _STRING, len(value_bytes)) + value_bytes
