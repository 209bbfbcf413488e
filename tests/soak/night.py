"""The course of one night: start, load, disturb, let it settle, look at everything, stop.

All that is disturbed is undone before anything is judged. Each wait has a bound; what was waited for in vain is told to
the verdict, which then knows that the system did not settle.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from tests.chaos.accounting import leftovers
from tests.chaos.verdict import DOCUMENTED
from tests.soak.books import Books, FunctionBooks, Performed, Vitals
from tests.soak.disturbances import Disturber
from tests.soak.followers import DeadLetters, Records
from tests.soak.functions import CANARY, Function
from tests.soak.load import Load, Writer
from tests.soak.schedule import Disturbance, Kind, Pace, plan
from tests.soak.system import AWAY, PARTS, System, pause
from tests.waiting import wait_until
from worker.ledger import Account

#: How long may be waited until all is at rest, in seconds: for each thing that is waited for.
PATIENCE = 120.0

#: How often the progress is told, and every process looked at, in seconds.
PROGRESS = 15.0
SEE = 1.0

#: A night in which each kind comes once is over so many seconds after the last one.
AFTER_THE_LAST = 3.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Night:
    """What is asked for."""

    seed: int
    seconds: float  # of load
    rate: float  # events in a second
    pace: Pace
    kinds: frozenset[Kind] = frozenset(Kind)
    logs: Path | None = None  # a folder in which the logs are kept

    def spend(self, folder: Path, say: Say) -> Books:
        """All of it, in an empty folder with a short path. `say` gets a line for everything that happens."""
        system = System.start(folder)
        try:
            return _spend(self, system, say)
        finally:
            if self.logs is not None:
                system.keep_logs(self.logs)
            system.close()


def _spend(night: Night, system: System, say: Say) -> Books:
    for what, why in system.skipped.items():
        say(f"skipped: {what}: {why}")
    kinds = night.kinds - ({Kind.FILL_DISK} if system.disk is None else set())
    planned = plan(night.seed, night.seconds, kinds, night.pace)
    if night.pace.is_once:
        night = replace(night, seconds=max(one.ends for one in planned) + AFTER_THE_LAST)
    load, writer = Load(system, night.rate), Writer(system)
    records, dead_letters = Records(system, load), DeadLetters(system)
    load.began = time.monotonic()
    assert load.send(CANARY).status == 202
    wait_until(lambda: system.journal.has_ended(CANARY, 1), "the first canary has run", 60)
    before = system.vitals()
    disturber = Disturber(system, load)
    at_work = (writer, records, dead_letters)
    load.start()
    for one in at_work:
        one.start()
    over = threading.Event()
    seer = threading.Thread(target=_see, args=(system, over), daemon=True)
    seer.start()
    performed = _disturb(night, planned, disturber, say)
    load.stop()
    writer.stop()
    say("the load has ended; waiting until everything is at rest")
    unsettled = _settle(system, records, dead_letters)
    for follower in (records, dead_letters):
        follower.stop()
    over.set()
    seer.join()
    books = _look(night, system, disturber, performed, writer, records, dead_letters, before)
    system.stop()
    _wait(lambda: not system.survivors(), 15)
    return replace(books, survivors=system.survivors(), unsettled=unsettled)


def _see(system: System, over: threading.Event) -> None:
    while not over.wait(SEE):
        system.see()


def _disturb(night: Night, planned: list[Disturbance], disturber: Disturber, say: Say) -> list[Performed]:
    """Do all that is planned, each in a thread of its own, and let the load go on to its end."""
    began = disturber.load.began
    performing: list[Future[Performed]] = []
    told_at = 0.0

    def perform(disturbance: Disturbance) -> Performed:
        performed = disturber.perform(disturbance)
        say(_line(performed))
        return performed

    with ThreadPoolExecutor(max_workers=max(1, len(planned))) as hands:
        waiting = list(planned)
        while (now := time.monotonic() - began) < night.seconds:
            if waiting and waiting[0].at <= now:
                performing.append(hands.submit(perform, waiting.pop(0)))
                continue
            if now - told_at >= PROGRESS:
                told_at = now
                say(_progress(night, disturber, now))
            until = min(night.seconds, told_at + PROGRESS, waiting[0].at if waiting else night.seconds)
            pause(until - now)
    return [one.result() for one in performing]


def _line(one: Performed) -> str:
    what = one.disturbance.kind.value
    if "worker" in what:
        what += f" ({one.disturbance.worker})"
    lasted = f" for {one.ended - one.began:.1f} s" if one.ended - one.began >= 0.1 else ""
    recovery = f"; a canary ran {one.recovery:.2f} s later" if one.recovery is not None else ""
    trouble = f"; NOT AS PLANNED: {one.trouble}" if one.trouble else ""
    return f"{one.began:6.1f} s  {what}{lasted}{recovery}{trouble}"


def _progress(night: Night, disturber: Disturber, now: float) -> str:
    accepted, others = disturber.load.counts()
    done = int(30 * now / night.seconds)
    return (
        f"[{'#' * done}{'.' * (30 - done)}] {night.seconds - now:.0f} s left; "
        f"{accepted:,} accepted, {others:,} refused or unanswered"
    )


def _settle(system: System, records: Records, dead_letters: DeadLetters) -> str:
    """Wait until everything is at rest; what was waited for in vain, if anything."""
    waits: list[tuple[Callable[[], object], str]] = [
        (lambda: len(system.pids()) == len(PARTS) and system.up.is_healthy, "all parts run, and are healthy"),
        (lambda: system.ledger().total.in_hand == 0, "every event has ended"),
        (lambda: not records.missing(), "what is sent at the end of events has been sent, or has failed"),
        (dead_letters.is_empty, "all dead letters are taken"),
        (lambda: not leftovers(system.look(), DOCUMENTED), "nothing is left in hand, of the living or the dead"),
    ]
    in_vain = [what for holds, what in waits if not _wait(holds, PATIENCE)]
    return "; ".join(f"waited {PATIENCE:g} s in vain until {what}" for what in in_vain)


def _wait(holds: Callable[[], object], timeout: float) -> bool:
    """Whether something holds within so many seconds. Who cannot answer is asked again."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        with suppress(*AWAY):
            if holds():
                return True
        pause(0.2)
    return False


