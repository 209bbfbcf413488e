"""How events that are taken in at the same time share calls of Redis."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import ConnectionError as RedisConnectionError

from config import redis as config_redis
from config.settings import Settings
from tests.conftest import FakeClock
from tests.worker.conftest import function
from worker.errors import FunctionNotFound, StoreUnavailable
from worker.identity import new_request_id
from worker.invocation import Invocation
from worker.keys import Keys
from worker.ledger import Ledger
from worker.queue import BATCH, BATCH_BYTES, EventQueue, _Batches, _Event


class Taker:
    """Takes batches: notes each, and answers when the test lets it."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.error: Exception | None = None
        self.may_answer = asyncio.Event()
        self.has_come = asyncio.Event()

    async def take(self, batch: Sequence[_Event]) -> Sequence[bytes]:
        """See `_Batches`."""
        self.batches.append([event[0] for event in batch])
        self.has_come.set()
        await self.may_answer.wait()
        if self.error is not None:
            raise self.error
        return [event[0].encode() for event in batch if event[1] == "missing"]

    @property
    def sizes(self) -> list[int]:
        """How many events were in each batch."""
        return [len(batch) for batch in self.batches]


def event(name: str, size: int = 10, function: str = "f") -> _Event:
    """An event of so many bytes."""
    return name, function, "", name, b"x" * size


async def with_one_under_way(taker: Taker, batches: _Batches) -> "asyncio.Task[None]":
    """Put one event, and return when it has been sent and is not answered."""
    first = asyncio.create_task(batches.put(event("first")))
    await taker.has_come.wait()
    return first


def run(scenario: Callable[[Taker, _Batches], Awaitable[None]]) -> Taker:
    """Run a scenario in a loop of its own."""

    async def main() -> Taker:
        taker = Taker()
        await asyncio.wait_for(scenario(taker, _Batches(taker.take)), 30)
        return taker

    return asyncio.run(main())


def test_one_alone_goes_at_once():
    """It does not wait for company: it is sent in the same turn of the loop, before any timer."""

    async def scenario(taker: Taker, batches: _Batches) -> None:
        put = asyncio.create_task(batches.put(event("a")))
        loop = asyncio.get_running_loop()
        turns = [loop.create_future() for _ in range(3)]
        for turn in turns:
            loop.call_soon(turn.set_result, None)
            await turn
        assert taker.batches == [["a"]]
        taker.may_answer.set()
        await put

    run(scenario)


def test_those_that_come_meanwhile_go_together():
    """What is put while a batch is under way is one batch, in the order in which it was put."""

    async def scenario(taker: Taker, batches: _Batches) -> None:
        first = await with_one_under_way(taker, batches)
        others = [asyncio.create_task(batches.put(event(str(number)))) for number in range(10)]
        taker.may_answer.set()
        await asyncio.gather(first, *others)

    taker = run(scenario)

    assert taker.batches == [["first"], [str(number) for number in range(10)]]


@pytest.mark.parametrize(
    ("count", "size", "expected"),
    [
        (2 * BATCH + 1, 10, [1, BATCH, BATCH, 1]),
        (3, BATCH_BYTES - 1, [1, 2, 1]),
        (2, BATCH_BYTES, [1, 1, 1]),
    ],
)
def test_full_batch_does_not_wait(count: int, size: int, expected: list[int]):
    """500 events, or 1 MiB of them, go although another batch has not been answered yet."""

    async def scenario(taker: Taker, batches: _Batches) -> None:
        first = await with_one_under_way(taker, batches)
        others = [asyncio.create_task(batches.put(event(str(number), size))) for number in range(count)]
        taker.may_answer.set()
        await asyncio.gather(first, *others)

    taker = run(scenario)

    assert taker.sizes == expected
    assert [name for batch in taker.batches for name in batch] == ["first", *map(str, range(count))]


def test_what_waits_goes_although_nothing_is_answered():
    """A call that takes long holds up nobody: who waits for company goes after a moment."""

    async def scenario(taker: Taker, batches: _Batches) -> None:
        first = await with_one_under_way(taker, batches)
        taker.has_come.clear()
        others = [asyncio.create_task(batches.put(event(name))) for name in "ab"]
        await taker.has_come.wait()
        assert not first.done()
        taker.may_answer.set()
        await asyncio.gather(first, *others)

    taker = run(scenario)

    assert taker.batches == [["first"], ["a", "b"]]


