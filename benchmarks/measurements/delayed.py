"""Many messages with a countdown, all published first, then due one shortly after the other: how late they run.

Over our transport and over the stock one, on two prefork processes. How much the worker's main process grows meanwhile
shows who keeps them.
"""

import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

from celery import Task

from benchmarks import transports
from benchmarks.celery_app import STAMP
from benchmarks.celery_system import CelerySystem
from benchmarks.failure import MeasurementFailed
from benchmarks.measurements.measurement import Figure, Measurement, Runner
from benchmarks.processes import Tree
from benchmarks.sizes import Sizes
from benchmarks.transports import Transport

#: How often the worker's memory is looked at, in seconds.
_LOOK = 0.25

#: How much longer than the warm-up's pace promises publishing may take: the worker is busy at the same time.
_MARGIN = 1.7


def _over(transport: Transport) -> Runner:
    def run(sizes: Sizes, folder: Path) -> dict[str, float]:
        with closing(CelerySystem(folder, transport)) as system:
            system.start_worker()
            task = system.app.tasks[STAMP]
            since = time.monotonic()
            for number in range(sizes.warm_up):
                task.apply_async((-1 - number,))
            pace = (time.monotonic() - since) / sizes.warm_up
            system.wait_for(sizes.warm_up, sizes.patience)
            lead = sizes.delayed_lead + _MARGIN * pace * sizes.delayed
            with closing(_Peak(system.worker)) as peak:
                due = _publish(task, lead, sizes)
                system.wait_for(sizes.warm_up + sizes.delayed, lead + sizes.delayed_span + sizes.patience)
            late = system.records.since(due)
        return {
            "late_p50_ms": late[len(late) // 2],
            "late_p99_ms": late[int(len(late) * 0.99)],
            "late_max_ms": late[-1],
            "early": sum(1 for each in late if each < 0),
            "growth_mb": peak.growth,
        }

    return run


def _publish(task: "Task[..., None]", lead: float, sizes: Sizes) -> dict[int, int]:
    """Publish them all, the first due in `lead` seconds, and say when each is due, by CLOCK_MONOTONIC in ns."""
    first = time.monotonic() + lead
    due = {}
    with task.app.producer_pool.acquire(block=True) as producer:
        for number in range(sizes.delayed):
            moment = first + sizes.delayed_span * number / sizes.delayed
            due[number] = int(moment * 1e9)
            task.apply_async((number,), countdown=moment - time.monotonic(), producer=producer)
    if time.monotonic() > first:
        raise MeasurementFailed(
            f"publishing {sizes.delayed} messages took longer than the {lead:.0f} s until the first was due"
        )
    return due


@dataclass(slots=True)
class _Peak:
    """Watches from a thread how much the main process of `worker` grows, in MB."""

    worker: Tree
    growth: float
    _stop: Event
    _thread: Thread

    def __init__(self, worker: Tree) -> None:
        self.worker = worker
        self.growth = 0.0
        self._stop = Event()
        self._thread = Thread(target=self._watch, args=(worker.root_memory(),), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self, idle: float) -> None:
        while not self._stop.wait(_LOOK):
            self.growth = max(self.growth, self.worker.root_memory() - idle)


MEASUREMENT = Measurement(
    "delayed",
    {"thrice": _over(transports.OURS), "stock": _over(transports.STOCK)},
    (
        Figure("delayed_lateness", "late_p99_ms", "lateness of delayed tasks, p99, / stock", 0.25),
        Figure("delayed_lateness_ms", "late_p99_ms", "lateness of delayed tasks, p99, ms", 60.0, is_ratio=False),
        Figure("delayed_growth_mb", "growth_mb", "growth of the worker that waits for them, MB", 5.0, is_ratio=False),
    ),
    repetitions=lambda sizes: sizes.delayed_repetitions,
)
