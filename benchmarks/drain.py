"""How fast a full queue is emptied, for anything that can be paused, filled and counted.

A warm-up first, so that every process that will work is there. Then the workers are paused, the queue is filled, the
workers go on, and the completions are counted every 20 ms. The rate is that between a tenth and nine tenths of them:
neither the end of the pause nor the last stragglers count. CPU is that of the whole drain.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from redis import Redis

from benchmarks.failure import MeasurementFailed
from benchmarks.server import Usage

#: How often the completions are counted, in seconds.
LOOK = 0.02


class Drainable(Protocol):
    """A system with a queue and workers."""

    def completed(self) -> int:
        """How many jobs have been completed since the start."""
        ...

    def check(self) -> None:
        """See that it still runs; MeasurementFailed if not."""
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
class Plan:
    """What is drained: `fill(n)` puts n jobs on the queue of the system whose server `redis` reaches."""

    fill: Callable[[int], None]
    redis: Redis
    warm_up: int
    jobs: int
    patience: float


def drain(system: Drainable, plan: Plan) -> dict[str, float]:
    """Measure one drain: `rate` in jobs per second, and for each job `<part>_us` of CPU and the server's usage.

    Raises:
        MeasurementFailed: the warm-up or the drain took longer than the plan's patience.
    """
    start = system.completed()
    plan.fill(plan.warm_up)
    _count_until(system, start + plan.warm_up, plan.patience)
    system.pause()
    plan.fill(plan.jobs)
    cpu, usage = system.cpu(), Usage.of(plan.redis)
    system.resume()
    readings = _count_until(system, start + plan.warm_up + plan.jobs, plan.patience)
    used = {f"{part}_us": (seconds - cpu.get(part, 0.0)) / plan.jobs * 1e6 for part, seconds in system.cpu().items()}
    server = Usage.of(plan.redis).since(usage, plan.jobs)
    return {"rate": _rate(readings, start + plan.warm_up, plan.jobs)} | used | server


def _rate(readings: list[tuple[float, int]], start: int, jobs: int) -> float:
    """Jobs per second between the first reading of at least a tenth and the first of at least nine tenths."""
    first, last = (next(at for at in readings if at[1] >= start + jobs * tenths / 10) for tenths in (1, 9))
    if last[0] == first[0]:
        return jobs / LOOK  # all between two looks: it was at least as fast as that
    return (last[1] - first[1]) / (last[0] - first[0])


def _count_until(system: Drainable, end: int, patience: float) -> list[tuple[float, int]]:
    """Readings of time and count, the last one of at least `end`."""
    deadline = time.monotonic() + patience
    readings: list[tuple[float, int]] = []
    while not readings or readings[-1][1] < end:
        system.check()
        if time.monotonic() > deadline:
            raise MeasurementFailed(f"{readings[-1][1]} of {end} jobs were completed within {patience:g} s")
        time.sleep(LOOK)
        readings.append((time.monotonic(), system.completed()))
    return readings
