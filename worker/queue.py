"""The durable event queue, as those see it who make events: *202 is answered when `enqueue` returns*.

An event goes in with its record, its place in the ledger and its message in one script. Requests that arrive while
another is under way are taken together in the next call of it, so that a thousand at once cost a few round trips, and
one alone costs one.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import closing, suppress
from itertools import islice
from typing import Any, cast

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.client import Pipeline
from redis.exceptions import RedisError

from config import limits
from worker import event_message
from worker.errors import FunctionNotFound, StoreUnavailable
from worker.function import FunctionConfiguration
from worker.invocation import Invocation, Lost
from worker.keys import Keys
from worker.reply import Reply, decode_part
from worker.scripts import LIBRARY, source
from worker.transport.script import Script

#: How long a synchronous invocation may wait for a free worker, beyond the function's own time, in seconds.
PATIENCE = 30.0

#: So many events go into one call of the script at most, and so many bytes of their messages, about.
BATCH = 500
BATCH_BYTES = 1_048_576

#: How long events wait for company while a call is under way, in seconds.
GATHER = 0.002


#: An event as `enqueue.lua` takes it: request id, function, source, root, envelope up to the time of acceptance.
_Event = tuple[str, str, str, str, bytes]


class EventQueue:
    """Puts events on the queue. Every process that makes events has one.

    The clients may be shared by threads. `countdown` is the seconds before a first attempt; `waiting` is a client that
    may be blocked for long, for `call`.
    """

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        *,
        countdown: float = 0.0,
        async_redis: "AsyncRedis | None" = None,
        waiting: "AsyncRedis | None" = None,
    ) -> None:
        self._keys = keys
        self._redis = redis
        self._script = Script.of(LIBRARY, "enqueue")
        self._async_redis = async_redis
        self._waiting = waiting or async_redis
        self._delay_ms = int(countdown * 1000)
        self._enqueue = redis.register_script(source("enqueue"))
        self._call = Script.of(LIBRARY, "call")
        self._batches = _Batches(self._enqueue_batch)

    def add(self, pipe: Pipeline, *invocations: Invocation) -> None:
        """Add to `pipe` the command that takes `invocations` in, all or none. At most BATCH of them."""
        self._enqueue(**self._arguments([_event(invocation) for invocation in invocations]), client=pipe)

    def enqueue_all(self, invocations: Iterable[Invocation]) -> None:
        """Take `invocations` in, BATCH at a time.

        Raises:
            StoreUnavailable: Redis did not take them all. Those of earlier batches were accepted.
        """
        events = (_event(invocation) for invocation in invocations)
        try:
            with closing(_Overlap(self._redis, self._script)) as calls:
                while batch := list(islice(events, BATCH)):
                    calls.send(**self._arguments(batch))
                calls.wait()
        except RedisError as error:
            raise StoreUnavailable(str(error)) from error

    async def enqueue(self, invocation: Invocation) -> None:
        """Take `invocation` in, together with what others take in at the same time.

        Raises:
            FunctionNotFound: its function does not exist. Nothing was accepted.
            StoreUnavailable: Redis did not take it. Nothing was accepted.
        """
        try:
            is_taken = await self._batches.put(_event(invocation))
        except RedisError as error:
            raise StoreUnavailable(str(error)) from error
        if not is_taken:
            raise FunctionNotFound(invocation.function)

    async def call(self, invocation: Invocation, function: FunctionConfiguration) -> Reply:
        """Have a worker run `invocation` at once, past the event queue, and wait for its reply.

        The outcome is `Lost` if none came: its worker died, or all workers were busy for longer than PATIENCE.

        Raises:
            StoreUnavailable: Redis did not take it.
        """
        patience = _patience(function)
        try:
            await self._ask(invocation, patience)
            answer = await self._answer(invocation.request_id, within=patience)
        except RedisError as error:
            raise StoreUnavailable(str(error)) from error
        return Reply.decode(answer) if answer is not None else _unanswered(patience)

    async def stream(
        self, invocation: Invocation, function: FunctionConfiguration
    ) -> AsyncGenerator[bytes | Reply, None]:
        """As `call`, for a caller who wants the result in parts as it is made; the `Reply` comes last.

        A result that was not made in parts is in the reply. Who closes this is not written to any more.

        Raises:
            StoreUnavailable: Redis did not take it, or does not answer any more.
        """
        loop, patience = asyncio.get_running_loop(), _patience(function)
        deadline = loop.time() + patience
        number = 0
        try:
            await self._ask(invocation, patience, stream=True)
            while True:
                answer = await self._answer(invocation.request_id, within=max(0.1, deadline - loop.time()))
                part = decode_part(answer) if answer is not None else _unanswered(patience)
                if isinstance(part, Reply):
                    yield part
                    return
                if part[0] > number:  # else Redis was given it twice
                    number, data = part
                    yield data
        except RedisError as error:
            raise StoreUnavailable(str(error)) from error
        finally:
            await self._hang_up(invocation.request_id)

    async def _ask(self, invocation: Invocation, patience: float, **more: Any) -> None:
        """Put a call on its queue. `more` are further headers of its message."""
        assert self._async_redis is not None
        keys, patience_ms = self._keys, int(patience * 1000)
        head = event_message.head(invocation, event_message.CALL, patience_ms=patience_ms, **more)
        await self._call.run_async(
            self._async_redis,
            [keys.calls, keys.call(invocation.request_id), keys.clock],
            [invocation.function, head, event_message.TAIL, patience_ms],
        )

    async def _answer(self, request_id: str, *, within: float) -> bytes | None:
        """The next part of an answer; None: there was none `within` so many seconds."""
        assert self._waiting is not None
        answer = await self._waiting.blpop([self._keys.reply(request_id)], timeout=within)
        return cast("bytes", answer[1]) if answer is not None else None

    async def _hang_up(self, request_id: str) -> None:
        """Say that nobody waits for an answer. Where it cannot be said, what is written for nobody expires."""
        assert self._async_redis is not None
        with suppress(RedisError):
            await self._async_redis.unlink(self._keys.call(request_id), self._keys.reply(request_id))

    async def _enqueue_batch(self, events: Sequence[_Event]) -> Collection[bytes]:
        """Take events in; give the request ids of those that were left out, because their functions do not exist."""
        assert self._async_redis is not None
        arguments = self._arguments(events)
        keys = [*arguments["keys"], self._keys.functions]
        left_out: list[bytes] = await self._script.run_async(self._async_redis, keys, arguments["args"])
        return left_out

    def _arguments(self, events: Sequence[_Event]) -> dict[str, Any]:
        keys = self._keys
        return {
            "keys": [keys.invocations, keys.ledger, keys.clock],
            "args": [str(keys), self._delay_ms, event_message.TAIL, *(part for event in events for part in event)],
        }


def _patience(function: FunctionConfiguration) -> float:
    """For how long a caller waits, in seconds."""
    return function.timeout + limits.INIT_TIMEOUT + PATIENCE


def _unanswered(patience: float) -> Reply:
    return Reply(Lost(f"no worker answered within {patience:g} s"))


def _event(invocation: Invocation) -> _Event:
    head = event_message.head(invocation)
    return invocation.request_id, invocation.function, invocation.source, invocation.root, head


class _Batches:
    """Gathers what is put at the same time into batches. One event alone goes at once.

    `send` takes a batch and gives the request ids of those events in it that were not taken.
    """

    def __init__(self, send: Callable[[Sequence[_Event]], Awaitable[Collection[bytes]]]) -> None:
        self._send = send
        self._gathered: list[tuple[_Event, asyncio.Future[bool]]] = []
        self._size = 0
        self._under_way = 0
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def put(self, event: _Event) -> bool:
        """Whether `event` was taken, when its batch has been; raise what went wrong with that."""
        loop = asyncio.get_running_loop()
        taken: asyncio.Future[bool] = loop.create_future()
        self._gathered.append((event, taken))
        self._size += len(event[-1])
        if not self._under_way or len(self._gathered) >= BATCH or self._size >= BATCH_BYTES:
            self._flush()
        elif self._timer is None:
            self._timer = loop.call_later(GATHER, self._flush)
        return await taken

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._gathered:
            return
        batch, self._gathered, self._size = self._gathered, [], 0
        self._under_way += 1
        task = asyncio.get_running_loop().create_task(self._take(batch))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _take(self, batch: list[tuple[_Event, asyncio.Future[bool]]]) -> None:
        # A caller that went away meanwhile waits no more; its event is kept all the same.
        try:
            left_out = await self._send([event for event, _ in batch])
        except Exception as error:  # noqa: BLE001 - everyone who waits is told, whatever it is
            for _, taken in batch:
                if not taken.done():
                    taken.set_exception(error)
        else:
            for event, taken in batch:
                if not taken.done():
                    taken.set_result(not left_out or event[0].encode() not in left_out)
        finally:
            self._under_way -= 1
            self._flush()


class _Overlap:
    """Calls one script again and again: while the server works on one call, the next is built."""

    def __init__(self, redis: Redis, script: Script) -> None:
        self._redis = redis
        self._script = script
        self._connection: Any = None  # from the second call on
        self._is_known = False  # to the server: the script
        self._is_waiting = False

    def send(self, keys: Sequence[Any], args: Sequence[Any]) -> None:
        """Send a call, when the one before has been answered.

        Raises:
            RedisError: that one was refused, or its outcome is unknown.
        """
        if not self._is_known:
            self._script.run(self._redis, keys, args)
            self._is_known = True
            return
        if self._connection is None:
            self._connection = self._redis.connection_pool.get_connection()
        packed = self._connection.pack_command("EVALSHA", self._script.sha, len(keys), *keys, *args)
        self.wait()
        self._connection.send_packed_command(packed)
        self._is_waiting = True

    def wait(self) -> None:
        """Wait for the answer to the latest call.

        Raises:
            RedisError: it was refused, or its outcome is unknown.
        """
        if self._is_waiting:
            self._is_waiting = False
            self._connection.read_response()

    def close(self) -> None:
        """Give the connection back; one on which an answer is still to come is cut."""
        if self._connection is not None:
            if self._is_waiting:
                self._connection.disconnect()
            self._redis.connection_pool.release(self._connection)
