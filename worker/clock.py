"""The one place that asks the time.

Two clocks rule the system and agree in production: this one, for what a process says about itself (log lines,
`LastModified`), and the Redis server's, read inside the scripts, for everything that is compared with a time: due
times, ages, leases, visibility. A test moves both with `advance`, and nothing waits.
"""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time. Handed in through constructors, never asked for globally."""

    def now(self) -> datetime:
        """The present moment, in UTC, with its zone."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never jumps, for durations."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        """The present moment, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since some moment in the past."""
        return time.monotonic()


def to_ms(moment: datetime) -> int:
    """Whole milliseconds since the epoch."""
    return int(moment.timestamp() * 1000)


def from_ms(milliseconds: float) -> datetime:
    """The moment, in UTC, that lies so many milliseconds after the epoch."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def iso_ms(moment: datetime) -> str:
    """`2026-01-02T03:04:05.678Z`: how AWS writes a moment in events and records."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")[: -len("+00:00")] + "Z"
