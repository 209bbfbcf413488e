"""The account of a load test's events, read from a real Redis."""

import pytest
from redis import Redis

from console.bench.client import ACCEPTED, REFUSED
from console.bench.collector import Collector
from worker.keys import Keys

NOW = 1_800_000_000_000  # ms
RUN = b'{"attempt":1,"started_at":"2027-01-15T08:00:00.010Z","duration_ms":5,"outcome":"Succeeded"}'


def end(redis: Redis, keys: Keys, request_id: str, state: str = "succeeded", kept: float | None = None) -> None:
    """Write the record of an event as far as it is read; `kept` is for how many more seconds it is."""
    fields = {"state": state, "accepted_at": NOW + 2, "ended_at": NOW + 20, "attempts_made": 1, "attempts": RUN}
    redis.hset(keys.event(request_id), mapping=fields)  # type: ignore[arg-type]
    if kept is not None:
        redis.pexpire(keys.event(request_id), int(kept * 1000))


@pytest.fixture
def collector(redis: Redis, keys: Keys) -> Collector:
    """One of a run that began at the moment 100 of the monotonic clock."""
    return Collector(redis, keys, start=100.0, epoch_ms=NOW, is_synchronous=False)


def test_every_accepted_event_is_in_exactly_one_place(redis: Redis, keys: Keys, collector: Collector):
    """Ended well or badly, waiting, at work, or lost: nobody knows of it. What was refused is none of them."""
    collector.take([[name, 100.0, 100.004, ACCEPTED] for name in "abcde"], {})
    collector.take([["", 100.0, 100.1, REFUSED]], {"500 oops": 1})
    end(redis, keys, "a")
    end(redis, keys, "b", "dropped")
    redis.hset(keys.event("c"), mapping={"state": "waiting", "accepted_at": 1, "due_at": 2**53})
    redis.hset(keys.event("d"), mapping={"state": "ready", "accepted_at": 1})

    left = collector.read()
    again = collector.read()

    account = collector.account
    assert (account.sent, account.accepted, account.errors) == (6, 5, 1)
    assert account.ends == {"succeeded": 1, "dropped": 1}
    assert (left.waiting, left.at_work, left.lost, left.last_due_ms) == (1, 1, 1, 2**53)
    assert (again.in_hand, again.lost, account.ended) == (2, 1, 2)
    assert account.end_to_end.most_ms == pytest.approx(20, abs=0.01)
    assert account.queue_wait.most_ms == pytest.approx(8, abs=0.01)
    assert account.accept.most_ms == pytest.approx(100.004e3 - 100e3, abs=0.01)


def test_records_are_read_before_they_expire(redis: Redis, keys: Keys, collector: Collector):
    """Where they are kept for nine seconds, those of events of three seconds ago are read, and not later ones."""
    redis.set(keys.clock, f"={NOW + 20}")
    collector.take(
        [[name, moment, moment, ACCEPTED] for name, moment in (("a", 100.0), ("b", 100.1), ("c", 109.0))], {}
    )
    for name in ("a", "c"):
        end(redis, keys, name, kept=9)

    collector.read_old(now=104.0)

    assert (collector.account.ended, collector.open) == (1, 2)


def test_time_between_attempts_is_not_part_of_the_time_to_the_end(redis: Redis, keys: Keys, collector: Collector):
    """An event that failed and succeeded a minute later took as long as its wait, its two runs and their settlement."""
    collector.take([["a", 100.0, 100.004, ACCEPTED]], {})
    end(redis, keys, "a")
    second = RUN.replace(b"08:00:00.010", b"08:01:00.015")
    redis.hset(keys.event("a"), mapping={"attempts": RUN + b"," + second, "ended_at": NOW + 60_025, "attempts_made": 2})

    collector.read()

    account = collector.account
    assert account.end_to_end.most_ms == pytest.approx(25, abs=0.01)
    assert (account.run.total, account.attempts) == (2, {2: 1})
