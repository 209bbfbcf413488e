"""Waiting until an event has ended with everything that it caused, or until all events have."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tests.internal.conftest import Running
from tests.waiting import wait_until
from tests.worker.conftest import System, failure, function
from worker.function import EventInvokeConfig
from worker.identity import new_request_id
from worker.keys import Keys
from worker.retry import Succeed

ONCE = EventInvokeConfig(maximum_retry_attempts=0)


@contextmanager
def asking(gateway: Running, path: str, redis: Redis, keys: Keys) -> Iterator["Future[tuple[int, Any]]"]:
    """A question that is being asked: the gateway has subscribed, so it waits."""
    with ThreadPoolExecutor(1) as threads:
        future = threads.submit(gateway.get, path)
        wait_until(lambda: dict(redis.pubsub_numsub(keys.ended))[keys.ended.encode()] == 1, "somebody waits")
        yield future


def test_answer_comes_when_all_that_was_caused_has_ended(gateway: Running, system: System, redis: Redis, keys: Keys):
    """The end of the event itself is not enough; and when nobody waits any more, nobody listens."""
    root = system.enqueue()
    (first,) = system.worker.claim()
    system.enqueue(root=root)
    system.worker.attempt(first)
    with asking(gateway, f"await/{root}?timeout=60s", redis, keys) as answer:
        still_waiting = not answer.done()
        system.drain()
        status, document = answer.result(60)

    assert still_waiting
    assert (status, document["outcome"]) == (200, "succeeded")
    assert (document["open"], document["ended"], document["caused"], document["failed"]) == (0, 2, 1, 0)
    wait_until(lambda: dict(redis.pubsub_numsub(keys.ended))[keys.ended.encode()] == 0, "nobody listens")


def test_many_wait_by_one_subscription(gateway: Running, system: System, redis: Redis, keys: Keys):
    """Each hears of its own event."""
    request_ids = [system.enqueue() for _ in range(5)]
    with ThreadPoolExecutor(5) as threads:
        answers = [threads.submit(gateway.get, f"await/{request_id}") for request_id in request_ids]
        wait_until(lambda: dict(redis.pubsub_numsub(keys.ended))[keys.ended.encode()] == 1, "they wait")
        system.drain()
        found = [answer.result(60) for answer in answers]

    assert [(status, document["request_id"]) for status, document in found] == [(200, one) for one in request_ids]


def test_part_of_a_lineage_stands_for_the_whole(gateway: Running, system: System):
    """Asked for an event that was caused, the answer is that of its root."""
    root = system.enqueue()
    child = system.enqueue(root=root)
    (_, second) = system.worker.claim()
    system.worker.attempt(second)

    status, document = gateway.get(f"await/{child}?timeout=0")

    assert status == 408
    assert (document["root"], document["open"]) == (root, 1)


def test_time_that_is_up_tells_what_is_open(gateway: Running, system: System):
    """408, with the events, where they stand, and when they are due."""
    system.define(function("g"))
    root = system.enqueue()
    system.environments.outcomes = [failure()]
    system.work()
    child = system.enqueue("g", root=root)

    status, document = gateway.get(f"await/{root}?timeout=100ms")

    assert (status, document["outcome"], document["virtual"]) == (408, "open", True)
    by_id = {event["request_id"]: event for event in document["events"]}
    assert (by_id[root]["state"], by_id[child]["state"], by_id[child]["function"]) == ("waiting", "ready", "g")
    assert by_id[root]["due_at"].endswith("Z")


def test_what_ended_badly_is_told(gateway: Running, system: System):
    """Which function, for what reason, and its error."""
    system.define(function("bad", event_invoke_config=ONCE))
    system.environments.outcomes = [failure("kaput")]
    request_id = system.enqueue("bad")
    system.drain()

    status, document = gateway.get(f"await/{request_id}")

    assert (status, document["outcome"], document["failed"]) == (200, "failed", 1)
    (event,) = document["failures"]
    assert (event["function"], event["state"], event["condition"]) == ("bad", "dropped", "RetriesExhausted")
    assert event["last_error"]["errorMessage"] == "kaput"


def test_all_is_what_the_ledger_knows(gateway: Running, system: System, redis: Redis, keys: Keys):
    """Deliveries on their way count too, and the answer comes when nothing is in hand."""
    topic = "arn:aws:sns:us-east-1:000000000000:t"
    system.define(function(event_invoke_config=EventInvokeConfig(on_success=topic)))
    empty = gateway.get("await?all")
    system.enqueue()
    system.work()
    with asking(gateway, "await?all&timeout=60s", redis, keys) as answer:
        still_waiting = not answer.done()
        (delivery,) = system.worker.claim()
        system.worker.settle(delivery, Succeed())
        status, document = answer.result(60)

    assert (empty[0], empty[1]["outcome"]) == (200, "succeeded")
    assert still_waiting
    assert (status, document["outcome"], document["ended"]) == (200, "succeeded", 2)


def test_all_that_is_open_is_told(gateway: Running, system: System):
    """How many are where, and when the next is due."""
    system.environments.outcomes = [failure()]
    system.enqueue()
    system.work()

    status, document = gateway.get("await?all&timeout=0")

    assert (status, document["waiting"], document["ready"], document["running"]) == (408, 1, 0, 0)
    assert document["next_due"].endswith("Z")


@pytest.mark.parametrize(
    ("path", "status"),
    [("await/6a7e8feb-b491-4cf7-a9f1-bf3703467718", 404), ("await/nonsense", 404), ("await", 400), ("await/x?all", 400),
     ("await/x?timeout=soon", 400), ("await/x?timeout=2h", 400), ("await/x?wait=1", 400)],
)  # fmt: skip
def test_what_cannot_be_waited_for(gateway: Running, path: str, status: int):
    """404 for an event that nobody knows, 400 for what is not understood; each says what to do."""
    answer = gateway.get(path)

    assert answer[0] == status
    assert answer[1]["error"]


def test_lost_connection_of_the_subscription_costs_a_second(gateway: Running, system: System, redis: Redis, keys: Keys):
    """The event is looked at again, and the subscription is begun again."""
    request_id = system.enqueue()
    with asking(gateway, f"await/{request_id}", redis, keys) as answer:
        redis.client_kill_filter(_type="pubsub")
        wait_until(lambda: dict(redis.pubsub_numsub(keys.ended))[keys.ended.encode()] == 1, "somebody waits again")
        system.drain()

        assert answer.result(60)[0] == 200


def thrice(gateway: Running, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The command, in a process of its own, against the gateway."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("THRICE_")}
    return subprocess.run(
        [sys.executable, "-m", "console.cli", *arguments],
        env=environment | {"THRICE_PORT": str(gateway.settings.port)},
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip


def test_command_tells_how_it_ended_by_its_exit_status(gateway: Running, system: System):
    """0: all well; 1: something ended badly, and it says what; 2: nobody knows of it; 124: the time was up."""
    system.define(function("bad", event_invoke_config=ONCE))
    good = system.enqueue()
    system.drain()
    system.environments.outcomes = [failure("kaput")]
    bad = system.enqueue("bad")
    system.drain()
    still_open = system.enqueue()
    system.work()

    done = [thrice(gateway, "await", request_id, "--timeout", "1s") for request_id in (good, bad, still_open)]
    unknown = thrice(gateway, "await", new_request_id())
    usage = [thrice(gateway, "await"), thrice(gateway, "await", good, "--all")]

    assert [one.returncode for one in (*done, unknown, *usage)] == [0, 1, 124, 2, 2, 2]
    assert "the event ended, all well" in done[0].stdout
    assert f"bad {bad} was dropped (RetriesExhausted) after 1 attempt: ValueError: kaput" in done[1].stdout
    assert f"/_thrice/events/{bad}" in done[1].stdout
    assert f"f {still_open} is waiting, due at 20" in done[2].stderr
    assert "thrice clock next" in done[2].stderr


def test_command_waits_for_all(gateway: Running, system: System):
    """Nothing in hand: 0 at once."""
    system.enqueue()
    system.drain()

    done = thrice(gateway, "await", "--all")

    assert (done.returncode, done.stdout) == (0, "all 1 events ended, all well\n")


def test_command_moves_the_clock(gateway: Running, system: System):
    """`next` says what is due; the others say what the clock shows; --json is what the gateway answers."""
    system.environments.outcomes = [failure()]
    request_id = system.enqueue()
    system.work()

    following = thrice(gateway, "clock", "next")
    advanced = thrice(gateway, "clock", "advance", "1h")
    frozen = thrice(gateway, "clock", "freeze")
    shown = thrice(gateway, "clock", "show", "--json")
    nonsense = thrice(gateway, "clock", "advance", "soon")
    nothing = [thrice(gateway, "clock", "next") for _ in range(2)][-1]

    assert [one.returncode for one in (following, advanced, frozen, shown, nonsense, nothing)] == [0, 0, 0, 0, 2, 1]
    assert f"due now: an attempt at an event of f, request id {request_id}" in following.stdout
    assert "ahead of the real time" in advanced.stdout
    assert "stands still" in frozen.stdout
    assert json.loads(shown.stdout)["frozen"] is True
    assert "'soon' is no length of time" in nonsense.stderr
    assert "Nothing will become due" in nothing.stderr


def test_command_says_that_the_gateway_is_away(tmp_path: Path):
    """Where it was looked for, and what to do."""
    done = subprocess.run(
        [sys.executable, "-m", "console.cli", "clock", "show"],
        env=os.environ | {"THRICE_PORT": "1"}, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip

    assert done.returncode == 2
    assert "does not answer at http://127.0.0.1:1" in done.stderr
