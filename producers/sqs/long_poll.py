"""Waiting for messages without asking again and again.

A receiver that finds nothing waits at the queue's doorbell, a list that every send puts a token on, and takes it with
BLPOP. It also wakes by itself when the next delayed or hidden message is due, as the receive script says, and once a
second, for the rare token that was taken by somebody who then went away. Waiting occupies one connection; there are
WAITERS of them in a process, and who comes later waits for one.
"""

import asyncio
import math

from config import redis as config_redis
from config.settings import Settings
from worker.keys import Keys
from worker.message_store import MessageStore, Received
from worker.scripts import source

#: How many receivers of one process wait at doorbells at the same time.
WAITERS = 200

#: How many connections ask for messages, apart from those that wait.
_RECEIVERS = 32

#: Longest wait at a doorbell without looking, in seconds.
_LOOK_AGAIN = 1.0


class LongPoll:
    """Receives on the event loop of the gateway."""

    def __init__(self, settings: Settings, keys: Keys, store: MessageStore) -> None:
        self._keys = keys
        self._store = store
        self._redis = config_redis.connect_async(settings, max_connections=WAITERS + _RECEIVERS)
        self._script = self._redis.register_script(source("receive_messages"))
        self._waiting = asyncio.Semaphore(WAITERS)
        self._receiving = asyncio.Semaphore(_RECEIVERS)

    async def receive(self, queue: str, maximum: int, visibility_timeout: int | None, wait: float | None) -> Received:
        """Take up to `maximum` messages, as soon as there is one.

        Gives up after `wait` seconds, None for the queue's own.

        Raises:
            QueueMissing: there is no such queue, or it was deleted meanwhile.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            received = await self._receive_once(queue, maximum, visibility_timeout)
            left = began + (received.wait if wait is None else wait) - loop.time()
            if received.messages or left <= 0:
                return received
            due = math.inf if received.next_due_ms is None else received.next_due_ms / 1000
            await self._wait_for_bell(queue, min(left, due, _LOOK_AGAIN))

    async def _receive_once(self, queue: str, maximum: int, visibility_timeout: int | None) -> Received:
        call = self._store.receiving(queue, maximum, visibility_timeout)
        async with self._receiving:
            answer = await self._script(call.keys, call.args)
        return self._store.received(queue, call, answer)

    async def _wait_for_bell(self, queue: str, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._waiting.acquire()
        except TimeoutError:
            return
        try:
            # A timeout of 0 would be for ever.
            await self._redis.blpop([self._keys.queue_doorbell(queue)], timeout=max(seconds, 0.001))
        finally:
            self._waiting.release()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
