"""What answers say of objects, parts and pages, by AWS's members."""

import base64
import binascii
from typing import Any
from urllib.parse import quote_plus

from producers.s3 import errors
from producers.s3.conditions import Span
from producers.s3.listing import Page
from producers.s3.record import ObjectRecord, PartRecord


def describe_object(record: ObjectRecord, part: Span, checksum_mode: str | None) -> dict[str, Any]:
    """What GetObject and HeadObject say of an object, or of a part of its bytes."""
    members = {"ETag": record.quoted_etag, "LastModified": record.modified}
    members |= record.metadata.members() | part.members(record.size)
    if checksum_mode == "ENABLED" and not part.is_partial:  # a client would compare it with the part
        members |= record.checksum_members()
    return members


def describe_part(number: int, part: PartRecord) -> dict[str, Any]:
    """One part in ListParts' answer."""
    known = {"PartNumber": number, "LastModified": part.modified, "Size": part.size, "ETag": part.quoted_etag}
    return known | part.checksum_members()


def describe_content(key: str, record: ObjectRecord) -> dict[str, Any]:
    """One object in a listing; `key` is encoded as the caller wants it."""
    content: dict[str, Any] = {
        "Key": key,
        "LastModified": record.modified,
        "ETag": record.quoted_etag,
        "Size": record.size,
        "StorageClass": "STANDARD",
    }
    if record.checksums:
        content |= {"ChecksumAlgorithm": list(record.checksums), "ChecksumType": record.checksum_type}
    return content


def describe_page(
    page: Page, contents: list[dict[str, Any]], *, bucket: str, prefix: str, delimiter: str, limit: int, encoding: str
) -> dict[str, Any]:
    """What the answers of both versions of ListObjects have in common. An empty text is none."""
    answer: dict[str, Any] = {
        "Name": bucket,
        "Prefix": encode(prefix, encoding),
        "MaxKeys": limit,
        "IsTruncated": page.is_truncated,
    }
    if delimiter:
        answer["Delimiter"] = encode(delimiter, encoding)
    if encoding:
        answer["EncodingType"] = encoding
    if contents:
        answer["Contents"] = contents
    if page.prefixes:
        answer["CommonPrefixes"] = [{"Prefix": encode(each, encoding)} for each in page.prefixes]
    return answer


def encode(name: str, encoding: str) -> str:
    """A name as EncodingType wants it, "url" or "": XML 1.0 cannot hold every character that a key may have."""
    return quote_plus(name, safe="/") if encoding == "url" else name


def token(last: str) -> str:
    """A continuation token: where the next page begins."""
    return base64.urlsafe_b64encode(last.encode()).decode()


def read_token(text: str) -> str:
    """The name that `token` put into it.

    Raises:
        ApiError: InvalidArgument, we have not made it.
    """
    try:
        last = base64.b64decode(text, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        last = ""
    if not last:
        raise errors.invalid_argument("The continuation token provided is incorrect", "continuation-token", text)
    return last
