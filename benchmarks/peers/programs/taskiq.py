"""taskiq on Redis: a list (`PEER_VARIANT` is `list`), or a stream with acknowledgements; no results are kept."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from taskiq import AsyncBroker, TaskiqScheduler
from taskiq_redis import ListQueueBroker, ListRedisScheduleSource, RedisStreamBroker

from benchmarks.peers.programs import job
from benchmarks.peers.programs.producing import Event, Producer, awaiting

_URL = os.environ["PEER_URL"]

_kind = ListQueueBroker if os.environ["PEER_VARIANT"] == "list" else RedisStreamBroker
# The socket timeout that redis-py 8 has by itself, 5 s, ends every worker of the list that has waited for longer.
broker: AsyncBroker = _kind(_URL, socket_timeout=None)
source = ListRedisScheduleSource(_URL)
scheduler = TaskiqScheduler(broker, [source])


@broker.task(task_name="job")
async def run(event: dict[str, Any]) -> None:
    """The task."""
    await job.run_async(event)


@asynccontextmanager
async def producer() -> AsyncIterator[Producer]:
    """How events are published."""
    await broker.startup()

    async def later(event: Event, seconds: float) -> None:
        due = datetime.now(UTC) + timedelta(seconds=seconds)
        await run.kicker().schedule_by_time(source, due, event)

    yield Producer(awaiting(run.kiq), later)
    await broker.shutdown()
