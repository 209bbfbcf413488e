"""One subscription tells all who wait of the events that have ended."""

import asyncio

from redis import Redis

from config import redis as config_redis
from config.settings import Settings
from producers.internal.endings import Endings
from tests.waiting import wait_until
from worker.keys import Keys


def test_each_hears_of_its_own_event_and_who_waits_for_all_of_any(settings: Settings, redis: Redis, keys: Keys):
    """The bell of another event does not ring; all have one subscription, which goes with the last of them."""

    async def hear() -> tuple[tuple[bool, bool, bool], int]:
        client = config_redis.connect_async(settings, socket_timeout=None)
        endings = Endings(client, keys.ended)
        async with endings.heard("mine") as mine, endings.heard("other") as other, endings.heard(None) as any_event:
            await asyncio.gather(*(endings.listen() for _ in range(3)))
            subscribed = listeners(redis, keys)
            redis.publish(keys.ended, "mine")
            async with asyncio.timeout(60):
                await mine.wait()
                await any_event.wait()
            rung = (mine.is_set(), other.is_set(), any_event.is_set())
        await asyncio.to_thread(wait_until, lambda: listeners(redis, keys) == 0, "nobody listens any more")
        await client.aclose()
        return rung, subscribed

    assert asyncio.run(hear()) == ((True, False, True), 1)


def listeners(redis: Redis, keys: Keys) -> int:
    """How many connections are subscribed."""
    return int(dict(redis.pubsub_numsub(keys.ended))[keys.ended.encode()])
