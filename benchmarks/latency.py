"""How soon a handler begins: single events of the function `stamp`, one after the other."""

import random
import statistics
import time
from collections.abc import Callable

from benchmarks.processes import wait_until
from benchmarks.records import Records
from benchmarks.sizes import Sizes

#: Between two single events, in seconds: long enough that they do not wait for each other, and in step with nobody's
#: timers.
_PAUSE = (0.01, 0.03)

#: The first number of a sample, beyond all of a warm-up. Each measurement of one system needs numbers of its own.
FIRST = 1_000_000


def latency(
    records: Records,
    sizes: Sizes,
    publish: Callable[[int], object],
    check: Callable[[], None],
    first: int = FIRST,
) -> dict[str, float]:
    """Milliseconds from just before `publish` until the handler began, of events that are numbered from `first` on."""
    pauses = random.Random(1)
    begin = records.count()
    published = {}
    for sample in range(sizes.samples):
        time.sleep(pauses.uniform(*_PAUSE))
        published[first + sample] = time.monotonic_ns()
        publish(first + sample)
        wait_for(records, begin + sample + 1, sizes.patience, check)
    taken = records.since(published)
    return {"latency_p50_ms": statistics.median(taken), "latency_p99_ms": taken[int(len(taken) * 0.99)]}


def wait_for(records: Records, count: int, patience: float, check: Callable[[], None]) -> None:
    """Wait until so many handlers have begun.

    Raises:
        MeasurementFailed: they did not within `patience` seconds, or `check` says that the system has ended.
    """

    def done() -> bool:
        check()
        return records.count() >= count

    wait_until(done, f"{count} handlers have begun", patience, look=0.001)
