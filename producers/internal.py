"""What the gateway answers below `/_thrice/`: about itself, in JSON, and the code of functions.

Nobody signs these requests. What is private can only be had by one who knows what cannot be guessed: an event by its
request id, a deployment package by the SHA-256 of its bytes, as GetFunction tells it.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, cast

import orjson
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import RedisError

from producers.canary import Canary
from worker.event_record import event_document
from worker.keys import Keys
from worker.ledger import Ledger

Message = MutableMapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body."""

    status: int
    body: bytes
    content_type: bytes = b"application/json"


def _json(status: int, document: Any) -> Answer:
    return Answer(status, orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE))


class Internal:
    """An ASGI application for the paths below `/_thrice/`."""

    def __init__(self, canary: Canary, async_redis: "AsyncRedis", keys: Keys) -> None:
        self._canary = canary
        self._redis = async_redis
        self._keys = keys
        self._pages: dict[str, Callable[[str], Awaitable[Answer]]] = {
            "health": self._health,
            "ledger": self._ledger,
            "events": self._event,
            "code": self._code,
        }

    async def __call__(
        self, scope: Message, _receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        """Answer one request."""
        answer = await self._answer(scope["method"], scope["path"])
        headers = [(b"content-type", answer.content_type), (b"content-length", str(len(answer.body)).encode())]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})

    async def _answer(self, method: str, path: str) -> Answer:
        name, _, argument = path.removeprefix("/_thrice/").rstrip("/").partition("/")
        page = self._pages.get(name)
        if page is None:
            pages = ["/_thrice/health", "/_thrice/ledger", "/_thrice/events/<request id>", "/_thrice/code/<sha256>"]
            return _json(404, {"error": f"there is no {path}", "pages": pages})
        if method not in ("GET", "HEAD"):
            return _json(405, {"error": f"{path} answers GET only"})
        try:
            return await page(argument)
        except RedisError as error:
            return _json(503, {"error": f"Redis does not answer: {error}"})

    async def _health(self, _: str) -> Answer:
        health = self._canary.health
        document = {
            "status": "ok" if health.is_healthy else "unavailable",
            "reason": health.reason,
            "canary_round_trip_ms": health.round_trip_ms,
        }
        return _json(200 if health.is_healthy else 503, document)

    async def _ledger(self, _: str) -> Answer:
        return _json(200, Ledger.of(await self._redis.hgetall(self._keys.ledger)).document())

    async def _event(self, request_id: str) -> Answer:
        record = await self._redis.hgetall(self._keys.event(request_id))
        if not record:
            return _json(404, {"error": f"there is no record of an event {request_id!r}: it never was, or it expired"})
        return _json(200, event_document(request_id, record))

    async def _code(self, sha256: str) -> Answer:
        package = await self._redis.get(self._keys.code(sha256))
        if package is None:
            return _json(404, {"error": f"there is no code {sha256!r}: no function uses it any more"})
        return Answer(200, cast("bytes", package), b"application/zip")
