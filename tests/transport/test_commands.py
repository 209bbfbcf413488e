"""One connection, driven by an asyncio loop: replies in order, unknown scripts, a server that goes."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from redis import ConnectionPool, UnixDomainSocketConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from tests.transport.processes import Server
from tests.waiting import wait_until
from worker.transport.calls import Calls
from worker.transport.commands import CommandConnection, connection_of
from worker.transport.keys import Namespace

CALLS = Calls(Namespace("{c}"))


def run(broker: Server, test: Callable[[CommandConnection], Awaitable[None]]) -> None:
    """Run a test with a connection that is up."""

    async def main() -> None:
        loop, up = asyncio.get_running_loop(), asyncio.Event()
        pool = ConnectionPool(connection_class=UnixDomainSocketConnection, path=str(broker.socket))
        connection = CommandConnection(partial(connection_of, pool), loop, on_up=up.set)
        try:
            async with asyncio.timeout(60):
                await up.wait()
                await test(connection)
        finally:
            connection.close()

    asyncio.run(main())


async def answer(start: Callable[[Callable[[Any], object]], object]) -> Any:
    """What a call ends with."""
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    start(future.set_result)
    return await future


async def command(connection: CommandConnection, *parts: str) -> Any:
    """What a command ends with."""
    return await answer(lambda done: connection.command(*parts, done=done))


def test_replies_come_in_the_order_of_the_calls(broker: Server) -> None:
    """Calls made at once are pipelined; each gets its own reply, and an error is the reply of one call only."""

    async def test(connection: CommandConnection) -> None:
        calls = [command(connection, "ECHO", str(number)) for number in range(500)]
        calls.insert(250, command(connection, "NONSENSE"))

        replies = await asyncio.gather(*calls)

        assert isinstance(replies.pop(250), ResponseError)
        assert replies == [str(number).encode() for number in range(500)]

    run(broker, test)


def test_a_large_message_goes_through(broker: Server) -> None:
    """What does not fit into the socket at once is sent when there is room."""

    async def test(connection: CommandConnection) -> None:
        text = "x" * 20_000_000

        assert await command(connection, "ECHO", text) == text.encode()

    run(broker, test)


def test_a_script_that_the_server_does_not_know_is_told_to_it(broker: Server) -> None:
    """Nobody outside learns of it, the first time and after the server has forgotten."""

    async def test(connection: CommandConnection) -> None:
        call = CALLS.publish("{c}:q", "", ["{}"])
        for expected in (1, 2):
            reply = await answer(lambda done: connection.call(call.script, call.keys, call.arguments, done))
            assert reply == 1
            assert broker.client.llen("{c}:q") == expected
            broker.client.script_flush()

    run(broker, test)


def test_a_server_that_goes_ends_calls_and_is_connected_to_again(broker: Server) -> None:
    """What is under way ends with a ConnectionError, what is called meanwhile too; afterwards all is as before."""

    async def test(connection: CommandConnection) -> None:
        waiting = asyncio.ensure_future(command(connection, "BRPOP", "nothing", "0"))
        await asyncio.sleep(0)
        broker.kill()
        assert isinstance(await waiting, RedisConnectionError)
        assert not connection.is_up
        assert isinstance(await command(connection, "PING"), RedisConnectionError)

        broker.start_again()
        await asyncio.to_thread(wait_until, lambda: connection.is_up, "the connection is up again")
        assert await command(connection, "PING") == b"PONG"

    run(broker, test)


def test_closing_ends_what_is_under_way(broker: Server) -> None:
    """Its outcome is unknown."""

    async def test(connection: CommandConnection) -> None:
        waiting = asyncio.ensure_future(command(connection, "BRPOP", "nothing", "0"))
        await asyncio.sleep(0)
        connection.close()

        assert isinstance(await waiting, RedisConnectionError)

    run(broker, test)


def test_a_replica_is_left_more_and_more_slowly(broker: Server, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever takes no writes is not connected to again and again at once, however well the connecting goes."""
    broker.client.replicaof("127.0.0.1", "1")

    async def test(connection: CommandConnection) -> None:
        call = CALLS.publish("{c}:q", "", ["{}"])
        for expected in ("0.05", "0.1", "0.2", "0.4"):
            await answer(lambda done: connection.call(call.script, call.keys, call.arguments, done))
            await asyncio.to_thread(wait_until, lambda text=expected: f"again in {text} s" in caplog.text, "it breaks")
            await asyncio.to_thread(wait_until, lambda: connection.is_up, "the connection is up again")

    run(broker, test)
