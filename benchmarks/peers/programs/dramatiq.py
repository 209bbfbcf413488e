"""dramatiq on its Redis broker: as installed; tuned, the heartbeats that tell a dead worker are looked at sooner."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from benchmarks.peers.programs import job
from benchmarks.peers.programs.producing import Event, Producer, blocking

# A heartbeat is each worker's own, so a short one does no harm to long jobs. As long as a lease of thrice's.
_OPTIONS = {"heartbeat_timeout": 10_000, "maintenance_chance": 100_000} if os.environ["PEER_TUNED"] else {}

dramatiq.set_broker(RedisBroker(url=os.environ["PEER_URL"], **_OPTIONS))


@dramatiq.actor
def run(event: dict[str, Any]) -> None:
    """The actor."""
    job.run(event)


@asynccontextmanager
async def producer() -> AsyncIterator[Producer]:
    """How events are published."""

    async def later(event: Event, seconds: float) -> None:
        run.send_with_options(args=(event,), delay=int(seconds * 1000))

    yield Producer(blocking(run.send), later)
