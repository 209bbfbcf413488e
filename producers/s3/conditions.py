"""When a request is carried out at all, and for which bytes: the If-… headers, and Range. Pure."""

import re
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from producers.errors import ApiError
from producers.s3 import errors
from producers.s3.record import ObjectRecord

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True, slots=True)
class ReadConditions:
    """The four conditions of a read; None is no condition."""

    if_match: str | None = None
    if_none_match: str | None = None
    if_modified_since: datetime | None = None
    if_unmodified_since: datetime | None = None

    def check(self, current: ObjectRecord) -> None:
        """Let a read of `current` pass or not. A tag weighs more than a time. Source: RFC 9110, 13.2.2.

        Raises:
            ApiError: PreconditionFailed (412), or NotModified (304) with the headers that a 304 carries.
        """
        if self.if_match is not None:
            if not names_etag(self.if_match, current.etag):
                raise errors.precondition_failed("If-Match")
        elif self.if_unmodified_since is not None and current.modified > self.if_unmodified_since:
            raise errors.precondition_failed("If-Unmodified-Since")
        if self._is_unchanged(current):
            headers = {"ETag": current.quoted_etag, "Last-Modified": format_datetime(current.modified, usegmt=True)}
            raise ApiError("NotModified", "Not Modified", 304, headers=headers)

    def check_copy(self, current: ObjectRecord) -> None:
        """The same for the source of a copy, where every refusal is a 412.

        Raises:
            ApiError: PreconditionFailed.
        """
        try:
            self.check(current)
        except ApiError as error:
            if error.code == "NotModified":
                raise errors.precondition_failed("x-amz-copy-source-If-None-Match") from None
            raise errors.precondition_failed(f"x-amz-copy-source-{error.members['Condition']}") from None

    def _is_unchanged(self, current: ObjectRecord) -> bool:
        if self.if_none_match is not None:
            return names_etag(self.if_none_match, current.etag)
        return self.if_modified_since is not None and current.modified <= self.if_modified_since


@dataclass(frozen=True, slots=True)
class WriteConditions:
    """The two conditions of a write."""

    if_match: str | None = None
    if_none_match: str | None = None

    def check_form(self) -> None:
        """Refuse what S3 does not take either: a tag in If-None-Match, or both conditions.

        Raises:
            ApiError: NotImplemented.
        """
        if self.if_none_match not in (None, "*") or (self.if_match is not None and self.if_none_match is not None):
            raise errors.not_implemented("A header you provided implies functionality that is not implemented")

    def check(self, key: str, current: ObjectRecord | None) -> None:
        """Let a write over `current` pass or not.

        Raises:
            ApiError: PreconditionFailed, or NoSuchKey where If-Match has nothing to match.
        """
        if self.if_none_match is not None and current is not None:
            raise errors.precondition_failed("If-None-Match")
        if self.if_match is None:
            return
        if current is None:
            raise errors.no_such_key(key)
        if not names_etag(self.if_match, current.etag):
            raise errors.precondition_failed("If-Match")


def names_etag(header: str, etag: str) -> bool:
    """Whether a list of tags, quoted or not, holds this one; `*` holds each."""
    tags = [tag.strip().removeprefix("W/").strip('"') for tag in header.split(",")]
    return "*" in tags or etag in tags


@dataclass(frozen=True, slots=True)
class Span:
    """The bytes that are answered."""

    offset: int
    length: int
    is_partial: bool = False

    @property
    def status(self) -> int | None:
        """206 for a part; None leaves the operation's own."""
        return 206 if self.is_partial else None

    def members(self, size: int) -> dict[str, Any]:
        """What the answer says of them."""
        whole: dict[str, Any] = {"ContentLength": self.length, "AcceptRanges": "bytes"}
        if not self.is_partial:
            return whole
        return whole | {"ContentRange": f"bytes {self.offset}-{self.offset + self.length - 1}/{size}"}


def span(header: str | None, size: int) -> Span:
    """Which bytes of an object of `size` the header Range asks for; one that is not understood asks for all.

    Raises:
        ApiError: InvalidRange (416), no byte of the object is in it.
    """
    match = _RANGE.fullmatch(header.replace(" ", "")) if header else None
    if match is None or match.groups() == ("", ""):
        return Span(0, size)
    first, last = match.groups()
    if not first:
        start, stop = max(size - int(last), 0), size
    else:
        start, stop = int(first), min(int(last) + 1, size) if last else size
    if first and last and int(last) < int(first):
        return Span(0, size)
    if start >= stop:
        members = {"RangeRequested": header, "ActualObjectSize": str(size)}
        raise ApiError("InvalidRange", "The requested range is not satisfiable", 416, members=members)
    return Span(start, stop - start, is_partial=True)
