"""Commands to Redis from an event loop, without ever waiting for one.

A `CommandConnection` sends calls in the order in which they are made and hands each reply to its `done`. It connects in
a short thread of its own, again and again when the connection breaks. What was under way then ends with a
`ConnectionError`: it may or may not have run. What is called while the connection is down ends so at once.
"""

import logging
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import hiredis
from redis import ConnectionPool
from redis._parsers import BaseParser
from redis.backoff import NoBackoff
from redis.connection import Connection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse, NoScriptError, ReadOnlyError, RedisError
from redis.retry import Retry

from worker.transport.loop import Loop, Timer
from worker.transport.script import Argument, Script

_log = logging.getLogger(__name__)

#: What is called with a reply, or with the error that came instead.
Done = Callable[[Any], object]

#: Seconds before the first and at most between two attempts to connect.
_FIRST_WAIT, _LONGEST_WAIT = 0.05, 2.0

_NOTHING = object()
_NOT_NOW = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


def connection_of(pool: ConnectionPool) -> Connection:
    """A connection, not yet connected, as the pool makes them: with its TLS, password, Sentinel. It tries once."""
    connection: Connection = pool.connection_class(**{**pool.connection_kwargs, "retry": Retry(NoBackoff(), 0)})
    return connection


class CommandConnection:
    """One connection, driven by a loop. All but the connecting happens in the loop's thread."""

    def __init__(
        self,
        connect: ConnectionPool | Callable[[], Any],
        loop: Loop,
        *,
        on_up: Callable[[], object] | None = None,
        timeout: float = 10.0,
    ) -> None:
        """Begin to connect.

        Args:
            connect: where connections come from: a pool, or a function that makes one that is not yet connected.
            loop: what drives it.
            on_up: called each time when it can be used.
            timeout: seconds without a reply after which the connection is given up; longer than any blocking command.
        """
        self._make = partial(connection_of, connect) if isinstance(connect, ConnectionPool) else connect
        self._loop = loop
        self._on_up = on_up
        self._timeout = timeout
        self._connection: Any = None
        self._sock: Any = None
        self._reader: Any = None
        self._fd = -1
        self._out = bytearray()
        self._buffer = bytearray(1 << 18)
        self._in_flight: deque[_Call] = deque()
        self._wait = _FIRST_WAIT
        self._since = 0.0  # when it was connected
        self._timer: Timer | None = None
        self._is_closed = False
        self._start_connecting()

    @property
    def is_up(self) -> bool:
        """Whether calls can be made now."""
        return self._sock is not None

    def call(self, script: Script, keys: Sequence[str], arguments: Sequence[Argument], done: Done) -> None:
        """Run a script; `done` gets its reply, or an exception. A server that does not know it is told it."""
        self._send(_Call(("EVALSHA", script.sha, len(keys), *keys, *arguments), done, script))

    def command(self, *parts: Argument, done: Done) -> None:
        """Run a command; `done` gets its reply, or an exception."""
        self._send(_Call(parts, done, None))

    def close(self) -> None:
        """Disconnect for good. What is under way ends with a `ConnectionError`."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._drop(RedisConnectionError("The connection was closed before the reply came: the outcome is unknown."))

    # --- connecting -------------------------------------------------------------------------------------------------

    def _start_connecting(self) -> None:
        if not self._is_closed:
            threading.Thread(target=self._connect, name="redis-connect", daemon=True).start()

    def _connect(self) -> None:
        """In a thread."""
        try:
            connection = self._make()
            connection.connect()
        except (RedisError, OSError) as error:
            self._back_in_loop(partial(self._failed, error))
        else:
            self._back_in_loop(partial(self._connected, connection))

    def _back_in_loop(self, callback: Callable[[], object]) -> None:
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError:
            _log.debug("The loop has ended while a connection was being made.")

    def _failed(self, error: Exception) -> None:
        if not self._is_closed:
            _log.warning("Redis cannot be reached (%s); the next attempt is in %g s.", error, self._wait)
            self._reconnect_later()

    def _reconnect_later(self) -> None:
        self._timer = self._loop.call_later(self._wait, self._start_connecting)
        self._wait = min(self._wait * 2, _LONGEST_WAIT)

    def _connected(self, connection: Any) -> None:
        if self._is_closed:
            connection.disconnect()
            return
        sock = connection._sock  # noqa: SLF001 - redis-py has no other way to it
        sock.setblocking(False)
        self._connection, self._sock, self._fd, self._since = connection, sock, sock.fileno(), time.monotonic()
        self._reader = hiredis.Reader(
            protocolError=InvalidResponse, replyError=BaseParser.parse_error, notEnoughData=_NOTHING
        )
        self._loop.add_reader(self._fd, self._on_readable)
        self._timer = self._loop.call_later(self._timeout / 2, self._watch)
        if self._on_up is not None:
            self._on_up()

    def _watch(self) -> None:
        """Give up a connection on which nothing comes back any more, as after a network failure that nobody reports."""
        self._on_readable()  # a loop that stood still has not read what is there
        if self._in_flight and time.monotonic() - self._in_flight[0].sent > self._timeout:
            self._break(RedisConnectionError(f"Redis has not answered for {self._timeout:g} s."))
        elif self._sock is not None:
            self._timer = self._loop.call_later(self._timeout / 2, self._watch)

    def _break(self, error: Exception) -> None:
        """The connection is of no use any more."""
        if self._sock is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        if time.monotonic() - self._since > _LONGEST_WAIT:  # else it would be made and broken all the time
            self._wait = _FIRST_WAIT
        _log.warning("The connection to Redis has broken (%s); connecting again in %g s.", error, self._wait)
        self._reconnect_later()
        self._drop(RedisConnectionError(f"The connection broke before the reply came, the outcome is unknown: {error}"))

    def _drop(self, error: Exception) -> None:
        if self._sock is not None and self._connection is not None:
            self._loop.remove_reader(self._fd)
            self._loop.remove_writer(self._fd)
            self._sock = self._reader = None
            self._connection.disconnect()
        self._out.clear()
        calls, self._in_flight = self._in_flight, deque()
        for call in calls:
            call.done(error)

    # --- sending ----------------------------------------------------------------------------------------------------

    def _send(self, call: "_Call") -> None:
        if self._sock is None:
            error = RedisConnectionError("Redis is not connected: nothing was sent. It is being connected.")
            self._loop.call_later(0, partial(call.done, error))
            return
        call.sent = time.monotonic()
        self._in_flight.append(call)
        is_idle = not self._out
        self._out += hiredis.pack_command(call.parts)  # type: ignore[arg-type]
        if is_idle:
            self._flush()
            if self._out and self._sock is not None:
                self._loop.add_writer(self._fd, self._on_writable)

    def _flush(self) -> None:
        while self._out and self._sock is not None:
            try:
                sent = self._sock.send(self._out)
            except _NOT_NOW:
                return
            except OSError as error:
                # Not from inside a call: who makes it does not expect his `done` before it returns.
                self._loop.call_later(0, partial(self._break, error))
                return
            del self._out[:sent]

    def _on_writable(self) -> None:
        self._flush()
        if not self._out and self._sock is not None:
            self._loop.remove_writer(self._fd)

    # --- receiving --------------------------------------------------------------------------------------------------

    def _on_readable(self) -> None:
        error = self._receive()
        try:
            self._answer()
        except InvalidResponse as invalid:
            error = invalid
        if error is not None:
            self._break(error)

    def _receive(self) -> Exception | None:
        """Read what is there. Returns why there will be no more."""
        while self._sock is not None:
            try:
                count = self._sock.recv_into(self._buffer)
            except _NOT_NOW:
                return None
            except OSError as error:
                return error
            if count == 0:
                return ConnectionResetError("the server has closed it")
            self._reader.feed(self._buffer, 0, count)
            if count < len(self._buffer) and not isinstance(self._sock, ssl.SSLSocket):
                return None
        return None

    def _answer(self) -> None:
        is_through = False
        try:
            while self._reader is not None:
                reply = self._reader.gets()
                if reply is _NOTHING:
                    break
                if not isinstance(reply, hiredis.PushNotification):
                    self._answered(self._in_flight.popleft(), reply)
            is_through = True
        finally:
            if not is_through:  # a `done` has raised, as when a worker is told to end: the other replies come next
                self._loop.call_later(0, self._answer)

    def _answered(self, call: "_Call", reply: Any) -> None:
        if isinstance(reply, NoScriptError) and call.script is not None:
            self._send(_Call(("EVAL", call.script.source, *call.parts[2:]), call.done, None))
            return
        if isinstance(reply, ReadOnlyError):
            self._loop.call_later(0, partial(self._break, reply))  # it is no master any more: look for the one that is
        call.done(reply)


class _Call:
    __slots__ = ("done", "parts", "script", "sent")

    def __init__(self, parts: Sequence[Argument], done: Done, script: Script | None) -> None:
        self.parts = tuple(parts)
        self.done = done
        self.script = script
        self.sent = 0.0
