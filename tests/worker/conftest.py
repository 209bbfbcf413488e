"""A worker whose environments are scripted: everything but the user's handler and Celery is real."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from redis import Redis
from redis.exceptions import RedisError

from tests.conftest import FakeClock
from worker.account import Account
from worker.claim import Claimed, claimed_of
from worker.clock import from_ms
from worker.event_message import DELIVERY_FUNCTION
from worker.executor import Executor
from worker.function import FunctionConfiguration
from worker.identity import new_request_id
from worker.invocation import Attempt, FunctionError, Invocation, LogEvent, OnChunk, Outcome, Succeeded, no_chunk
from worker.keys import Keys
from worker.ledger import Ledger
from worker.queue import EventQueue
from worker.reply_stream import ReplyStream
from worker.retry import Decision
from worker.runtime.interpreter import own_runtime
from worker.scripts import LIBRARY
from worker.settlement import settlement_of
from worker.settler import Settler
from worker.transport.calls import Calls, Claim, Delivery, read_claim
from worker.transport.keys import Namespace
from worker.transport.script import Script
from worker.transport.suspects import losses


def function(name: str = "f", **fields: Any) -> FunctionConfiguration:
    """A function with everything that AWS would fill in."""
    return FunctionConfiguration(
        name=name,
        arn=f"arn:aws:lambda:us-east-1:000000000000:function:{name}",
        runtime=own_runtime(),
        handler="app.handler",
        role="arn:aws:iam::000000000000:role/r",
        code_sha256="0" * 64,
        code_size=1,
        last_modified="2026-01-02T03:04:05.678+0000",
        revision_id="r",
    ).model_copy(update=fields)


def failure(message: str = "boom") -> FunctionError:
    """What a handler that raises leaves."""
    document = {"errorMessage": message, "errorType": "ValueError", "requestId": "", "stackTrace": []}
    return FunctionError(orjson.dumps(document), "ValueError", message)


@dataclass
class ScriptedEnvironments:
    """Gives the outcomes that a test wrote down, one after the other; the last one for ever."""

    clock: FakeClock
    outcomes: list[Outcome] = field(default_factory=lambda: [Succeeded(b"null")])
    runs: list[Invocation] = field(default_factory=list)
    parts: list[bytes] = field(default_factory=list)  # what the handler streams before its outcome

    def run(
        self,
        _function: FunctionConfiguration,
        invocation: Invocation,
        done: Callable[[Attempt], None],
        on_chunk: OnChunk = no_chunk,
    ) -> "ScriptedRun":
        """One attempt that takes no time."""
        self.runs.append(invocation)
        for part in self.parts if invocation.wants_stream else ():
            on_chunk(part)
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        log = (LogEvent(1, f"START RequestId: {invocation.request_id}"),)
        done(
            Attempt(
                outcome,
                started_at=self.clock.now(),
                duration_ms=0.0,
                log_stream="s",
                log=log,
                log_tail=b"START RequestId: x\n",
            )
        )
        return ScriptedRun()


class ScriptedRun:
    """An invocation that has ended already."""

    pid = None

    def kill(self) -> None:
        """Too late."""

    def pause_response(self) -> None:
        """Too late."""

    def resume_response(self) -> None:
        """Too late."""


class Timers:
    """A loop whose timers a test fires itself."""

    def __init__(self) -> None:
        self.pauses: list[float] = []
        self._pending: list[ScriptedTimer] = []

    def call_later(self, seconds: float, callback: Callable[[], object]) -> "ScriptedTimer":
        """Note it."""
        self.pauses.append(seconds)
        self._pending.append(ScriptedTimer(callback))
        return self._pending[-1]

    def fire(self) -> None:
        """Let all of them be due, until there are none."""
        while self._pending:
            timer = self._pending.pop(0)
            if not timer.is_cancelled:
                timer.callback()


@dataclass
class ScriptedTimer:
    """A call that is to come."""

    callback: Callable[[], object]
    is_cancelled: bool = False

    def cancel(self) -> None:
        """See `worker.transport.loop.Timer`."""
        self.is_cancelled = True


class Scripts:
    """Calls scripts at once. As often as `failures` says, the connection breaks before or after the call."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self.failures: list[tuple[str, RedisError]] = []
        self.has_run: Callable[[Sequence[Any], Any], object] = lambda _args, _reply: None

    def call(self, script: Script, keys: Sequence[str], args: Sequence[Any], done: Callable[[Any], object]) -> None:
        """See `worker.settler.Scripts`."""
        when, failure = self.failures.pop(0) if self.failures else ("", None)
        if when == "before":
            done(failure)
            return
        try:
            reply = script.run(self._redis, keys, args)
            self.has_run(args, reply)
        except RedisError as error:
            reply = error
        done(failure or reply)


