"""A worker whose environments are scripted: everything but the user's handler is real."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from redis import Redis

from tests.conftest import FakeClock
from worker.clock import from_ms
from worker.executor import Executor
from worker.function import FunctionConfiguration
from worker.identity import new_request_id
from worker.invocation import Attempt, FunctionError, Invocation, LogEvent, Outcome, Succeeded
from worker.keys import Keys
from worker.ledger import Ledger
from worker.queue import EventQueue, WorkerQueue

REGION = "arn:aws:{service}:us-east-1:000000000000:{name}"


def function(name: str = "f", **fields: Any) -> FunctionConfiguration:
    """A function with everything that AWS would fill in."""
    return FunctionConfiguration(
        name=name,
        arn=f"arn:aws:lambda:us-east-1:000000000000:function:{name}",
        runtime="python3.11",
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

    def run(self, _function: FunctionConfiguration, invocation: Invocation) -> Attempt:
        """One attempt that takes no time."""
        self.runs.append(invocation)
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        log = (LogEvent(1, f"START RequestId: {invocation.request_id}"),)
        return Attempt(outcome, started_at=self.clock.now(), duration_ms=0.0, log_stream="s", log=log)


@dataclass
class System:
    """One worker, its queue, and the clock that the test moves."""

    redis: Redis
    keys: Keys
    clock: FakeClock
    environments: ScriptedEnvironments
    queue: EventQueue
    worker: WorkerQueue
    executor: Executor

    def define(self, configuration: FunctionConfiguration) -> None:
        """Create or replace a function."""
        self.redis.hset(self.keys.functions, configuration.name, configuration.model_dump_json())

    def enqueue(self, name: str = "f", payload: bytes = b'{"n": 1}') -> str:
        """Accept one event, and return its request id."""
        request_id = new_request_id()
        invocation = Invocation(request_id, name, f"arn:of:{name}", payload, self.clock.now())
        with self.redis.pipeline() as pipe:
            self.queue.add(pipe, invocation)
            pipe.execute()
        return request_id

    def messages(self) -> list[str]:
        """Take all Celery messages off the queue; their request ids, first in first."""
        with self.redis.pipeline() as pipe:
            pipe.lrange(self.keys.invocations, 0, -1)
            pipe.delete(self.keys.invocations)
            found, _ = pipe.execute()
        return [orjson.loads(orjson.loads(message)["body"])[0][0] for message in reversed(found)]

    def work(self) -> int:
        """Make every attempt that there is a message for, as Celery would; return how many messages there were."""
        ids = self.messages()
        for request_id in ids:
            self.executor.attempt(request_id)
        return len(ids)

    def drain(self) -> list[float]:
        """Let time pass from one due moment to the next until nothing is left; the seconds at which handlers ran."""
        started = self.clock.now()
        moments = []
        while True:
            before = len(self.environments.runs)
            self.work()
            moments += [round((self.clock.now() - started).total_seconds())] * (len(self.environments.runs) - before)
            due = self.redis.zrange(self.keys.waiting, 0, 0, withscores=True)
            if not due:
                return moments
            wait = (from_ms(due[0][1]) - self.clock.now()).total_seconds()
            self.clock.advance(max(0.001, wait + 0.002))
            self.worker.sweep()

    def record(self, request_id: str) -> dict[str, str]:
        """The record of an event."""
        return {
            name.decode(): value.decode() for name, value in self.redis.hgetall(self.keys.event(request_id)).items()
        }

    def ledger(self) -> Ledger:
        """The ledger, which must balance and agree with where the events really are."""
        ledger = Ledger.of(self.redis.hgetall(self.keys.ledger))
        leases = [self.redis.hlen(key) for key in self.redis.keys(self.keys.lease("*").replace("{", r"\{"))]
        assert ledger.total.is_balanced
        assert (ledger.total.ready, ledger.total.waiting) == (
            self.redis.zcard(self.keys.ready) - self.foreign(self.keys.ready),
            self.redis.zcard(self.keys.waiting) - self.foreign(self.keys.waiting),
        )
        assert ledger.total.running <= sum(leases)
        return ledger

    def foreign(self, where: str) -> int:
        """How many deliveries, which the ledger of users' events leaves out, are in a set."""
        ids = self.redis.zrange(where, 0, -1)
        names = [self.redis.hget(self.keys.event(request_id.decode()), "function") for request_id in ids]
        return sum(name is not None and name.startswith(b"thrice:") for name in names)

    def another_worker(self, name: str = "another") -> tuple[WorkerQueue, Executor]:
        """A second worker on the same queue."""
        queue = WorkerQueue(self.redis, self.keys, name)
        return queue, Executor(queue, self.environments, (0.0, 60.0, 120.0), self.clock, lambda _: False)


@pytest.fixture
def system(redis: Redis, keys: Keys, clock: FakeClock) -> System:
    """A system with one function, `f`, that succeeds."""
    environments = ScriptedEnvironments(clock)
    worker = WorkerQueue(redis, keys, "worker")
    executor = Executor(worker, environments, (0.0, 60.0, 120.0), clock, lambda _: False)
    system = System(redis, keys, clock, environments, EventQueue(redis, keys), worker, executor)
    system.define(function())
    return system


@pytest.fixture
def queue_messages(redis: Redis, keys: Keys) -> Callable[[str], list[dict[str, Any]]]:
    """Reads the messages of one of our SQS queues."""

    def read(name: str) -> list[dict[str, Any]]:
        return [orjson.loads(document) for document in redis.hvals(keys.queue_prefix + f"{name}:messages")]

    return read
