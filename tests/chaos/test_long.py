"""The long form, by `make chaos`: hundreds of kills of whatever it may be, and what takes longer than a lease."""

import random
import signal
import statistics
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from tests.chaos.accounting import contradictions, repeated
from tests.chaos.conftest import KILLS
from tests.chaos.load import Load, failing_at_first, runs_of, send
from tests.chaos.structures import LEASE_SECONDS
from tests.chaos.system import CONCURRENCY, System
from tests.chaos.verdict import assert_all_is_well, let_retries_run, work_goes_on

#: How many kills there are between two lines of progress, each of which also lets the minute of the retries pass.
ROUND = 10

#: How often recovery is measured.
RECOVERIES = 5

Tell = Callable[[str], None]


@pytest.mark.timeout(120 + 30 * KILLS)
def test_many_kills_lose_nothing(system: System, chance: random.Random, tell: Tell):
    """Mostly workers, also the gateway and Redis, at random moments under load; the books agree after each kill."""
    function, journal = system.deploy()
    victims = [*system.workers * 4, system.gateway, system.server]
    with Load(system, function, failing_at_first) as load:
        system.wait_until(journal.runs, "the work has begun")
        for kill in range(1, KILLS + 1):
            load.go_on(chance.uniform(0.05, 2.0))
            victim = chance.choice(victims)
            ways = [signal.SIGKILL, signal.SIGTERM] if victim is system.server else [signal.SIGKILL]
            system.kill(victim, chance.choice(ways))
            system.wait_until(system.look, "Redis answers")
            assert contradictions(system.look()) == []
            for worker in system.workers:
                system.wait_for(worker)
            if kill % ROUND == 0:
                work_goes_on(system, load)
                system.advance(60)
                tell(_progress(kill, load, journal.times_run(), system))

    let_retries_run(system, function)
    assert_all_is_well(system, function, journal, load.sent, kills=KILLS, wanted=runs_of, timeout=300)
    assert system.unasked_exits == []


def _progress(kill: int, load: Load, times_run: dict[int, int], system: System) -> str:
    return (
        f"{kill} of {KILLS} kills: {len(load.accepted)} accepted, {len(load.unsure)} without an answer, "
        f"{len(times_run)} have run, {repeated(times_run, runs_of)} runs too many, "
        f"{len(system.unasked_exits)} exits that nobody asked for"
    )


@pytest.mark.timeout(120 * RECOVERIES)
def test_recovery_is_measured(system: System, tell: Tell):
    """How long after the SIGKILL of its worker the last event that was running there has run elsewhere."""
    function, journal = system.deploy()
    took = []
    for measurement in range(RECOVERIES):
        first, victim = 100 * measurement, system.workers[measurement % 2]
        numbers = range(first, first + 2 * CONCURRENCY)
        send(system, function, ({"number": number, "takes": 1} for number in numbers))
        system.wait_until(lambda victim=victim: journal.begun_by(victim.pid), f"{victim.name} runs events")
        unfinished = set(numbers) - journal.times_run().keys()

        pid = system.kill(victim)
        killed_at = datetime.now(UTC).timestamp()
        system.wait_until(lambda numbers=numbers: set(numbers) <= journal.times_run().keys(), "all have run")

        again = journal.begun_by(pid) & unfinished
        took += [max((run.time - killed_at for run in journal.runs() if run.number in again), default=0.0)]
        system.wait_for(victim)

    tell(
        f"recovery after a SIGKILL: {min(took):.1f} s at best, {statistics.median(took):.1f} s in the middle, "
        f"{max(took):.1f} s at worst; a lease is {LEASE_SECONDS:g} s"
    )


def test_handler_that_outlives_the_lease_runs_once(system: System):
    """A lease is renewed while its event runs, however long that takes."""
    function, journal = system.deploy()

    sent = send(system, function, ({"number": number, "takes": 3 * LEASE_SECONDS} for number in range(CONCURRENCY)))

    assert_all_is_well(system, function, journal, sent)
