"""Whether a night kept what was promised: each promise by its name, with what speaks against it. Pure.

A promise that nothing speaks against is kept. The bounds of what may grow are stated here; all others are exact.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from tests.chaos.accounting import contradictions, miscounted, unkept
from tests.soak.books import UNANSWERED, Books, FunctionBooks, Performed
from tests.soak.functions import DEAD_LETTERS
from tests.soak.schedule import Kind

#: What these fill refuses events; where none was refused they did not do what they are for.
_FILL = {Kind.FILL_DISK, Kind.FILL_REDIS}

#: So many events one worker may repeat of which nobody could see what it held: its slots, and as many taken beforehand.
REPEATED_UNSEEN = 32

#: How many workers there are.
WORKERS = 2

#: Which part each kills.
_KILLED = {
    Kind.KILL_WORKER: "worker",
    Kind.KILL_GATEWAY: "gateway-1",
    Kind.KILL_SCHEDULER: "scheduler",
    Kind.KILL_REDIS: "redis",
}

#: How long after a kill a part is started, in seconds, and how often it may try in vain while the disk is full: the
#: pauses between are 0.5, 1, 2, 4 and 8 s.
STARTS_WITHIN = 10.0
TRIES = 5

#: Redis tries again every second to write down what it could not, while its disk was full. Twice that, in seconds.
WRITTEN_DOWN_WITHIN = 2.0

#: A canary has to have run so many seconds after a disturbance at the latest: a lease, a look for it, and a start.
RECOVERED_WITHIN = 60.0

#: What a part may have more at the end than at the beginning: descriptors (a worker keeps up to 64 environments, each
#: with its pipes), and bytes of resident memory.
MORE_DESCRIPTORS = 500
MORE_MEMORY = 300_000_000

#: What Redis may hold more: logs of functions up to their limit, and this for each accepted event (records, metrics).
MORE_REDIS_MEMORY = 100_000_000
MORE_REDIS_MEMORY_PER_EVENT = 3_000

#: How many processes there may be more: up to 64 environments of two workers, of three processes each. One fork bomb
#: that was left alone would be 1,024.
MORE_PROCESSES = 400


def judge(books: Books) -> dict[str, list[str]]:
    """Each promise, and what speaks against it."""
    return {promise: list(complain(books)) for promise, complain in _PROMISES.items()}


def _is_settled(books: Books) -> Iterable[str]:
    if books.unsettled:
        yield books.unsettled


def _nothing_is_lost(books: Books) -> Iterable[str]:
    for one in books.functions:
        ran = one.runs if one.function.is_numbered else Counter(one.begun.values())
        for complaint in unkept(one.sent, ran):
            yield f"{one.function.name}: {complaint}"


def _books_agree(books: Books) -> Iterable[str]:
    yield from contradictions(books.snapshot)
    yield from books.left
    for one in books.functions:
        ran = one.runs if one.function.is_numbered else Counter(one.begun.values())
        for complaint in miscounted(one.sent, ran, one.account):
            yield f"{one.function.name}: {complaint}"


def _what_works_succeeds(books: Books) -> Iterable[str]:
    for one in books.functions:
        given_up = one.account.dead_lettered + sum(one.account.dropped.values())
        if one.function.state == "succeeded" and given_up:
            yield f"{one.function.name}: {given_up} events were given up: {one.account}"
        few = sorted(number for number in set(one.sent.accepted) & one.runs.keys() if _surplus(one, number) < 0)
        if one.function.is_numbered and few:
            yield f"{one.function.name}: {len(few)} events did not run as often as they should have: {few[:20]}"


def _repeats_are_explained(books: Books) -> Iterable[str]:
    unexplained = 0
    told: list[str] = []
    for one in books.functions:
        if one.function.is_numbered:
            ids = {number: request_id for request_id, number in one.begun.items()}
            for number in one.runs:
                surplus = _surplus(one, number)
                if surplus > 0 and ids.get(number) not in books.held:
                    unexplained += surplus
                    told.append(f"{one.function.name} {number} ({ids.get(number)})")
    allowed = (books.unknown_leases + WORKERS * _forgetful_kills(books)) * REPEATED_UNSEEN
    if unexplained > allowed:
        yield f"{unexplained} runs too many of events that no lost worker held (allowed: {allowed}): {told[:10]}"


def _forgetful_kills(books: Books) -> int:
    """How often Redis was killed before it could write down what it had settled when its disk became full."""
    full = [(one.began, one.ended + WRITTEN_DOWN_WITHIN) for one in books.of(Kind.FILL_DISK)]
    return sum(any(since <= kill.began <= until for since, until in full) for kill in books.of(Kind.KILL_REDIS))


def _surplus(one: FunctionBooks, number: int) -> int:
    return one.runs[number] - one.function.runs(number)


def _dead_letters_arrive(books: Books) -> Iterable[str]:
    known: set[str] = set()
    for one in books.functions:
        if one.function.target != DEAD_LETTERS:
            continue
        known |= {*one.accepted_ids, *one.begun}
        for request_id in one.accepted_ids:
            record = one.records.get(request_id, {})
            if record.get("state") != one.function.state:
                yield f"{one.function.name}: event {request_id} should be {one.function.state}: {dict(record)}"
            if books.dead_letters.get(request_id, 0) != 1:
                yield f"{one.function.name}: {books.dead_letters.get(request_id, 0)} dead letters of event {request_id}"
    for request_id in books.dead_letters:
        if request_id not in known:
            yield f"there is a dead letter of event {request_id}, which nobody sent"


def _failed_deliveries_show(books: Books) -> Iterable[str]:
    for one in books.functions:
        if one.function.state != "dead_lettered" or one.function.target == DEAD_LETTERS:
            continue
        outcomes: Counter[str] = Counter()
        for request_id in one.accepted_ids:
            record = one.records.get(request_id, {})
            told = [str(delivery.get("outcome")) for delivery in record.get("deliveries", ())]
            outcomes.update(told)
            if len(told) != 1 or told[0] not in {"delivered", "failed"}:
                yield f"{one.function.name}: the record of event {request_id} does not say what became of it: {record}"
            elif record.get("state") not in {"dead_lettered", "dropped"}:
                yield f"{one.function.name}: event {request_id} always fails, and is {record.get('state')}"
            elif (record["state"], told[0]) == ("dropped", "delivered"):
                yield f"{one.function.name}: event {request_id} was dropped, although its dead letter was delivered"
        counted, unsure = one.account.dead_letter_errors, len(one.sent.unsure)
        if not outcomes["failed"] <= counted <= outcomes["failed"] + unsure:
            yield f"{one.function.name}: {outcomes['failed']} failed by the records, {counted} by the ledger"
        if counted != one.counted_dead_letter_errors:
            metrics = one.counted_dead_letter_errors
            yield f"{one.function.name}: {counted} failed by the ledger, {metrics} by the metrics"


def _objects_are_kept(books: Books) -> Iterable[str]:
    for key, allowed in books.written.items():
        if books.found.get(key) not in allowed:
            yield f"object '{key}' is {books.found.get(key)}; it may be one of {sorted(allowed)[-5:]}"


def _answers_are_right(books: Books) -> Iterable[str]:
    statuses = Counter(sending.status for one in books.functions for sending in one.sendings)
    for status, count in sorted(statuses.items()):
        if status not in {202, UNANSWERED} and status < 500:
            yield f"{count} requests were answered {status}; 202 or 5xx was to be expected"


def _restarts_refuse_nobody(books: Books) -> Iterable[str]:
    for restart in books.of(Kind.RESTART):
        refused = _refused(books, restart)
        if refused:
            yield f"during the restart at {restart.began:.0f} s requests were answered {dict(refused)}"


def _refused(books: Books, during: Performed) -> Counter[int]:
    """How the requests were answered that were not accepted, of those that were due during a disturbance."""
    return Counter(
        sending.status
        for one in books.functions
        for sending in one.sendings
        if sending.status != 202 and during.began <= sending.due <= during.ended
    )


def _everything_was_done(books: Books) -> Iterable[str]:
    for one in books.performed:
        if one.trouble:
            yield f"{one.disturbance.kind} at {one.began:.0f} s: {one.trouble}"
        if one.disturbance.kind in _FILL and one.disturbance.is_measured and not _refused(books, one):
            yield f"{one.disturbance.kind} at {one.began:.0f} s: no request was refused; was it full?"


def _it_recovers(books: Books) -> Iterable[str]:
    for one in books.performed:
        if one.recovery is not None and one.recovery > RECOVERED_WITHIN:
            yield f"{one.disturbance.kind} at {one.began:.0f} s: nothing ran for {one.recovery:.1f} s afterwards"


def _parts_live(books: Books) -> Iterable[str]:
    for name in sorted(books.missing):
        yield f"{name} does not run"
    for name in sorted({*books.exited, *books.killed}):
        exited, killed = books.exited.get(name, 0), books.killed.get(name, 0)
        if not killed <= exited <= killed + TRIES * _starts_on_full_disk(books, name):
            yield f"{name} was killed {killed} times, and ended {exited} times"


def _starts_on_full_disk(books: Books, part: str) -> int:
    """How often a part was killed while the disk was full: it may not find room for its folders, and end again."""
    full = [(one.began, one.ended) for one in books.of(Kind.FILL_DISK)]
    kills = [
        kill.began
        for kill in books.performed
        if part
        in {_KILLED.get(kill.disturbance.kind), f"{_KILLED.get(kill.disturbance.kind)}-{kill.disturbance.worker}"}
    ]
    return sum(any(since - STARTS_WITHIN <= at <= until for since, until in full) for at in kills)


def _nothing_is_left_running(books: Books) -> Iterable[str]:
    if books.survivors:
        yield f"{len(books.survivors)} processes outlived `thrice up`: {books.survivors[:5]}"
    if books.after.below > books.before.below + MORE_PROCESSES:
        yield f"{books.after.below} processes at rest; there were {books.before.below} at the beginning"


def _nothing_grows(books: Books) -> Iterable[str]:
    for name, after in books.after.parts.items():
        before = books.before.parts.get(name)
        if before and after.descriptors > before.descriptors + MORE_DESCRIPTORS:
            yield f"{name} has {after.descriptors} open files; it had {before.descriptors}"
        if before and after.memory > before.memory + MORE_MEMORY:
            yield f"{name} has {after.memory:,} bytes of memory; it had {before.memory:,}"
    accepted = sum(len(one.accepted_ids) for one in books.functions)
    bound = books.before.redis_memory + MORE_REDIS_MEMORY + MORE_REDIS_MEMORY_PER_EVENT * accepted
    if books.after.redis_memory > bound:
        yield f"Redis has {books.after.redis_memory:,} bytes in use; {bound:,} are allowed after {accepted} events"


_PROMISES: Mapping[str, Callable[[Books], Iterable[str]]] = {
    "everything that was accepted has ended": _is_settled,
    "lost 0: everything that was accepted ran": _nothing_is_lost,
    "ledger, records, queues and leases agree": _books_agree,
    "what works succeeds, as often as it should": _what_works_succeeds,
    "only what a lost worker held ran again": _repeats_are_explained,
    "each dead letter arrived, once": _dead_letters_arrive,
    "failed deliveries are in record, ledger and metrics": _failed_deliveries_show,
    "objects that were stored are there": _objects_are_kept,
    "requests were answered 202, 5xx or not at all": _answers_are_right,
    "a restart refuses nobody": _restarts_refuse_nobody,
    "every disturbance took place and was undone": _everything_was_done,
    "the system recovers": _it_recovers,
    "every part lives, and ended only when killed": _parts_live,
    "no process is left over": _nothing_is_left_running,
    "nothing grows without bound": _nothing_grows,
}
