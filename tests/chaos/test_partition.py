"""Workers on machines of their own, as far as the network goes, and a cable that is pulled while one works."""

from collections.abc import Iterator

import pytest

from tests.chaos.accounting import Sent
from tests.chaos.load import Load, send
from tests.chaos.networks import Networks, why_not
from tests.chaos.system import CONCURRENCY, System
from tests.chaos.verdict import assert_all_is_well

#: The number of the first event that is sent while the worker is away.
FIRST_OF_LOAD = 1_000


@pytest.fixture
def networks() -> Iterator[Networks]:
    """A network for each of three workers."""
    if reason := why_not():
        pytest.skip(reason)
    made = Networks(["worker-1", "worker-2", "worker-3"])
    yield made
    made.close()


@pytest.fixture
def apart(networks: Networks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system whose workers reach Redis over these networks."""
    system = System.start(tmp_path_factory.mktemp("apart"), workers=3, networks=networks)
    yield system
    system.stop()


def test_worker_that_is_cut_off_loses_what_it_held_and_comes_back(apart: System, networks: Networks):
    """Others run what it held when its lease has ended; healed, it settles none of that, and works on.

    Each event ends once by the ledger, though some ran twice: those that the worker held when the cable was pulled, and
    no others.
    """
    function, journal = apart.deploy()
    cut_off = apart.workers[0]
    first = send(apart, function, ({"number": number, "takes": 1.5} for number in range(6 * CONCURRENCY)))
    apart.wait_until(lambda: len(apart.look().held_by(cut_off.pid)) >= CONCURRENCY / 2, f"{cut_off.name} holds events")
    apart.wait_until(lambda: journal.begun_by(cut_off.pid), "it has begun to run them")

    networks.cut(cut_off.name)
    held = {placed.request_id for placed in apart.look().held_by(cut_off.pid)}
    begun = journal.begun_by(cut_off.pid)
    with Load(apart, function, lambda number: {"number": FIRST_OF_LOAD + number, "takes": 0.02}) as load:
        apart.wait_until(lambda: not apart.look().held_by(cut_off.pid), "its lease has ended")
        apart.wait_until(lambda: journal.times_run().keys() >= set(first.accepted), "others have run what it held")
        assert journal.begun_by(cut_off.pid) - begun <= set(first.accepted)
        networks.heal(cut_off.name)
        apart.wait_until(lambda: any(number >= FIRST_OF_LOAD for number in journal.begun_by(cut_off.pid)), "it works")

    assert held
    numbers = [*first.accepted, *(FIRST_OF_LOAD + number for number in load.accepted)]
    unsure = [FIRST_OF_LOAD + number for number in load.unsure]
    assert_all_is_well(apart, function, journal, Sent(numbers, unsure), kills=1)
    repeated = sum(times - 1 for times in journal.times_run().values())
    assert 0 < repeated <= len(held)
    assert apart.unasked_exits == []
