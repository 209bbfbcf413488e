"""Many events that wait for their next attempt, an hour away, while others fall due: how late those run.

Put there by the script that takes events in, with a countdown: the message gets into the same set as by a settlement
that leaves another attempt to be made. First a sample falls due while nothing else waits, then one while all wait. At
the end the clock is moved on by that hour, so that all are due at the same moment. Workers are watched all the time:
what waits is to be in Redis only.
"""

import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks.event import payload
from benchmarks.failure import MeasurementFailed
from benchmarks.latency import FIRST, wait_for
from benchmarks.measurements.measurement import Figure, Measurement
from benchmarks.sizes import Sizes
from benchmarks.slow_log import SlowLog
from benchmarks.thrice_system import ThriceSystem
from worker import virtual_clock
from worker.keys import Keys

#: For how long they wait, in seconds.
_HOUR = 3600.0


@dataclass(slots=True)
class _Watched:
    """A system whose largest worker took `idle` MB before, and never more than `largest`."""

    system: ThriceSystem
    sizes: Sizes
    idle: float
    largest: float = 0.0

    def look(self) -> None:
        """See that it runs, and what it takes."""
        self.system.check()
        self.largest = max(self.largest, self.system.largest_worker_memory())

    @property
    def growth(self) -> float:
        """What the largest worker grew by, in MB."""
        return self.largest - self.idle


def _thrice(sizes: Sizes, folder: Path) -> dict[str, float]:
    with closing(ThriceSystem(folder)) as system:
        for handler in ("stamp", "nothing"):
            system.create_function(handler)
            system.fill(handler, payload, sizes.warm_up)
        wait_for(system.records, sizes.warm_up, sizes.patience, system.check)
        alone = _lateness(_Watched(system, sizes, system.largest_worker_memory()), FIRST)
        watched = _Watched(system, sizes, system.largest_worker_memory())
        memory = system.redis.info("memory")["used_memory"]
        events = (("nothing", payload(number)) for number in range(sizes.waiting))
        system.publisher.publish_mixed(events, countdown=_HOUR)
        taken = system.redis.info("memory")["used_memory"] - memory
        beside = _lateness(watched, FIRST + sizes.due)
        while_waiting = watched.growth
        storm = _all_at_once(watched)
    return {
        "alone_p50_ms": alone["late_p50_ms"],
        "alone_p99_ms": alone["late_p99_ms"],
        "bytes": taken / sizes.waiting,
        "growth_mb": while_waiting,
    } | (beside | storm)


def _lateness(watched: _Watched, first_number: int) -> dict[str, float]:
    """Let a sample fall due, evenly spread, and say how late it ran."""
    system, sizes = watched.system, watched.sizes
    before = system.records.count()
    first = time.monotonic() + sizes.delayed_lead
    due = {}
    for number in range(sizes.due):
        moment = first + sizes.delayed_span * number / sizes.due
        due[first_number + number] = int(moment * 1e9)
        event = ("stamp", payload(first_number + number))
        system.publisher.publish_mixed([event], countdown=moment - time.monotonic())
    if time.monotonic() > first:
        raise MeasurementFailed(f"publishing {sizes.due} events took longer than {sizes.delayed_lead:g} s")
    while time.monotonic() < first + sizes.delayed_span:
        watched.look()
        time.sleep(0.25)
    wait_for(system.records, before + sizes.due, sizes.patience, watched.look)
    late = system.records.since(due)
    return {"late_p50_ms": late[len(late) // 2], "late_p99_ms": late[int(len(late) * 0.99)], "late_max_ms": late[-1]}


def _all_at_once(watched: _Watched) -> dict[str, float]:
    """Make all due at the same moment, and see the front of them through."""
    system, sizes = watched.system, watched.sizes
    slow_log = SlowLog(system.redis)
    start, since = system.completed(), time.monotonic()
    virtual_clock.advance(system.redis, Keys(), _HOUR)
    wanted = start + min(sizes.front, sizes.waiting)
    while system.completed() < wanted:
        watched.look()
        if time.monotonic() > since + sizes.patience:
            raise MeasurementFailed(
                f"{system.completed() - start} events had run {sizes.patience:g} s after all were due"
            )
        time.sleep(0.05)
    return {
        "rate": (system.completed() - start) / (time.monotonic() - since),
        "storm_growth_mb": watched.growth,
        "storm_slowest_ms": slow_log.slowest_ms(),
    }


MEASUREMENT = Measurement(
    "waiting",
    {"thrice": _thrice},
    (
        Figure("waiting_late_ms", "late_p99_ms", "lateness beside 200,000 that wait, p99, ms", 60.0, is_ratio=False),
        Figure("waiting_alone_ms", "alone_p99_ms", "lateness while nothing else waits, p99, ms", is_ratio=False),
        Figure("waiting_growth_mb", "growth_mb", "growth of a worker meanwhile, MB", 5.0, is_ratio=False),
        Figure("waiting_bytes", "bytes", "Redis memory per event that waits, bytes", is_ratio=False),
        Figure("due_growth_mb", "storm_growth_mb", "growth of a worker when all are due, MB", 5.0, is_ratio=False),
        Figure("due_slowest_ms", "storm_slowest_ms", "slowest script then, ms", is_ratio=False),
    ),
    repetitions=lambda sizes: sizes.start_repetitions,
    is_long=True,
)
