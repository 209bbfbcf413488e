"""streaq: as installed; tuned, 100 at a time on uvloop, silent, no results, and idle messages are claimed sooner."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from streaq import Worker

from benchmarks.peers.programs import job
from benchmarks.peers.programs.producing import Event, Producer, awaiting

_TUNED = bool(os.environ["PEER_TUNED"])
# A worker renews its claims, so a short time does no harm to long jobs. As long as a lease of thrice's.
_WORKER = {"concurrency": 100, "idle_timeout": 10, "anyio_kwargs": {"use_uvloop": True}} if _TUNED else {}
_TASK = {"silent": True, "ttl": 0} if _TUNED else {}

worker = Worker(redis_url=os.environ["PEER_URL"], **_WORKER)


@worker.task(**_TASK)
async def run(event: dict[str, Any]) -> None:
    """The task."""
    await job.run_async(event)


@asynccontextmanager
async def producer() -> AsyncIterator[Producer]:
    """How events are published."""

    async def later(event: Event, seconds: float) -> None:
        await run.enqueue(event).start(delay=timedelta(seconds=seconds))

    async def batch(events: Sequence[Event]) -> None:
        for begin in range(0, len(events), 500):
            await worker.enqueue_many([run.enqueue(event) for event in events[begin : begin + 500]])

    async with worker:
        yield Producer(awaiting(run.enqueue), later, batch)