class Worker:
    """One worker: what it holds, and how it settles."""

    def __init__(self, redis: Redis, keys: Keys, clock: FakeClock, environments: ScriptedEnvironments, name: str):
        self.name = name
        self._redis, self._keys, self._clock = redis, keys, clock
        self.calls = Calls(Namespace(f"{{{keys.namespace}}}"), LIBRARY)
        self.scripts = Scripts(redis)
        self.timers = Timers()
        self.settler = Settler(self.scripts, keys, self.timers)
        self.forgotten: list[str] = []
        self._seq = 1
        self.executor = Executor(
            environments,
            self.settler.add,
            (0.0, 60.0, 120.0),
            clock,
            open_stream=lambda request_id, on_room: ReplyStream(request_id, self.scripts, keys, self.timers, on_room),
        )

    def claim(self, *queues: str, count: int = 100) -> list[Claimed]:
        """Take what is ready on some queues, `invocations` if none is named, as the transport does."""
        return [self.claimed(delivery) for delivery in self.take(*queues, count=count).deliveries]

    def take(self, *queues: str, count: int = 100) -> Claim:
        """What a claim hands over."""
        asked = [(queue, False) for queue in queues or [self._keys.invocations]]
        call = self.calls.claim(self.name, asked, lease_ms=10_000, most=count, most_bytes=1 << 22, seq=self._seq)
        self._seq += count
        claim = read_claim(call.run(self._redis), asked)
        for delivery in claim.deliveries:
            if losses(delivery):
                self._redis.sadd(self._keys.begun(self.name), delivery.tag)
        return claim

    def claimed(self, delivery: Delivery) -> Claimed:
        """Read a message that was taken."""
        message = orjson.loads(delivery.envelope)
        assert delivery.context is not None
        return claimed_of(
            message["headers"],
            message["body"].encode(),
            context=delivery.context,
            lease=self._keys.lease(self.name),
            field=delivery.tag,
            forget=lambda: self.forgotten.append(delivery.tag),
            redeliveries=message.get("x-dc", 0),
            is_refused=delivery.is_refused,
            received_at=self._clock.monotonic(),
        )

    def die(self) -> None:
        """Be found dead: as if the lease had ended long ago."""
        self._redis.zadd(self._keys.consumers, {self.name: 1})
        self.calls.reap().run(self._redis)

    def attempt(self, claimed: Claimed) -> None:
        """Make an attempt and settle it."""
        self.executor.attempt(claimed, lambda _: None)
        self.timers.fire()

    def call(self, claimed: Claimed) -> None:
        """Run a synchronous invocation and answer it."""
        self.executor.call(claimed, lambda _: None)
        self.timers.fire()

    def settle(self, claimed: Claimed, decision: Decision) -> bool | None:
        """Settle an event of which nothing was run."""
        answers: list[bool | None] = []
        settlement = settlement_of(claimed, None, decision, self._clock.now())
        self.settler.add(settlement, answers.append, at_once=True)
        return answers[0]


