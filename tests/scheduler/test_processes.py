"""Schedulers as processes: killed without warning, asked to stop, and cut off from Redis."""

import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from config import redis as config_redis
from config.settings import Settings, load
from producers.events.api import Events
from tests.conftest import FakeClock
from tests.events.recording import FUNCTION, REQUEST, delivered
from tests.waiting import wait_until
from worker.keys import Keys

ROOT = Path(__file__).parents[2]


@contextmanager
def scheduler_process(settings: Settings) -> Iterator["subprocess.Popen[str]"]:
    """A scheduler process that ends with the block at the latest."""
    command = [sys.executable, "-m", "tests.scheduler.process", str(settings.data_dir)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def test_a_killed_scheduler_loses_and_doubles_no_tick(
    events: Events, settings: Settings, redis: Redis, keys: Keys, clock: FakeClock
) -> None:
    """Four processes, twelve seconds with a hundred ticks each, three of the processes killed while they fire."""
    rule_count, second_count = 1_200, 12
    for number in range(rule_count):
        if number % 100 == 0 and number:
            clock.advance(1)
        events.put_rule(REQUEST, Name=f"r{number}", ScheduleExpression="rate(1 minute)")
        events.put_targets(REQUEST, Rule=f"r{number}", Targets=[{"Id": "1", "Arn": FUNCTION}])
    first_due = {
        name.decode(): datetime.fromtimestamp(int(due / 1_000), UTC)
        for name, due in redis.zrange(keys.schedules, 0, -1, withscores=True)
    }
    with ExitStack() as stack:
        processes = [stack.enter_context(scheduler_process(settings)) for _ in range(4)]
        wait_until(lambda: len(redis.client_list()) > len(processes), "every process has its connection")
        clock.advance(60 - second_count)
        for second in range(second_count):
            clock.advance(1)
            if second in (3, 6, 9):
                processes.pop().kill()
            wait_until(lambda: _is_idle(redis, keys), "what is due has been fired")
        clock.advance(60)
        wait_until(lambda: _is_idle(redis, keys), "the second round has been fired")

    fired = defaultdict(list)
    for one in delivered(redis):
        time = datetime.fromisoformat(one["payload"]["time"])
        fired[one["payload"]["resources"][0].rpartition("/")[2]].append(time)
    assert fired == {name: [due, due + timedelta(minutes=1)] for name, due in first_due.items()}
    assert max(Counter(one["payload"]["id"] for one in delivered(redis)).values()) == 1


def _is_idle(redis: Redis, keys: Keys) -> bool:
    """Say whether nothing is due by the time of the scripts."""
    seconds, microseconds = redis.time()
    now_ms = seconds * 1_000 + microseconds // 1_000 + int(redis.get(keys.clock) or 0)
    return redis.zcount(keys.schedules, "-inf", now_ms) == 0


def _answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except RedisError:
        return False


def test_a_signal_ends_a_scheduler_at_once(events: Events, settings: Settings, redis: Redis, clock: FakeClock) -> None:
    """SIGTERM wakes it from its pause, and it ends with status 0."""
    events.put_rule(REQUEST, Name="r", ScheduleExpression="rate(1 minute)")
    events.put_targets(REQUEST, Rule="r", Targets=[{"Id": "1", "Arn": FUNCTION}])
    clock.advance(60)

    with scheduler_process(settings) as process:
        wait_until(lambda: delivered(redis), "the process has fired")
        process.send_signal(signal.SIGTERM)
        status = process.wait(timeout=5)

    assert status == 0


def test_a_scheduler_outlives_a_redis_that_is_full(
    events: Events, settings: Settings, redis: Redis, clock: FakeClock
) -> None:
    """What Redis refuses is tried again by the same process, and fires when there is room."""
    events.put_rule(REQUEST, Name="r", ScheduleExpression="rate(1 minute)")
    events.put_targets(REQUEST, Rule="r", Targets=[{"Id": "1", "Arn": FUNCTION}])
    clock.advance(60)
    redis.config_set("maxmemory", "1")
    try:
        with scheduler_process(settings) as process:
            assert process.stderr is not None
            lost = process.stderr.readline()
            redis.config_set("maxmemory", "0")
            wait_until(lambda: delivered(redis), "the process has fired")
            process.send_signal(signal.SIGTERM)
            status = process.wait(timeout=30)
    finally:
        redis.config_set("maxmemory", "0")

    assert (status, lost.startswith("Redis is away: ")) == (0, True), lost
    assert len(delivered(redis)) == 1


def test_a_scheduler_outlives_a_redis_that_goes_away(tmp_path: Path) -> None:
    """It fires again when Redis is back, and logs one line for each of the two."""
    settings = load(data_dir=tmp_path)
    command = config_redis.server_command(config_redis.find_server(), settings)
    keys = Keys()
    client = config_redis.connect(settings)

    def is_claimed() -> bool:
        return client.ping() and client.zcard(keys.schedules) == 0

    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        wait_until(lambda: _answers(client), "the server answers")
        client.zadd(keys.schedules, {"ghost": 1})
        with scheduler_process(settings) as process:
            wait_until(is_claimed, "the scheduler has done its first round")
            server.terminate()
            server.wait()
            assert process.stderr is not None
            lost = process.stderr.readline()
            with subprocess.Popen(command, stdout=subprocess.DEVNULL) as second_server:
                wait_until(lambda: _answers(client), "the server answers again")
                client.zadd(keys.schedules, {"ghost": 1})
                wait_until(is_claimed, "the scheduler goes on")
                process.send_signal(signal.SIGTERM)
                status = process.wait(timeout=5)
                rest = process.stderr.read()
                second_server.terminate()
    client.close()

    assert (status, lost.startswith("Redis is away: "), rest) == (0, True, "Redis is back.\n")
    assert lost.endswith("Schedules fire again when it is back.\n")
