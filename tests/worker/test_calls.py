"""Synchronous invocations on their way to a worker and back, past the event queue."""

import asyncio
from collections.abc import Callable

import orjson
import pytest

from config import redis as config_redis
from config.settings import Settings
from tests.worker.conftest import System, failure, function
from worker.function import FunctionConfiguration
from worker.identity import new_request_id
from worker.invocation import Crashed, Invocation, Lost, Outcome, Succeeded, Throttled, TimedOut
from worker.queue import EventQueue
from worker.reply import Reply


def called(
    system: System, settings: Settings, act: Callable[[str], None], configuration: FunctionConfiguration
) -> Reply:
    """The reply to a call of `f`, while `act` plays the worker with the request id that is on the queue."""

    async def call() -> Reply:
        redis = config_redis.connect_async(settings)
        waiting = config_redis.connect_async(settings, socket_timeout=None)
        queue = EventQueue(system.redis, system.keys, async_redis=redis, waiting=waiting)
        invocation = Invocation(new_request_id(), "f", "arn:f", b'{"n":1}', system.clock.now(), is_synchronous=True)
        waits = asyncio.create_task(queue.call(invocation, configuration))
        try:
            message = None
            while message is None:
                message = await redis.rpop(system.keys.calls)
                await asyncio.sleep(0)
            await asyncio.to_thread(act, orjson.loads(orjson.loads(message)["body"])[0][0])
            return await waits
        finally:
            await redis.aclose()
            await waiting.aclose()

    return asyncio.run(call())


def test_answer_comes_back_to_the_caller(system: System, settings: Settings):
    """The handler's bytes as they are, and the tail of its log; nothing of the call stays behind."""
    system.environments.outcomes = [Succeeded(b'{"big":12345678901234567890}')]

    reply = called(system, settings, system.executor.call, function())

    assert reply.outcome == Succeeded(b'{"big":12345678901234567890}')
    assert reply.log_tail.startswith(b"START RequestId: ")
    assert system.redis.hlen(system.keys.lease("worker")) == 0
    assert system.redis.scard(system.keys.running("f")) == 0
    assert system.ledger().total.accepted == 0


def test_error_comes_back_once_and_is_not_retried(system: System, settings: Settings):
    """A synchronous caller decides himself whether to try again."""
    system.environments.outcomes = [failure()]

    reply = called(system, settings, system.executor.call, function())

    assert reply.outcome == failure()
    assert system.redis.zcard(system.keys.waiting) == 0


def test_full_function_is_throttled_at_once(system: System, settings: Settings):
    """All of the reserved concurrency is in use: the caller is told, and the place of the other stays taken."""
    system.define(function(reserved_concurrency=1))
    system.redis.sadd(system.keys.running("f"), "somebody")

    reply = called(system, settings, system.executor.call, function())

    assert reply.outcome == Throttled(1)
    assert system.redis.smembers(system.keys.running("f")) == {b"somebody"}


def test_function_that_was_deleted_meanwhile(system: System, settings: Settings):
    """The caller is told; nothing is run."""
    system.redis.hdel(system.keys.functions, "f")

    reply = called(system, settings, system.executor.call, function())

    assert isinstance(reply.outcome, Lost)
    assert system.environments.runs == []


def test_two_workers_run_a_call_once(system: System, settings: Settings):
    """A message that comes twice does not run a call twice."""
    _, another = system.another_worker()

    def both(request_id: str) -> None:
        claimed = system.worker.claim_call(request_id, "mine")
        assert claimed is not None
        another.call(request_id)
        system.worker.settle_call(claimed, Reply(Succeeded(b"1")))

    reply = called(system, settings, both, function())

    assert reply.outcome == Succeeded(b"1")
    assert system.environments.runs == []


def test_claim_that_was_not_answered_may_be_repeated(system: System):
    """A worker whose connection broke asks again with its token and gets the same event; another one gets nothing."""
    request_id = system.enqueue()

    first = system.worker.claim(request_id, "token")
    again = system.worker.claim(request_id, "token")

    assert first is not None
    assert again is not None
    assert again.invocation == first.invocation
    assert system.worker.claim(request_id, "another") is None
    assert system.ledger().total.running == 1


def test_event_that_is_sent_twice_is_there_once(system: System):
    """A gateway whose connection broke stores the same event again: it is accepted once."""
    invocation = Invocation(new_request_id(), "f", "arn:f", b"{}", system.clock.now())
    for _ in range(2):
        with system.redis.pipeline() as pipe:
            system.queue.add(pipe, invocation)
            pipe.execute()

    assert system.ledger().total.accepted == 1
    assert len(system.messages()) == 1


@pytest.mark.parametrize(
    "outcome",
    [
        Succeeded(b"null"),
        Succeeded(b'"two\nlines"'),
        failure("boom"),
        TimedOut(b"{}", "Sandbox.Timedout", "Task timed out after 3.00 seconds"),
        Crashed(b"{}", "Runtime.ExitError", "exit status 1"),
        Throttled(5),
        Lost("no process"),
    ],
)
def test_replies_survive_the_way(outcome: Outcome):
    """What is encoded is what is decoded, log included."""
    reply = Reply(outcome, b"line\nline\n")

    assert Reply.decode(reply.encode()) == reply
