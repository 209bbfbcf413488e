"""How outcomes reach Redis: in batches, again while it is away, and never held up by one that it refuses."""

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.worker.conftest import System, failure
from worker.errors import StoreUnavailable
from worker.invocation import Succeeded
from worker.retry import Succeed
from worker.settlement import settlement_of
from worker.settler import BATCH, GATHER


def begin(system: System, count: int) -> list[str]:
    """Make the attempts at `count` new events, whose outcomes are to be settled when the timers fire."""
    ids = [system.enqueue() for _ in range(count)]
    for claimed in system.worker.claim(count=count):
        system.worker.executor.attempt(claimed, lambda _: None)
    return ids


def test_full_batch_does_not_wait(system: System):
    """As many outcomes as fit into one call go out at once."""
    begin(system, BATCH)

    assert system.ledger().total.succeeded == BATCH
    assert system.worker.settler.is_idle


def test_outcome_that_redis_refuses_holds_up_no_other(system: System):
    """A settlement that the script cannot work with is left to its lease; the rest of its batch is settled."""
    begin(system, 3)
    settler = system.worker.settler
    system.enqueue()
    (claimed,) = system.worker.claim()
    settlement = settlement_of(claimed, None, Succeed(), system.clock.now())
    settlement.fields = {"nested": {"is": "no field"}}
    told: list[bool | None] = []
    settler.add(settlement, told.append, at_once=False)

    system.worker.timers.fire()

    ledger = system.ledger().total
    assert told == [False]
    assert (ledger.succeeded, ledger.running) == (3, 1)


def test_event_is_settled_once_though_its_outcome_is_in_a_batch_twice(system: System):
    """The first outcome ends the lease for the second, within one call as well."""
    system.enqueue()
    (claimed,) = system.worker.claim()
    told: list[bool | None] = []
    for _ in range(2):
        settlement = settlement_of(claimed, None, Succeed(), system.clock.now())
        system.worker.settler.add(settlement, told.append, at_once=False)

    system.worker.timers.fire()

    assert told == [True, False]
    assert system.ledger().total.succeeded == 1
    assert system.concurrency() == 0


def test_repeated_settlement_does_not_claim_to_know_who_settled(system: System):
    """After a broken connection nobody can tell whether the lease was ours: the answer is None, not False."""
    system.enqueue()
    (claimed,) = system.worker.claim()
    told: list[bool | None] = []
    system.worker.scripts.failures = [("after", RedisConnectionError("reset"))]
    system.worker.settler.add(settlement_of(claimed, None, Succeed(), system.clock.now()), told.append, at_once=True)
    system.worker.timers.fire()

    assert told == [None]
    assert system.ledger().total.succeeded == 1


def test_outcomes_that_come_during_an_outage_wait_their_turn(system: System):
    """Nothing is lost and nothing overtakes while Redis is away."""
    system.environments.outcomes = [failure(), Succeeded(b"1")]
    system.worker.scripts.failures = [("before", RedisConnectionError("refused"))] * 5
    ids = begin(system, BATCH + 3)

    system.worker.timers.fire()

    assert system.worker.settler.is_idle
    assert (system.ledger().total.waiting, system.ledger().total.succeeded) == (1, BATCH + 2)
    assert system.record(ids[0])["state"] == "waiting"


def test_redis_without_memory_takes_outcomes_and_refuses_events(system: System):
    """What is in hand can still end, which gives memory back; what is new is not accepted."""
    system.environments.outcomes = [Succeeded(b"1"), failure()]
    begin(system, 2)
    system.redis.config_set("maxmemory", 1)
    try:
        system.worker.timers.fire()
        with pytest.raises(StoreUnavailable):
            system.enqueue()
    finally:
        system.redis.config_set("maxmemory", 0)

    ledger = system.ledger().total
    assert (ledger.accepted, ledger.succeeded, ledger.waiting) == (2, 1, 1)


def test_answer_that_comes_while_a_batch_is_under_way_goes_with_the_next_call(system: System):
    """Somebody waits for it: it does not wait for company once the call before has been answered."""
    system.enqueue()
    system.enqueue()
    first, second = system.worker.claim()
    system.worker.scripts.failures = [("before", RedisConnectionError("refused"))]
    told: list[bool | None] = []
    for claimed in (first, second):
        settlement = settlement_of(claimed, None, Succeed(), system.clock.now())
        system.worker.settler.add(settlement, told.append, at_once=True)

    system.worker.timers.fire()

    assert told == [True, True]
    assert GATHER not in system.worker.timers.pauses
