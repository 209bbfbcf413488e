"""The concurrency of the account: what functions share that have nothing reserved for themselves."""

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.worker.conftest import System, function
from worker.account import Account
from worker.invocation import Throttled
from worker.keys import Keys
from worker.registry import FunctionRegistry


def start(system: System, **reserved: int | None) -> None:
    """An account with three places, functions that reserve what is said, and workers that have more slots than that."""
    registry = FunctionRegistry(system.redis, system.keys)
    for name, concurrency in reserved.items():
        registry.create(function(name, reserved_concurrency=concurrency), lambda _: None)
    system.announce(limit=3)


def refusals(system: System, *names: str) -> list[Throttled | None]:
    """Events of these functions are claimed together; what each is told."""
    for name in names:
        system.enqueue(name)
    held = {}
    for claimed in system.worker.claim():
        held.setdefault(claimed.invocation.function, []).append(claimed.throttled)
    return [held[name].pop(0) for name in names]


@pytest.mark.parity("async.account-concurrency")
def test_functions_without_reserved_concurrency_share_the_account(system: System):
    """Three run, of whatever functions; the fourth waits for a second, and no attempt of it is used up."""
    start(system, g=None)

    told = refusals(system, "f", "g", "f", "g")

    assert sorted(map(repr, told)) == ["None", "None", "None", "Throttled(reserved_concurrency=None)"]
    assert system.account()["running"] == 3


def test_throttled_by_the_account_an_event_backs_off_and_runs_when_there_is_a_place(system: System):
    """It waits 1 s, 2 s …; when the others have ended it is attempt 1."""
    start(system)
    others = [system.enqueue() for _ in range(3)]
    held = system.worker.claim()
    late = system.enqueue()
    system.work()
    due = float(system.record(late)["due_at"])

    for claimed in held:
        system.worker.attempt(claimed)
    system.drain()

    assert 900 < due - float(system.record(late)["accepted_at"]) < 2_000
    assert [run.attempt for run in system.environments.runs] == [1] * 4
    assert {run.request_id for run in system.environments.runs} == {*others, late}
    assert system.account()["running"] == 0


@pytest.mark.parity("async.account-concurrency")
def test_what_is_reserved_is_neither_for_others_nor_taken_from_them(system: System):
    """Of three places one is reserved: two are left for all others, whether or not the reserved one is in use."""
    start(system, own=1)

    told = refusals(system, "own", "own", "f", "f", "f")

    assert told == [None, Throttled(1), None, None, Throttled(None)]


def test_reservation_that_ends_gives_its_places_to_all(system: System):
    """Set, changed, taken away, and gone with its function: what is reserved is always what the functions say."""
    start(system, own=1)
    registry = FunctionRegistry(system.redis, system.keys)
    reserved = [system.account()["reserved"]]

    for concurrency in (3, 0, None, 2):
        registry.update("own", lambda old, new=concurrency: old.model_copy(update={"reserved_concurrency": new}))
        reserved.append(system.account()["reserved"])
    registry.delete("own")
    reserved.append(system.account()["reserved"])

    assert reserved == [1, 3, 0, 0, 2, 0]
    assert system.redis.exists(system.keys.reserved) == 0


def test_places_of_a_killed_worker_are_free_again(system: System):
    """What it held is ready again, and does not count as running."""
    start(system)
    refusals(system, "f", "f", "f")

    system.worker.die()

    assert system.account()["running"] == 0
    assert [claimed.throttled for claimed in system.another_worker().claim()] == [None, None, None]


def test_nobody_is_refused_for_what_a_worker_only_holds_ahead(system: System):
    """All workers together have no more slots than the account has places: what they hold beyond is not running."""
    system.announce(limit=16, slots=16)

    assert refusals(system, *["f"] * 20) == [None] * 20


def test_deliveries_and_canaries_take_no_place(system: System, keys: Keys):
    """They are nobody's function: a full account holds up no dead letter."""
    start(system)
    system.redis.hset(keys.functions, "thrice:canary", function("thrice:canary").model_dump_json())

    assert refusals(system, *["thrice:delivery"] * 3, *["thrice:canary"] * 3, "f", "f", "f") == [None] * 9


def test_what_runs_is_counted_anew_when_a_worker_starts(system: System, keys: Keys):
    """Also in a namespace of which an older version kept no such count; and not before Redis is there."""
    system.define(function("own", reserved_concurrency=2))
    refusals(system, "f", "own")
    system.redis.delete(keys.account, keys.reserved)
    scripts, timers = system.worker.scripts, system.worker.timers
    scripts.failures = [("before", RedisConnectionError("away"))]

    Account(scripts, keys, timers, 100).announce(8)
    timers.fire()

    # The worker that runs them may have more slots than this one says; nothing is known of it here.
    assert system.account() == {"limit": 100, "running": 2, "reserved": 2, "slots": 8}
