"""Workers are killed, frozen past their lease, and taken down by an event again and again."""

import random
import signal
from collections.abc import Iterable

from tests.chaos.accounting import contradictions
from tests.chaos.journal import Journal
from tests.chaos.load import Load, send
from tests.chaos.parts import descendants, surviving
from tests.chaos.system import System
from tests.chaos.verdict import assert_all_is_well, wait_for_end


def test_killed_workers_lose_nothing(system: System, chance: random.Random, record_property):
    """SIGKILL at random moments under load: all that was accepted runs, and the books agree at any moment."""
    function, journal = system.deploy()
    with Load(system, function) as load:
        system.wait_until(journal.runs, "the work has begun")
        for _ in range(3):
            load.go_on(chance.uniform(0.1, 1.0))
            victim = chance.choice(system.workers)
            handlers = descendants(victim.pid)
            pid = system.kill(victim)
            snapshot = system.look()
            assert contradictions(snapshot) == []
            record_property("held by the killed worker", len(snapshot.held_by(pid)))
            system.wait_until(
                lambda handlers=handlers: not surviving(handlers), "its handlers have ended by themselves"
            )
            system.wait_for(victim)

    assert_all_is_well(system, function, journal, load.sent, kills=3)


def test_frozen_worker_settles_nothing_after_its_lease(system: System):
    """SIGSTOP past the lease, then SIGCONT: there is one dead letter of each event, not two."""
    url, arn = system.create_queue("frozen")
    function, journal = system.deploy(DeadLetterConfig={"TargetArn": arn})
    system.client("lambda").put_function_event_invoke_config(FunctionName=function, MaximumRetryAttempts=0)
    frozen = system.workers[0]
    sent = send(system, function, ({"number": number, "takes": 2, "fails": True} for number in range(12)))
    system.wait_until(lambda: journal.begun_by(frozen.pid), f"{frozen.name} runs events")

    frozen.send(signal.SIGSTOP)
    try:
        wait_for_end(system, function, sent)
        ended = system.account(function)
        began = journal.begun_by(frozen.pid)
        system.wait_until(lambda: _ran_twice(journal, began), "both workers have run what the frozen one began")
    finally:
        frozen.send(signal.SIGCONT)
    system.wait_for(frozen)
    afterwards = send(system, function, ({"number": number, "fails": True} for number in range(100, 116)))
    wait_for_end(system, function, afterwards)
    system.wait_until(lambda: not system.look().held_by(frozen.pid), f"{frozen.name} has nothing in its hands")

    assert ended.dead_lettered == 12
    assert system.account(function).dead_lettered == 12 + 16
    assert system.take_dead_letters(url) == [*range(12), *range(100, 116)]
    assert system.unasked_exits == []


def test_event_that_kills_its_workers_is_given_up(system: System):
    """After five workers it is a dead letter with a reason of its own; the other events are not affected."""
    url, arn = system.create_queue("poison")
    poisoned, poison_journal = system.deploy(DeadLetterConfig={"TargetArn": arn})
    function, journal = system.deploy()
    others = send(system, function, ({"number": number, "takes": 0.05} for number in range(50)))
    send(system, poisoned, [{"number": 1, "kills": True}])

    def is_given_up() -> bool:
        system.end_leases_of_the_dead()
        return system.account(poisoned).dead_lettered == 1

    system.wait_until(is_given_up, "the event is given up")

    assert poison_journal.times_run() == {1: 5}
    assert system.take_dead_letters(url) == [1]
    assert {record.state for record in system.look().records.values() if record.function == poisoned} == {
        "dead_lettered"
    }
    assert_all_is_well(system, function, journal, others, kills=5)


def _ran_twice(journal: Journal, numbers: Iterable[int]) -> bool:
    times_run = journal.times_run()
    return all(times_run[number] >= 2 for number in numbers)
