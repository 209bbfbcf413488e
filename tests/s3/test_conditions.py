"""Conditions, ranges, names and metadata: tables. Pure."""

from datetime import UTC, datetime, timedelta

import pytest

from producers.errors import ApiError
from producers.s3 import names
from producers.s3.conditions import ReadConditions, Span, WriteConditions, span
from producers.s3.metadata import describe
from producers.s3.record import ObjectRecord
from tests.s3.system import refused

THEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SOON = THEN + timedelta(seconds=1)
BEFORE = THEN - timedelta(seconds=1)
OBJECT = ObjectRecord(file="f", size=10, etag="e", modified_ms=int(THEN.timestamp() * 1000) + 900)


@pytest.mark.parametrize(
    ("conditions", "code"),
    [
        (ReadConditions(), None),
        (ReadConditions(if_match='"e"'), None),
        (ReadConditions(if_match="e"), None),
        (ReadConditions(if_match="*"), None),
        (ReadConditions(if_match='"d", "e"'), None),
        (ReadConditions(if_match='"d"'), "PreconditionFailed"),
        (ReadConditions(if_none_match='"e"'), "NotModified"),
        (ReadConditions(if_none_match="*"), "NotModified"),
        (ReadConditions(if_none_match='"d"'), None),
        (ReadConditions(if_modified_since=BEFORE), None),
        (ReadConditions(if_modified_since=THEN), "NotModified"),
        (ReadConditions(if_unmodified_since=THEN), None),
        (ReadConditions(if_unmodified_since=BEFORE), "PreconditionFailed"),
        # A tag weighs more than a time.
        (ReadConditions(if_match='"e"', if_unmodified_since=BEFORE), None),
        (ReadConditions(if_none_match='"d"', if_modified_since=SOON), None),
        (ReadConditions(if_none_match='"e"', if_modified_since=BEFORE), "NotModified"),
    ],
)
def test_read_is_carried_out_if_its_conditions_hold(conditions: ReadConditions, code: str | None):
    """By tag before time, and by whole seconds."""
    if code is None:
        conditions.check(OBJECT)
        return
    with pytest.raises(ApiError) as caught:
        conditions.check(OBJECT)
    assert caught.value.code == code
    if code == "NotModified":
        assert caught.value.headers == {"ETag": '"e"', "Last-Modified": "Fri, 02 Jan 2026 03:04:05 GMT"}


def test_copy_refuses_with_412_whatever_does_not_hold():
    """There is no 304 for a copy."""
    for conditions, name in [
        (ReadConditions(if_none_match="e"), "x-amz-copy-source-If-None-Match"),
        (ReadConditions(if_match="d"), "x-amz-copy-source-If-Match"),
    ]:
        assert refused(conditions.check_copy, OBJECT) == ("PreconditionFailed", 412, {"Condition": name})


@pytest.mark.parametrize(
    ("conditions", "current", "code"),
    [
        (WriteConditions(), None, None),
        (WriteConditions(), OBJECT, None),
        (WriteConditions(if_none_match="*"), None, None),
        (WriteConditions(if_none_match="*"), OBJECT, "PreconditionFailed"),
        (WriteConditions(if_match='"e"'), OBJECT, None),
        (WriteConditions(if_match='"d"'), OBJECT, "PreconditionFailed"),
        (WriteConditions(if_match='"e"'), None, "NoSuchKey"),
    ],
)
def test_write_is_carried_out_if_its_conditions_hold(
    conditions: WriteConditions, current: ObjectRecord | None, code: str | None
):
    """Only if there is none, or only over this one."""
    conditions.check_form()
    if code is None:
        conditions.check("k", current)
        return
    assert refused(conditions.check, "k", current)[0] == code


@pytest.mark.parametrize("conditions", [WriteConditions(if_none_match='"e"'), WriteConditions("*", "*")])
def test_write_conditions_that_s3_does_not_know_are_refused(conditions: WriteConditions):
    """If-None-Match takes only the star, and only alone."""
    assert refused(conditions.check_form)[:2] == ("NotImplemented", 501)


