"""Everything that can happen to an event, as log lines: one dataclass each, one JSON line each.

To know what can stand in a worker's log, read this file. Tests and pages listen to the same events.
"""

import dataclasses
import logging
from dataclasses import dataclass
from typing import ClassVar

import orjson

_log = logging.getLogger("thrice.worker")


@dataclass(frozen=True, slots=True)
class AttemptFinished:
    """One attempt ended. `outcome` is the name of its class; `next_in` the seconds until the next attempt."""

    level: ClassVar[int] = logging.INFO

    request_id: str
    function: str
    attempt: int
    outcome: str
    error: str | None
    duration_ms: float
    decision: str
    next_in: float | None = None


@dataclass(frozen=True, slots=True)
class AttemptSucceeded:
    """One attempt succeeded, and its event with it."""

    level: ClassVar[int] = logging.DEBUG

    request_id: str
    function: str
    attempt: int
    duration_ms: float


@dataclass(frozen=True, slots=True)
class EventDied:
    """An event was given up. `taken_by` are the targets that were handed the dead letter or record."""

    level: ClassVar[int] = logging.WARNING

    request_id: str
    function: str
    attempt: int
    condition: str
    taken_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LeaseLost:
    """A worker finished an attempt whose lease had ended: somebody else runs the event again, this result is void."""

    level: ClassVar[int] = logging.WARNING

    request_id: str
    function: str
    attempt: int


@dataclass(frozen=True, slots=True)
class DeliveryFailed:
    """A dead letter or a record could not be sent, and will not be tried again."""

    level: ClassVar[int] = logging.ERROR

    request_id: str
    function: str
    target: str
    reason: str


@dataclass(frozen=True, slots=True)
class EventsPutBack:
    """A sweep found events of dead workers, or events whose Celery message had been lost."""

    level: ClassVar[int] = logging.WARNING

    reaped: int
    republished: int


@dataclass(frozen=True, slots=True)
class StoreAway:
    """Redis does not answer; the worker waits and tries again."""

    level: ClassVar[int] = logging.WARNING

    doing: str
    reason: str


@dataclass(frozen=True, slots=True)
class NotSettled:
    """Redis refused an outcome for what is in it. The event is tried again when its lease ends."""

    level: ClassVar[int] = logging.ERROR

    request_id: str
    reason: str


Event = (
    AttemptFinished | AttemptSucceeded | EventDied | LeaseLost | DeliveryFailed | EventsPutBack | StoreAway | NotSettled
)


def emit(event: Event) -> None:
    """Write `event` to the log."""
    if _log.isEnabledFor(event.level):
        fields = {field.name: getattr(event, field.name) for field in dataclasses.fields(event)}
        _log.log(event.level, "%s", orjson.dumps({"event": type(event).__name__, **fields}).decode())
