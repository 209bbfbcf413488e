"""Celery on its stock Redis transport: as installed, or tuned as `benchmarks/celery_app.py` is."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from celery import Celery

from benchmarks.peers.programs import job
from benchmarks.peers.programs.producing import Event, Producer, blocking

app = Celery("peer", broker=os.environ["PEER_URL"].replace("unix://", "redis+socket://"))
if os.environ["PEER_TUNED"]:
    app.conf.update(
        task_acks_late=True,
        worker_prefetch_multiplier=64,
        task_ignore_result=True,
        task_publish_retry=False,
        worker_send_task_events=False,
        broker_transport_options={"unacked_restore_interval": 1, "unacked_restore_throttle": 1},
    )


@app.task(name="job")
def run(event: dict[str, Any]) -> None:
    """The task."""
    job.run(event)


@asynccontextmanager
async def producer() -> AsyncIterator[Producer]:
    """How events are published."""

    async def later(event: Event, seconds: float) -> None:
        run.apply_async((event,), countdown=seconds)

    async def batch(events: Sequence[Event]) -> None:
        with app.producer_pool.acquire(block=True) as pooled, pooled.batch():
            for event in events:
                run.apply_async((event,), producer=pooled)

    yield Producer(blocking(run.delay), later, batch)