def test_error_reaches_everyone_in_the_batch():
    """Nobody is told that an event was taken which was not; what comes later is sent all the same."""

    async def scenario(taker: Taker, batches: _Batches) -> None:
        first = await with_one_under_way(taker, batches)
        others = [asyncio.create_task(batches.put(event(name))) for name in "abc"]
        taker.error = RedisConnectionError("reset")
        taker.may_answer.set()
        results = await asyncio.gather(first, *others, return_exceptions=True)
        assert results == [taker.error] * 4
        taker.error = None
        await batches.put(event("later"))

    taker = run(scenario)

    assert taker.batches[-1] == ["later"]


def test_event_that_was_left_out_is_told_to_its_caller_alone():
    """The others of the batch were taken."""

    async def scenario(taker: Taker, batches: _Batches) -> None:
        first = await with_one_under_way(taker, batches)
        others = [
            asyncio.create_task(batches.put(event(name, function=function)))
            for name, function in (("a", "f"), ("b", "missing"), ("c", "f"))
        ]
        taker.may_answer.set()
        assert await asyncio.gather(first, *others) == [True, True, False, True]

    run(scenario)


def test_event_of_a_function_that_is_gone_is_not_accepted(redis, keys: Keys, clock: FakeClock, settings: Settings):
    """One call of Redis takes the events of the function that is there, and leaves no trace of the others."""
    redis.hset(keys.functions, "f", function().model_dump_json())
    events = [Invocation(new_request_id(), name, "arn", b"{}", clock.now()) for name in ("f", "gone", "f", "gone")]

    async def enqueue_all() -> list[object]:
        client = config_redis.connect_async(settings)
        try:
            queue = EventQueue(redis, keys, async_redis=client)
            return await asyncio.gather(*map(queue.enqueue, events), return_exceptions=True)
        finally:
            await client.aclose()

    told = asyncio.run(enqueue_all())

    assert [type(each) for each in told] == [type(None), FunctionNotFound] * 2
    assert Ledger.of(redis.hgetall(keys.ledger)).functions.keys() == {"f"}
    assert [redis.exists(keys.event(event.request_id)) for event in events] == [1, 0, 1, 0]


def test_caller_that_goes_away_takes_nobody_with_it():
    """A client hangs up while its event waits, another while its event is under way: the rest is told, all is kept."""

    async def scenario(taker: Taker, batches: _Batches) -> None:
        first = await with_one_under_way(taker, batches)
        gone, stays = (asyncio.create_task(batches.put(event(name))) for name in ("gone", "stays"))
        first.cancel()
        taker.has_come.clear()
        await taker.has_come.wait()
        gone.cancel()
        taker.may_answer.set()
        await stays
        assert [task.cancelled() for task in (first, gone)] == [True, True]

    taker = run(scenario)

    assert taker.batches == [["first"], ["gone", "stays"]]


def test_thousand_at_once_cost_a_few_calls(redis, keys: Keys, clock: FakeClock, settings: Settings):
    """Each is accepted, and Redis is called for a batch at a time."""
    redis.hset(keys.functions, "f", function().model_dump_json())
    ids = [new_request_id() for _ in range(1000)]

    async def enqueue_all() -> None:
        client = config_redis.connect_async(settings)
        try:
            queue = EventQueue(redis, keys, async_redis=client)
            invocations = [Invocation(name, "f", "arn:of:f", b"{}", clock.now()) for name in ids]
            await asyncio.gather(*(queue.enqueue(invocation) for invocation in invocations))
        finally:
            await client.aclose()

    before = redis.info("commandstats").get("cmdstat_evalsha", {}).get("calls", 0)
    asyncio.run(enqueue_all())
    calls = redis.info("commandstats")["cmdstat_evalsha"]["calls"] - before

    account = Ledger.of(redis.hgetall(keys.ledger)).functions["f"]
    assert (account.accepted, account.ready, redis.llen(keys.lane(keys.invocations, "f"))) == (1000, 1000, 1000)
    assert calls <= 2 * 3  # three batches, each of which may find that the server does not know the script yet


def test_nothing_is_accepted_while_redis_is_away(redis, keys: Keys, clock: FakeClock, folder):
    """Everybody who put an event is told that it was not taken."""

    async def enqueue_all() -> list[object]:
        client = AsyncRedis(unix_socket_path=str(folder / "nobody"), retry=None)
        try:
            queue = EventQueue(redis, keys, async_redis=client)
            invocations = [Invocation(new_request_id(), "f", "arn:of:f", b"{}", clock.now()) for _ in range(3)]
            puts = (queue.enqueue(invocation) for invocation in invocations)
            return list(await asyncio.gather(*puts, return_exceptions=True))
        finally:
            await client.aclose()

    assert [type(result) for result in asyncio.run(enqueue_all())] == [StoreUnavailable] * 3
