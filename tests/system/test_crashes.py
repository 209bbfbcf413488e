"""SIGKILL: of a worker, of everything, of Redis. What was answered 202 is never gone."""

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.system.running import RunningSystem
from tests.waiting import wait_until

#: Appends the number of the event to a file, with one write, so that the count survives whatever is killed. The file is
#: the test's, so the handler must not be walled in.
RECORDS = """
import os, time
def handler(event, context):
    time.sleep(event.get('takes', 0))
    with open(os.environ['RECORD'], 'a') as file:
        file.write(f"{event['number']}\\n")
"""


def create_recorder(system: RunningSystem, name: str, record: Path) -> None:
    """A function that writes down which events it ran."""
    record.touch()
    system.create_function(name, RECORDS, Timeout=30, Environment={"Variables": {"RECORD": str(record)}})


def fire(system: RunningSystem, name: str, numbers: range, takes: float) -> None:
    """Invoke asynchronously, from eight threads; every call must be answered 202."""
    client = system.client("lambda", max_pool_connections=8)

    def invoke(number: int) -> int:
        payload = f'{{"number": {number}, "takes": {takes}}}'.encode()
        return int(client.invoke(FunctionName=name, InvocationType="Event", Payload=payload)["StatusCode"])

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(invoke, numbers)) == {202}


def ran(record: Path) -> list[int]:
    """The numbers in the file, in the order in which handlers ended."""
    return [int(line) for line in record.read_text().split()]


def wait_for_end(system: RunningSystem, name: str, accepted: int) -> None:
    """Wait until every event of a function has ended, and none is unaccounted for."""

    def has_ended() -> bool:
        try:
            account = system.ledger()["functions"][name]
        except (OSError, KeyError):
            return False
        return bool(account["succeeded"] == account["accepted"] == accepted and account["balanced"])

    wait_until(has_ended, f"{accepted} events of {name} have succeeded", 60)


def test_killed_worker_takes_no_event_with_it(start_up: Callable[..., RunningSystem], tmp_path: Path):
    """A worker is killed with events in its hands; they run again within the lease, 10 s, and a sweep."""
    system = start_up(THRICE_ISOLATION="off")
    create_recorder(system, "f", tmp_path / "record")
    fire(system, "f", range(100), takes=0.2)
    wait_until(lambda: len(ran(tmp_path / "record")) > 10, "the work has begun")

    system.kill("celery -A worker worker -n worker-1@")

    wait_for_end(system, "f", 100)
    assert set(ran(tmp_path / "record")) == set(range(100))
    assert len(ran(tmp_path / "record")) <= 100 + 32


def test_killed_system_comes_back_with_every_event(start_up: Callable[..., RunningSystem], tmp_path: Path):
    """Everything is killed at once in the middle of the work; the next `thrice up` finishes it."""
    system = start_up(THRICE_ISOLATION="off")
    create_recorder(system, "f", tmp_path / "record")
    fire(system, "f", range(150), takes=0.3)
    wait_until(lambda: len(ran(tmp_path / "record")) > 20, "the work has begun")

    system.kill_everything()
    left = len(set(ran(tmp_path / "record")))
    again = start_up(THRICE_ISOLATION="off")

    assert left < 150
    assert "left over from the last run" in again.printed
    wait_for_end(again, "f", 150)
    assert set(ran(tmp_path / "record")) == set(range(150))


def test_waiting_events_survive_a_stop(start_up: Callable[..., RunningSystem], tmp_path: Path):
    """An event that waits for its second attempt is still waiting after a restart, and `thrice up` says so."""
    system = start_up(THRICE_WORKERS="1", THRICE_ISOLATION="off")
    system.create_function("fails", "def handler(event, context): raise ValueError('x')")
    system.client("lambda").invoke(FunctionName="fails", InvocationType="Event")
    wait_until(lambda: system.ledger()["in_hand"]["waiting"] == 1, "it waits")
    system.stop()

    again = start_up(THRICE_WORKERS="1", THRICE_ISOLATION="off")

    assert "1 waiting for their next attempt" in again.printed
    assert again.ledger()["in_hand"]["waiting"] == 1


def test_redis_that_is_killed_loses_nothing(start_up: Callable[..., RunningSystem], tmp_path: Path):
    """Redis is killed with work in flight; it comes back, the workers come back, and all events end."""
    system = start_up(THRICE_ISOLATION="off")
    create_recorder(system, "f", tmp_path / "record")
    fire(system, "f", range(60), takes=0.2)
    wait_until(lambda: len(ran(tmp_path / "record")) > 5, "the work has begun")

    system.kill("valkey-server")

    wait_for_end(system, "f", 60)
    assert set(ran(tmp_path / "record")) == set(range(60))


def test_503_when_redis_cannot_store(start_up: Callable[..., RunningSystem]):
    """While Redis does not answer there is no 202; when it is back, there is."""
    system = start_up(THRICE_WORKERS="1", THRICE_ISOLATION="off")
    system.create_function("f", "def handler(event, context): return 1")
    client = system.client("lambda", retries={"total_max_attempts": 1})
    redis = system.part("valkey-server")

    os.kill(redis, signal.SIGSTOP)
    try:
        with pytest.raises(ClientError) as refusal:
            client.invoke(FunctionName="f", InvocationType="Event")
    finally:
        os.kill(redis, signal.SIGCONT)

    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    wait_until(lambda: client.invoke(FunctionName="f", InvocationType="Event")["StatusCode"] == 202, "it stores again")


def test_full_redis_refuses_and_loses_nothing(start_up: Callable[..., RunningSystem], redis, settings):
    """A Redis without memory refuses events with 503, and accepted ones are run when there is room again."""
    password = (settings.folder / "redis.password").read_text()
    system = start_up(THRICE_REDIS_URL=f"unix://:{password}@{settings.folder / 'redis.sock'}", THRICE_WORKERS="1")
    system.create_function("f", "def handler(event, context): return 1")
    client = system.client("lambda", retries={"total_max_attempts": 1})

    redis.config_set("maxmemory", "1")
    try:
        with pytest.raises(ClientError) as refusal:
            client.invoke(FunctionName="f", InvocationType="Event")
    finally:
        redis.config_set("maxmemory", "0")

    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    client.invoke(FunctionName="f", InvocationType="Event")
    wait_for_end(system, "f", 1)
