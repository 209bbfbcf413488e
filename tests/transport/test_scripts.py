"""What the scripts promise about order, fairness, bells and refusals. That nothing gets lost the fuzz shows."""

from pathlib import Path

import pytest
from redis import Redis

from worker.transport.calls import Calls, Claim, read_claim
from worker.transport.keys import STEPS, Namespace, lane, wake
from worker.transport.lua import TRANSPORT, Library

QUEUE = "{s}:q"
LEASE_MS = 60_000

#: A journal that admits one message of each lane at a time, and writes down every move.
STRICT_JOURNAL = """
local function admit(queue, target, wanted)
  return math.min(1, wanted), 'context of ' .. target
end
local function claimed(queue, target, count, refused, consumer)
  redis.call('RPUSH', '{s}:journal', 'claimed ' .. count .. ' ' .. refused)
end
local function moved(queue, target, envelope, from, to, consumer, flag)
  redis.call('RPUSH', '{s}:journal', from .. '>' .. to .. ' ' .. (flag or ''))
end
local function moves_done()
  redis.call('RPUSH', '{s}:journal', 'done')
end
"""


@pytest.fixture
def calls() -> Calls:
    """The transport's own scripts."""
    return Calls(Namespace("{s}"))


class Consumer:
    """Claims as one consumer."""

    def __init__(self, redis: Redis, calls: Calls, name: str = "c") -> None:
        self.redis = redis
        self.calls = calls
        self.name = name
        self.seq = 0

    def claim(
        self, most: int, *, allowances: dict[str, int] | None = None, no_ack: bool = False, most_bytes: int = 10**6
    ) -> Claim:
        """Take up to `most` messages."""
        queues = [(QUEUE, no_ack)]
        call = self.calls.claim(
            self.name,
            queues,
            lease_ms=LEASE_MS,
            most=most,
            most_bytes=most_bytes,
            seq=self.seq,
            allowances=allowances,
        )
        self.seq += most
        return read_claim(call.run(self.redis), queues)


@pytest.fixture
def consumer(redis: Redis, calls: Calls) -> Consumer:
    """A consumer with the transport's own scripts."""
    return Consumer(redis, calls)


def envelopes(claim: Claim) -> list[bytes]:
    """What was handed over, in order."""
    return [delivery.envelope for delivery in claim.deliveries]


def test_priorities_come_in_strict_order_and_before_lanes(redis: Redis, calls: Calls, consumer: Consumer) -> None:
    """0 first, 9 last, then the lanes; within a list the oldest first."""
    calls.publish(QUEUE, lane("x"), ["lane"]).run(redis)
    for priority in (9, 3, 0, 6):
        calls.publish(QUEUE, STEPS[priority], [f"{priority}a", f"{priority}b"]).run(redis)

    assert envelopes(consumer.claim(100)) == [b"0a", b"0b", b"3a", b"3b", b"6a", b"6b", b"9a", b"9b", b"lane"]


def test_lanes_get_a_fair_share_of_each_claim(redis: Redis, calls: Calls, consumer: Consumer) -> None:
    """A lane with a long backlog takes nothing from one with few messages, whose rest others may use."""
    calls.publish(QUEUE, lane("long"), [f"l{number}" for number in range(1000)]).run(redis)
    calls.publish(QUEUE, lane("short"), ["s1", "s2"]).run(redis)

    first = consumer.claim(10)

    assert {b"s1", b"s2"} <= set(envelopes(first))
    assert len(first.deliveries) == 10
    assert redis.lrange(f"{QUEUE}:lanes", 0, -1) == [b"long"]


def test_claims_of_one_message_serve_lanes_in_turn(redis: Redis, calls: Calls, consumer: Consumer) -> None:
    """Who was served goes to the end of the ring."""
    for name in "abc":
        calls.publish(QUEUE, lane(name), [f"{name}{number}" for number in range(2)]).run(redis)

    served = [envelopes(consumer.claim(1))[0] for _ in range(6)]

    assert served == [b"a0", b"b0", b"c0", b"a1", b"b1", b"c1"]


def test_new_lanes_come_before_old_ones_that_wait(redis: Redis, calls: Calls, consumer: Consumer) -> None:
    """Who has little does not wait until a hundred with long backlogs were served, and each fourth is one of those."""
    for number in range(100):
        calls.publish(QUEUE, lane(f"old-{number}"), ["old"] * 10).run(redis)
    consumer.claim(100)
    for number in range(10):
        calls.publish(QUEUE, lane(f"new-{number}"), [f"new {number}"]).run(redis)

    served = [envelopes(consumer.claim(1))[0] for _ in range(14)]

    assert served.count(b"old") == 4
    assert [each for each in served if each != b"old"] == [b"new %d" % number for number in range(10)]
    assert served[0] == b"new 0"


def test_a_lane_gives_no_more_than_it_may_and_that_is_told(redis: Redis, calls: Calls, consumer: Consumer) -> None:
    """The others are served; the claim says that something is left, and the bell rings for who may want it."""
    for name in "ab":
        calls.publish(QUEUE, lane(name), [f"{name}1", f"{name}2"]).run(redis)
    redis.delete(wake(QUEUE))

    claim = consumer.claim(10, allowances={"a": 1})

    assert sorted(envelopes(claim)) == [b"a1", b"b1", b"b2"]
    assert (claim.has_more, claim.has_held_back) == (False, True)
    assert redis.llen(wake(QUEUE)) == 1


