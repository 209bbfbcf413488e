"""Any order of what can happen to events keeps the books. How to repeat a failure: see `tests/fuzzing.py`.

Workers claim, make attempts that end in every way there is, settle over connections that break, die, and come back with
outcomes that nobody waits for any more. Meanwhile events, what they cause and synchronous invocations come in,
functions and SQS queues come and go, and time passes. What is decided is decided by the product; what the scripts make
of it is compared with a model after every step.
"""

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from config.limits import MAX_RUNS_IN_CHAIN
from tests.contents import Contents
from tests.fuzzing import Fuzzing
from tests.worker.conftest import ScriptedRun, Scripts, Timers, Worker, failure, function
from tests.worker.model import DomainModel
from worker import event_message
from worker.account import Account
from worker.claim import Claimed
from worker.clock import from_ms
from worker.executor import Executor
from worker.function import EventInvokeConfig, FunctionConfiguration
from worker.invocation import Attempt, Crashed, Invocation, LogEvent, Lost, Outcome, Succeeded, TimedOut
from worker.keys import Keys
from worker.lineage import with_root
from worker.metric_store import MetricStore
from worker.queue import EventQueue
from worker.registry import FunctionRegistry
from worker.retry import Condition, Die, Retry, Succeed, backoff
from worker.scripts import source
from worker.settlement import Settlement
from worker.transport.calls import Claim
from worker.transport.suspects import losses

FUZZING = Fuzzing.from_environment(steps=12_000)

FUNCTIONS = ["a", "b", "c", "d"]
QUEUES = ["one", "two"]

#: Steps in which everything happens that can.
ENOUGH = 10_000

#: Events in hand above which no more are made.
MOST_AT_ONCE = 16

#: Records of what has ended above which some are taken away, as if their time had come.
MOST_KEPT = 12

#: The share of the steps after which somebody reads metrics; after the others what is counted stays in notes.
ADDED_UP = 0.5

#: The countdowns before attempts 1, 2, 3, in seconds.
COUNTDOWNS = (0.0, 60.0, 120.0)

#: An event of a queue with a first countdown waits so long, in seconds.
FIRST_COUNTDOWN = 5

OUTCOMES = [
    Succeeded(b'{"ok":[]}'),
    Succeeded(b"null"),
    failure(),
    failure('"quoted" \\ and long ' + "x" * 2_000),
    TimedOut(b'{"errorMessage":"late"}', "Sandbox.Timedout", "Task timed out after 3.00 seconds"),
    Crashed(b'{"errorMessage":"gone"}', "Runtime.ExitError", "exit status 1"),
    Lost("no process"),
]

#: Where something can be sent: our own SQS, with and without a queue of that name, and a target outside it.
TARGETS = [None, *(f"arn:aws:sqs:us-east-1:000000000000:{name}" for name in QUEUES), "arn:aws:sns:us-east-1:0:t"]


