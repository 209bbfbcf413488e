"""How fast a full queue is emptied, for anything that can be paused, filled and counted.

A warm-up first, so that every process that will work is there. Then the workers are paused, the queue is filled, the
workers go on, and the number of completions is read every 20 ms. The rate is that of the completions between the first
reading that saw one and the last: neither start-up nor the end of a pause counts.
"""

import time
from dataclasses import dataclass
from typing import Any, Protocol

#: How often the completions are counted, in seconds.
LOOK = 0.02


class Drainable(Protocol):
    """A system with a queue and workers."""

    def fill(self, count: int) -> None:
        """Put `count` jobs on the queue."""
        ...

    def completed(self) -> int:
        """How many jobs have been completed since the start."""
        ...

    def pause(self) -> None:
        """Stop the workers where they are."""
        ...

    def resume(self) -> None:
        """Let the workers go on."""
        ...

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far, by part."""
        ...


@dataclass(frozen=True, slots=True)
class Drain:
    """One drain. `cpu_us` is microseconds of CPU for each job, by part, polling included."""

    rate: float  # jobs per second
    seconds: float
    fill_seconds: float
    cpu_us: dict[str, float]

    def document(self) -> dict[str, Any]:
        """As JSON shows it."""
        return {
            "rate_per_s": round(self.rate, 1),
            "seconds": round(self.seconds, 3),
            "fill_seconds": round(self.fill_seconds, 3),
            "cpu_us_per_job": {part: round(value, 1) for part, value in sorted(self.cpu_us.items())},
        }


def drain(system: Drainable, count: int, warm_up: int, timeout: float) -> Drain:
    """Measure one drain of `count` jobs.

    Raises:
        TimeoutError: the warm-up or the drain took longer than `timeout` seconds.
    """
    system.fill(warm_up)
    _watch(system, warm_up, warm_up, timeout)
    system.pause()
    filling = time.monotonic()
    system.fill(count)
    filled = time.monotonic()
    before = system.cpu()
    system.resume()
    first, last = _watch(system, warm_up + 1, warm_up + count, timeout)
    after = system.cpu()
    used = {part: (seconds - before.get(part, 0.0)) / count * 1e6 for part, seconds in after.items()}
    return Drain((last[1] - first[1]) / (last[0] - first[0]), last[0] - first[0], filled - filling, used)


def _watch(system: Drainable, start: int, end: int, timeout: float) -> tuple[tuple[float, int], tuple[float, int]]:
    """Time and count of the first reading of at least `start`, and of the first of at least `end`."""
    deadline = time.monotonic() + timeout
    first: tuple[float, int] | None = None
    while True:
        done, now = system.completed(), time.monotonic()
        if first is None and done >= start:
            first = now, done
        if first is not None and done >= end:
            return first, (now, done)
        if now > deadline:
            raise TimeoutError(f"{done} of {end} jobs were completed within {timeout:g} s")
        time.sleep(LOOK)