def test_a_claim_that_is_full_rings_for_the_next_consumer(redis: Redis, calls: Calls, consumer: Consumer) -> None:
    """By number and by bytes; a claim that took everything leaves the bell silent."""
    calls.publish(QUEUE, "", ["1" * 10, "2" * 10, "3" * 10]).run(redis)
    redis.delete(wake(QUEUE))

    by_number, by_bytes = consumer.claim(1), consumer.claim(9, most_bytes=5)
    assert [len(each.deliveries) for each in (by_number, by_bytes)] == [1, 1]
    assert by_number.has_more
    assert by_bytes.has_more
    assert redis.lpop(wake(QUEUE)) == b"1"
    last = consumer.claim(9)
    assert not last.has_more
    assert redis.llen(wake(QUEUE)) == 0


def test_what_the_journal_does_not_admit_comes_as_refused(redis: Redis, folder: Path) -> None:
    """The first may run, the others are handed over marked; the journal is told of both, and of the end."""
    (folder / "journal.lua").write_text(STRICT_JOURNAL)
    calls = Calls(Namespace("{s}"), Library(folder, TRANSPORT))
    calls.publish(QUEUE, lane("x"), ["1", "2", "3"]).run(redis)

    claim = Consumer(redis, calls).claim(3)

    assert [delivery.is_refused for delivery in claim.deliveries] == [False, True, True]
    assert {delivery.context for delivery in claim.deliveries} == {b"context of :lane:x"}
    assert redis.lrange("{s}:journal", 0, -1) == [b"claimed 1 2", b"done"]

    redis.delete("{s}:journal")
    calls.release("c", []).run(redis)
    assert redis.lrange("{s}:journal", 0, -1) == [b"running>ready !", b"running>ready !", b"running>ready -", b"done"]
    assert redis.lrange(QUEUE + lane("x"), 0, -1) == [b"3", b"2", b"1"]


def test_a_queue_without_acks_has_no_lease(redis: Redis, calls: Calls, consumer: Consumer) -> None:
    """What is taken from it is gone."""
    calls.publish(QUEUE, "", ["reply"]).run(redis)

    claim = consumer.claim(1, no_ack=True)

    assert [(delivery.tag, delivery.envelope) for delivery in claim.deliveries] == [("", b"reply")]
    assert redis.keys("{s}:*") == [wake(QUEUE).encode()]


def test_only_the_first_loss_counts_against_what_had_not_begun(redis: Redis, calls: Calls, consumer: Consumer) -> None:
    """Of what was lost before, a further loss counts against what the consumer had begun, and against nothing else."""
    calls.publish(QUEUE, "", ['{"a":1}', '{"b":1}']).run(redis)
    for _ in range(3):
        begun, _ = sorted(consumer.claim(2).deliveries, key=lambda delivery: delivery.envelope[-5:])
        redis.sadd(calls.namespace.begun("c"), begun.tag)
        redis.zadd("{s}:consumers", {"c": 1})
        calls.reap().run(redis)

    assert set(redis.lrange(QUEUE, 0, -1)) == {b'{"x-dc":3,"a":1}', b'{"x-dc":1,"b":1}'}
    assert not redis.exists(calls.namespace.begun("c"))


def test_redeliveries_are_counted_in_the_envelope_and_nothing_else_changes(redis: Redis, calls: Calls) -> None:
    """`x-dc` comes first; empty lists and large integers stay what they are."""
    envelope = b'{"body":"[[], {}, 12345678901234567890]","headers":{},"n":[1e400,[]]}'
    calls.publish(QUEUE, "", [envelope]).run(redis)
    consumer = Consumer(redis, calls)
    for count in range(1, 13):
        (delivery,) = consumer.claim(1).deliveries
        redis.sadd(calls.namespace.begun("c"), delivery.tag)
        redis.zadd("{s}:consumers", {"c": 1})
        assert calls.reap().run(redis) == 1
        assert redis.lindex(QUEUE, -1) == b'{"x-dc":%d,' % count + envelope[1:]


def test_a_claim_says_that_the_lease_was_lost(redis: Redis, calls: Calls, consumer: Consumer) -> None:
    """A consumer that others have given up learns it from its next claim, once, and from its heartbeat."""
    assert not consumer.claim(1).is_known
    assert consumer.claim(1).is_known
    redis.zrem("{s}:consumers", "c")

    assert not consumer.claim(1).is_known
    redis.zrem("{s}:consumers", "c")
    assert calls.heartbeat("c", LEASE_MS).run(redis) == 0
    assert calls.heartbeat("c", LEASE_MS).run(redis) == 1


def test_the_next_due_time_is_told_by_the_clock_that_is_moved(redis: Redis, calls: Calls, consumer: Consumer) -> None:
    """A delayed message waits for the virtual clock; leases do not."""
    calls.delay(QUEUE, lane("x"), [(3_600_000, "late")]).run(redis)
    claim = consumer.claim(1)
    assert envelopes(claim) == []
    assert 3_500_000 < (claim.next_due_ms or 0) <= 3_600_000

    redis.set("{s}:clock", 3_600_001)

    assert envelopes(consumer.claim(1)) == [b"late"]
    assert calls.reap().run(redis) == 0


def test_a_queue_is_counted_and_cleared_with_its_lanes(redis: Redis, calls: Calls) -> None:
    """Delayed messages are not counted, but cleared."""
    for target in (*STEPS.values(), lane("x"), lane("y")):
        calls.publish(QUEUE, target, ["1", "2"]).run(redis)
    calls.delay(QUEUE, "", [(1000, "late")]).run(redis)

    assert calls.size(QUEUE).run(redis) == 12
    assert calls.clear(QUEUE).run(redis) == 12
    assert redis.keys("*") == []
