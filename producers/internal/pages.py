"""The pages that only look something up: health, the ledger, the record of an event, the code of functions.

Nobody signs these requests. What is private can only be had by one who knows what cannot be guessed: an event by its
request id, a deployment package by the SHA-256 of its bytes, as GetFunction tells it.
"""

import os
from typing import cast

from redis.asyncio import Redis as AsyncRedis

from producers.canary import Canary
from producers.internal.page import Answer, Page, Question, answer_json, refusal
from worker.event_reader import read_events
from worker.keys import Keys
from worker.ledger import Ledger


class Pages:
    """The pages, by name."""

    def __init__(self, canary: Canary, async_redis: "AsyncRedis", keys: Keys) -> None:
        self._canary = canary
        self._redis = async_redis
        self._keys = keys
        self.by_name = {
            "health": Page("/_thrice/health", self._health),
            "ledger": Page("/_thrice/ledger", self._ledger),
            "events": Page("/_thrice/events/<request id>", self._event),
            "code": Page("/_thrice/code/<sha256>", self._code),
        }

    async def _health(self, _: Question) -> Answer:
        health = self._canary.health
        document = {
            "status": "ok" if health.is_healthy else "unavailable",
            "reason": health.reason,
            "canary_round_trip_ms": health.round_trip_ms,
            "gateway_pid": os.getpid(),
        }
        return answer_json(200 if health.is_healthy else 503, document)

    async def _ledger(self, _: Question) -> Answer:
        return answer_json(200, Ledger.of(await self._redis.hgetall(self._keys.ledger)).document())

    async def _event(self, question: Question) -> Answer:
        request_id = question.argument
        found = await read_events(self._redis, self._keys, [request_id])
        if not found:
            return refusal(404, f"there is no record of an event {request_id!r}: it never was, or it expired")
        return answer_json(200, found[0])

    async def _code(self, question: Question) -> Answer:
        package = await self._redis.get(self._keys.code(question.argument))
        if package is None:
            return refusal(404, f"there is no code {question.argument!r}: no function uses it any more")
        return Answer(200, cast("bytes", package), b"application/zip")
