"""What Invoke checks of a payload before anything is accepted. Pure; the bytes themselves are never changed."""

import base64
import binascii
import json

import orjson

from config import limits
from producers.errors import ApiError
from producers.lambda_.errors import too_large

#: The payload of a call that sends none.
EMPTY = b"{}"

_LARGEST = {"Event": limits.MAX_ASYNC_PAYLOAD, "RequestResponse": limits.MAX_SYNC_PAYLOAD}

#: Longest client context, in bytes of base64. Source: Invoke, ClientContext.
MAX_CLIENT_CONTEXT = 3_583


def check_payload(payload: bytes, invocation_type: str) -> None:
    """See that `payload` is JSON and not too large.

    Raises:
        ApiError: it is not.
    """
    largest = _LARGEST.get(invocation_type, limits.MAX_SYNC_PAYLOAD)
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
