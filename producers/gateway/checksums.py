"""The checksums that S3's clients send along.

CRC32, SHA-1, SHA-256, SHA-512 and MD5 are the standard library's. CRC32C and CRC64NVME go through a table of our own,
which is slow (some 10 MB/s) but needs no further package. xxHash is refused.
"""

import base64
import hashlib
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

from producers.errors import ApiError

#: Reflected polynomials. Source: RFC 3720 (Castagnoli), and the NVM Express base specification, "64b CRC".
_CRC32C = 0x82F63B78
_CRC64NVME = 0x9A6C9329AC4BC9B5


class Checksum(Protocol):
    """Takes bytes in pieces and tells their checksum."""

    def update(self, data: bytes, /) -> None:
        """Take the next bytes."""
        ...

    def digest(self) -> bytes:
        """The checksum of all bytes so far."""
        ...


class Crc32:
    """CRC-32 as in zlib, big-endian."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes, /) -> None:
        """Take the next bytes."""
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        """The checksum of all bytes so far."""
        return self._value.to_bytes(4, "big")


class ReflectedCrc:
    """A CRC whose register starts and ends inverted, byte by byte through a table."""

    def __init__(self, polynomial: int, bits: int) -> None:
        self._table = _table(polynomial)
        self._mask = (1 << bits) - 1
        self._value = self._mask

    def update(self, data: bytes, /) -> None:
        """Take the next bytes."""
        table, value = self._table, self._value
        for byte in data:
            value = table[(value ^ byte) & 0xFF] ^ (value >> 8)
        self._value = value

    def digest(self) -> bytes:
        """The checksum of all bytes so far."""
        return (self._value ^ self._mask).to_bytes(self._mask.bit_length() // 8, "big")


def _table(polynomial: int) -> list[int]:
    table = []
    for byte in range(256):
        register = byte
        for _ in range(8):
            register = (register >> 1) ^ polynomial if register & 1 else register >> 1
        table.append(register)
    return table


#: By the name that the header `x-amz-checksum-<name>` has.
KINDS: Mapping[str, Callable[[], Checksum]] = {
    "crc32": Crc32,
    "crc32c": lambda: ReflectedCrc(_CRC32C, 32),
    "crc64nvme": lambda: ReflectedCrc(_CRC64NVME, 64),
    "sha1": partial(hashlib.sha1, usedforsecurity=False),
    "sha256": hashlib.sha256,
    "sha512": hashlib.sha512,
    "md5": partial(hashlib.md5, usedforsecurity=False),
}

_PREFIX = "x-amz-checksum-"
_NO_CHECKSUMS = ("algorithm", "mode", "type")  # headers that begin alike and say something about checksums


def kind_of(header: str) -> str | None:
    """The algorithm that a header or trailer carries a value of, or None if it carries none.

    Raises:
        ApiError: it is one that we cannot compute.
    """
    name = header.strip().lower()
    if not name.startswith(_PREFIX) or name.removeprefix(_PREFIX) in _NO_CHECKSUMS:
        return None
    kind = name.removeprefix(_PREFIX)
    if kind not in KINDS:
        known = ", ".join(sorted(KINDS))
        raise ApiError("InvalidRequest", f"thrice cannot verify the checksum '{kind}'. Send one of: {known}.")
    return kind


def verify(kind: str, checksum: Checksum, expected: str) -> None:
    """Compare a body's checksum with what the client sent, in base64.

    Raises:
        ApiError: the value is no checksum of that kind, or the body is another one.
    """
    digest = checksum.digest()
    try:
        given = base64.b64decode(expected, validate=True)
    except ValueError:
        given = b""
    if len(given) != len(digest):
        raise ApiError("InvalidRequest", f"Value for {_PREFIX}{kind} header is invalid.")
    if given != digest:
        raise ApiError("BadDigest", f"The {kind.upper()} you specified did not match the calculated checksum.")


def verify_content_md5(digest: bytes, expected: str) -> None:
    """Compare a body's MD5 with the header Content-MD5.

    Raises:
        ApiError: the header is no MD5, or the body is another one.
    """
    try:
        given = base64.b64decode(expected, validate=True)
    except ValueError:
        given = b""
    if len(given) != 16:
        raise ApiError("InvalidDigest", "The Content-MD5 you specified is not valid.")
    if given != digest:
        raise ApiError("BadDigest", "The Content-MD5 you specified did not match what we received.")
