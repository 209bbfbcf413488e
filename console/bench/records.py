"""What the record of one event tells of its times. Pure.

The moments in a record are of two clocks: an attempt's start is the worker's, which is the machine's; acceptance and
end are those of the scripts, which a test may move. A load test that moved the clock knows by how much, and when, so
that `Moves` can say at what real moment the moved clock showed a time.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

import orjson

#: The fields of a record that are read, in the order in which `Fate.of` takes them.
FIELDS = ("state", "accepted_at", "ended_at", "due_at", "attempts_made", "workers_lost", "condition", "attempts")

ENDED = ("succeeded", "dead_lettered", "dropped")

#: Outcomes of attempts in which nothing ran.
_NOT_RUN = ("Throttled", "Lost")


@dataclass(slots=True)
class Moves:
    """How far ahead of the machine's clock the scripts' clock was, and since when. Moments are in ms."""

    shown: list[float] = field(default_factory=list)  # what the moved clock showed after each move, ascending
    offsets: list[float] = field(default_factory=list)  # how far ahead it was from then on

    def note(self, shown_ms: float, offset_ms: float) -> None:
        """The clock shows `shown_ms` and is ahead by `offset_ms` from now on."""
        self.shown.append(shown_ms)
        self.offsets.append(offset_ms)

    def real(self, moment_ms: float) -> float:
        """The machine's time when the moved clock showed `moment_ms`."""
        position = bisect_right(self.shown, moment_ms) - 1
        return moment_ms - (self.offsets[max(0, position)] if self.offsets else 0.0)


@dataclass(frozen=True, slots=True)
class Fate:
    """Where one event stands and how it went. Moments are in ms since the epoch, of the machine's clock."""

    state: str  # "succeeded", "dead_lettered", "dropped"; else it has not ended
    condition: str
    attempts: int
    workers_lost: int
    throttles: int  # how often it was put back because the function's reserved concurrency was in use
    due_ms: float | None  # by the scripts' clock: when the next attempt is due, of an event that has not ended
    wait_ms: float | None  # in the queue before the first attempt
    runs_ms: tuple[float, ...]  # of the handler, each attempt
    between_ms: float  # from the end of each attempt to the start of the next
    ended_ms: float | None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ENDED

    @classmethod
    def of(cls, values: Mapping[str, bytes | None], moves: Moves) -> "Fate":
        """Read the fields of a record that is there."""
        state = _text(values["state"])
        attempts = orjson.loads(b"[%b]" % (values["attempts"] or b""))
        run = [attempt for attempt in attempts if attempt["outcome"] not in _NOT_RUN]
        spans = [(_moment_ms(attempt["started_at"]), float(attempt["duration_ms"])) for attempt in run]
        between = sum(max(0.0, start - (before + took)) for (before, took), (start, _) in pairwise(spans))
        ended_at, accepted_at, due_at = values["ended_at"], values["accepted_at"], values["due_at"]
        wait = None
        if run and accepted_at is not None:
            wait = max(0.0, spans[0][0] - moves.real(float(accepted_at)))
        return cls(
            state=state,
            condition=_text(values["condition"]),
            attempts=int(values["attempts_made"] or 0),
            workers_lost=int(values["workers_lost"] or 0),
            throttles=sum(attempt["outcome"] == "Throttled" for attempt in attempts),
            due_ms=float(due_at) if due_at is not None and state == "waiting" else None,
            wait_ms=wait,
            runs_ms=tuple(took for _, took in spans),
            between_ms=between,
            ended_ms=moves.real(float(ended_at)) if ended_at is not None else None,
        )


def _text(value: bytes | None) -> str:
    return value.decode() if value else ""


def _moment_ms(written: str) -> float:
    return datetime.fromisoformat(written).timestamp() * 1000
