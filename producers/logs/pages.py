"""Pages of log events, and the tokens that lead from one to the next. Pure.

A token names the event beside which the next page begins, and the direction. So pages stay right while new events are
written, and following a log costs no state here.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from producers.logs.events import LogEvent

#: Most events on one page, and most bytes. Source: FilterLogEvents and GetLogEvents, "limit".
MAX_EVENTS = 10_000
MAX_BYTES = 1_048_576

#: What an event counts for besides its message, in bytes. Source: PutLogEvents.
_EVENT_OVERHEAD = 26

_TOKEN = re.compile(r"([fb])/(\d{56})")

#: Stands before all events.
_START = "0" * 56


class UnusableToken(Exception):
    """Raised for a token that was not given out here. The text is the token."""


@dataclass(frozen=True, slots=True)
class Position:
    """A place beside an event, and the direction in which to go on."""

    event_id: str
    is_forward: bool

    @classmethod
    def parse(cls, token: str) -> "Position":
        """Read a token.

        Raises:
            UnusableToken: it is none.
        """
        match = _TOKEN.fullmatch(token)
        if match is None:
            raise UnusableToken(token)
        return cls(match[2], is_forward=match[1] == "f")

    def __str__(self) -> str:
        return f"{'f' if self.is_forward else 'b'}/{self.event_id}"


@dataclass(frozen=True, slots=True)
class Page:
    """Some events in order, and what is left in the direction in which they were taken."""

    events: Sequence[LogEvent]
    has_more: bool

    def forward(self, given: Position | None) -> Position:
        """Where the page after this one begins. `given` is where this one did."""
        at = self.events[-1].event_id if self.events else given.event_id if given else _START
        return Position(at, is_forward=True)

    def backward(self, given: Position | None) -> Position:
        """Where the page before this one begins. `given` is where this one did."""
        at = self.events[0].event_id if self.events else given.event_id if given else _START
        return Position(at, is_forward=False)


def page_of(events: Sequence[LogEvent], position: Position | None, *, is_forward: bool, limit: int | None) -> Page:
    """One page of `events`, which are in order.

    Taken from `position` on, in its direction; where that is None, from the beginning or from the end. The events of
    the page are in order either way.
    """
    if position is not None:
        is_forward = position.is_forward
        events = [event for event in events if (event.event_id > position.event_id) is is_forward]
        if not is_forward:
            events = [event for event in events if event.event_id != position.event_id]
    one_by_one = events if is_forward else events[::-1]
    fit = _how_many_fit(one_by_one[: limit or MAX_EVENTS])
    taken = one_by_one[:fit]
    return Page(taken if is_forward else taken[::-1], has_more=fit < len(events))


def _how_many_fit(events: Sequence[LogEvent]) -> int:
    """How many of the first events fit into one answer; at least one."""
    size = 0
    for count, event in enumerate(events):
        size += len(event.message.encode("utf-8", "replace")) + _EVENT_OVERHEAD
        if size > MAX_BYTES and count > 0:
            return count
    return len(events)
