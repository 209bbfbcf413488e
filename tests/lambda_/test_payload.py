"""What Invoke takes for JSON, and what it says of what is none."""

import base64

import pytest

from config import limits
from producers.errors import ApiError
from producers.lambda_.payload import check_client_context, check_content_type, check_payload

PREFIX = "Could not parse request body into json: Could not parse payload into json: "


@pytest.mark.parametrize(
    "payload",
    [
        b"{}",
        b" null ",
        b'"text"',
        b"12345678901234567890123456789",
        '{"name": "Zoë 😀"}'.encode(),
        rb'{"half": "\ud83d"}',
        b'{"twice": 1, "twice": 2}',
    ],
)  # fmt: skip
@pytest.mark.parametrize("invocation_type", ["Event", "RequestResponse", "DryRun"])
def test_json_is_taken(payload: bytes, invocation_type: str) -> None:
    """Any JSON value, however odd."""
    check_payload(payload, invocation_type)


@pytest.mark.parity("invoke.cli.base64")
@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"{not json}", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        (b"{} x", "Extra data: line 1 column 4 (char 3)"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b"[" * 100_000, "it is nested too deeply"),
        (
            base64.b64decode(b"key1value2aa"),
            (
                "'utf-8' codec can't decode byte 0x91 in position 0: invalid start byte. The payload is not text in "
                "UTF-8. AWS CLI version 2 takes --payload for base64 and sends what it decodes to; for JSON as it is, "
                "add --cli-binary-format raw-in-base64-out."
            ),
        ),
        (
            base64.b64encode(b'{"sku": 7}'),
            (
                "Expecting value: line 1 column 1 (char 0). The payload is JSON in base64. Only AWS CLI version 2 "
                "decodes --payload; every other client, and version 2 with --cli-binary-format raw-in-base64-out, "
                "must be given the JSON itself."
            ),
        ),
    ],
    ids=lambda value: str(value[:12]),
)
@pytest.mark.parametrize("invocation_type", ["Event", "RequestResponse", "DryRun"])
def test_what_is_no_json_is_refused(payload: bytes, message: str, invocation_type: str) -> None:
    """In AWS's words, then the parser's, then what has probably gone wrong on the caller's side."""
    with pytest.raises(ApiError) as refused:
        check_payload(payload, invocation_type)

    error = refused.value
    assert (error.code, error.status, error.members) == ("InvalidRequestContentException", 400, {"Type": "User"})
    assert PREFIX + message == error.message


@pytest.mark.parametrize(
    ("invocation_type", "limit"),
    [("Event", limits.MAX_ASYNC_PAYLOAD), ("RequestResponse", limits.MAX_SYNC_PAYLOAD)],
)
def test_one_byte_too_many_is_refused(invocation_type: str, limit: int) -> None:
    """413 with both sizes; a payload of exactly the limit is taken."""
    check_payload(b'"' + b"x" * (limit - 2) + b'"', invocation_type)

    with pytest.raises(ApiError) as refused:
        check_payload(b'"' + b"x" * (limit - 1) + b'"', invocation_type)

    words = f"{limit + 1} byte payload is too large for the {invocation_type} invocation type (limit {limit} bytes)"
    error = refused.value
    assert ("RequestEntityTooLargeException", 413, words, {}) == (
        error.code, error.status, error.message, error.members,
    )  # fmt: skip


@pytest.mark.parity("invoke.client-context.json")
@pytest.mark.parametrize(
    ("context", "message"),
    [
        (base64.b64encode(b'{"custom": {"a": 1}}').decode(), None),
        ("%%%", "Client context must be a valid Base64-encoded JSON object."),
        (base64.b64encode(b"{").decode(), "Client context must be a valid Base64-encoded JSON object."),
        (base64.b64encode(b"[]").decode(), "Client context must be a valid Base64-encoded JSON object."),
        ("A" * 3584, "Client context must be at most 3583 bytes of base64, and this one has 3584."),
    ],
    ids=lambda value: str(value)[:12],
)
def test_client_contexts(context: str, message: str | None) -> None:
    """A JSON object in base64, of limited length."""
    if message is None:
        check_client_context(context)
        return

    with pytest.raises(ApiError) as refused:
        check_client_context(context)

    assert (refused.value.code, refused.value.message) == ("InvalidRequestContentException", message)


@pytest.mark.parametrize(
    "said",
    [
        None, "", "application/json", "application/json; charset=utf-8", "application/octet-stream",
        "application/x-amz-json-1.1", "text/plain;charset=UTF-8", "application/x-www-form-urlencoded",
    ],
)  # fmt: skip
def test_a_content_type_that_may_be_json_is_taken(said):
    """Many clients say nothing, or what their HTTP library says of any body."""
    check_content_type(said)


@pytest.mark.parametrize(
    "said", ["application/xml", "text/HTML; charset=utf-8", "image/png", "multipart/form-data; boundary=x", "a/b+xml"]
)
def test_a_content_type_of_another_format_is_refused(said):
    """415, in the code that AWS has for it."""
    with pytest.raises(ApiError) as refused:
        check_content_type(said)

    assert (refused.value.code, refused.value.status) == ("UnsupportedMediaTypeException", 415)
