"""What the gateway answers below `/_thrice/`: about itself, in JSON."""

from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any

import orjson
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import RedisError

from producers.canary import Canary
from worker.event_record import event_document
from worker.keys import Keys
from worker.ledger import Ledger

Message = MutableMapping[str, Any]
Answer = tuple[int, dict[str, Any]]


class Internal:
    """An ASGI application for the paths below `/_thrice/`."""

    def __init__(self, canary: Canary, async_redis: "AsyncRedis", keys: Keys) -> None:
        self._canary = canary
        self._redis = async_redis
        self._keys = keys
        self._pages = {"/_thrice/health": self._health, "/_thrice/ledger": self._ledger}
        self._event_path = "/_thrice/events/"

    async def __call__(
        self, scope: Message, _receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        """Answer one request."""
        page = self._page(scope["path"])
        if page is None:
            pages = [*self._pages, "/_thrice/events/<request id>"]
            status, document = 404, {"error": f"there is no {scope['path']}", "pages": pages}
        elif scope["method"] not in ("GET", "HEAD"):
            status, document = 405, {"error": f"{scope['path']} answers GET only"}
        else:
            status, document = await self._answer(page)
        body = orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _page(self, path: str) -> Callable[[], Awaitable[Answer]] | None:
        if path.startswith(self._event_path):
            return partial(self._event, path.removeprefix(self._event_path))
        return self._pages.get(path.rstrip("/"))

    async def _answer(self, page: Callable[[], Awaitable[Answer]]) -> Answer:
        try:
            return await page()
        except RedisError as error:
            return 503, {"error": f"Redis does not answer: {error}"}

    async def _health(self) -> Answer:
        health = self._canary.health
        document = {
            "status": "ok" if health.is_healthy else "unavailable",
            "reason": health.reason,
            "canary_round_trip_ms": health.round_trip_ms,
        }
        return (200 if health.is_healthy else 503), document

    async def _event(self, request_id: str) -> Answer:
        record = await self._redis.hgetall(self._keys.event(request_id))
        if not record:
            return 404, {"error": f"there is no record of an event {request_id}: it never was, or it ended long ago"}
        return 200, event_document(request_id, record)

    async def _ledger(self) -> Answer:
        return 200, Ledger.of(await self._redis.hgetall(self._keys.ledger)).document()
