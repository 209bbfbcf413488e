"""Waiting for messages: who waits is woken by what makes a message visible, and by nothing else."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis import Redis

from producers.errors import ApiError
from tests.sqs.conftest import Caller, request_for

Receive = Callable[..., Awaitable[list[str]]]


@pytest.fixture
def receive(caller: Caller) -> Receive:
    """Receives bodies on the event loop; must be called inside `run`."""

    async def receive(url: str, wait: int | None, **more: Any) -> list[str]:
        answer = await caller.sqs.receive_message(
            request_for("ReceiveMessage"), QueueUrl=url, WaitTimeSeconds=wait, **more
        )
        return [message["Body"] for message in answer.get("Messages", [])]

    return receive


def run(caller: Caller, story: Awaitable[Any]) -> tuple[Any, float]:
    """The outcome of a story, and the seconds that it took."""

    async def timed() -> tuple[Any, float]:
        began = asyncio.get_running_loop().time()
        outcome = await story
        return outcome, asyncio.get_running_loop().time() - began

    return caller.loop.run_until_complete(timed())


async def waiters(redis: Redis, count: int) -> None:
    """Return when `count` clients of the server wait at a doorbell."""
    async with asyncio.timeout(10):
        while redis.info("clients")["blocked_clients"] < count:  # noqa: ASYNC110 - the server rings no bell for this
            await asyncio.sleep(0.005)


def test_a_send_wakes_one_who_waits(caller: Caller, receive: Receive, redis: Redis):
    """At once, not at the next look a second later."""
    url = caller.queue()

    async def story() -> tuple[list[str], float]:
        waiting = asyncio.create_task(receive(url, 20))
        await waiters(redis, 1)
        sent_at = asyncio.get_running_loop().time()
        await asyncio.to_thread(caller.send, url, "m")
        return await waiting, asyncio.get_running_loop().time() - sent_at

    (bodies, took), _ = run(caller, story())

    assert bodies == ["m"]
    assert took < 0.5


def test_a_batch_wakes_as_many_as_it_has_messages_for(caller: Caller, receive: Receive, redis: Redis):
    """Each of three who wait gets one of three messages, soon after one another."""
    url = caller.queue()

    async def story() -> tuple[list[str], float]:
        waiting = [asyncio.create_task(receive(url, 20)) for _ in range(3)]
        await waiters(redis, 3)
        sent_at = asyncio.get_running_loop().time()
        entries = [{"Id": str(n), "MessageBody": str(n)} for n in range(3)]
        await asyncio.to_thread(caller.send_message_batch, QueueUrl=url, Entries=entries)
        bodies = [body for answer in await asyncio.gather(*waiting) for body in answer]
        return sorted(bodies), asyncio.get_running_loop().time() - sent_at

    (bodies, took), _ = run(caller, story())

    assert bodies == ["0", "1", "2"]
    assert took < 0.5


def test_who_waits_gets_a_delayed_message_when_it_is_due(caller: Caller, receive: Receive):
    """And not a second later, when everybody looks again."""
    url = caller.queue()
    caller.send(url, "late", DelaySeconds=1)

    bodies, took = run(caller, receive(url, 20))

    assert bodies == ["late"]
    assert 0.8 < took < 1.6


def test_who_waits_learns_of_a_delayed_message_that_is_sent_meanwhile(caller: Caller, receive: Receive, redis: Redis):
    """Its due time is later than the wait was when it began."""
    url = caller.queue()

    async def story() -> list[str]:
        waiting = asyncio.create_task(receive(url, 20))
        await waiters(redis, 1)
        await asyncio.to_thread(caller.send, url, "late", DelaySeconds=1)
        return await waiting

    bodies, took = run(caller, story())

    assert bodies == ["late"]
    assert 0.9 < took < 1.9


def test_who_waits_gets_what_another_gives_back(caller: Caller, receive: Receive, redis: Redis):
    """A visibility of 0 rings the bell."""
    url = caller.queue()
    caller.send(url, "m")
    (message,) = caller.receive(url)

    async def story() -> list[str]:
        waiting = asyncio.create_task(receive(url, 20))
        await waiters(redis, 1)
        await asyncio.to_thread(
            caller.change_message_visibility,
            QueueUrl=url,
            ReceiptHandle=message["ReceiptHandle"],
            VisibilityTimeout=0,
        )
        return await waiting

    bodies, took = run(caller, story())

    assert bodies == ["m"]
    assert took < 0.9


def test_who_waits_gets_a_message_whose_timeout_ends(caller: Caller, receive: Receive):
    """The receiver before has died, perhaps."""
    url = caller.queue(VisibilityTimeout="1")
    caller.send(url, "m")
    caller.receive(url)

    bodies, took = run(caller, receive(url, 20))

    assert bodies == ["m"]
    assert took < 1.6


def test_a_wait_in_vain_ends_in_time(caller: Caller, receive: Receive):
    """The queue's own wait counts where the caller names none."""
    url = caller.queue(ReceiveMessageWaitTimeSeconds="1")

    own, own_took = run(caller, receive(url, None))
    none, none_took = run(caller, receive(url, 0))

    assert (own, none) == ([], [])
    assert 0.9 < own_took < 1.6
    assert none_took < 0.5


def test_a_waiter_looks_about_once_a_second(caller: Caller, receive: Receive, redis: Redis):
    """Three seconds in vain cost a handful of scripts, not hundreds."""
    url = caller.queue()
    redis.config_resetstat()

    run(caller, receive(url, 3))

    calls = redis.info("commandstats")["cmdstat_evalsha"]["calls"]
    assert calls <= 6


def test_who_waits_at_a_queue_that_is_deleted_is_told(caller: Caller, receive: Receive, redis: Redis):
    """At once; nobody waits for messages that cannot come."""
    url = caller.queue()

    async def story() -> None:
        waiting = asyncio.create_task(receive(url, 20))
        await waiters(redis, 1)
        await asyncio.to_thread(caller.delete_queue, QueueUrl=url)
        await waiting

    with pytest.raises(ApiError) as caught:
        run(caller, story())

    assert caught.value.code == "QueueDoesNotExist"


def test_waiters_beyond_the_connections_still_get_their_messages(caller: Caller, receive: Receive, redis: Redis):
    """With two places at the doorbell, three wait and nobody fails."""
    url = caller.queue()
    caller.sqs._long_poll._waiting = asyncio.Semaphore(2)

    async def story() -> list[str]:
        waiting = [asyncio.create_task(receive(url, 20)) for _ in range(3)]
        await waiters(redis, 2)
        for n in range(3):
            await asyncio.to_thread(caller.send, url, str(n))
        return [body for answer in await asyncio.gather(*waiting) for body in answer]

    bodies, took = run(caller, story())

    assert sorted(bodies) == ["0", "1", "2"]
    assert took < 5
