"""What `/_thrice/metrics` tells, made of what was read of Redis. Pure. docs/metrics.md lists it all.

Counters of events come from the ledger, those of attempts and the histograms from the totals of `metrics.lua`; so each
moves exactly when what it counts is written down. There is a sample for each function, and none for anything finer: the
page grows with the number of functions only.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from producers.internal.exposition import Family
from worker.ledger import Account, Ledger
from worker.metrics import Columns, Tally

#: The narrowest and the widest bucket of histograms, as powers of two of a millisecond: 1 ms, and 18 hours.
_NARROWEST, _WIDEST = 0, 26


@dataclass(frozen=True, slots=True)
class Reading:
    """All that is shown, at one moment."""

    version: str
    ledger: Ledger
    totals: Mapping[str, Columns]  # what was ever counted, by the name of the records
    running: Mapping[str, int]  # by function, synchronous invocations included
    dead_letters: int
    workers: int
    oldest_age: float  # s
    memory_used: int
    memory_limit: int  # 0: none
    is_healthy: bool
    round_trip: float | None  # s


def families(reading: Reading) -> Iterator[Family]:
    """Everything."""
    yield from _of_events(reading.ledger)
    yield from _of_attempts({name: Tally([totals]) for name, totals in _functions(reading.totals)})
    yield from _gauges(reading)


def _functions(totals: Mapping[str, Columns]) -> Iterator[tuple[str, Columns]]:
    """Those of functions: neither of all together, nor of versions and aliases."""
    return ((name, columns) for name, columns in sorted(totals.items()) if name and ":" not in name)


_OF_EVENTS: Mapping[str, tuple[str, Callable[[Account], int]]] = {
    "thrice_async_events_received_total": ("Events accepted.", lambda account: account.accepted),
    "thrice_async_events_succeeded_total": ("Events whose function succeeded.", lambda account: account.succeeded),
    "thrice_async_events_dropped_total": (
        "Events given up, whether or not a dead-letter queue or destination took them (AWS: AsyncEventsDropped).",
        lambda account: account.dead_lettered + sum(account.dropped.values()),
    ),
    "thrice_async_events_dead_lettered_total": (
        "Events given up that a dead-letter queue or a destination took.",
        lambda account: account.dead_lettered,
    ),
    "thrice_async_events_retried_total": (
        "Attempts that failed and were followed by another.",
        lambda account: account.retried,
    ),
}


def _of_events(ledger: Ledger) -> Iterator[Family]:
    accounts = sorted(ledger.functions.items())
    for name, (text, count) in _OF_EVENTS.items():
        family = Family(name, "counter", text)
        for function, account in accounts:
            family.add(count(account), function=function)
        yield family
    lost = Family(
        "thrice_async_events_discarded_total", "counter", "Events given up that nobody was there to take, by reason."
    )
    in_hand = Family("thrice_async_events", "gauge", "Events in hand, by state.")
    for function, account in accounts:
        for reason, number in sorted(account.dropped.items()):
            lost.add(number, function=function, reason=reason)
        for state, number in {"ready": account.ready, "waiting": account.waiting, "running": account.running}.items():
            in_hand.add(number, function=function, state=state)
    yield lost
    yield in_hand


_OF_ATTEMPTS: Mapping[str, tuple[str, Callable[[Tally], int]]] = {
    "thrice_invocations_total": ("Attempts that ran, synchronous ones included.", lambda tally: tally.durations.count),
    "thrice_errors_total": ("Attempts that ended with an error of the function.", lambda tally: tally.column("e")),
    "thrice_throttles_total": ("Attempts that did not run for want of concurrency.", lambda tally: tally.column("t")),
    "thrice_lost_attempts_total": ("Attempts that thrice could not make.", lambda tally: tally.column("o")),
    "thrice_dead_letter_errors_total": ("Dead letters that could not be sent.", lambda tally: tally.column("q")),
    "thrice_destination_delivery_failures_total": (
        "Records of destinations that could not be sent.",
        lambda tally: tally.column("f"),
    ),
    "thrice_recursive_invocations_dropped_total": (
        "Events given up because they were part of a loop.",
        lambda tally: tally.column("y"),
    ),
}

#: Name -> text, letters of the columns, units in a second.
_HISTOGRAMS: Mapping[str, tuple[str, str, int]] = {
    "thrice_duration_seconds": ("How long attempts ran, without the start of a process.", "d", 1_000_000),
    "thrice_async_event_age_seconds": ("How old events were when they ran, at each attempt.", "wa", 1_000),
    "thrice_queue_wait_seconds": ("How long events waited for their first attempt.", "w", 1_000),
}


def _of_attempts(tallies: Mapping[str, Tally]) -> Iterator[Family]:
    for name, (text, count) in _OF_ATTEMPTS.items():
        family = Family(name, "counter", text)
        for function, tally in tallies.items():
            family.add(count(tally), function=function)
        yield family
    for name, (text, letters, units) in _HISTOGRAMS.items():
        family = Family(name, "histogram", text)
        for function, tally in tallies.items():
            total = sum(tally.column(f"{letter}s") for letter in letters) / units
            family.add_histogram(_limits(tally, letters), total, function=function)
        yield family


def _limits(tally: Tally, letters: str) -> dict[float, int]:
    """How many lengths of time there are up to each limit, in seconds. All functions have the same limits."""
    counts = dict.fromkeys(range(_NARROWEST, _WIDEST + 1), 0)
    for letter in letters:
        for doubling, count in tally.buckets(letter).items():
            counts[min(max(doubling + 1, _NARROWEST), _WIDEST)] += count
    return {2.0**power / 1000: count for power, count in counts.items()}


def _gauges(reading: Reading) -> Iterator[Family]:
    running = Family("thrice_concurrent_executions", "gauge", "Invocations that run now.")
    for function, number in sorted(reading.running.items()):
        if not function.startswith("thrice:"):
            running.add(number, function=function)
    yield running
    plain: Mapping[str, tuple[str, float]] = {
        "thrice_dead_letters": ("Dead-lettered events whose records are kept.", reading.dead_letters),
        "thrice_oldest_ready_event_age_seconds": (
            "How old the oldest of the events is that are next in their lanes; 0 if none is ready.",
            reading.oldest_age,
        ),
        "thrice_workers": ("Worker processes whose leases hold.", reading.workers),
        "thrice_redis_memory_used_bytes": ("Memory that Redis uses.", reading.memory_used),
        "thrice_redis_memory_limit_bytes": (
            "Memory that Redis may use; 0: no limit.",
            reading.memory_limit,
        ),
        "thrice_ledger_balanced": (
            "1 if every accepted event has ended or is in hand.",
            float(reading.ledger.total.is_balanced),
        ),
        "thrice_healthy": ("1 if the latest canary event came back.", float(reading.is_healthy)),
    }
    for name, (text, value) in plain.items():
        family = Family(name, "gauge", text)
        family.add(value)
        yield family
    round_trip = Family("thrice_canary_round_trip_seconds", "gauge", "How long the latest canary event took.")
    if reading.round_trip is not None:
        round_trip.add(reading.round_trip)
    yield round_trip
    build = Family("thrice_build_info", "gauge", "1, with the version of thrice.")
    build.add(1, version=reading.version)
    yield build
