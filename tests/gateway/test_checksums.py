"""Checksums against the values that their specifications give for known bytes."""

import base64

import pytest

from producers.errors import ApiError
from producers.gateway.checksums import KINDS, kind_of, verify, verify_content_md5

#: The check value of each CRC is that of these bytes.
DIGITS = b"123456789"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("crc32", "cbf43926"),
        ("crc32c", "e3069283"),
        ("crc64nvme", "ae8b14860a799888"),
        ("sha1", "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
        ("md5", "25f9e794323b453885f5181f1b624d0b"),
    ],
)
def test_known_values(kind: str, expected: str) -> None:
    """Each kind gives its published check value, however the bytes are cut."""
    for cut in range(len(DIGITS)):
        checksum = KINDS[kind]()
        checksum.update(DIGITS[:cut])
        checksum.update(DIGITS[cut:])

        assert checksum.digest().hex() == expected


def test_only_headers_with_a_value_name_a_kind() -> None:
    """What is said about checksums is not taken for one; a kind that we cannot compute is refused by name."""
    assert kind_of("X-Amz-Checksum-CRC32") == "crc32"
    assert kind_of("x-amz-checksum-mode") is None
    assert kind_of("content-type") is None
    with pytest.raises(ApiError, match="cannot verify the checksum 'xxhash64'"):
        kind_of("x-amz-checksum-xxhash64")


@pytest.mark.parametrize(
    ("value", "code"), [("AAAAAA==", "BadDigest"), ("AAAA", "InvalidRequest"), ("%", "InvalidRequest")]
)
def test_a_wrong_checksum_is_told_from_none(value: str, code: str) -> None:
    """Another body's checksum is a bad digest; what is no checksum of that kind is an invalid request."""
    with pytest.raises(ApiError) as refused:
        verify("crc32", KINDS["crc32"](), base64.b64encode(b"ab34").decode() if value == "AAAAAA==" else value)

    assert refused.value.code == code


@pytest.mark.parametrize(("value", "code"), [("AAAA", "InvalidDigest"), ("1B2M2Y8AsgTpgAmY7PhCfg=A", "InvalidDigest")])
def test_content_md5_that_is_none(value: str, code: str) -> None:
    """S3 has a code of its own for a header that is no MD5."""
    with pytest.raises(ApiError) as refused:
        verify_content_md5(b"", value)

    assert refused.value.code == code