@pytest.mark.parametrize(
    ("header", "size", "expected"),
    [
        (None, 10, Span(0, 10)),
        ("bytes=0-0", 10, Span(0, 1, True)),
        ("bytes=2-4", 10, Span(2, 3, True)),
        ("bytes=2-", 10, Span(2, 8, True)),
        ("bytes=-3", 10, Span(7, 3, True)),
        ("bytes=-30", 10, Span(0, 10, True)),
        ("bytes=0-99", 10, Span(0, 10, True)),
        ("bytes=10-", 10, None),
        ("bytes=-0", 10, None),
        ("bytes=0-", 0, None),
        ("bytes=-1", 0, None),
        ("bytes=4-2", 10, Span(0, 10)),
        ("bytes=-", 10, Span(0, 10)),
        ("bytes=0-1,3-4", 10, Span(0, 10)),
        ("lines=0-1", 10, Span(0, 10)),
        ("bytes=a-b", 10, Span(0, 10)),
    ],
)
def test_range(header: str | None, size: int, expected: Span | None):
    """What is no range asks for all; a range with no byte in it is refused (None)."""
    if expected is not None:
        assert span(header, size) == expected
        return
    members = {"RangeRequested": header, "ActualObjectSize": str(size)}
    assert refused(span, header, size) == ("InvalidRange", 416, members)


@pytest.mark.parametrize("bucket", ["abc", "a.b-c", "0ab", "a" * 63, "192.168.1.a", "1.2.3"])
def test_bucket_names_that_are_allowed(bucket: str):
    """3 to 63 lower-case letters, digits, dots and hyphens."""
    names.check_bucket(bucket)


@pytest.mark.parametrize(
    "bucket",
    ["ab", "a" * 64, "Abc", "a_b", "-ab", "ab-", ".ab", "a..b", "192.168.1.1", "xn--abc", "abc-s3alias", "a/b", "..",
     "../x", "äbc", "abc\n"],
)  # fmt: skip
def test_bucket_names_that_are_refused(bucket: str):
    """None of them can become a folder, either."""
    assert refused(names.check_bucket, bucket) == ("InvalidBucketName", 400, {"BucketName": bucket})


def test_keys_have_at_most_1024_bytes():
    """Bytes of UTF-8, not characters."""
    names.check_key("é" * 512)

    assert refused(names.check_key, "é" * 512 + "a")[0] == "KeyTooLongError"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("b/k", ("b", "k")),
        ("/b/k", ("b", "k")),
        ("b/a%20b%2Bc", ("b", "a b+c")),
        ("b/a+b", ("b", "a+b")),
        ("b//k", ("b", "/k")),
        ("b/k?versionId=null", ("b", "k")),
        ("b/k%3FversionId=1", ("b", "k?versionId=1")),
        ("b/%C3%BC", ("b", "ü")),
    ],
)
def test_copy_source(source: str, expected: tuple[str, str]):
    """Percent-encoded, where a plus is a plus."""
    assert names.parse_copy_source(source) == expected


@pytest.mark.parametrize(
    ("source", "code"), [("b", "InvalidArgument"), ("", "InvalidArgument"), ("b/k?versionId=1", "NotImplemented")]
)
def test_copy_source_that_is_refused(source: str, code: str):
    """It needs bucket and key, and can have no version."""
    assert refused(names.parse_copy_source, source)[0] == code


def test_metadata_is_limited_and_tidied():
    """Names are lower case, `aws-chunked` is forgotten, and 2 KB are enough."""
    nothing = dict.fromkeys(("content_disposition", "content_language", "cache_control", "expires"))

    metadata = describe(content_type=None, content_encoding="aws-chunked, gzip", user={"Colour": "red"}, **nothing)
    plain = describe(content_type="", content_encoding="aws-chunked", user=None, **nothing)

    assert metadata.members() == {
        "ContentType": "binary/octet-stream",
        "ContentEncoding": "gzip",
        "Metadata": {"colour": "red"},
    }
    assert plain.members() == {"ContentType": "binary/octet-stream", "Metadata": {}}
    too_large = {"a": "x" * 2048}
    assert refused(describe, content_type=None, content_encoding=None, user=too_large, **nothing)[0] == (
        "MetadataTooLarge"
    )
