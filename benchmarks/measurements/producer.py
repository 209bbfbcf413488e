"""What it takes to put events on a queue, and what a queued event takes: one process that publishes, and no worker.

thrice publishes in batches, the peer as everybody does, one `apply_async` after the other.
"""

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from benchmarks import transports
from benchmarks.celery_app import NOTHING
from benchmarks.celery_system import CelerySystem
from benchmarks.event import event, payload
from benchmarks.measurements.measurement import Figure, Measurement
from benchmarks.publish import EventPublisher
from benchmarks.server import Server, Usage
from benchmarks.sizes import Sizes

#: Published before the clock runs: connections are made, scripts are loaded.
_BEFORE = 100


def _thrice(sizes: Sizes, folder: Path) -> dict[str, float]:
    with closing(Server(folder)) as server:
        publisher = EventPublisher(server.redis, server.settings)
        publisher.publish("nothing", [payload()] * _BEFORE)
        payloads = [payload(number) for number in range(sizes.published)]
        return _measure(server, sizes.published, lambda: publisher.publish("nothing", payloads))


def stock_one_by_one(sizes: Sizes, folder: Path) -> dict[str, float]:
    """One process that calls stock `apply_async`, one event after the other."""
    with closing(CelerySystem(folder, transports.STOCK)) as system:
        task = system.app.tasks[NOTHING]
        for _ in range(_BEFORE):
            task.apply_async((event(),))
        events = [event(number) for number in range(sizes.published)]

        def publish() -> None:
            for each in events:
                task.apply_async((each,))

        return _measure(system.server, sizes.published, publish)


def _measure(server: Server, count: int, publish: Callable[[], None]) -> dict[str, float]:
    memory, usage = server.memory(), Usage.of(server.redis)
    cpu, since = time.process_time(), time.monotonic()
    publish()
    seconds, used = time.monotonic() - since, time.process_time() - cpu
    return {
        "rate": count / seconds,
        "producer_us": used / count * 1e6,
        "bytes": (server.memory() - memory) / count,
    } | Usage.of(server.redis).since(usage, count)


MEASUREMENT = Measurement(
    "producer",
    {"thrice": _thrice, "stock": stock_one_by_one},
    (
        Figure("batched_producer", "rate", "events/s in batches, / stock one by one", 50.0, more_is_better=True),
        Figure("redis_memory", "bytes", "Redis memory per queued event, / stock", 0.7),
    ),
)
