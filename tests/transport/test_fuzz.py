"""Any order of calls keeps every message in exactly one place. How to repeat a failure: see `tests/fuzzing.py`."""

import random
from collections import Counter
from collections.abc import Callable

import pytest
from redis import Redis

from tests.contents import Contents
from tests.fuzzing import Fuzzing
from tests.transport.model import Model, place
from worker.transport.calls import Calls, Claim, read_claim
from worker.transport.keys import STEPS, Namespace, lane, lane_of, wake

FUZZING = Fuzzing.from_environment(steps=100_000)

QUEUES = ["{fuzz}:one", "{fuzz}:two"]
CONSUMERS = ["a", "b", "c"]
LONG_LEASE = 10**9

#: Messages in hand above which no more are made.
MOST_AT_ONCE = 40


class Fuzz:
    """Calls the scripts in a random order, and the model after them."""

    def __init__(self, redis: Redis, seed: int) -> None:
        self.random = random.Random(seed)
        self.redis = redis
        self.namespace = Namespace("{fuzz}")
        self.calls = Calls(self.namespace)
        self.model = Model(self.namespace, QUEUES)
        self.now = 0
        self.number = 0
        self.delays = 0
        self.seq = 0
        self.unfinished: set[int] = set()

    def run(self, fuzzing: Fuzzing) -> None:
        """Any script, or a move of the clock, again and again."""
        moves = {
            **dict.fromkeys([self.claim, self.ack], 3),
            **dict.fromkeys([self.publish, self.begin], 2),
            **dict.fromkeys([self.delay, self.release, self.release_all, self.lose_a_lease], 1),
            **dict.fromkeys([self.heartbeat, self.promote, self.advance, self.defer, self.bury], 1),
        }
        fuzzing.run(self.random, moves, self.check)

    @property
    def is_full(self) -> bool:
        """Whether no more messages are to be made now."""
        return len(self.unfinished) >= MOST_AT_ONCE

    def publish(self) -> None:
        """A few messages into any list."""
        if self.is_full:
            return
        queue, target = self.random.choice(QUEUES), self.target()
        envelopes = [self.envelope() for _ in range(self.random.randrange(1, 6))]
        self.calls.publish(queue, target, envelopes).run(self.redis)
        self.model.ready[queue, target].extend(envelopes)

    def delay(self) -> None:
        """A message for later."""
        if self.is_full:
            return
        queue, target, delay, envelope = self.random.choice(QUEUES), self.target(), self.later(), self.envelope()
        self.calls.delay(queue, target, [(delay, envelope)]).run(self.redis)
        self.model.delayed[queue].append((self.now + delay, target, envelope))

    def claim(self) -> None:
        """Take some, with some acks on the way, and no more of some lanes than they are allowed to give."""
        consumer, most = self.consumer(), self.random.randrange(8)
        acks = self.random.sample(
            sorted(self.model.leases[consumer]), min(self.random.randrange(3), self.held(consumer))
        )
        allowances = {name: self.random.randrange(3) for name in self.random.sample("xyz", self.random.randrange(3))}
        allowance = self.random.choice([2, 1000])
        queues = [(queue, False) for queue in self.random.sample(QUEUES, self.random.randrange(1, 3))]
        most_bytes = self.random.choice([30, 100, 4_000_000])
        self.redis.delete(*(wake(queue) for queue, _ in queues))  # the token is what woke it
        call = self.calls.claim(
            consumer,
            queues,
            lease_ms=LONG_LEASE,
            most=most,
            most_bytes=most_bytes,
            seq=self.seq,
            acks=acks,
            allowance=allowance,
            allowances=allowances,
        )
        claim = read_claim(call.run(self.redis), queues)
        self.seq += most
        self.finish(consumer, acks)
        for queue, _ in queues:
            self.model.make_due_ready(queue, self.now)
        before = {key: len(held) for key, held in self.model.ready.items()}
        self.model.take(consumer, claim)
        assert len(claim.deliveries) <= most
        given = Counter(name for delivery in claim.deliveries if (name := lane_of(delivery.target)))
        assert all(count <= allowances.get(name, allowance) for name, count in given.items())
        if len(claim.deliveries) < most and most_bytes > 1_000_000:
            asked = [queue for queue, _ in queues]
            ready = {key: count for key, count in before.items() if key[0] in asked}
            self.nothing_was_left_out(ready, claim, lambda name: allowances.get(name, allowance))

    def nothing_was_left_out(
        self, ready: dict[tuple[str, str], int], claim: Claim, allowed: Callable[[str], int]
    ) -> None:
        """A claim that had room took all that was ready, of each lane as many as it may give."""
        lanes: Counter[str] = Counter()
        others = 0
        for (_, target), count in ready.items():
            name = lane_of(target)
            if name is None:
                others += count
            else:
                lanes[name] += count
        could = others + sum(min(count, allowed(name)) for name, count in lanes.items())
        assert len(claim.deliveries) == could
        assert claim.has_held_back == any(count > allowed(name) for name, count in lanes.items())

    def ack(self) -> None:
        """A consumer is done with a message, perhaps with one that it does not hold."""
        consumer, tag = self.consumer(), self.tag()
        call = self.calls.claim(
            consumer, [(QUEUES[0], False)], lease_ms=LONG_LEASE, most=0, most_bytes=1, seq=self.seq, acks=[tag]
        )
        call.run(self.redis)
        self.finish(consumer, [tag])
        self.model.make_due_ready(QUEUES[0], self.now)

    def release(self) -> None:
        """Some of what a consumer holds, and perhaps something that it does not."""
        consumer = self.consumer()
        tags = list({self.tag(), *self.random.sample(sorted(self.model.leases[consumer]), min(2, self.held(consumer)))})
        self.calls.release(consumer, tags).run(self.redis)
        self.model.give_back(consumer, tags)

    def release_all(self) -> None:
        """A consumer goes."""
        consumer = self.consumer()
        assert self.calls.release(consumer, []).run(self.redis) == 0
        self.model.give_back(consumer, list(self.model.leases[consumer]))
        self.model.begun[consumer].clear()

    def lose_a_lease(self) -> None:
        """A lease ends, and anyone puts back what lay under it."""
        consumer = self.consumer()
        self.redis.zadd(self.namespace.consumers, {consumer: 1}, xx=True)
        count = self.calls.reap().run(self.redis)
        assert count == self.held(consumer)
        self.model.give_back(consumer, list(self.model.leases[consumer]), is_lost=True)
        self.model.begun[consumer].clear()

    def begin(self) -> None:
        """A consumer says of something that it holds that it has begun."""
        consumer, tag = self.consumer(), self.tag()
        if tag in self.model.leases[consumer]:
            self.redis.sadd(self.namespace.begun(consumer), tag)
            self.model.begun[consumer].add(tag)

    def heartbeat(self) -> None:
        """A lease that holds anything is never told that it was lost."""
        consumer = self.consumer()
        known = self.calls.heartbeat(consumer, LONG_LEASE).run(self.redis)
        assert known or not self.held(consumer)

    def promote(self) -> None:
        """What is due becomes ready, and the next due time is told."""
        next_due = self.calls.promote(QUEUES).run(self.redis)
        for queue in QUEUES:
            self.model.make_due_ready(queue, self.now)
        dues = [due for queue in QUEUES for due, _, _ in self.model.delayed[queue]]
        assert (next_due == -1) == (not dues)

    def advance(self) -> None:
        """The clock of due times moves, by far more than the run takes."""
        self.now += 10**9
        self.redis.set(self.namespace.clock, self.now)

    def defer(self) -> None:
        """A held message is put off; one that is not held stays where it is."""
        consumer, tag, delay = self.consumer(), self.tag(), self.later()
        envelope = self.model.leases[consumer].get(tag, b"{}")
        moved = self.calls.defer(consumer, tag, delay, envelope).run(self.redis)
        assert moved == (tag in self.model.leases[consumer])
        if self.model.leases[consumer].pop(tag, None) is not None:
            queue, target = place(tag)
            self.model.delayed[queue].append((self.now + delay, target, envelope))

    def bury(self) -> None:
        """A held message dies; one that is not held does not."""
        consumer, tag = self.consumer(), self.tag()
        moved = self.calls.bury(consumer, tag, QUEUES[0]).run(self.redis)
        assert moved == (tag in self.model.leases[consumer])
        self.finish(consumer, [tag])

    def finish(self, consumer: str, tags: list[str]) -> None:
        """Follow an ack."""
        for tag in tags:
            envelope = self.model.leases[consumer].pop(tag, None)
            if envelope is not None:
                self.unfinished.remove(number_of(envelope))

    def check(self) -> None:
        """Everything is where the model has it, and every number is somewhere once or finished."""
        self.model.check(Contents.of(self.redis))
        assert sorted(map(number_of, self.model.envelopes())) == sorted(self.unfinished)

    def held(self, consumer: str) -> int:
        """How many messages a consumer holds."""
        return len(self.model.leases[consumer])

    def consumer(self) -> str:
        """Any consumer."""
        return self.random.choice(CONSUMERS)

    def tag(self) -> str:
        """A lease field of any consumer, or one that nobody has."""
        held = sorted(tag for held in self.model.leases.values() for tag in held)
        return self.random.choice([*held, f"999999999|-|10|{QUEUES[0]}"])

    def target(self) -> str:
        """Any list of a queue."""
        return self.random.choice([*STEPS.values(), *(lane(name) for name in "xyz")])

    def later(self) -> int:
        """A delay that the clock of the test passes by in a few moves, a second apart for each number."""
        self.delays += 1
        return self.random.choice([1, 2, 3]) * 10**9 - 10**8 + self.delays * 100

    def envelope(self) -> bytes:
        """A message of its own."""
        self.number += 1
        self.unfinished.add(self.number)
        return b'{"n":%d,"body":"%s"}' % (self.number, b"." * self.random.randrange(20))


def number_of(envelope: bytes) -> int:
    """The number of a message."""
    return int(envelope.split(b'"n":')[1].split(b",")[0])


@pytest.mark.timeout(0 if FUZZING.steps > 100_000 else 600)
def test_any_order_of_calls_keeps_every_message_in_one_place(redis: Redis) -> None:
    """Conservation, fencing, no lease without a consumer, and a ring of lanes that fits its lists, after every step."""
    fuzz = Fuzz(redis.client(), FUZZING.seed)

    fuzz.run(FUZZING)

    assert fuzz.number > len(fuzz.unfinished)
