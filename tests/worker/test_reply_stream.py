"""Streamed answers between a worker and the caller who reads: in order, bounded, and for nobody else."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from config import limits
from config import redis as config_redis
from config.settings import Settings
from tests.conftest import FakeClock
from tests.waiting import wait_until
from tests.worker.conftest import failure, function
from worker.identity import new_request_id
from worker.invocation import Invocation, Succeeded
from worker.keys import Keys
from worker.queue import EventQueue
from worker.reply import Reply, decode_part, encode_part
from worker.reply_stream import PART, WAITING, ReplyStream
from worker.transport.commands import CommandConnection


class World:
    """A caller who has asked and the worker's end of his answer, on one event loop."""

    def __init__(self, redis: Redis, keys: Keys, invocation: Invocation, parts: Any, stream: ReplyStream) -> None:
        self.redis = redis
        self.keys = keys
        self.parts = parts
        self.stream = stream
        self.reply_key = keys.reply(invocation.request_id)
        self.call_key = keys.call(invocation.request_id)

    def finish(self, reply: Reply) -> None:
        """End the answer as the settlement of a call does."""
        ending = self.stream.ending(reply).encode()
        self.stream.finish(lambda: self.redis.rpush(self.reply_key, ending))

    async def until(self, predicate: Callable[[], Any]) -> None:
        """Let the loop run until something is so."""
        await asyncio.to_thread(wait_until, predicate, "the test goes on")


@pytest.fixture
def streaming(
    redis: Redis, keys: Keys, settings: Settings, clock: FakeClock
) -> Callable[[Callable[[World], Awaitable[None]]], None]:
    """Runs a test with a caller and a worker."""

    async def run(test: Callable[[World], Awaitable[None]]) -> None:
        async_redis = config_redis.connect_async(settings, socket_timeout=None)
        queue = EventQueue(redis, keys, async_redis=async_redis)
        invocation = Invocation(new_request_id(), "f", "arn:f", b"{}", clock.now(), is_synchronous=True)
        loop: Any = asyncio.get_running_loop()
        commands = CommandConnection(redis.connection_pool, loop)
        world = World(redis, keys, invocation, None, ReplyStream(invocation.request_id, commands, keys, loop))
        async with aclosing(queue.stream(invocation, function())) as parts:
            world.parts = parts
            await test(world)
        commands.close()
        await async_redis.aclose()

    return lambda test: asyncio.run(run(test))


async def asked(world: World) -> "asyncio.Task[Any]":
    """The caller has asked and waits for the first part."""
    first = asyncio.ensure_future(anext(world.parts))
    await world.until(lambda: world.redis.exists(world.call_key))
    return first


def test_parts_arrive_in_order_and_the_reply_last(streaming) -> None:
    """Each as soon as it was written; the result is not sent a second time, and nothing stays behind."""

    async def test(world: World) -> None:
        first = await asked(world)
        world.stream.write(b"a")
        assert await first == b"a"
        for data in (b"b\n", b"\x00+", b"c" * (PART + 1)):
            world.stream.write(data)
        world.finish(Reply(Succeeded(b"ignored"), b"END\n"))
        *parts, reply = [part async for part in world.parts]

        assert b"".join(parts) == b"b\n\x00+" + b"c" * (PART + 1)
        assert reply == Reply(Succeeded(b""), b"END\n")
        assert world.redis.exists(world.reply_key, world.call_key) == 0

    streaming(test)


def test_answer_that_is_not_streamed_is_in_the_reply(streaming) -> None:
    """So is an error, whether or not something was written before it."""

    async def test(world: World) -> None:
        first = await asked(world)
        whole = Reply(Succeeded(b"[1]"))
        assert world.stream.ending(whole) == whole
        world.stream.write(b"a")
        error = Reply(failure())
        world.finish(error)

        assert [await first, await anext(world.parts)] == [b"a", error]

    streaming(test)


def test_slow_reader_is_waited_for(streaming) -> None:
    """A few parts lie in Redis and expire; the handler is to wait, and everything arrives when it is read."""

    async def test(world: World) -> None:
        first = await asked(world)
        number = 0
        while not world.stream.is_full:
            world.stream.write(b"%d" % number + b"x" * PART)
            number += 1
            await world.until(lambda: not world.stream._is_sending or world.redis.llen(world.reply_key) >= WAITING)
        assert world.redis.llen(world.reply_key) <= WAITING
        assert world.redis.pttl(world.reply_key) > 0
        world.finish(Reply(Succeeded(b"")))
        data = [await first, *[part async for part in world.parts][:-1]]

        assert b"".join(data) == b"".join(b"%d" % each + b"x" * PART for each in range(number))

    streaming(test)


def test_nobody_is_written_to_who_has_hung_up(streaming) -> None:
    """The worker learns it with the next part; what was written is dropped, and the end comes all the same."""

    async def test(world: World) -> None:
        first = await asked(world)
        world.stream.write(b"a")
        await first
        await world.parts.aclose()
        world.stream.write(b"b")
        await world.until(lambda: not world.stream.is_heard)
        ended: list[bool] = []
        world.stream.write(b"c")
        world.stream.finish(lambda: ended.append(True))

        assert ended == [True]
        assert world.redis.exists(world.reply_key) == 0

    streaming(test)


def test_part_that_is_there_twice_is_read_once(streaming) -> None:
    """A broken connection hides whether Redis took a part, so it is sent again under its number."""

    async def test(world: World) -> None:
        first = await asked(world)
        reply = Reply(Succeeded(b""))
        world.redis.rpush(
            world.reply_key, *(encode_part(number, data) for number, data in ((1, b"a"), (1, b"a"), (2, b"b"))),
            reply.encode(),
        )  # fmt: skip

        assert [await first, *[part async for part in world.parts]] == [b"a", b"b", reply]

    streaming(test)


class Failing:
    """A connection that takes a part and then says that it broke, and takes the next try."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []

    def call(self, _script, _keys, args, done) -> None:
        """See `Scripts`."""
        self.taken.append(args[-1])
        done(RedisConnectionError("broken") if len(self.taken) == 1 else 1)


def test_broken_connection_sends_the_same_part_again() -> None:
    """Under the same number, after a pause."""

    async def test() -> None:
        loop: Any = asyncio.get_running_loop()
        broken = Failing()
        stream = ReplyStream("r", broken, Keys(), loop)
        sent = loop.create_future()
        stream.write(b"a")
        stream.finish(lambda: sent.set_result(None))
        async with asyncio.timeout(30):
            await sent

        assert [decode_part(part) for part in broken.taken] == [(1, b"a"), (1, b"a")]

    asyncio.run(test())


@pytest.mark.parity("limit.stream-response")
def test_answer_of_more_than_200_mb_is_cut_off_with_an_error(monkeypatch) -> None:
    """What is too much is not sent, and the last part says why."""
    monkeypatch.setattr(limits, "MAX_STREAMED_RESPONSE", 10)
    taken = Failing()
    taken.taken.append(b"")  # so that nothing fails
    loop: Any = None
    stream = ReplyStream("r", taken, Keys(), loop)

    stream.write(b"x" * 10)
    assert not stream.is_too_long
    stream.write(b"y")

    assert stream.is_too_long
    ending = stream.ending(Reply(Succeeded(b""), b"END\n"))
    assert getattr(ending.outcome, "error_type", "") == "Function.ResponseSizeTooLarge"
    assert [decode_part(part) for part in taken.taken[1:]] == [(1, b"x" * 10)]
