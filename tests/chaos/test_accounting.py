"""The comparison of the books: it notices each thing that can be wrong. Broken books here, whole systems elsewhere."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from tests.chaos.accounting import Sent, contradictions, key_patterns, leftovers, miscounted, repeated, unkept
from tests.chaos.structures import Placed, Record, Snapshot
from worker.ledger import Account, Ledger

A, B, C, D = (Placed(request_id, "f") for request_id in "abcd")


def ledger(**numbers: int) -> Ledger:
    return Ledger.of({f"f|{column}".encode(): str(count).encode() for column, count in numbers.items()})


#: One event of each kind: ready, waiting, running, and one that has succeeded.
WHOLE = Snapshot(
    names=["{t}:ready", "{t}:event:a"],
    ready=[A],
    waiting=[B],
    held={"host.1.x": [replace(C, has_place=True)]},
    places={"f": 1},
    living=["host.1.x"],
    gone=[],
    records={
        "a": Record("f", "ready", expires=False),
        "b": Record("f", "waiting", expires=False),
        "c": Record("f", "running", expires=False),
        "d": Record("f", "succeeded", expires=True),
    },
    ledger=ledger(accepted=4, succeeded=1, ready=1, waiting=1, running=1),
)


def without(records: Mapping[str, Record], request_id: str) -> Mapping[str, Record]:
    return {name: record for name, record in records.items() if name != request_id}


def test_whole_books_have_no_contradiction():
    """An event in each state, and nothing to complain of."""
    assert contradictions(WHOLE) == []


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (replace(WHOLE, ready=[]), "the ledger says 1 ready of 'f'; there are 0"),
        (replace(WHOLE, ready=[]), "event a is nowhere, and its record says ready"),
        (replace(WHOLE, waiting=[B, A]), "event a is in 2 places"),
        (replace(WHOLE, held={}), "the ledger says 1 running of 'f'; there are 0"),
        (replace(WHOLE, held={}), "1 places of 'f' are taken, by 0 events"),
        (replace(WHOLE, living=[]), "worker 'host.1.x' has leases and is not known: nobody will ever sweep them"),
        (replace(WHOLE, records=without(WHOLE.records, "b")), "event b is waiting and has no record"),
        (
            replace(WHOLE, records={**WHOLE.records, "c": Record("f", "dropped", expires=True)}),
            "event c is running, and its record says dropped",
        ),
        (
            replace(WHOLE, records={**WHOLE.records, "d": Record("f", "succeeded", expires=False)}),
            "event d has succeeded and its record stays for ever",
        ),
        (
            replace(WHOLE, ledger=ledger(accepted=5, succeeded=1, ready=1, waiting=1, running=1)),
            "the ledger of 'f' does not balance",
        ),
    ],
)
def test_each_contradiction_is_noticed(broken: Snapshot, complaint: str):
    """One book is changed, and the sentence says which."""
    assert any(text.startswith(complaint) for text in contradictions(broken)), contradictions(broken)


def test_what_never_ran_and_what_nobody_sent_is_noticed():
    """An answer that never came allows both: that the event runs, and that it does not."""
    sent = Sent(accepted=[1, 2], unsure=[3, 4])

    assert unkept(sent, {1: 1, 2: 2, 3: 1}) == []
    assert unkept(sent, {1: 1}) == ["1 accepted events never ran: [2]"]
    assert unkept(sent, {1: 1, 2: 1, 9: 1}) == ["1 events ran that nobody sent: [9]"]


def test_runs_beyond_the_wanted_ones_are_counted():
    """Two attempts are no repetition of an event that is to fail once."""
    assert repeated({1: 1, 2: 3, 3: 2}, lambda _: 1) == 3
    assert repeated({1: 2, 2: 3, 3: 1}, lambda number: 1 + number % 2) == 2


@pytest.mark.parametrize(
    ("account", "complaints"),
    [
        (Account(accepted=2, succeeded=2), 0),
        (Account(accepted=3, succeeded=2, dead_lettered=1), 1),  # three ended, two ran
        (Account(accepted=1, succeeded=1), 2),
        (Account(accepted=2, succeeded=1), 1),  # one is gone
    ],
)
def test_ledger_that_differs_from_the_runs_is_noticed(account: Account, complaints: int):
    """Two events were accepted, perhaps a third, and two ran."""
    assert len(miscounted(Sent([1, 2], [3]), {1: 1, 2: 1}, account)) == complaints


def test_what_is_left_at_rest_is_noticed():
    """Keys that no document knows, events in hand, leases and names of dead workers."""
    patterns = key_patterns("| `{t}:ready` | ZSET | x |\n| `{t}:event:<request_id>` | HASH | x |\n")
    rest = replace(WHOLE, ready=[], waiting=[], held={})

    assert leftovers(rest, patterns) == []
    assert leftovers(replace(rest, names=["{t}:other"]), patterns) == ["key '{t}:other' is in no document"]
    assert leftovers(replace(rest, gone=["w"]), patterns) == ["worker 'w' is dead and still known"]
    assert leftovers(replace(rest, held={"w": [Placed("x", "thrice:canary")]}), patterns) == [
        "worker 'w' is dead and has leases"
    ]
    assert leftovers(replace(rest, waiting=[B]), patterns) == ["event b of 'f' is still in hand"]
