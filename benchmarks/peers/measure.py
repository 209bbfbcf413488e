"""The three things that are measured of a system: throughput with latency and memory, lateness, and a kill.

Each opens the system in an empty folder, does one thing after the other as its function reads, and closes it.
`figures.py` makes numbers of the records.
"""

import time
from collections.abc import Callable, Collection
from contextlib import closing
from pathlib import Path
from typing import Protocol

from benchmarks.failure import MeasurementFailed
from benchmarks.peers import figures
from benchmarks.peers.sizes import Sizes
from benchmarks.peers.system import Mode, Startable, System
from benchmarks.peers.thrice_peer import ThricePeer
from benchmarks.records import Records

#: How often the records are looked at, in seconds.
_LOOK = 0.01


class Counted(Protocol):
    """Something that runs and leaves records."""

    records: Records

    def check(self) -> None:
        """See that it runs; MeasurementFailed if not."""
        ...


def throughput(what: Startable[System], sizes: Sizes, share: float, folder: Path) -> figures.Numbers:
    """Idle latency, memory, the rates of publishing, and that of a drain of `share` of the jobs."""
    numbers = _numbers()
    jobs = max(int(sizes.jobs * share), 1)
    with closing(what.open(folder, Mode())) as system:
        _warm_up(system, sizes, numbers)
        time.sleep(sizes.settle)
        idle = {"memory_idle_mb": system.memory()} | _whole_memory(system)
        latency = _latency(system, sizes, numbers(sizes.samples))
        system.pause()
        done = system.records.count()
        seconds = system.publish(numbers(jobs))
        resumed = time.monotonic_ns()
        system.resume()
        wait_for(system, done + jobs, sizes.patience)
        drain = figures.drain_rate(system.records.executions(), resumed)
        drained = {"memory_drained_mb": system.memory()}
        rates = {"publish_rate": jobs / seconds, "drain_rate": drain}
        if system.has_batches:
            system.pause()
            rates["batch_rate"] = jobs / system.publish_batch(numbers(jobs))
            system.resume()
    return idle | latency | rates | drained


def lateness(what: Startable[System], sizes: Sizes, folder: Path) -> figures.Numbers:
    """How late single events begin that were published with a countdown, on a system that has nothing else to do."""
    numbers = _numbers()
    with closing(what.open(folder, Mode(countdown=sizes.countdown))) as system:
        system.pace(numbers(1), (0.0, 0.0))
        wait_for(system, 1, sizes.patience)
        published = system.pace(numbers(sizes.trickle), sizes.trickle_pause)
        wait_for(system, 1 + sizes.trickle, sizes.patience)
        late = system.records.since({number: at + int(sizes.countdown * 1e9) for number, at in published.items()})
    return figures.lateness(late)


def crash(what: Startable[System], sizes: Sizes, folder: Path) -> figures.Numbers:
    """What becomes of a backlog when one of two worker instances is killed at a quarter of it."""
    numbers = _numbers()
    with closing(what.open(folder, Mode(sleep=sizes.crash_sleep, is_apart=True))) as system:
        _warm_up(system, sizes, numbers)
        time.sleep(sizes.settle)  # one instance alone may have done all of that
        system.pause()
        done = system.records.count()
        given = numbers(sizes.crash_jobs)
        system.publish(given)
        system.resume()
        wait_for(system, done + sizes.crash_jobs // 4, sizes.patience, look=0.0005)
        killed = time.monotonic_ns()
        system.kill()
        if system.records.count() == done + sizes.crash_jobs:
            raise MeasurementFailed("the machine was so busy that all jobs were done before the kill")
        time.sleep(sizes.down)
        system.start_again()
        wait_for_silence(system.records, given, sizes.silence)
        account = figures.Account.of(system.records.executions(), given, killed)
        stuck = system.kept(account.missing)
    return account.numbers(stuck)


def _numbers() -> Callable[[int], range]:
    """Ranges of numbers for events, none twice in a system."""
    begin = 0

    def following(count: int) -> range:
        nonlocal begin
        begin += count
        return range(begin - count, begin)

    return following


def _warm_up(system: System, sizes: Sizes, numbers: Callable[[int], range]) -> None:
    """Have every process do something, so that all are there."""
    system.publish(numbers(sizes.warm_up))
    wait_for(system, sizes.warm_up, sizes.patience)


def _latency(system: System, sizes: Sizes, numbers: range) -> figures.Numbers:
    done = system.records.count()
    published = system.pace(numbers, sizes.pause)
    wait_for(system, done + len(numbers), sizes.patience)
    taken = system.records.since(published)
    return {"latency_p50_ms": figures.share_of(taken, 0.5), "latency_p99_ms": figures.share_of(taken, 0.99)}


def _whole_memory(system: System) -> figures.Numbers:
    return {"memory_whole_mb": system.whole_memory()} if isinstance(system, ThricePeer) else {}


def wait_for(system: Counted, count: int, patience: float, look: float = _LOOK) -> None:
    """Wait until so many jobs are done.

    Raises:
        MeasurementFailed: none was for `patience` seconds, or something ended that should run.
    """
    seen, since = system.records.count(), time.monotonic()
    while seen < count:
        system.check()
        time.sleep(look)
        now = system.records.count()
        if now > seen:
            seen, since = now, time.monotonic()
        if time.monotonic() - since > patience:
            raise MeasurementFailed(f"{seen} of {count} jobs were done, and none more for {patience:g} s")


def wait_for_silence(records: Records, given: Collection[int], silence: float) -> None:
    """Wait until all events of `given` are done, or none of them has been for `silence` seconds."""
    left, since = len(given), time.monotonic()
    while left and time.monotonic() - since < silence:
        time.sleep(_LOOK)
        now = len(figures.missing(records.executions(), given))
        if now < left:
            left, since = now, time.monotonic()
