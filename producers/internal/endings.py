"""Hears of events that have ended, with all that they caused: one subscription for all who wait.

It is there as long as somebody waits. If Redis goes away it ends, and whoever waits begins it again: they look at the
event itself every second, so that what was said meanwhile is not missed but late.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import RedisError


class Endings:
    """The one subscription of a process. Belongs to one event loop."""

    def __init__(self, waiting_redis: "AsyncRedis", channel: str) -> None:
        """Listen to `channel`, with a client that may be blocked for long."""
        self._redis = waiting_redis
        self._channel = channel
        self._waiting: dict[asyncio.Event, str | None] = {}
        self._subscribed = asyncio.Event()
        self._listening: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def heard(self, root: str | None) -> AsyncIterator[asyncio.Event]:
        """A bell that rings whenever the event `root` has ended, or any where it is None; who waits clears it."""
        bell = asyncio.Event()
        self._waiting[bell] = root
        try:
            yield bell
        finally:
            del self._waiting[bell]
            if not self._waiting and self._listening is not None:
                listening, self._listening = self._listening, None
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)

    async def listen(self) -> None:
        """Return when the subscription is there, or could not be made. To be called before each look at the event."""
        if self._listening is None or self._listening.done():
            self._subscribed = asyncio.Event()
            self._listening = asyncio.create_task(self._listen(self._subscribed))
        await self._subscribed.wait()

    async def _listen(self, subscribed: asyncio.Event) -> None:
        try:
            async with self._redis.pubsub() as subscription:
                await subscription.subscribe(self._channel)
                async for message in subscription.listen():
                    if message["type"] == "subscribe":
                        subscribed.set()
                    else:
                        self._ring(message["data"].decode())
        except RedisError:
            return
        finally:
            subscribed.set()

    def _ring(self, root: str) -> None:
        for bell, wanted in self._waiting.items():
            if wanted in (None, root):
                bell.set()
