"""The ASGI application for the paths below `/_thrice/`: finds the page, reads the request, writes the answer.

A caller that hangs up takes a page that waits with it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qsl, unquote

from redis.exceptions import RedisError

from config.settings import Settings
from producers.canary import Canary
from producers.internal.awaiting import Awaiting
from producers.internal.clock import ClockPage
from producers.internal.metrics import MetricsPage
from producers.internal.page import Answer, Page, Question, answer_json, refusal
from producers.internal.pages import Pages
from producers.services import Services

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

#: No page takes a longer body, in bytes.
LONGEST_BODY = 65_536


class Internal:
    """Answers requests for thrice's own pages."""

    def __init__(self, pages: Mapping[str, Page]) -> None:
        """Answer for `pages`, by the first part of their path below `/_thrice/`."""
        self._pages = pages

    @classmethod
    def of(cls, services: Services, canary: Canary, settings: Settings) -> "Internal":
        """With all pages."""
        redis, keys = services.async_redis, services.seams.keys
        clock = ClockPage(redis, keys, is_virtual=settings.clock == "virtual")
        awaiting = Awaiting(redis, services.waiting_redis, keys, is_virtual=settings.clock == "virtual")
        metrics = MetricsPage(canary, redis, keys, services.seams.clock)
        pages = {"clock": clock.page, "await": awaiting.page, "metrics": metrics.page}
        return cls(Pages(canary, redis, keys).by_name | pages)

    async def __call__(self, scope: Message, receive: Receive, send: Callable[[Message], Awaitable[None]]) -> None:
        """Answer one request."""
        answer = await self._answer(scope, receive)
        if answer is None:
            return
        headers = [(b"content-type", answer.content_type), (b"content-length", str(len(answer.body)).encode())]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})

    async def _answer(self, scope: Message, receive: Receive) -> Answer | None:
        """The answer; None: nobody is there any more to read it."""
        method, path = scope["method"], scope["path"]
        name, _, argument = path.removeprefix("/_thrice/").rstrip("/").partition("/")
        page = self._pages.get(name)
        if page is None:
            pages = [page.path for page in self._pages.values()]
            return answer_json(404, {"error": f"there is no {path}", "pages": pages})
        if method not in (("GET", "HEAD", "POST") if page.takes_post else ("GET", "HEAD")):
            return refusal(405, f"{path} answers {'GET and POST' if page.takes_post else 'GET'} only")
        body = await _body(receive)
        if body is None:
            return refusal(413, f"{path} takes a body of {LONGEST_BODY} bytes at most")
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        question = Question("POST" if method == "POST" else "GET", unquote(argument), query, body)
        try:
            return await _unless_hung_up(page.answer(question), receive)
        except RedisError as error:
            return refusal(503, f"Redis does not answer: {error}")


async def _body(receive: Receive) -> bytes | None:
    """The body of the request; None if it is too long."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > LONGEST_BODY:
            return None
        if not message.get("more_body"):
            return bytes(body)


async def _unless_hung_up(page: Awaitable[Answer], receive: Receive) -> Answer | None:
    work = asyncio.ensure_future(page)
    hung_up = asyncio.ensure_future(_disconnect(receive))
    try:
        await asyncio.wait({work, hung_up}, return_when=asyncio.FIRST_COMPLETED)
        return work.result() if work.done() else None
    finally:
        work.cancel()
        hung_up.cancel()
        await asyncio.gather(work, hung_up, return_exceptions=True)


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
