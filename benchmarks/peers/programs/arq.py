"""arq: as installed, or tuned to look for jobs every 10 ms, run 100 at a time and keep no results."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from arq import create_pool
from arq.connections import RedisSettings

from benchmarks.peers.programs import job
from benchmarks.peers.programs.producing import Event, Producer, awaiting

_URL = urlsplit(os.environ["PEER_URL"])
_REDIS = RedisSettings(unix_socket_path=_URL.path, password=_URL.password)


async def run(_context: Any, event: dict[str, Any]) -> None:
    """The job."""
    await job.run_async(event)


class Stock:
    """The settings of a worker as installed."""

    functions = (run,)
    redis_settings = _REDIS


class Tuned:
    """Those of one that is to be quick. arq does not look at what a class inherits."""

    functions = (run,)
    redis_settings = _REDIS
    max_jobs = 100
    poll_delay = 0.01
    keep_result = 0


@asynccontextmanager
async def producer() -> AsyncIterator[Producer]:
    """How events are published."""
    pool = await create_pool(_REDIS)

    async def later(event: Event, seconds: float) -> None:
        await pool.enqueue_job("run", event, _defer_by=seconds)

    yield Producer(awaiting(lambda event: pool.enqueue_job("run", event)), later)
    await pool.aclose()
