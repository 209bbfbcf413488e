"""Firing what is due: once, in time, and in one transaction with the next due time."""

import logging
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parser.models import EventBridgeModel
from redis import Redis

from config import redis as config_redis
from config.settings import Settings, load
from producers.events.api import Events
from producers.scheduler.scheduler import LONGEST_PAUSE, Scheduler
from producers.seams import Seams
from tests.conftest import FakeClock
from tests.events import recording
from tests.events.recording import FUNCTION, MISSING, QUEUE, REQUEST, delivered
from worker.clock import from_ms
from worker.keys import Keys

ARN = "arn:aws:events:us-east-1:000000000000:rule/"


def put(events: Events, name: str, expression: str, **target: Any) -> None:
    """Put a rule with a schedule and one target."""
    events.put_rule(REQUEST, Name=name, ScheduleExpression=expression)
    events.put_targets(REQUEST, Rule=name, Targets=[{"Id": "1", "Arn": FUNCTION} | target])


def due_times(redis: Redis, keys: Keys) -> dict[str, datetime]:
    """When each schedule is due."""
    return {name.decode(): from_ms(score) for name, score in redis.zrange(keys.schedules, 0, -1, withscores=True)}


def times(redis: Redis) -> list[str]:
    """The times of the events that were delivered."""
    return [one["payload"]["time"] for one in delivered(redis)]


def iso(moment: datetime) -> str:
    """As events write it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_nothing_fires_before_its_time(events: Events, scheduler: Scheduler, redis: Redis) -> None:
    """An hour before the first tick there is nothing to do but wait."""
    put(events, "r", "rate(1 hour)")

    pause = scheduler.fire_due()

    assert (pause, delivered(redis)) == (LONGEST_PAUSE, [])


def test_a_rate_fires_every_period(
    events: Events, scheduler: Scheduler, redis: Redis, keys: Keys, clock: FakeClock
) -> None:
    """Each tick one event, with the tick's own time; the pause ends with the next tick."""
    put(events, "r", "rate(1 minute)")
    first = due_times(redis, keys)["r"]

    for _ in range(3):
        clock.advance(60)
        scheduler.fire_due()
        scheduler.fire_due()
    clock.advance(59.1)
    pause = scheduler.fire_due()

    assert times(redis) == [iso(first + timedelta(minutes=number)) for number in range(3)]
    assert due_times(redis, keys) == {"r": first + timedelta(minutes=3)}
    assert 0 < pause <= 0.9


def test_the_event_of_a_schedule_has_the_form_of_aws(
    events: Events, scheduler: Scheduler, redis: Redis, keys: Keys, clock: FakeClock
) -> None:
    """Source, detail type, resources and empty detail; the same to each target in its form."""
    put(events, "r", "rate(1 minute)")
    events.put_targets(REQUEST, Rule="r", Targets=[{"Id": "2", "Arn": QUEUE, "Input": '{"a": 1}'}])
    due = due_times(redis, keys)["r"]
    clock.advance(60)

    scheduler.fire_due()

    function, queue = delivered(redis)
    assert function == {
        "target": FUNCTION,
        "source": "aws.events",
        "trace": None,
        "payload": {
            "version": "0",
            "id": function["payload"]["id"],
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": "000000000000",
            "time": iso(due),
            "region": "us-east-1",
            "resources": [ARN + "r"],
            "detail": {},
        },
    }
    assert (queue["target"], queue["payload"]) == (QUEUE, {"a": 1})
    EventBridgeModel.model_validate(function["payload"])


def test_ticks_that_were_missed_collapse_to_one(
    events: Events, scheduler: Scheduler, redis: Redis, keys: Keys, clock: FakeClock
) -> None:
    """After an hour without a scheduler there is one event, of the first missed tick, and the rhythm is kept."""
    put(events, "r", "rate(1 minute)")
    first = due_times(redis, keys)["r"]
    clock.advance(3_630)

    scheduler.fire_due()

    assert times(redis) == [iso(first)]
    assert due_times(redis, keys) == {"r": first + timedelta(minutes=60)}


def test_a_cron_fires_at_its_minutes_and_ends_with_its_years(
    events: Events, scheduler: Scheduler, redis: Redis, keys: Keys, clock: FakeClock
) -> None:
    """After its last tick the schedule is no longer due; the rule stays."""
    year = clock.now().year + 1
    put(events, "r", f"cron(0 12 1 1,2 ? {year})")

    for month in (1, 2):
        clock.advance((datetime(year, month, 1, 12, tzinfo=UTC) - clock.now()).total_seconds() + 1)
        scheduler.fire_due()

    assert times(redis) == [f"{year}-01-01T12:00:00Z", f"{year}-02-01T12:00:00Z"]
    assert due_times(redis, keys) == {}
    assert [rule["Name"] for rule in events.list_rules(REQUEST)["Rules"]] == ["r"]


def test_only_enabled_rules_fire(events: Events, scheduler: Scheduler, redis: Redis, clock: FakeClock) -> None:
    """A rule that is disabled or deleted while its tick is due does not fire; its neighbours do."""
    for name in ("enabled", "disabled", "deleted"):
        put(events, name, "rate(1 minute)")
    clock.advance(61)

    events.disable_rule(REQUEST, Name="disabled")
    events.remove_targets(REQUEST, Rule="deleted", Ids=["1"])
    events.delete_rule(REQUEST, Name="deleted")
    scheduler.fire_due()

    assert [one["payload"]["resources"] for one in delivered(redis)] == [[ARN + "enabled"]]


