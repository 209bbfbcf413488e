"""What a client says of an object and gets back with it: content headers, and metadata of its own."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from producers.errors import ApiError
from worker.clock import from_ms, to_ms

#: Metadata of the user, names and values together, in bytes. Source: S3 User Guide, "Working with object metadata".
MAX_USER_METADATA = 2_048


class Metadata(BaseModel):
    """As it is stored with the object."""

    model_config = ConfigDict(frozen=True)

    content_type: str = "binary/octet-stream"
    content_encoding: str | None = None
    content_disposition: str | None = None
    content_language: str | None = None
    cache_control: str | None = None
    expires_ms: int | None = None
    user: dict[str, str] = {}  # x-amz-meta-…, names in lower case and without that prefix

    def members(self) -> dict[str, Any]:
        """The members of GetObject's answer; those that nobody set are left out."""
        members = {
            "ContentType": self.content_type,
            "ContentEncoding": self.content_encoding,
            "ContentDisposition": self.content_disposition,
            "ContentLanguage": self.content_language,
            "CacheControl": self.cache_control,
            "Expires": None if self.expires_ms is None else from_ms(self.expires_ms),
            "Metadata": dict(self.user),
        }
        return {name: value for name, value in members.items() if value is not None}


def describe(
    *,
    content_type: str | None,
    content_encoding: str | None,
    content_disposition: str | None,
    content_language: str | None,
    cache_control: str | None,
    expires: datetime | None,
    user: dict[str, str] | None,
) -> Metadata:
    """Metadata from what a request says.

    Raises:
        ApiError: MetadataTooLarge.
    """
    user = {name.lower(): value for name, value in (user or {}).items()}
    size = sum(len(name.encode()) + len(value.encode()) for name, value in user.items())
    if size > MAX_USER_METADATA:
        members = {"Size": str(size), "MaxSizeAllowed": str(MAX_USER_METADATA)}
        message = "Your metadata headers exceed the maximum allowed metadata size"
        raise ApiError("MetadataTooLarge", message, 400, members=members)
    return Metadata(
        content_type=content_type or Metadata().content_type,
        content_encoding=_without_chunking(content_encoding),
        content_disposition=content_disposition,
        content_language=content_language,
        cache_control=cache_control,
        expires_ms=None if expires is None else to_ms(expires),
        user=user,
    )


def _without_chunking(encoding: str | None) -> str | None:
    """`aws-chunked` says how the body travelled, not what it is."""
    codings = [coding.strip() for coding in (encoding or "").split(",")]
    return ",".join(coding for coding in codings if coding and coding != "aws-chunked") or None
