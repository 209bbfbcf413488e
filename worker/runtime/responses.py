"""What a runtime says of an error, taken apart: the object in the body, the header or trailer beside it. Pure.

The caller gets the bytes as the runtime wrote them. What is known of the error beside them (its type for the log, its
message for the dead letter) is read from the object if it is one, and else made of what there is.
"""

import binascii
from typing import Any

import orjson

from worker.runtime.http_connection import Headers
from worker.runtime.wire import ERROR, Frame

_UNKNOWN = "Runtime.Unknown"

#: So much of a body that is no error object becomes the message, in characters.
_LONGEST_MESSAGE = 1_024


class InvalidTrailers(Exception):
    """Raised when the trailers of a streamed response say of an error what cannot be read."""


def described_error(kind: bytes, content: bytes, error_type: str) -> Frame:
    """The frame for an error object. `error_type` is what the header says, empty if it says nothing."""
    described = _object(content)
    found_type = described.get("errorType")
    found_message = described.get("errorMessage")
    said_type = found_type if isinstance(found_type, str) and found_type else error_type or _UNKNOWN
    if isinstance(found_message, str):
        said_message = found_message
    else:
        said_message = content.decode("utf-8", "replace")[:_LONGEST_MESSAGE]
    payload = content if described else orjson.dumps({"errorType": said_type, "errorMessage": said_message})
    return Frame(kind, {"type": said_type, "message": said_message}, payload)


def trailed_error(trailers: Headers) -> Frame | None:
    """The frame for the error in which a streamed response ends; None if it ends well.

    Raises:
        InvalidTrailers: the body of the error is no base64.
    """
    said = {name.decode("latin-1").lower(): value for name, value in trailers}
    error_type = said.get("lambda-runtime-function-error-type")
    encoded = said.get("lambda-runtime-function-error-body", b"")
    if error_type is None:
        return None
    try:
        content = binascii.a2b_base64(encoded, strict_mode=True) if encoded else b""
    except binascii.Error as error:
        raise InvalidTrailers(f"The trailer Lambda-Runtime-Function-Error-Body is no base64: {error}") from None
    return described_error(ERROR, content, error_type.decode("latin-1"))


def _object(content: bytes) -> dict[str, Any]:
    """The error object; empty if the content is none."""
    try:
        described = orjson.loads(content)
    except orjson.JSONDecodeError:
        return {}
    return described if isinstance(described, dict) else {}
