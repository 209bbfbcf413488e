"""`/_thrice/metrics`: everything that a Prometheus wants to know, read with one pipeline."""

import asyncio
from collections.abc import Mapping
from importlib.metadata import version
from typing import cast

from redis.asyncio import Redis as AsyncRedis

from producers.canary import Canary
from producers.internal.exposition import CONTENT_TYPE, text_of
from producers.internal.families import Reading, families
from producers.internal.page import Answer, Page, Question
from worker.clock import Clock, to_ms
from worker.keys import Keys
from worker.ledger import Ledger
from worker.metric_store import totals_of
from worker.scripts import source

#: Lanes whose next event is looked at for its age, of those that were served before and of the others.
MOST_LANES = 1_000


class MetricsPage:
    """The page."""

    def __init__(self, canary: Canary, async_redis: "AsyncRedis", keys: Keys, clock: Clock) -> None:
        self._canary = canary
        self._redis = async_redis
        self._keys = keys
        self._clock = clock
        self._totals = async_redis.register_script(source("metric_totals"))
        self._oldest = async_redis.register_script(source("oldest_ready"))
        self._version = version("thrice")
        self.page = Page("/_thrice/metrics", self._answer)

    async def _answer(self, _: Question) -> Answer:
        reading = await self._read()
        # Of thousands of functions it is many megabytes, which take half a second: requests must not wait for it.
        return Answer(200, await asyncio.to_thread(lambda: text_of(families(reading))), CONTENT_TYPE)

    async def _read(self) -> Reading:
        keys, health = self._keys, self._canary.health
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.hgetall(keys.ledger)
            pipe.hgetall(keys.concurrency)
            pipe.zcard(keys.dead)
            pipe.zcount(keys.consumers, to_ms(self._clock.now()), "+inf")
            pipe.info("memory")
            await self._totals(keys=[keys.metrics, keys.metrics_open], args=[str(keys)], client=pipe)
            await self._oldest(keys=[keys.invocations, keys.clock], args=[MOST_LANES], client=pipe)
            ledger, running, dead, workers, memory, totals, oldest = await pipe.execute()
        return Reading(
            version=self._version,
            ledger=Ledger.of(ledger),
            totals=totals_of(totals),
            running={name.decode(): int(count) for name, count in cast("Mapping[bytes, bytes]", running).items()},
            dead_letters=dead,
            workers=workers,
            oldest_age=max(0.0, int(oldest) / 1000),
            memory_used=memory["used_memory"],
            memory_limit=memory.get("maxmemory", 0),
            is_healthy=health.is_healthy,
            round_trip=None if health.round_trip_ms is None else health.round_trip_ms / 1000,
        )