@dataclass
class System:
    """One worker, its queue, and the clock that the test moves."""

    redis: Redis
    keys: Keys
    clock: FakeClock
    environments: ScriptedEnvironments
    queue: EventQueue
    worker: Worker

    @classmethod
    def of(cls, redis: Redis, keys: Keys, clock: FakeClock) -> "System":
        """A system with one function, `f`, that succeeds."""
        environments = ScriptedEnvironments(clock)
        worker = Worker(redis, keys, clock, environments, "worker")
        system = cls(redis, keys, clock, environments, EventQueue(redis, keys), worker)
        system.define(function())
        return system

    def define(self, configuration: FunctionConfiguration) -> None:
        """Create or replace a function."""
        self.redis.hset(self.keys.functions, configuration.name, configuration.model_dump_json())
        self.announce()

    def announce(self, limit: int = 1_000, slots: int = 16) -> None:
        """Do what a worker does that starts."""
        Account(self.worker.scripts, self.keys, self.worker.timers, limit).announce(slots)

    def account(self) -> dict[str, int]:
        """What the account counts; the invocations that run must be those of its functions."""
        counted = {name.decode(): int(number) for name, number in self.redis.hgetall(self.keys.account).items()}
        running = {name: int(number) for name, number in self.redis.hgetall(self.keys.concurrency).items()}
        assert counted["running"] == sum(of for name, of in running.items() if not name.startswith(b"thrice:"))
        return counted

    def enqueue(self, name: str = "f", payload: bytes = b'{"n": 1}', **fields: Any) -> str:
        """Accept one event, and return its request id."""
        request_id = new_request_id()
        invocation = Invocation(request_id, name, f"arn:of:{name}", payload, self.clock.now(), **fields)
        self.queue.enqueue_all([invocation])
        return request_id

    def work(self) -> int:
        """Make every attempt that is ready; return how many there were. Deliveries are left under the lease."""
        held = [claimed for claimed in self.worker.claim() if claimed.invocation.function != DELIVERY_FUNCTION]
        for claimed in held:
            self.worker.attempt(claimed)
        return len(held)

    def drain(self) -> list[float]:
        """Let time pass from one due moment to the next until nothing is left; the seconds at which handlers ran."""
        started = self.clock.now()
        moments: list[float] = []
        while True:
            before = len(self.environments.runs)
            while self.work():
                pass
            moments += [round((self.clock.now() - started).total_seconds())] * (len(self.environments.runs) - before)
            due = self.redis.zrange(self.keys.delayed(self.keys.invocations), 0, 0, withscores=True)
            if not due:
                return moments
            wait = (from_ms(due[0][1]) - self.clock.now()).total_seconds()
            self.clock.advance(max(0.001, wait + 0.002))

    def record(self, request_id: str) -> dict[str, str]:
        """The record of an event."""
        return {
            name.decode(): value.decode() for name, value in self.redis.hgetall(self.keys.event(request_id)).items()
        }

    def ledger(self) -> Ledger:
        """The ledger, which must balance and agree with where the events really are."""
        ledger = Ledger.of(self.redis.hgetall(self.keys.ledger))
        assert ledger.total.is_balanced
        assert {
            name: (account.ready, account.waiting, account.running) for name, account in ledger.functions.items()
        } == {name: self.whereabouts(name) for name in ledger.functions}
        return ledger

    def whereabouts(self, name: str) -> tuple[int, int, int]:
        """How many events of a function are in its lane, in the delayed set, and under leases."""
        invocations = self.keys.invocations
        target = f":lane:{name}"
        waiting = self.redis.zrange(self.keys.delayed(invocations), 0, -1)
        held = [field for key in self.redis.scan_iter(self.keys.lease("*")) for field in self.redis.hkeys(key)]
        return (
            self.redis.llen(self.keys.lane(invocations, name)),
            sum(member.startswith(f"{target}\n".encode()) for member in waiting),
            sum(field.endswith(f"|{invocations}{target}".encode()) for field in held),
        )

    def concurrency(self, name: str = "f") -> int:
        """How many invocations of a function run, as its reserved concurrency counts them."""
        return int(self.redis.hget(self.keys.concurrency, name) or 0)

    def another_worker(self, name: str = "another") -> Worker:
        """A second worker on the same queue."""
        return Worker(self.redis, self.keys, self.clock, self.environments, name)


@pytest.fixture
def system(redis: Redis, keys: Keys, clock: FakeClock) -> System:
    """A system with one function, `f`, that succeeds."""
    return System.of(redis, keys, clock)


@pytest.fixture
def queue_messages(redis: Redis, keys: Keys) -> Callable[[str], list[dict[str, Any]]]:
    """Reads the messages of one of our SQS queues."""

    def read(name: str) -> list[dict[str, Any]]:
        return [orjson.loads(document) for document in redis.hvals(keys.queue_messages(name))]

    return read
