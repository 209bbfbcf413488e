"""How the parts of an upload become one object: which ones, in which order, and what its ETag is. Pure."""

import base64
import hashlib
import zlib
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from producers.errors import ApiError
from producers.s3.record import PartRecord

#: Smallest part but the last, in bytes, and the highest part number. Source: S3 User Guide, "Amazon S3 multipart
#: upload limits".
MIN_PART = 5_242_880
MAX_PART_NUMBER = 10_000

#: The algorithms for which S3 makes a checksum of the parts' checksums.
COMPOSITE: Mapping[str, Callable[[bytes], bytes]] = {
    "CRC32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "SHA1": lambda data: hashlib.sha1(data, usedforsecurity=False).digest(),
    "SHA256": lambda data: hashlib.sha256(data).digest(),
}


def choose_parts(listed: Sequence[Mapping[str, Any]], stored: Mapping[int, PartRecord]) -> list[PartRecord]:
    """The stored parts that CompleteMultipartUpload lists, in its order.

    Raises:
        ApiError: MalformedXML, InvalidPartOrder, InvalidPart or EntityTooSmall.
    """
    if not listed:
        message = "The XML you provided was not well-formed or did not validate against our published schema"
        raise ApiError("MalformedXML", message)
    numbers = [part.get("PartNumber", 0) for part in listed]
    if any(number >= following for number, following in pairwise(numbers)):
        message = "The list of parts was not in ascending order. Parts must be ordered by part number."
        raise ApiError("InvalidPartOrder", message)
    chosen = [_choose(part, stored) for part in listed]
    for number, part in zip(numbers[:-1], chosen[:-1], strict=True):
        if part.size < MIN_PART:
            message = "Your proposed upload is smaller than the minimum allowed size"
            members = {"ProposedSize": str(part.size), "MinSizeAllowed": str(MIN_PART), "PartNumber": str(number)}
            raise ApiError("EntityTooSmall", message, 400, members=members | {"ETag": part.md5})
    return chosen


def _choose(listed: Mapping[str, Any], stored: Mapping[int, PartRecord]) -> PartRecord:
    number = listed.get("PartNumber", 0)
    part = stored.get(number)
    if part is not None:
        etag = str(listed.get("ETag", "")).strip('"')
        given = {name.removeprefix("Checksum"): value for name, value in listed.items() if name.startswith("Checksum")}
        if etag == part.md5 and given.items() <= part.checksums.items():
            return part
    raise invalid_part(number)


def invalid_part(number: int | None = None) -> ApiError:
    """A listed part is not among those that were uploaded, or is another one by now."""
    message = (
        "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified "
        "entity tag may not match the part's entity tag."
    )
    return ApiError("InvalidPart", message, 400, members={} if number is None else {"PartNumber": str(number)})


def etag(parts: Sequence[PartRecord]) -> str:
    """The MD5 of the parts' MD5s, and how many there are."""
    digests = b"".join(bytes.fromhex(part.md5) for part in parts)
    return f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"


def checksums(algorithm: str | None, parts: Sequence[PartRecord]) -> dict[str, str]:
    """The checksum of the parts' checksums, and how many there are; nothing unless every part carries one."""
    values = [part.checksums.get(algorithm) for part in parts] if algorithm else []
    if algorithm is None or not all(values):
        return {}
    digest = COMPOSITE[algorithm](b"".join(base64.b64decode(value) for value in values if value))
    return {algorithm: f"{base64.b64encode(digest).decode()}-{len(parts)}"}


def check_checksums(expected: Mapping[str, str], computed: Mapping[str, str]) -> None:
    """Compare what the client says the object's checksum is with ours; the number of parts may be left out.

    Raises:
        ApiError: BadDigest.
    """
    for name, value in expected.items():
        if value not in (computed.get(name), computed.get(name, "").partition("-")[0]):
            message = f"The {name} you specified did not match the calculated checksum."
            raise ApiError("BadDigest", message)
