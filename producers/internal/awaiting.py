"""`/_thrice/await/<request id>`: answers when the event has ended, with everything that it caused.

`/_thrice/await?all` answers when nothing at all is in hand. The status is 200 then, 408 if `timeout` (60s) passed
before, 404 for an event that nobody knows. Who waits looks at the event's record whenever an end is heard of, and every
second; a look is cheap, and between two of them nothing is asked.
"""

import asyncio

from redis.asyncio import Redis as AsyncRedis

from producers.internal.endings import Endings
from producers.internal.page import Answer, Page, Question, answer_json, refusal
from producers.internal.standing import OfAll, OfEvent, Standing
from worker.duration import NoDuration, seconds
from worker.keys import Keys

#: How long a page may wait, in seconds. Who wants to wait for longer asks again.
LONGEST_WAIT = 3_600.0

#: What is looked at again without having heard anything, in seconds; and the shortest time between two looks.
LOOK_AGAIN = 1.0
BREATH = 0.02


class Awaiting:
    """The page. `is_virtual` is told to who waited in vain: he may want to move the clock."""

    def __init__(self, async_redis: "AsyncRedis", waiting_redis: "AsyncRedis", keys: Keys, *, is_virtual: bool) -> None:
        self._redis = async_redis
        self._keys = keys
        self._is_virtual = is_virtual
        self._endings = Endings(waiting_redis, keys.ended)
        self.page = Page("/_thrice/await/<request id>", self._answer)

    async def _answer(self, question: Question) -> Answer:
        wants_all = "all" in question.query
        if wants_all == bool(question.argument) or question.query.keys() - {"all", "timeout"}:
            return refusal(400, "Ask for /_thrice/await/<request id>?timeout=60s or /_thrice/await?all&timeout=60s.")
        try:
            patience = seconds(question.query.get("timeout", "60s"))
        except NoDuration as error:
            return refusal(400, f"timeout: {error}")
        if patience > LONGEST_WAIT:
            return refusal(400, f"timeout={question.query['timeout']}: at most {LONGEST_WAIT:g} s; then ask again.")
        if wants_all:
            return await self._wait(OfAll(self._redis, self._keys), patience)
        return await self._wait(OfEvent(self._redis, self._keys, question.argument), patience)

    async def _wait(self, awaited: OfEvent | OfAll, patience: float) -> Answer:
        standing = await awaited.look()
        if standing is not None and standing.open > 0 and patience > 0:
            standing = await self._until_ended(awaited, patience)
        if standing is None:
            return refusal(
                404,
                "There is no record of this event: it never was, or it has expired. Take the request id that the "
                "invocation was answered with (x-amzn-requestid).",
            )
        document = standing.document() | {"virtual": self._is_virtual} | await awaited.details(standing)
        return answer_json(408 if standing.open > 0 else 200, document)

    async def _until_ended(self, awaited: OfEvent | OfAll, patience: float) -> Standing | None:
        """The numbers when all has ended, or `patience` seconds have passed."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience
        async with self._endings.heard(awaited.root) as bell:
            while True:
                await self._endings.listen()
                bell.clear()
                standing = await awaited.look()
                left = deadline - loop.time()
                if standing is None or standing.open <= 0 or left <= 0:
                    return standing
                try:
                    async with asyncio.timeout(min(left, LOOK_AGAIN)):
                        await bell.wait()
                except TimeoutError:
                    continue
                await asyncio.sleep(min(left, BREATH))