class StandingClock:
    """A clock that stands still between two moves, here and in the scripts."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis, self._keys = redis, keys
        self.ms = 1_800_000_000_000
        self.advance(0)

    def now(self) -> datetime:
        """The moment that the scripts see."""
        return from_ms(self.ms)

    def monotonic(self) -> float:
        """The same in seconds."""
        return self.ms / 1000

    def advance(self, ms: int) -> None:
        """Let time pass."""
        self.ms += ms
        self._redis.set(self._keys.clock, f"={self.ms}")


@dataclass
class RandomEnvironments:
    """Every attempt takes no time and ends in any way."""

    random: random.Random
    clock: StandingClock

    def run(
        self, _function: FunctionConfiguration, _invocation: Invocation, done: Callable[[Attempt], None]
    ) -> ScriptedRun:
        """See `worker.executor.Environments`."""
        outcome: Outcome = self.random.choice(OUTCOMES)
        duration_ms = self.random.choice([0.0, 0.0004, 1.5, 2.0, 899_999.25])
        done(Attempt(outcome, self.clock.now(), duration_ms, "s", (LogEvent(1, "line"),)))
        return ScriptedRun()


@dataclass
class Hand:
    """A worker, and what it has been given: also what it does not hold any more."""

    worker: Worker
    held: list[Claimed] = field(default_factory=list)
    settled: list[Claimed] = field(default_factory=list)


class Fuzz:
    """Does one thing after the other, and the model after it."""

    def __init__(self, redis: Redis, seed: int) -> None:
        self.random = random.Random(seed)
        self.redis, self.keys = redis, Keys()
        self.clock = StandingClock(redis, self.keys)
        self.model = DomainModel(self.keys, self.clock.ms)
        self.queues = {0: EventQueue(redis, self.keys)}
        self.queues[FIRST_COUNTDOWN] = EventQueue(redis, self.keys, countdown=FIRST_COUNTDOWN)
        self.call_script = redis.register_script(source("call"))
        self.metrics = MetricStore(redis, self.keys)
        self.delete_script = redis.register_script(source("delete_queue"))
        self.hands = [self.hand(name) for name in ("w1", "w2", "w3")]
        self.registry = FunctionRegistry(redis, self.keys)
        self.runs: dict[str, int] = {}  # request id -> how often its function has run in its chain
        self.number = 0
        self.ends: set[str] = set()  # how events ended
        for name in FUNCTIONS:
            self.define(name)
        self.announce()

    def hand(self, name: str) -> Hand:
        """A worker that tells the model of what it settles."""
        worker = Worker(self.redis, self.keys, self.clock, RandomEnvironments(self.random, self.clock), name)  # type: ignore[arg-type]
        worker.executor = Executor(
            RandomEnvironments(self.random, self.clock),
            lambda *args, **kwargs: self.settle(worker, *args, **kwargs),
            COUNTDOWNS,
            self.clock,
            is_revoked=lambda _: self.random.random() < 0.02,
        )
        worker.scripts.has_run = lambda args, reply: self.model.settle(name, args, reply)
        return Hand(worker)

    def run(self, fuzzing: Fuzzing) -> None:
        """Anything, again and again."""
        moves = {
            **dict.fromkeys([self.claim, self.attempt], 8),
            **dict.fromkeys([self.enqueue, self.fire], 4),
            **dict.fromkeys([self.cause, self.call, self.advance, self.die], 2),
            **dict.fromkeys([self.repeat, self.settle_again, self.break_connection, self.give_back], 1),
            **dict.fromkeys([self.leave, self.promote, self.heartbeat, self.configure, self.remake_queue], 1),
            **dict.fromkeys([self.announce, self.roll], 1),
        }
        fuzzing.run(self.random, moves, self.check)

    def check(self) -> None:
        """Everything is as the model has it."""
        self.forget()
        if self.random.random() < ADDED_UP:
            self.metrics.add_up_notes()
        contents = Contents.of(self.redis)
        self.model.check(contents)
        if old := self.model.metrics.put_away(contents):
            self.redis.delete(*old)

    # --- what comes in ----------------------------------------------------------------------------------------------

    def enqueue(self) -> None:
        """Some events of any functions, perhaps one of them twice."""
        invocations = [self.invocation() for _ in range(self.room(4))]
        if invocations and self.random.random() < 0.2:
            invocations.append(self.random.choice(invocations))
        self.take_in(invocations)

    def cause(self) -> None:
        """A handler that runs makes an event, perhaps one whose worker was given up; or somebody waits for a call's."""
        roots = [claimed.invocation.root for hand in self.hands for claimed in hand.held + hand.settled]
        roots += [request_id for request_id, record in self.model.records.items() if "root" not in record.fields]
        if roots and self.room(1):
            self.take_in([self.invocation(root=self.random.choice(roots))])

    def repeat(self) -> None:
        """Somebody who got no answer asks again: for events whose record is there, or for a call."""
        known = [name for name, record in self.model.records.items() if record.fields.get("source") == "fuzz"]
        if known:
            request_id = self.random.choice(known)
            self.take_in([self.invocation(request_id, self.model.records[request_id].fields["function"])])
        if self.model.calls:
            request_id = self.random.choice(list(self.model.calls))
            self.make_call(request_id, self.random.choice(FUNCTIONS))

    def call(self) -> None:
        """A synchronous invocation."""
        if self.room(1):
            self.make_call(self.request_id(), self.random.choice(FUNCTIONS))

    def take_in(self, invocations: list[Invocation]) -> None:
        """Put events on the queue."""
        countdown = self.random.choice([0, 0, 0, FIRST_COUNTDOWN])
        self.queues[countdown].enqueue_all(invocations)
        self.model.enqueue(invocations, countdown * 1000)

    def make_call(self, request_id: str, name: str) -> None:
        """Do what `EventQueue.call` does before it waits."""
        invocation = self.invocation(request_id, name)
        head = event_message.head(invocation, event_message.CALL, patience_ms=40_000)
        keys = [self.keys.calls, self.keys.call(request_id), self.keys.clock]
        self.call_script(keys, [name, head, event_message.TAIL, 86_400_000])
        self.model.call(request_id, name, head)

    # --- workers ----------------------------------------------------------------------------------------------------

    def claim(self) -> None:
        """A worker that was woken takes something."""
        hand, count = self.random.choice(self.hands), self.random.randrange(1, 9)
        queues = self.random.choice([[self.keys.calls, self.keys.invocations], [self.keys.invocations]])
        self.redis.delete(*map(self.keys.wake, queues))
        claim = hand.worker.take(*queues, count=count)
        self.model.claim(hand.worker.name, claim, queues, self.redis.zcard(self.keys.consumers))
        self.model.places.begun[hand.worker.name].update(each.tag for each in claim.deliveries if losses(each))
        hand.held += self.read(hand.worker, claim)

    def read(self, worker: Worker, claim: Claim) -> list[Claimed]:
        """What the messages say is what the model knows of the events."""
        held = [worker.claimed(delivery) for delivery in claim.deliveries]
        for each in held:
            record = self.model.records.get(each.invocation.request_id)
            if record is not None and not each.invocation.is_synchronous:
                assert each.history.workers_lost == int(record.fields.get("workers_lost", "0"))
                assert each.invocation.attempt == 1 + record.used
                assert each.invocation.runs_before == self.runs.get(each.invocation.request_id, 0)
        return held

    def attempt(self) -> None:
        """A worker does something about a few of those that it was given, in any order."""
        hand = self.random.choice(self.hands)
        for _ in range(min(len(hand.held), self.random.randrange(1, 4))):
            claimed = hand.held.pop(self.random.randrange(len(hand.held)))
            self.conclude(hand.worker, claimed)
            hand.settled = [*hand.settled[-9:], claimed]

    def settle_again(self) -> None:
        """A worker has done with one twice: what it says the second time changes nothing."""
        hand = self.random.choice(self.hands)
        if hand.settled:
            self.conclude(hand.worker, self.random.choice(hand.settled))

    def conclude(self, worker: Worker, claimed: Claimed) -> None:
        """An attempt, a reply, or what became of a delivery. An operator may have given the event up."""
        executor, invocation = worker.executor, claimed.invocation
        if invocation.is_synchronous:
            executor.call(claimed, lambda _: None)
        elif invocation.function == event_message.DELIVERY_FUNCTION:
            pause = Retry(backoff(claimed.history.backoffs), uses_attempt=False)
            executor.conclude(claimed, self.random.choice([Succeed(), pause, Die(Condition.TARGET_MISSING)]))
        elif self.random.random() < 0.05:
            executor.conclude(claimed, Die(Condition.REVOKED))
        else:
            executor.attempt(claimed, lambda _: None)

    def settle(
        self, worker: Worker, settlement: Settlement, settled: Callable[[bool | None], object], *, at_once: bool
    ) -> None:
        """What the product decided, on its way to the script: it keeps to the three attempts."""
        attempt, runs = settlement.claimed.invocation.attempt, settlement.claimed.invocation.runs_before
        assert attempt <= len(COUNTDOWNS)
        assert settlement.condition != Condition.RECURSIVE_LOOP or runs >= MAX_RUNS_IN_CHAIN
        if settlement.uses_attempt:
            assert settlement.delay_ms == COUNTDOWNS[attempt] * 1000

        def told(is_ours: bool | None) -> None:
            self.ends.add(str(settlement.condition or settlement.to))
            settled(is_ours)

        worker.settler.add(settlement, told, at_once=at_once)

    def fire(self) -> None:
        """A worker's timers: a batch goes out, or goes out again."""
        self.random.choice(self.hands).worker.timers.fire()

    def break_connection(self) -> None:
        """The next call that settles something is not made, or its answer is lost."""
        scripts = self.random.choice(self.hands).worker.scripts
        scripts.failures.append((self.random.choice(["before", "after"]), RedisConnectionError("gone")))

    def die(self) -> None:
        """A worker is given up. It may be alive, and go on with what it was given."""
        hand = self.random.choice(self.hands)
        hand.worker.die()
        name = hand.worker.name
        self.model.give_back(name, list(self.model.places.leases[name]), is_lost=True)
        if self.random.random() < 0.5:
            hand.held.clear()

    def give_back(self) -> None:
        """A worker gives some back that it was given, held or not."""
        hand = self.random.choice(self.hands)
        given = self.random.sample(hand.held, min(len(hand.held), 3))
        if given:
            tags = [claimed.field for claimed in given]
            hand.worker.calls.release(hand.worker.name, tags).run(self.redis)
            self.model.give_back(hand.worker.name, tags)
            hand.held = [claimed for claimed in hand.held if claimed.field not in tags]

    def leave(self) -> None:
        """A worker ends, and gives back all that it holds."""
        hand = self.random.choice(self.hands)
        name = hand.worker.name
        assert hand.worker.calls.release(name, []).run(self.redis) == 0
        self.model.give_back(name, list(self.model.places.leases[name]))
        self.model.places.begun[name].clear()
        hand.held.clear()

    def heartbeat(self) -> None:
        """A worker renews its lease."""
        name = self.random.choice(self.hands).worker.name
        known = self.hands[0].worker.calls.heartbeat(name, 10_000_000).run(self.redis)
        assert known or not self.model.places.leases[name]

    def promote(self) -> None:
        """What is due becomes ready."""
        queues = [self.keys.invocations, self.keys.calls]
        self.hands[0].worker.calls.promote(queues).run(self.redis)
        for queue in queues:
            self.model.places.make_due_ready(queue, self.model.now)

    # --- everything else --------------------------------------------------------------------------------------------

    def advance(self) -> None:
        """Time passes: mostly until something is due, seldom so long that everything is too old."""
        seconds = self.random.choices([1, 5, 60, 120, 3_600, 1_300_000], [6, 6, 6, 6, 1, 0.3])[0]
        self.clock.advance(seconds * 1000 + self.random.randrange(1000))
        self.model.now = self.clock.ms

    def configure(self) -> None:
        """A function is created, changed or deleted."""
        name = self.random.choice(FUNCTIONS)
        if name in self.model.functions and self.random.random() < 0.3:
            self.registry.delete(name)
            del self.model.functions[name]
        else:
            self.define(name)

    def define(self, name: str) -> None:
        """A function with any configuration."""
        any_of = self.random.choice
        configuration = function(
            name,
            description='"reserved_concurrency":7',
            reserved_concurrency=any_of([None, None, 0, 1, 1, 2, 3]),
            recursive_loop=any_of(["Terminate", "Terminate", "Allow"]),
            dead_letter_arn=any_of(TARGETS),
            event_invoke_config=any_of(
                [
                    None,
                    EventInvokeConfig(
                        maximum_retry_attempts=any_of([None, 0, 1, 2]),
                        maximum_event_age=any_of([None, None, 60, 90, 600]),
                        on_success=any_of(TARGETS),
                        on_failure=any_of(TARGETS),
                    ),
                ]
            ),
        )
        if name in self.model.functions:
            self.registry.update(name, lambda _: configuration)
        else:
            self.registry.create(configuration, lambda _: None)
        self.model.functions[name] = configuration.reserved_concurrency

    def announce(self) -> None:
        """A worker starts: the account has so many places from now on, and workers so many slots."""
        limit, slots = self.random.choice([4, 6, 8, 1_000]), self.random.choice([1, 16])
        Account(Scripts(self.redis), self.keys, Timers(), limit).announce(slots)
        self.model.limit = limit
        self.model.slots = max(slots, self.model.slots) if self.redis.zcard(self.keys.consumers) else slots

    def remake_queue(self) -> None:
        """An SQS queue is deleted with its messages, or created; some take no long messages."""
        name = self.random.choice(QUEUES)
        if name in self.model.queues:
            self.delete_script([self.keys.queues], [self.keys.queue_prefix, name])
            del self.model.queues[name]
        else:
            largest = self.random.choice([1_024, 1_048_576])
            attributes = {"DelaySeconds": "0", "MaximumMessageSize": str(largest)}
            self.redis.hset(self.keys.queues, name, orjson.dumps({"attributes": attributes}))
            self.model.queues[name], self.model.largest[name] = {}, largest

    def roll(self) -> None:
        """The scheduler adds up metrics."""
        self.metrics.roll()

    def forget(self) -> None:
        """Records and replies that do not stay are taken away, as if their time had come."""
        going = [name for name, record in self.model.records.items() if record.expires is not None]
        if len(going) > MOST_KEPT:
            going = self.random.sample(going, MOST_KEPT // 2)
            self.redis.delete(*map(self.keys.event, going))
            for name in going:
                del self.model.records[name]
        answered = [name for name, reply in self.model.calls.items() if reply is not None]
        if len(answered) > MOST_KEPT:
            keys = [key for name in answered for key in (self.keys.reply(name), self.keys.call(name))]
            self.redis.delete(*keys)
            for name in answered:
                del self.model.calls[name]

    def room(self, most: int) -> int:
        """How many events may be made now, at most so many."""
        unanswered = sum(reply is None for reply in self.model.calls.values())
        return min(most, max(0, MOST_AT_ONCE - len(self.model.open_events()) - unanswered))

    def invocation(self, request_id: str = "", name: str = "", root: str = "") -> Invocation:
        """An event, with a payload of its own."""
        self.number += 1
        long = "x" * self.random.choice([0, 0, 0, 2_000])
        payload: dict[str, Any] = {"n": self.number, "id": "no", "workers_lost": 9, "text": f'"id":"no" {long}'}
        name = name or self.random.choice(FUNCTIONS)
        request_id = request_id or self.request_id()
        runs = self.runs.setdefault(request_id, self.random.choice([0, 0, 0, 1, 15, 16]))
        return Invocation(
            request_id,
            name,
            f"arn:of:{name}",
            orjson.dumps(payload),
            self.clock.now(),
            source="fuzz",
            trace_header=self.chain(name, runs),
            root=root,
        )

    def chain(self, name: str, runs: int) -> str | None:
        """The trace header of an event to which so many runs of its function have led."""
        header = None
        for _ in range(runs):
            header = with_root(header, self.request_id(), "", name)
        return header

    def request_id(self) -> str:
        """An id that the seed gives."""
        return str(UUID(int=self.random.getrandbits(128), version=4))


@pytest.mark.timeout(0 if FUZZING.steps > 12_000 else 600)
def test_any_order_of_what_happens_keeps_the_books(redis: Redis, caplog: pytest.LogCaptureFixture) -> None:
    """Conservation, ledger, records, lineage, places, dead letters and replies, after every step."""
    caplog.set_level(logging.CRITICAL, "thrice.worker")
    fuzz = Fuzz(redis.client(), FUZZING.seed)

    fuzz.run(FUZZING)

    missed = {*map(str, Condition), "succeeded", "waiting", "answered"} - fuzz.ends
    assert not missed or FUZZING.steps < ENOUGH, "something never happened"
