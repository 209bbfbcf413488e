"""The retry policy of 0, 60 and 120 seconds, with a worker killed in each of its attempts."""

from tests.chaos.load import send
from tests.chaos.system import System
from tests.chaos.verdict import REPEATED_PER_KILL, assert_all_is_well

EVENTS = 12


def test_kills_in_every_attempt_leave_three_attempts_and_one_dead_letter(system: System):
    """Workers die while some events still run and others are being settled: each makes three attempts, and one dies."""
    url, arn = system.create_queue("boundaries")
    function, journal = system.deploy(DeadLetterConfig={"TargetArn": arn})

    def runs() -> int:
        return sum(journal.times_run().values())

    def is_over() -> bool:
        system.end_leases_of_the_dead()
        account = system.account(function)
        return account.ready + account.running == 0

    before = runs()
    sent = send(system, function, ({"number": number, "takes": 0.1, "fails": True} for number in range(EVENTS)))
    for attempt, countdown in enumerate((60, 120, 0), start=1):
        victim = system.workers[attempt % 2]
        system.wait_until(lambda before=before: runs() > before, f"attempt {attempt} is being made")
        system.kill(victim)
        system.wait_for(victim)
        system.wait_until(is_over, f"attempt {attempt} of every event is over")
        before = runs()
        system.advance(countdown)

    assert_all_is_well(system, function, journal, sent, kills=3, wanted=lambda _: 3)
    assert system.take_dead_letters(url) == list(range(EVENTS))
    assert system.attempts_made(function) == [3] * EVENTS
    assert min(journal.times_run().values()) >= 3
    assert runs() - 3 * EVENTS <= 3 * REPEATED_PER_KILL
