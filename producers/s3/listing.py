"""One page of a bucket's listing. Pure: where the names come from is handed in.

Names come in the order of their UTF-8 bytes. With a delimiter, all that share a common prefix are one entry of the
page, and once that prefix is told, the reading jumps behind the last name that can begin with it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

#: Most entries of one page. Source: ListObjectsV2.
MAX_PAGE = 1_000

#: The names between two limits, in the form of ZRANGEBYLEX (`[from`, `(from`, `-`; `(to`, `+`), at most so many.
Fetch = Callable[[bytes, bytes, int], list[bytes]]


class Entry(NamedTuple):
    """One line of a page: an object's key, or a prefix that several share."""

    name: str
    is_prefix: bool


@dataclass(frozen=True, slots=True)
class Page:
    """What one answer lists."""

    entries: tuple[Entry, ...]
    is_truncated: bool

    @property
    def keys(self) -> list[str]:
        """The objects."""
        return [entry.name for entry in self.entries if not entry.is_prefix]

    @property
    def prefixes(self) -> list[str]:
        """The common prefixes."""
        return [entry.name for entry in self.entries if entry.is_prefix]

    @property
    def last(self) -> str:
        """The entry after which the next page begins."""
        return self.entries[-1].name


def read_page(fetch: Fetch, *, prefix: str, delimiter: str, after: str, limit: int) -> Page:
    """The first `limit` entries behind `after` whose names begin with `prefix`.

    `after` may be a common prefix, or lie under one: then no name under it is told again. An empty `delimiter` or
    `after` is none.
    """
    if limit == 0:
        return Page((), is_truncated=False)
    entries: list[Entry] = []
    start, stop = _start(prefix, delimiter, after), (b"(" + _successor(prefix) if prefix else b"+")
    while True:
        wanted = limit - len(entries) + 1
        names = fetch(start, stop, wanted)
        for name in names:
            entry = _entry(name.decode(), prefix, delimiter)
            if entries and entry == entries[-1]:
                continue
            if len(entries) == limit:
                return Page(tuple(entries), is_truncated=True)
            entries.append(entry)
        if len(names) < wanted:
            return Page(tuple(entries), is_truncated=False)
        start = _behind(entries[-1])


def _start(prefix: str, delimiter: str, after: str) -> bytes:
    if after.encode() < prefix.encode() or not after:
        return b"[" + prefix.encode() if prefix else b"-"
    if not after.startswith(prefix):
        return b"(" + after.encode()
    entry = _entry(after, prefix, delimiter)
    return _behind(entry)


def _behind(entry: Entry) -> bytes:
    return b"[" + _successor(entry.name) if entry.is_prefix else b"(" + entry.name.encode()


def _entry(name: str, prefix: str, delimiter: str) -> Entry:
    if delimiter:
        end = name.find(delimiter, len(prefix))
        if end >= 0:
            return Entry(name[: end + len(delimiter)], is_prefix=True)
    return Entry(name, is_prefix=False)


def _successor(prefix: str) -> bytes:
    """The first byte string behind all that begin with `prefix`. No byte of UTF-8 is 0xFF, so one can be added."""
    encoded = prefix.encode()
    return encoded[:-1] + bytes([encoded[-1] + 1])
