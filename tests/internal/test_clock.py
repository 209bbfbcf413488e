"""The virtual clock: what it moves, who is told, and when it may not be moved."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from redis import Redis

from tests.internal.conftest import Running
from tests.worker.conftest import System, failure, function
from worker.keys import Keys

HOUR = 3_600_000


def now(clock: dict[str, object]) -> datetime:
    """The time that an answer shows."""
    return datetime.fromisoformat(str(clock["now"]))


def test_clock_of_a_new_system_is_the_real_one(gateway: Running):
    """And it can be moved, as the system was started for that."""
    status, clock = gateway.get("clock")

    assert status == 200
    assert clock["now"] == clock["real"]
    assert (clock["offset_ms"], clock["frozen"], clock["virtual"]) == (0, False, True)


def test_advancing_adds_up(gateway: Running):
    """Each move begins where the clock stands; units and plain seconds are understood."""
    gateway.post("clock", b'{"advance": "1h30m"}')
    status, clock = gateway.post("clock", b'{"advance": 1800}')

    assert status == 200
    assert clock["offset_ms"] == 2 * HOUR
    assert gateway.get("clock")[1]["offset_ms"] == 2 * HOUR


def test_frozen_clock_stands_until_it_is_moved_or_resumed(gateway: Running, redis: Redis, keys: Keys):
    """It shows the same moment as often as it is asked, moves by what it is told, and goes on from there."""
    _, frozen = gateway.post("clock", b'{"freeze": true}')
    looks = [gateway.get("clock")[1] for _ in range(3)]
    _, moved = gateway.post("clock", b'{"advance": "1h"}')
    still_frozen = redis.get(keys.clock)
    _, resumed = gateway.post("clock", b'{"resume": true}')

    assert {look["now"] for look in looks} == {frozen["now"]}
    assert all(look["frozen"] for look in looks)
    assert now(moved) - now(frozen) == timedelta(hours=1)
    assert still_frozen is not None
    assert still_frozen.startswith(b"=")
    assert not resumed["frozen"]
    assert timedelta(0) <= now(resumed) - now(moved) < timedelta(minutes=1)
    assert not (redis.get(keys.clock) or b"=").startswith(b"=")


def test_next_goes_to_each_attempt_and_says_what_it_is(gateway: Running, system: System):
    """An event that fails is tried three times without anybody waiting; then nothing is due."""
    system.environments.outcomes = [failure()]
    request_id = system.enqueue()
    gateway.post("clock", b'{"freeze": true}')
    system.work()
    due = []
    for _ in range(2):
        status, clock = gateway.post("clock", b'{"next": true}')
        due.append((status, clock["due"]["kind"], clock["due"]["name"], clock["due"]["id"], clock["due"]["at"]))
        assert clock["now"] == clock["due"]["at"]
        assert system.work() == 1

    status, refusal = gateway.post("clock", b'{"next": true}')

    assert [(status, *rest) for status, *rest, _ in due] == [(200, "event", "f", request_id)] * 2
    assert len(system.environments.runs) == 3
    assert datetime.fromisoformat(due[1][4]) - datetime.fromisoformat(due[0][4]) == timedelta(seconds=120)
    assert (status, "Nothing will become due" in refusal["error"]) == (404, True)


def test_next_knows_schedules_and_messages(gateway: Running, redis: Redis, keys: Keys):
    """The earliest of all: a delayed message, one in flight that becomes visible again, the tick of a rule."""
    sqs = gateway.client("sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    gateway.post("clock", b'{"freeze": true}')
    delayed = sqs.send_message(QueueUrl=url, MessageBody="1", DelaySeconds=10)["MessageId"]
    gateway.client("events").put_rule(Name="tick", ScheduleExpression="rate(1 minute)")
    found = []

    found.append(gateway.post("clock", b'{"next": true}')[1]["due"])
    sqs.receive_message(QueueUrl=url, VisibilityTimeout=20)
    found.append(gateway.post("clock", b'{"next": true}')[1]["due"])
    found.append(gateway.post("clock", b'{"next": true}')[1]["due"])

    assert [(due["kind"], due["name"], due["id"]) for due in found] == [
        ("message", "q", delayed), ("message", "q", delayed), ("schedule", "tick", ""),
    ]  # fmt: skip
    assert sqs.receive_message(QueueUrl=url)["Messages"][0]["MessageId"] == delayed


def test_move_wakes_who_waits(gateway: Running, redis: Redis, keys: Keys):
    """Workers and receivers wait at doorbells, until the next thing is due or somebody rings."""
    sqs = gateway.client("sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    sqs.create_queue(QueueName="empty")
    sqs.send_message(QueueUrl=url, MessageBody="1", DelaySeconds=900)
    redis.delete(keys.queue_doorbell("q"), keys.wake(keys.invocations))

    gateway.post("clock", b'{"advance": "15m"}')

    bells = [keys.wake(keys.invocations), keys.queue_doorbell("q"), keys.queue_doorbell("empty")]
    assert [redis.llen(bell) for bell in bells] == [1, 1, 0]


def test_leases_stay(gateway: Running, system: System):
    """A worker keeps what it holds however far the clock is moved."""
    system.define(function(maximum_retry_attempts=0))
    request_id = system.enqueue()
    (held,) = system.worker.claim()
    before = system.redis.zscore(system.keys.consumers, "worker")

    gateway.post("clock", b'{"advance": "1h"}')
    others = system.another_worker().claim()
    system.worker.attempt(held)

    assert others == []
    assert system.redis.zscore(system.keys.consumers, "worker") == before
    assert system.record(request_id)["state"] == "succeeded"


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"advance": "soon"}', b'{"advance": "-1s"}', b'{"advance": true}', b'{"advance": -5}',
     b'{"next": false}', b'{"next": true, "freeze": true}', b'{"rewind": true}', b'"next"'],
)  # fmt: skip
def test_what_is_not_understood_moves_nothing(gateway: Running, redis: Redis, keys: Keys, body: bytes):
    """400, with what would be understood."""
    status, refusal = gateway.post("clock", body)

    assert status == 400
    assert "was not moved" in refusal["error"]
    assert redis.get(keys.clock) is None


def test_clock_of_a_real_system_is_not_moved(start: Callable[..., Running], redis: Redis, keys: Keys):
    """409, and the answer says how to get one that can be."""
    gateway = start()

    answers = [gateway.post("clock", body) for body in (b'{"advance": "60s"}', b'{"next": true}', b'{"freeze": true}')]

    assert [status for status, _ in answers] == [409, 409, 409]
    assert "THRICE_CLOCK=virtual" in answers[0][1]["error"]
    assert gateway.get("clock")[1]["virtual"] is False
    assert redis.get(keys.clock) is None


def test_only_the_clock_takes_posts(gateway: Running):
    """The other pages answer GET only."""
    assert gateway.post("ledger", b"{}")[0] == 405
