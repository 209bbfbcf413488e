"""What Invoke checks of a payload before anything is accepted. Pure; the bytes themselves are never changed."""

import base64
import binascii
import json

import orjson

from config import limits
from producers.errors import ApiError
from producers.lambda_.errors import too_large, unsupported_media_type

#: The payload of a call that sends none.
EMPTY = b"{}"

_LARGEST = {"Event": limits.MAX_ASYNC_PAYLOAD, "RequestResponse": limits.MAX_SYNC_PAYLOAD}

#: Content types that name another format, so that the body can be no JSON by its own words.
_NEVER_JSON = ("audio", "font", "image", "multipart", "video")
_OTHER_FORMATS = (
    "application/cbor",
    "application/pdf",
    "application/xml",
    "application/yaml",
    "application/zip",
    "text/css",
    "text/csv",
    "text/html",
    "text/xml",
    "text/yaml",
)

#: Longest client context, in bytes of base64. Source: Invoke, ClientContext.
MAX_CLIENT_CONTEXT = 3_583


def check_payload(payload: bytes, invocation_type: str, largest: int | None = None) -> None:
    """See that `payload` is JSON and not too large: not larger than `largest`, or else than its type allows.

    Raises:
        ApiError: it is not.
    """
    largest = largest or _LARGEST.get(invocation_type, limits.MAX_SYNC_PAYLOAD)
    if len(payload) > largest:
        raise too_large(
            f"{len(payload)} byte payload is too large for the {invocation_type} invocation type "
            f"(limit {largest} bytes)"
        )
    problem = _problem_of(payload)
    if problem is not None:
        raise _invalid_content(
            f"Could not parse request body into json: Could not parse payload into json: {problem}{_advice(payload)}"
        )


def check_content_type(content_type: str | None) -> None:
    """See that the body is not said to be something else than JSON.

    Many clients say nothing, or what their HTTP library says of any body (`application/octet-stream`, `text/plain`,
    `application/x-www-form-urlencoded`): those are taken, as on AWS.

    Raises:
        ApiError: it is said to be.
    """
    kind = (content_type or "").partition(";")[0].strip().lower()
    if kind.partition("/")[0] in _NEVER_JSON or kind in _OTHER_FORMATS or kind.endswith("+xml"):
        raise unsupported_media_type(kind)


def check_client_context(context: str) -> None:
    """See that `context` is a JSON object in base64, and not too long.

    Raises:
        ApiError: it is not.
    """
    if len(context) > MAX_CLIENT_CONTEXT:
        raise _invalid_content(
            f"Client context must be at most {MAX_CLIENT_CONTEXT} bytes of base64, and this one has {len(context)}."
        )
    decoded = _decoded(context.encode())
    if decoded is None or _problem_of(decoded) is not None or not decoded.lstrip().startswith(b"{"):
        raise _invalid_content("Client context must be a valid Base64-encoded JSON object.")


def _problem_of(payload: bytes) -> str | None:
    """Why `payload` is no JSON; None if it is."""
    try:
        orjson.loads(payload)
    except orjson.JSONDecodeError:
        return _problem_seen_closely(payload)
    return None


def _problem_seen_closely(payload: bytes) -> str | None:
    """The same by Python's own parser: it takes half a surrogate pair, as AWS does, and its words are clearer."""
    try:
        json.loads(payload.decode(), parse_constant=_refuse_constant)
    except RecursionError:
        return "it is nested too deeply"
    except ValueError as error:  # no JSON, or no UTF-8
        return str(error)
    return None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _advice(payload: bytes) -> str:
    """What probably went wrong, where it is the AWS CLI's treatment of --payload."""
    try:
        payload.decode()
    except UnicodeDecodeError:
        return (
            ". The payload is not text in UTF-8. AWS CLI version 2 takes --payload for base64 and sends what it "
            "decodes to; for JSON as it is, add --cli-binary-format raw-in-base64-out."
        )
    decoded = _decoded(payload.strip())
    if decoded and _problem_of(decoded) is None:
        return (
            ". The payload is JSON in base64. Only AWS CLI version 2 decodes --payload; every other client, and "
            "version 2 with --cli-binary-format raw-in-base64-out, must be given the JSON itself."
        )
    return ""


def _decoded(text: bytes) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return None


def _invalid_content(message: str) -> ApiError:
    return ApiError("InvalidRequestContentException", message, 400, members={"Type": "User"})