def test_a_missing_target_does_not_stop_the_schedule(
    events: Events, scheduler: Scheduler, redis: Redis, keys: Keys, clock: FakeClock
) -> None:
    """The tick is over for the target that is gone; the next tick comes."""
    put(events, "gone", "rate(1 minute)", Arn=MISSING)
    put(events, "good", "rate(1 minute)")
    first = due_times(redis, keys)
    clock.advance(61)

    scheduler.fire_due()

    assert [one["payload"]["resources"] for one in delivered(redis)] == [[ARN + "good"]]
    assert due_times(redis, keys) == {name: due + timedelta(minutes=1) for name, due in first.items()}


def test_a_due_time_without_a_rule_is_taken_away(scheduler: Scheduler, redis: Redis, keys: Keys) -> None:
    """What somebody has deleted by hand does not keep the scheduler busy."""
    redis.zadd(keys.schedules, {"ghost": 1})

    pause = scheduler.fire_due()

    assert (pause, due_times(redis, keys), delivered(redis)) == (LONGEST_PAUSE, {}, [])


def test_a_target_that_is_put_between_reading_and_firing_gets_the_event(
    events: Events, seams: Seams, redis: Redis, clock: FakeClock
) -> None:
    """The round that read the older rule does not happen; the next one reads the new rule."""
    put(events, "r", "rate(1 minute)")
    clock.advance(60)
    rounds: list[str] = []

    def deliver_late(pipe: Any, target_arn: str, payload: bytes, **options: Any) -> None:
        if not rounds:
            events.put_targets(REQUEST, Rule="r", Targets=[{"Id": "2", "Arn": QUEUE}])
        rounds.append(target_arn)
        recording.record(pipe, target_arn, payload, **options)

    Scheduler(Seams(seams.settings, redis, seams.keys, clock, deliver_late)).fire_due()

    assert rounds == [FUNCTION, FUNCTION, QUEUE]
    assert [one["target"] for one in delivered(redis)] == [FUNCTION, QUEUE]


def test_a_scheduler_that_dies_before_the_end_has_fired_nothing(
    events: Events, seams: Seams, redis: Redis, keys: Keys, clock: FakeClock
) -> None:
    """All ticks of its transaction are still due, and the next scheduler fires each of them."""
    for name in ("a", "b"):
        put(events, name, "rate(1 minute)")
    first = due_times(redis, keys)
    clock.advance(61)

    def die_at_the_second(pipe: Any, target_arn: str, payload: bytes, **options: Any) -> None:
        if len(pipe) > 2:
            raise SystemExit
        recording.record(pipe, target_arn, payload, **options)

    with pytest.raises(SystemExit):
        Scheduler(Seams(seams.settings, redis, seams.keys, clock, die_at_the_second)).fire_due()
    after_death = (due_times(redis, keys), delivered(redis))
    Scheduler(seams).fire_due()

    assert after_death == (first, [])
    assert [one["payload"]["resources"] for one in delivered(redis)] == [[ARN + "a"], [ARN + "b"]]


def test_many_schedulers_fire_each_tick_once(
    events: Events, seams: Seams, settings: Settings, redis: Redis, clock: FakeClock
) -> None:
    """Four schedulers, a hundred rules due each second for ten seconds: every rule exactly once."""
    rule_count, second_count = 1_000, 10
    for number in range(rule_count):
        if number % (rule_count // second_count) == 0 and number:
            clock.advance(1)
        put(events, f"r{number}", "rate(1 minute)")
    clock.advance(61 - second_count)
    stop = threading.Event()
    clients = [config_redis.connect(settings) for _ in range(4)]
    threads = [
        threading.Thread(
            target=_fire_until, args=(Scheduler(recording.seams(settings, client, seams.keys, clock)), stop)
        )
        for client in clients
    ]
    for thread in threads:
        thread.start()

    for _ in range(second_count):
        clock.advance(1)
        threads[0].join(0.05)  # the schedulers meet the ticks as they come, not all at once
    stop.set()
    for thread, client in zip(threads, clients, strict=True):
        thread.join()
        client.close()
    Scheduler(seams).fire_due()

    fired = Counter(one["payload"]["resources"][0] for one in delivered(redis))
    assert fired == dict.fromkeys([f"{ARN}r{number}" for number in range(rule_count)], 1)


def _fire_until(scheduler: Scheduler, stop: threading.Event) -> None:
    while not stop.is_set():
        scheduler.fire_due()


def test_a_redis_that_is_away_is_waited_for(
    settings: Settings, keys: Keys, clock: FakeClock, tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """One line when it is lost and one when it is back, however long it was away; stopping needs no Redis."""
    caplog.set_level(logging.INFO, "thrice.scheduler")
    away = config_redis.connect(load(data_dir=tmp_path))
    stop = _CountedEvent(rounds=3)

    Scheduler(recording.seams(settings, away, keys, clock)).run(stop)

    assert [(record.name, record.levelname) for record in caplog.records] == [("thrice.scheduler", "WARNING")]
    assert caplog.messages[0].startswith("Redis is away: ")
    assert stop.pauses == [LONGEST_PAUSE] * 3


class _CountedEvent(threading.Event):
    """Is set after so many waits, none of which takes time."""

    def __init__(self, rounds: int) -> None:
        super().__init__()
        self.pauses: list[float | None] = []
        self._rounds = rounds

    def wait(self, timeout: float | None = None) -> bool:
        self.pauses.append(timeout)
        if len(self.pauses) == self._rounds:
            self.set()
        return self.is_set()
