"""Workers are killed, frozen past their lease, and taken down by an event again and again."""

import os
import random
import signal
from collections.abc import Iterable
from pathlib import Path

from tests.chaos.accounting import contradictions
from tests.chaos.journal import Journal
from tests.chaos.load import Load, send
from tests.chaos.parts import descendants, parent_of, surviving
from tests.chaos.system import CONCURRENCY, System
from tests.chaos.verdict import assert_all_is_well, wait_for_end
from worker.retry import MAX_WORKERS_LOST

#: So many events of each function lie among those that kill.
EVENTS = 120


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


def test_several_events_that_kill_their_workers_take_no_others_with_them(system: System):
    """They come among many others, of their own function and of another: they alone are given up, the others run."""
    url, arn = system.create_queue("poisons")
    mixed, mixed_journal = system.deploy(DeadLetterConfig={"TargetArn": arn})
    function, journal = system.deploy(DeadLetterConfig={"TargetArn": arn})
    poisons = {20, 21, 110}

    mixed_sent = send(
        system, mixed, ({"number": n, "takes": 0.02 * (n % 4), "kills": n in poisons} for n in range(EVENTS))
    )
    sent = send(system, function, ({"number": n, "takes": 0.05} for n in range(EVENTS)))

    def is_over() -> bool:
        system.end_leases_of_the_dead()
        return system.account(mixed).in_hand + system.account(function).in_hand == 0

    system.wait_until(is_over, "all events of both functions have ended")
    kills = len(system.unasked_exits)

    assert system.take_dead_letters(url) == sorted(poisons)
    assert system.account(mixed).dropped == {}
    assert kills <= len(poisons) * MAX_WORKERS_LOST
    assert max(mixed_journal.times_run()[number] for number in poisons) <= MAX_WORKERS_LOST
    assert_all_is_well(system, mixed, mixed_journal, mixed_sent, kills=kills)
    assert_all_is_well(system, function, journal, sent, kills=kills)


def test_killed_fork_servers_lose_nothing(system: System, chance: random.Random):
    """Handlers run on without the process that forked them, and the next ones are forked by a new one."""
    function, journal = system.deploy()
    with Load(system, function) as load:
        system.wait_until(journal.runs, "the work has begun")
        for _ in range(3):
            for worker in system.workers:
                fork_servers = system.wait_until(lambda worker=worker: _fork_servers(worker.pid), "it can fork")
                for pid in fork_servers:
                    os.kill(pid, signal.SIGKILL)
                # A function that was never run needs a process at once.
                other, other_journal = system.deploy()
                sent = send(system, other, ({"number": number, "takes": 0.1} for number in range(CONCURRENCY)))
                assert_all_is_well(system, other, other_journal, sent)
            load.go_on(chance.uniform(0.0, 0.3))

    assert_all_is_well(system, function, journal, load.sent)
    assert system.unasked_exits == []


def _fork_servers(worker: int) -> list[int]:
    """The processes below a worker that fork handlers for it: its own children, unlike those they fork."""
    return [
        pid
        for pid, _ in descendants(worker)
        if b"\0serve\0" in Path(f"/proc/{pid}/cmdline").read_bytes() and parent_of(pid) == worker
    ]


def _ran_twice(journal: Journal, numbers: Iterable[int]) -> bool:
    times_run = journal.times_run()
    return all(times_run[number] >= 2 for number in numbers)