def _look(
    night: Night,
    system: System,
    disturber: Disturber,
    performed: list[Performed],
    writer: Writer,
    records: Records,
    dead_letters: DeadLetters,
    before: Vitals,
) -> Books:
    snapshot = system.look()
    errors = system.dead_letter_errors()

    def books_of(function: Function) -> FunctionBooks:
        runs: dict[int, int] = {}
        for told in system.journal.ends(function.name):
            runs[told.number] = runs.get(told.number, 0) + 1
        return FunctionBooks(
            function=function,
            sendings=disturber.load.sendings(function.name),
            runs=runs,
            begun={told.request_id: told.number for told in system.journal.begins(function.name)},
            account=snapshot.ledger.functions.get(function.name, Account()),
            records=records.found if function.state != "succeeded" else {},
            counted_dead_letter_errors=errors.get(function.name, 0),
        )

    return Books(
        seed=night.seed,
        seconds=night.seconds,
        skipped=system.skipped,
        performed=performed,
        functions=[books_of(function) for function in system.functions],
        snapshot=snapshot,
        left=leftovers(snapshot, DOCUMENTED),
        held=frozenset(disturber.held),
        unknown_leases=disturber.unknown_leases,
        dead_letters=dead_letters.taken,
        written=writer.written,
        found=writer.found(),
        killed=system.killed,
        exited=system.exits(),
        missing=sorted(PARTS.keys() - system.pids().keys()),
        survivors=(),
        before=before,
        after=system.vitals(),
    )
