"""Synchronous invocations on their way to a worker and back, past the event queue."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from config import redis as config_redis
from config.settings import Settings
from tests.worker.conftest import System, failure, function
from tests.worker.test_life import create_queue
from worker.claim import Claimed
from worker.function import EventInvokeConfig
from worker.identity import new_request_id
from worker.invocation import Crashed, Invocation, Lost, Outcome, Succeeded, Throttled, TimedOut
from worker.queue import EventQueue
from worker.reply import Reply, encode_part


async def waiting_for_the_whole(queue: EventQueue, invocation: Invocation) -> Reply:
    """Ask as Invoke does."""
    return await queue.call(invocation, function())


async def reading_nothing(queue: EventQueue, invocation: Invocation) -> None:
    """Ask as InvokeWithResponseStream does, and be slow to read."""
    await queue._ask(invocation, 60.0, stream=True)


def called(
    system: System,
    settings: Settings,
    act: Callable[[Claimed], object],
    ask: Callable[..., Any] = waiting_for_the_whole,
) -> Any:
    """What `ask` gets of a call of `f`, while `act` plays the worker that has claimed it."""

    async def call() -> Any:
        redis = config_redis.connect_async(settings)
        waiting = config_redis.connect_async(settings, socket_timeout=None)
        queue = EventQueue(system.redis, system.keys, async_redis=redis, waiting=waiting)
        invocation = Invocation(new_request_id(), "f", "arn:f", b'{"n":1}', system.clock.now(), is_synchronous=True)
        waits = asyncio.create_task(ask(queue, invocation))
        try:
            held: list[Claimed] = []
            while not held:
                await redis.brpop([system.keys.wake(system.keys.calls)])
                held = await asyncio.to_thread(system.worker.claim, system.keys.calls)
            await asyncio.to_thread(act, held[0])
            return await waits
        finally:
            await redis.aclose()
            await waiting.aclose()

    return asyncio.run(call())


def test_answer_comes_back_to_the_caller(system: System, settings: Settings):
    """The handler's bytes as they are, and the tail of its log; nothing of the call stays behind."""
    system.environments.outcomes = [Succeeded(b'{"big":12345678901234567890}')]

    reply = called(system, settings, system.worker.call)

    assert reply.outcome == Succeeded(b'{"big":12345678901234567890}')
    assert reply.log_tail.startswith(b"START RequestId: ")
    assert system.redis.hlen(system.keys.lease("worker")) == 0
    assert system.concurrency() == 0
    assert system.ledger().total.accepted == 0
    assert len(system.redis.xrange(system.keys.log("f"))) == 1


def test_error_comes_back_once_and_is_not_retried(system: System, settings: Settings):
    """A synchronous caller decides himself whether to try again."""
    system.environments.outcomes = [failure()]

    reply = called(system, settings, system.worker.call)

    assert reply.outcome == failure()
    assert system.redis.zcard(system.keys.delayed(system.keys.calls)) == 0


def test_full_function_is_throttled_at_once(system: System, settings: Settings):
    """All of the reserved concurrency is in use: the caller is told, and the place of the other stays taken."""
    system.define(function(reserved_concurrency=1))
    system.enqueue()
    system.another_worker().claim()

    reply = called(system, settings, system.worker.call)

    assert reply.outcome == Throttled(1)
    assert system.concurrency() == 1


def test_function_that_was_deleted_meanwhile(system: System, settings: Settings):
    """The caller is told; nothing is run."""
    system.redis.hdel(system.keys.functions, "f")

    reply = called(system, settings, system.worker.call)

    assert isinstance(reply.outcome, Lost)
    assert system.environments.runs == []


def test_call_whose_worker_died_is_answered_and_not_run_again(system: System, settings: Settings):
    """Nobody knows what the handler did: the next worker says so instead of doing it twice."""

    def die_and_take_over(_: Claimed) -> None:
        system.worker.die()
        (again,) = system.another_worker().claim(system.keys.calls)
        system.another_worker().call(again)

    reply = called(system, settings, die_and_take_over)

    assert isinstance(reply.outcome, Lost)
    assert "worker died" in reply.outcome.reason
    assert system.environments.runs == []
    assert system.concurrency() == 0


def test_call_that_came_too_late_is_not_run(system: System, settings: Settings):
    """Its caller has stopped waiting."""
    patience = 3 + 10 + 30

    def be_late(claimed: Claimed) -> None:
        system.clock.advance(patience + 1)
        system.worker.call(claimed)

    reply = called(system, settings, be_late)

    assert isinstance(reply.outcome, Lost)
    assert system.environments.runs == []


def test_call_that_is_sent_twice_is_made_once(system: System, settings: Settings):
    """A gateway whose connection broke before the answer asks again."""

    async def send_twice() -> None:
        redis = config_redis.connect_async(settings)
        queue = EventQueue(system.redis, system.keys, async_redis=redis)
        invocation = Invocation(new_request_id(), "f", "arn:f", b"{}", system.clock.now(), is_synchronous=True)
        calls = [asyncio.create_task(queue.call(invocation, function())) for _ in range(2)]
        await redis.brpop([system.keys.wake(system.keys.calls)])
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        await redis.aclose()

    asyncio.run(send_twice())

    assert len(system.worker.claim(system.keys.calls)) == 1


@pytest.mark.parametrize(
    "outcome",
    [
        Succeeded(b"null"),
        Succeeded(b'"two\nlines"'),
        failure("boom"),
        TimedOut(b"{}", "Sandbox.Timedout", "Task timed out after 3.00 seconds"),
        Crashed(b"{}", "Runtime.ExitError", "exit status 1"),
        Throttled(5),
        Throttled(None),
        Lost("no process"),
    ],
)
def test_replies_survive_the_way(outcome: Outcome):
    """What is encoded is what is decoded, log included."""
    reply = Reply(outcome, b"line\nline\n")

    assert Reply.decode(reply.encode()) == reply


@pytest.mark.parity("destination.async-only")
def test_synchronous_call_has_no_destinations(system: System, settings: Settings, queue_messages):
    """Its caller has been told: nothing is sent to the function's queues, neither after a failure nor a success."""
    config = EventInvokeConfig(on_success=create_queue(system, "good"), on_failure=create_queue(system, "bad"))
    system.define(function(event_invoke_config=config, dead_letter_arn=create_queue(system, "dlq")))
    system.environments.outcomes = [failure(), Succeeded(b"1")]

    for _ in range(2):
        called(system, settings, system.worker.call)

    assert [queue_messages(name) for name in ("good", "bad", "dlq")] == [[], [], []]
    assert system.environments.runs != []


def test_reply_stands_behind_the_parts_of_its_answer(system: System, settings: Settings):
    """The settlement puts it at the end of what the caller has not read yet; the message says that parts are wanted."""
    parts = [encode_part(1, b"a"), encode_part(2, b"b")]
    found: list[bytes] = []

    def act(claimed: Claimed) -> None:
        key = system.keys.reply(claimed.invocation.request_id)
        system.worker.call(claimed)
        found.extend(system.redis.lrange(key, 0, -1))

    system.environments.parts = [b"a", b"b"]
    system.environments.outcomes = [Succeeded(b"")]
    called(system, settings, act, reading_nothing)

    assert found[:2] == parts
    assert Reply.decode(found[2]).outcome == Succeeded(b"")
