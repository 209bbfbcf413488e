"""What Redis keeps of buckets, objects and uploads, as JSON below the keys of the S3 section of `worker/keys.py`."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from producers.s3.metadata import Metadata
from worker.clock import from_ms


class _Record(BaseModel):
    """A record of version `v`; fields that a later version added are ignored, so that versions run side by side."""

    model_config = ConfigDict(frozen=True)

    v: int = 1

    def dump(self) -> bytes:
        """The record as it is stored."""
        return self.model_dump_json(exclude_none=True).encode()


class BucketRecord(_Record):
    """One bucket. `notification` is its notification configuration in the shape of the API, every rule with its Id."""

    created_ms: int
    notification: dict[str, Any] = {}


class _Bytes(_Record):
    """Bytes in a file of a bucket's folder."""

    file: str  # its name
    size: int
    modified_ms: int
    checksums: dict[str, str] = {}  # {"CRC32": base64}

    @property
    def modified(self) -> datetime:
        """When they came, in whole seconds as S3 tells it."""
        return whole_seconds(self.modified_ms)

    def checksum_members(self) -> dict[str, str]:
        """`ChecksumCRC32` and its like."""
        return {f"Checksum{name}": value for name, value in self.checksums.items()}


class ObjectRecord(_Bytes):
    """One object: what is in the file, and what a client said of it."""

    etag: str  # without quotes: MD5 in hex, or that of an upload in parts
    metadata: Metadata = Metadata()
    is_composite: bool = False  # the checksums are those of an upload in parts

    @property
    def quoted_etag(self) -> str:
        """The ETag as headers carry it."""
        return f'"{self.etag}"'

    @property
    def checksum_type(self) -> str:
        """AWS's name for what the checksums cover."""
        return "COMPOSITE" if self.is_composite else "FULL_OBJECT"

    def checksum_members(self) -> dict[str, str]:
        """`ChecksumCRC32` and its like with `ChecksumType`, or nothing."""
        members = super().checksum_members()
        return members | {"ChecksumType": self.checksum_type} if members else {}


class UploadRecord(_Record):
    """A multipart upload in progress."""

    key: str
    initiated_ms: int
    metadata: Metadata = Metadata()
    algorithm: str | None = None  # the checksum that the parts carry: "CRC32"


class PartRecord(_Bytes):
    """One part of an upload."""

    md5: str  # hex

    @property
    def quoted_etag(self) -> str:
        """The ETag as headers carry it."""
        return f'"{self.md5}"'


def whole_seconds(milliseconds: int) -> datetime:
    """The moment as S3 tells it: without fractions of a second."""
    return from_ms(milliseconds // 1000 * 1000)


def raw(reply: bytes | str) -> bytes:
    """A reply of Redis; it would be text only if the client decoded, and ours does not."""
    assert isinstance(reply, bytes)
    return reply


def text(reply: bytes | str) -> str:
    """A name that Redis gave back."""
    return raw(reply).decode()
