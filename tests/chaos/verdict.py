"""The end of every scenario: wait until all has ended and the dead are swept, then compare all books."""

from collections.abc import Callable
from pathlib import Path

from tests.chaos.accounting import (
    Sent,
    contradictions,
    key_patterns,
    leftovers,
    miscounted,
    repeated,
    unkept,
)
from tests.chaos.journal import Journal
from tests.chaos.load import Load
from tests.chaos.system import CONCURRENCY, System

DOCUMENTED = key_patterns((Path(__file__).parents[2] / "docs" / "redis-keys.md").read_text())

#: How many events one kill may repeat: those that were running, and as many that had been taken beforehand.
REPEATED_PER_KILL = 2 * CONCURRENCY


def once(_number: int) -> int:
    """How often an event has to run that does not fail."""
    return 1


def work_goes_on(system: System, load: Load) -> None:
    """Wait until events are accepted again."""
    before = len(load.accepted)
    system.wait_until(lambda: len(load.accepted) > before, "events are accepted again")


def let_retries_run(system: System, function: str) -> None:
    """Wait until only retries are left to do, and let their minute pass."""

    def only_waits() -> bool:
        account = system.account(function)
        return account.ready + account.running == 0

    system.wait_until(only_waits, "every first attempt has been made")
    system.advance(60)


def wait_for_end(system: System, function: str, sent: Sent, timeout: float = 90.0) -> None:
    """Wait until every event of `function` has ended."""

    def has_ended() -> bool:
        account = system.account(function)
        return account.accepted >= len(sent.accepted) and account.in_hand == 0

    system.wait_until(has_ended, f"{len(sent.accepted)} events of {function} have ended", timeout)


def assert_all_is_well(
    system: System,
    function: str,
    journal: Journal,
    sent: Sent,
    *,
    kills: int = 0,
    wanted: Callable[[int], int] = once,
    timeout: float = 90.0,
) -> None:
    """Wait for the end; then nothing is lost, little is repeated, and no book contradicts another.

    `kills` is how often something died that may have been running events, `wanted` how often the event of a number is
    to run.
    """
    wait_for_end(system, function, sent, timeout)
    system.wait_until(lambda: not leftovers(system.look(), DOCUMENTED), _what_is_left(system), 60)
    snapshot, times_run = system.look(), journal.times_run()

    assert contradictions(snapshot) == []
    assert unkept(sent, times_run) == []
    assert miscounted(sent, times_run, snapshot.ledger.functions[function]) == []
    assert repeated(times_run, wanted) <= kills * REPEATED_PER_KILL


def _what_is_left(system: System) -> str:
    return f"nothing is left over of {leftovers(system.look(), DOCUMENTED)[:5]}"
