"""One keep-alive HTTP/1.1 connection of a client process: one request at a time, and what was answered.

It opens when it is first needed and again whenever it has been closed. The gateway closes connections that are idle for
five seconds; one that has been idle for some of them is opened anew, so that no request meets a connection that is just
being closed and is lost by that.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import httptools

#: A connection that was idle for so many seconds is not used again.
LONGEST_IDLE = 3.0

#: How long opening one may take, in seconds.
OPENING = 10.0

#: So much of an answer's body is kept to tell why a request was refused, in bytes.
_KEPT = 300


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `status` is 0 if nothing did; `reason` then says why, else it is the beginning of the body."""

    status: int
    reason: str = ""
    request_id: str = ""
    is_function_error: bool = False


class Connection:
    """Sends requests to one address. Belongs to one event loop."""

    def __init__(self, host: str, port: int, answered: Callable[["Connection", Answer], None]) -> None:
        """Connect to `host` and `port`; `answered` is called once for every `send`, from the event loop."""
        self._host = host
        self._port = port
        self._answered = answered
        self._wire: _Wire | None = None
        self._opening: asyncio.Task[None] | None = None
        self._used_at = 0.0
        self._is_waiting = False
        self.intended = 0.0  # of the request under way, as all moments here: seconds of `time.monotonic`
        self.sent = 0.0

    async def open(self) -> None:
        """Connect.

        Raises:
            OSError, TimeoutError: it could not.
        """
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(OPENING):
            _, self._wire = await loop.create_connection(lambda: _Wire(self._end), self._host, self._port)
        self._used_at = time.monotonic()

    def send(self, request: bytes, intended: float) -> None:
        """Send a request that was to be sent at `intended`."""
        self.intended, self.sent = intended, time.monotonic()
        self._is_waiting = True
        wire = self._wire
        if wire is not None and wire.is_open and self.sent - self._used_at < LONGEST_IDLE:
            wire.send(request)
        else:
            self.close()
            self._opening = asyncio.get_running_loop().create_task(self._open_and_send(request))

    def give_up(self, reason: str) -> None:
        """Wait no longer for the answer to the request under way."""
        self.close()
        self._end(Answer(0, reason))

    def close(self) -> None:
        """Close it; it opens again when it is needed."""
        if self._opening is not None:
            self._opening.cancel()
            self._opening = None
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    @property
    def is_waiting(self) -> bool:
        """Whether a request is under way."""
        return self._is_waiting

    async def _open_and_send(self, request: bytes) -> None:
        try:
            await self.open()
        except (OSError, TimeoutError) as problem:
            self._end(Answer(0, f"cannot connect to {self._host}:{self._port}: {problem or 'no answer'}"))
            return
        assert self._wire is not None
        self._wire.send(request)

    def _end(self, answer: Answer) -> None:
        self._used_at = time.monotonic()
        if self._is_waiting:
            self._is_waiting = False
            self._answered(self, answer)


class _Wire(asyncio.Protocol):
    """The bytes of one connection. `ended` is called with each answer, and when it breaks with a request under way."""

    def __init__(self, ended: Callable[[Answer], None]) -> None:
        self._ended = ended
        self._transport: asyncio.Transport | None = None
        self._begin()

    def _begin(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._request_id = ""
        self._is_function_error = False
        self._body = b""

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def send(self, request: bytes) -> None:
        assert self._transport is not None
        self._transport.write(request)

    def close(self) -> None:
        if self._transport is not None:
            self._ended = _nobody
            self._transport.abort()

    # --- called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass of it

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as problem:
            ended = self._ended
            self.close()
            ended(Answer(0, f"the answer is no HTTP: {problem}"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._ended(Answer(0, f"the connection was closed before the answer: {exc or 'by the gateway'}"))

    # --- called by the parser

    def on_header(self, name: bytes, value: bytes) -> None:
        match name.lower():
            case b"x-amzn-requestid":
                self._request_id = value.decode("latin-1")
            case b"x-amz-function-error":
                self._is_function_error = True

    def on_body(self, body: bytes) -> None:
        if len(self._body) < _KEPT:
            self._body = (self._body + body)[:_KEPT]

    def on_message_complete(self) -> None:
        status = int(self._parser.get_status_code())
        reason = self._body.decode("utf-8", "replace") if status >= 300 else ""
        answer = Answer(status, reason, self._request_id, self._is_function_error)
        if not self._parser.should_keep_alive() and self._transport is not None:
            self._transport.close()
        self._begin()
        self._ended(answer)


def _nobody(_: Answer) -> None:
    """For a connection that we have closed ourselves."""
