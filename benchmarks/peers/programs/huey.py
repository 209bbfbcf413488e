"""huey on Redis: as installed; tuned, no results are stored."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from huey import RedisHuey

from benchmarks.peers.programs import job
from benchmarks.peers.programs.producing import Event, Producer, blocking

huey = RedisHuey("peer", url=os.environ["PEER_URL"], results=not os.environ["PEER_TUNED"])


@huey.task()
def run(event: dict[str, Any]) -> None:
    """The task."""
    job.run(event)


@asynccontextmanager
async def producer() -> AsyncIterator[Producer]:
    """How events are published."""

    async def later(event: Event, seconds: float) -> None:
        run.schedule((event,), delay=seconds)

    yield Producer(blocking(run), later)
