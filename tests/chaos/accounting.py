"""Compares the books: what was accepted, what ran, what the ledger says, what lies where. Pure.

Each function returns complaints, one sentence each; a system that keeps its promises gives rise to none. Those of
`contradictions` hold at any moment, under load and between a kill and the recovery; the others hold at rest.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from tests.chaos.structures import Placed, Snapshot
from worker.ledger import Account

#: Names of our own functions begin so; they are not in the users' ledger.
OURS = "thrice:"

#: States of an event that has ended.
ENDED = {"succeeded", "dead_lettered", "dropped"}


@dataclass(frozen=True, slots=True)
class Sent:
    """Numbers of events: answered 202, and those whose answer did not come or was no promise (5xx)."""

    accepted: Collection[int]
    unsure: Collection[int]


def unkept(sent: Sent, times_run: Mapping[int, int]) -> list[str]:
    """What was promised and did not happen, or happened and was never asked for."""
    lost = sorted(set(sent.accepted) - times_run.keys())
    foreign = sorted(times_run.keys() - set(sent.accepted) - set(sent.unsure))
    complaints = [f"{len(lost)} accepted events never ran: {lost[:20]}"] if lost else []
    return complaints + ([f"{len(foreign)} events ran that nobody sent: {foreign[:20]}"] if foreign else [])


def repeated(times_run: Mapping[int, int], wanted: Callable[[int], int]) -> int:
    """How many runs there were beyond those `wanted` of the event of a number."""
    return sum(max(0, times - wanted(number)) for number, times in times_run.items())


def miscounted(sent: Sent, times_run: Mapping[int, int], account: Account) -> list[str]:
    """Where the ledger of a function, all of whose events have ended, differs from what was sent and what ran."""
    complaints = []
    least, most = len(sent.accepted), len(sent.accepted) + len(sent.unsure)
    if not least <= account.accepted <= most:
        complaints.append(f"the ledger counts {account.accepted} as accepted; {least} to {most} were")
    ended = account.succeeded + account.dead_lettered + sum(account.dropped.values())
    if not account.is_balanced or ended != len(times_run):
        complaints.append(f"the ledger says that {ended} have ended, {len(times_run)} different ones ran: {account}")
    return complaints


def contradictions(snapshot: Snapshot) -> list[str]:
    """Where the structures contradict the ledger, the records or each other."""
    held = [placed for all_held in snapshot.held.values() for placed in all_held]
    return [
        *_in_hand(snapshot, held),
        *_in_one_place(snapshot, held),
        *_records(snapshot, held),
        *_leases(snapshot, held),
    ]


def _in_hand(snapshot: Snapshot, held: Iterable[Placed]) -> Iterable[str]:
    columns = {"ready": snapshot.ready, "waiting": snapshot.waiting, "running": held}
    found = {name: Counter(placed.function for placed in all_placed) for name, all_placed in columns.items()}
    functions = {*snapshot.ledger.functions, *(name for counts in found.values() for name in counts)}
    for function in sorted(name for name in functions if not name.startswith(OURS)):
        account = snapshot.ledger.functions.get(function, Account())
        if not account.is_balanced:
            yield f"the ledger of '{function}' does not balance: {account}"
        for column, counts in found.items():
            said = getattr(account, column)
            if said != counts[function]:
                yield f"the ledger says {said} {column} of '{function}'; there are {counts[function]}"


def _in_one_place(snapshot: Snapshot, held: Iterable[Placed]) -> Iterable[str]:
    places = Counter(placed.request_id for placed in (*snapshot.ready, *snapshot.waiting, *held))
    for request_id, count in places.items():
        if count > 1:
            yield f"event {request_id} is in {count} places"


def _records(snapshot: Snapshot, held: Iterable[Placed]) -> Iterable[str]:
    state_here = {
        **{placed.request_id: "ready" for placed in snapshot.ready},
        **{placed.request_id: "waiting" for placed in snapshot.waiting},
        **{placed.request_id: "running" for placed in held},
    }
    for request_id, state in state_here.items():
        record = snapshot.records.get(request_id)
        if record is None:
            yield f"event {request_id} is {state} and has no record"
        elif record.state in ENDED:
            yield f"event {request_id} is {state}, and its record says {record.state}"
    for request_id, record in snapshot.records.items():
        if record.state in ENDED and not record.expires:
            yield f"event {request_id} has {record.state} and its record stays for ever"
        elif record.state and record.state not in ENDED and request_id not in state_here:
            yield f"event {request_id} is nowhere, and its record says {record.state}"


def _leases(snapshot: Snapshot, held: Iterable[Placed]) -> Iterable[str]:
    for worker in snapshot.held:
        if worker not in snapshot.living and worker not in snapshot.gone:
            yield f"worker '{worker}' has leases and is not known: nobody will ever sweep them"
    running = Counter(placed.function for placed in held if placed.has_place)
    for function in sorted({*snapshot.places, *running}):
        taken = snapshot.places.get(function, 0)
        if taken != running[function]:
            yield f"{taken} places of '{function}' are taken, by {running[function]} events"


def leftovers(snapshot: Snapshot, documented: Iterable[re.Pattern[str]]) -> list[str]:
    """What is there, at rest, and should not be."""
    patterns = list(documented)
    unknown = sorted(name for name in snapshot.names if not any(pattern.fullmatch(name) for pattern in patterns))
    held = [placed for all_held in snapshot.held.values() for placed in all_held]
    in_hand = [placed for placed in (*snapshot.ready, *snapshot.waiting, *held) if not placed.function.startswith(OURS)]
    dead = sorted(worker for worker in snapshot.held if worker not in snapshot.living)
    return [
        *(f"key '{name}' is in no document" for name in unknown),
        *(f"event {placed.request_id} of '{placed.function}' is still in hand" for placed in in_hand),
        *(f"worker '{worker}' is dead and has leases" for worker in dead),
        *(f"worker '{worker}' is dead and still known" for worker in snapshot.gone),
    ]


def key_patterns(page: str) -> list[re.Pattern[str]]:
    """The names of the keys in the tables of `docs/redis-keys.md`; `<…>` stands for anything."""
    names = re.findall(r"^\| `([^`]+)` \| (?:STRING|HASH|LIST|SET|ZSET|STREAM)\b", page, re.MULTILINE)
    return [re.compile(".*".join(re.escape(part) for part in re.split(r"<\w+>", name)), re.DOTALL) for name in names]
