"""The verdict on a night: it notices each promise that is broken. Broken books here, whole nights elsewhere."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.structures import Snapshot
from tests.soak import report
from tests.soak.books import Books, FunctionBooks, Performed, Sending, Vital, Vitals
from tests.soak.functions import DEAD_LETTERS, QUEUE_AT_TIMES, Function
from tests.soak.schedule import Disturbance, Kind
from tests.soak.verdict import judge
from worker.ledger import Account, Ledger

WORKS = Function("works", "")
RAISES = Function("raises", "", state="dead_lettered", target=DEAD_LETTERS)
UNHEARD = Function("unheard", "", state="dead_lettered", target=QUEUE_AT_TIMES)

WORKED = FunctionBooks(
    WORKS,
    [Sending(1, 0.0, 0.1, 202, "w1"), Sending(2, 1.0, 1.1, 202, "w2"), Sending(3, 2.0, 2.1, 503)],
    runs={1: 1, 2: 1},
    begun={"w1": 1, "w2": 2},
    account=Account(accepted=2, succeeded=2),
)
RAISED = FunctionBooks(
    RAISES,
    [Sending(1, 0.0, 0.1, 202, "r1")],
    runs={},
    begun={"r1": 1},
    account=Account(accepted=1, dead_lettered=1),
    records={"r1": {"state": "dead_lettered"}},
)
FAILED = FunctionBooks(
    UNHEARD,
    [Sending(1, 0.0, 0.1, 202, "u1"), Sending(2, 0.0, 0.1, 202, "u2")],
    runs={},
    begun={"u1": 1, "u2": 2},
    account=Account(accepted=2, dead_lettered=1, dropped={"RetriesExhausted": 1}, dead_letter_errors=1),
    records={
        "u1": {"state": "dead_lettered", "deliveries": [{"outcome": "delivered"}]},
        "u2": {"state": "dropped", "deliveries": [{"outcome": "failed"}]},
    },
    counted_dead_letter_errors=1,
)
VITALS = Vitals({"redis": Vital(10, 1_000_000)}, below=10, redis_memory=1_000_000)
REST = Snapshot(
    names=[], ready=[], waiting=[], held={}, places={}, living=[], gone=[], records={}, ledger=Ledger(Account(), {})
)
RESTART = Performed(Disturbance(Kind.RESTART, 5.0, 25.0, 1, is_measured=True), 5.0, 9.0, recovery=0.5)

#: A night in which everything was kept: one event was refused, one dead letter found no queue, one worker was killed.
KEPT = Books(
    seed=7,
    seconds=60,
    skipped={},
    performed=[RESTART],
    functions=[WORKED, RAISED, FAILED],
    snapshot=REST,
    left=[],
    held=["w9"],
    unknown_leases=0,
    dead_letters={"r1": 1},
    written={"a": {1}, "b": {1, 2}},
    found={"a": 1, "b": 2},
    killed={"worker-1": 1},
    exited={"worker-1": 1},
    missing=[],
    survivors=[],
    before=VITALS,
    after=VITALS,
)

LOST = "lost 0: everything that was accepted ran"
AGREE = "ledger, records, queues and leases agree"
REPEATS = "only what a lost worker held ran again"
LETTERS = "each dead letter arrived, once"
FAILURES = "failed deliveries are in record, ledger and metrics"
GROWTH = "nothing grows without bound"


def broken(**changes: Any) -> Books:
    """The night with other books."""
    return replace(KEPT, **changes)


def with_function(one: FunctionBooks, **changes: Any) -> Books:
    """The night with other books of one function."""
    changed = replace(one, **changes)
    return broken(functions=[changed if other is one else other for other in KEPT.functions])


def complaints(books: Books) -> Mapping[str, list[str]]:
    """What speaks against the promises that were broken."""
    return {promise: said for promise, said in judge(books).items() if said}


def test_night_that_kept_everything_has_no_complaint():
    """A refused event, a dead letter without a queue and a worker that was killed break no promise."""
    assert complaints(KEPT) == {}


@pytest.mark.parametrize(
    ("books", "promise", "words"),
    [
        (broken(unsettled="waited in vain"), "everything that was accepted has ended", "waited in vain"),
        (with_function(WORKED, runs={1: 1}), LOST, "works: 1 accepted events never ran: [2]"),
        (with_function(WORKED, runs={1: 1, 2: 1, 9: 1}), LOST, "works: 1 events ran that nobody sent: [9]"),
        (with_function(RAISED, begun={}), LOST, "raises: 1 accepted events never ran: [1]"),
        (with_function(WORKED, account=Account(accepted=1, succeeded=1)), AGREE, "the ledger counts 1 as accepted"),
        (broken(left=["key 'x' is in no document"]), AGREE, "key 'x' is in no document"),
        (broken(snapshot=replace(REST, held={"w.1.x": []})), AGREE, "nobody will ever sweep them"),
        (
            with_function(WORKED, account=Account(accepted=2, succeeded=1, dropped={"RetriesExhausted": 1})),
            "what works succeeds, as often as it should",
            "works: 1 events were given up",
        ),
        (
            with_function(WORKED, function=replace(WORKS, runs=lambda _: 2), runs={1: 2, 2: 1}),
            "what works succeeds, as often as it should",
            "1 events did not run as often as they should have: [2]",
        ),
        (with_function(WORKED, runs={1: 1, 2: 2}), REPEATS, "1 runs too many of events that no lost worker held"),
        (broken(dead_letters={}), LETTERS, "raises: 0 dead letters of event r1"),
        (broken(dead_letters={"r1": 2}), LETTERS, "raises: 2 dead letters of event r1"),
        (broken(dead_letters={"r1": 1, "x": 1}), LETTERS, "there is a dead letter of event x, which nobody sent"),
        (
            with_function(RAISED, records={"r1": {"state": "succeeded"}}),
            LETTERS,
            "raises: event r1 should be dead_lettered",
        ),
        (with_function(RAISED, records={}), LETTERS, "raises: event r1 should be dead_lettered"),
        (with_function(FAILED, counted_dead_letter_errors=0), FAILURES, "1 failed by the ledger, 0 by the metrics"),
        (
            with_function(FAILED, records={**FAILED.records, "u2": {"state": "dropped"}}),
            FAILURES,
            "the record of event u2 does not say what became of it",
        ),
        (
            with_function(
                FAILED, records={**FAILED.records, "u1": {"state": "dropped", "deliveries": [{"outcome": "delivered"}]}}
            ),
            FAILURES,
            "event u1 was dropped, although its dead letter was delivered",
        ),
        (
            with_function(
                FAILED, records={**FAILED.records, "u1": {"state": "succeeded", "deliveries": [{"outcome": "failed"}]}}
            ),
            FAILURES,
            "event u1 always fails, and is succeeded",
        ),
        (
            with_function(FAILED, account=replace(FAILED.account, dead_letter_errors=0), counted_dead_letter_errors=0),
            FAILURES,
            "1 failed by the records, 0 by the ledger",
        ),
        (broken(found={"a": None, "b": 1}), "objects that were stored are there", "object 'a' is None"),
        (broken(found={"a": 1, "b": 3}), "objects that were stored are there", "object 'b' is 3"),
        (
            with_function(WORKED, sendings=[*WORKED.sendings, Sending(4, 3.0, 3.1, 429)]),
            "requests were answered 202, 5xx or not at all",
            "1 requests were answered 429",
        ),
        (
            with_function(WORKED, sendings=[*WORKED.sendings, Sending(4, 6.0, 6.1, 503)]),
            "a restart refuses nobody",
            "during the restart at 5 s requests were answered {503: 1}",
        ),
        (
            broken(performed=[replace(RESTART, trouble="no")]),
            "every disturbance took place and was undone",
            "thrice restart at 5 s: no",
        ),
        (
            broken(performed=[Performed(Disturbance(Kind.FILL_DISK, 5.0, 4.0, 1, is_measured=True), 5.0, 9.0)]),
            "every disturbance took place and was undone",
            "no request was refused; was it full?",
        ),
        (broken(performed=[replace(RESTART, recovery=61.0)]), "the system recovers", "nothing ran for 61.0 s"),
        (broken(missing=["gateway"]), "every part lives, and ended only when killed", "gateway does not run"),
        (
            broken(exited={"worker-1": 2}),
            "every part lives, and ended only when killed",
            "worker-1 was killed 1 times, and ended 2 times",
        ),
        (broken(survivors=["1 python"]), "no process is left over", "1 processes outlived `thrice up`"),
        (broken(after=replace(VITALS, below=1034)), "no process is left over", "1034 processes at rest"),
        (broken(after=replace(VITALS, redis_memory=10**9)), GROWTH, "Redis has 1,000,000,000 bytes in use"),
        (broken(after=replace(VITALS, parts={"redis": Vital(999, 1)})), GROWTH, "redis has 999 open files; it had 10"),
        (broken(after=replace(VITALS, parts={"redis": Vital(10, 10**9)})), GROWTH, "redis has 1,000,000,000 bytes"),
    ],
)
def test_each_broken_promise_is_noticed(books: Books, promise: str, words: str):
    """One book is changed, and the promise that it breaks says so."""
    found = complaints(books)

    assert any(words in complaint for complaint in found.get(promise, ())), found


def test_what_a_lost_worker_held_may_run_again():
    """Exactly that; where nobody saw what it held, as much as one can hold."""
    twice = with_function(WORKED, runs={1: 1, 2: 2})

    assert complaints(replace(twice, held=["w2"])) == {}
    assert complaints(replace(twice, unknown_leases=1)) == {}
    assert REPEATS in complaints(replace(twice, held=["w1"]))


def test_part_that_was_killed_may_not_start_on_a_full_disk():
    """It ends a few times more; another part does not."""
    full = Performed(Disturbance(Kind.FILL_DISK, 5.0, 4.0, 1), 5.0, 9.0)
    kill = Performed(Disturbance(Kind.KILL_WORKER, 6.0, 0.0, 2), 6.0, 6.0)
    books = broken(performed=[full, kill], killed={"worker-2": 1}, exited={"worker-2": 4})

    assert complaints(books) == {}
    assert complaints(replace(books, exited={"worker-2": 7})) != {}
    assert complaints(replace(books, exited={"worker-2": 1, "worker-1": 1})) != {}
    assert complaints(replace(books, performed=[full, replace(kill, began=20.0)])) != {}


def test_what_redis_could_not_write_down_may_run_again():
    """Only if it was killed while its disk was full, or before it had tried again."""
    twice = with_function(WORKED, runs={1: 1, 2: 2})
    full = Performed(Disturbance(Kind.FILL_DISK, 5.0, 4.0, 1), 5.0, 9.0)

    def killed(at: float) -> Books:
        return replace(twice, performed=[full, Performed(Disturbance(Kind.KILL_REDIS, at, 0.0, 1), at, at)])

    assert complaints(killed(8.0)) == complaints(killed(10.0)) == {}
    assert REPEATS in complaints(killed(4.0))
    assert REPEATS in complaints(killed(12.0))


def test_every_promise_can_be_broken():
    """The table above has each of them."""
    mark = next(mark for mark in test_each_broken_promise_is_noticed.pytestmark if mark.name == "parametrize")

    assert {promise for _, promise, _ in mark.args[1]} == judge(KEPT).keys()


def test_report_tells_what_happened_and_what_was_broken():
    """The text has a row for each kind and function, and the sentence of each complaint; the document says the same."""
    books = with_function(WORKED, runs={1: 1})
    judged = judge(books)

    text, document = report.text(books, judged), report.document(books, judged)

    assert "| thrice restart | 1 | 1 | 0.50 s | 0.50 s |" in text
    assert "| works | 2 | 1 | 2 | 0 | 0 | 0 | 0 | 0 |" in text
    assert "| unheard | 2 | 0 | 0 | 1 | 1 | 1 | 0 |  |" in text
    assert "Answers: 202: 5, 503: 1." in text
    assert f"| {LOST} | broken |" in text
    assert f"BROKEN: {LOST}: works: 1 accepted events never ran: [2]" in text
    assert (document["kept"], document["seed"], document["answers"]) == (False, 7, {"202": 5, "503": 1})
    assert document["promises"][LOST] == ["works: 1 accepted events never ran: [2]"]
