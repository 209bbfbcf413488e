"""RQ: a fork for each job, as installed; tuned, jobs run in the worker itself and results are not kept."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from redis import Redis
from rq import Queue

from benchmarks.peers.programs import job
from benchmarks.peers.programs.producing import Event, Producer, blocking

_OPTIONS = {"result_ttl": 0} if os.environ["PEER_TUNED"] else {}


def run(event: dict[str, Any]) -> None:
    """The job."""
    job.run(event)


@asynccontextmanager
async def producer() -> AsyncIterator[Producer]:
    """How events are published."""
    queue = Queue(connection=Redis.from_url(os.environ["PEER_URL"]))

    async def later(event: Event, seconds: float) -> None:
        queue.enqueue_in(timedelta(seconds=seconds), run, event, **_OPTIONS)

    async def batch(events: Sequence[Event]) -> None:
        for begin in range(0, len(events), 500):
            queue.enqueue_many([Queue.prepare_data(run, (event,), **_OPTIONS) for event in events[begin : begin + 500]])

    yield Producer(blocking(lambda event: queue.enqueue(run, event, **_OPTIONS)), later, batch)
