"""What a night was like: a text for people, and a document for machines. Pure."""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tests.soak.books import UNANSWERED, Books, FunctionBooks
from tests.soak.schedule import Kind


def document(books: Books, judged: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """All that the text tells, and each disturbance with its times."""
    return {
        "seed": books.seed,
        "seconds": books.seconds,
        "kept": not any(judged.values()),
        "promises": {promise: list(complaints) for promise, complaints in judged.items()},
        "skipped": dict(books.skipped),
        "answers": {_status(status): count for status, count in sorted(answers(books.functions).items())},
        "functions": {one.function.name: _function(one) for one in books.functions},
        "recovery": recoveries(books),
        "held_by_lost_workers": len(books.held),
        "unknown_leases": books.unknown_leases,
        "growth": {
            "redis_bytes": [books.before.redis_memory, books.after.redis_memory],
            "processes": [books.before.below, books.after.below],
            "parts": {
                name: {
                    "descriptors": [books.before.parts[name].descriptors, after.descriptors],
                    "bytes": [books.before.parts[name].memory, after.memory],
                }
                for name, after in sorted(books.after.parts.items())
                if name in books.before.parts
            },
        },
        "disturbances": [
            {
                "kind": one.disturbance.kind.value,
                "began": round(one.began, 2),
                "ended": round(one.ended, 2),
                "recovery": one.recovery,
                "trouble": one.trouble,
            }
            for one in books.performed
        ],
    }


def answers(functions: Sequence[FunctionBooks]) -> Counter[int]:
    """How often each status was answered."""
    return Counter(sending.status for one in functions for sending in one.sendings)


def recoveries(books: Books) -> dict[str, dict[str, Any]]:
    """Of each kind: how often it was done, how often recovery was measured, and how long that took, in seconds."""
    found = {}
    for kind in Kind:
        done = books.of(kind)
        took = [one.recovery for one in done if one.recovery is not None]
        if done:
            found[kind.value] = {
                "count": len(done),
                "measured": len(took),
                "p50": round(statistics.median(took), 2) if took else None,
                "max": round(max(took), 2) if took else None,
            }
    return found


def text(books: Books, judged: Mapping[str, Sequence[str]]) -> str:
    """The report, as Markdown."""
    found = document(books, judged)
    lines = [f"Seed {books.seed}, {books.seconds:.0f} s of load, {len(books.performed)} disturbances.", ""]
    lines += ["| disturbance | times | measured | recovery p50 | max |", "|---|--:|--:|--:|--:|"]
    lines += [
        f"| {kind} | {one['count']} | {one['measured']} | {_seconds(one['p50'])} | {_seconds(one['max'])} |"
        for kind, one in found["recovery"].items()
    ]
    lines += [
        "",
        "| function | accepted | not accepted | succeeded | dead-lettered | dropped | retried | runs too many |",
    ]
    lines += ["|---|--:|--:|--:|--:|--:|--:|--:|--:|"]
    lines += [
        f"| {name} | {one['accepted']:,} | {one['not_accepted']:,} | {one['succeeded']:,} | {one['dead_lettered']:,} | "
        f"{one['dropped']:,} | {one['dead_letter_errors']:,} | {one['retried']:,} | {_count(one['runs_too_many'])} |"
        for name, one in found["functions"].items()
    ]
    lines += ["", "Answers: " + ", ".join(f"{status}: {count:,}" for status, count in found["answers"].items()) + "."]
    lines += [_growth(found["growth"])]
    lines += [f"Skipped: {what}: {why}." for what, why in books.skipped.items()]
    lines += ["", "| promise | |", "|---|---|"]
    lines += [f"| {promise} | {'broken' if complaints else 'kept'} |" for promise, complaints in judged.items()]
    lines += [""]
    for promise, complaints in judged.items():
        lines += [f"BROKEN: {promise}: {complaint}" for complaint in complaints]
    return "\n".join(lines).rstrip() + "\n"


def _function(one: FunctionBooks) -> dict[str, Any]:
    surplus = [max(0, times - one.function.runs(number)) for number, times in one.runs.items()]
    return {
        "accepted": len(one.sent.accepted),
        "not_accepted": len(one.sent.unsure),
        "succeeded": one.account.succeeded,
        "dead_lettered": one.account.dead_lettered,
        "dropped": sum(one.account.dropped.values()),
        "retried": one.account.retried,
        "dead_letter_errors": one.account.dead_letter_errors,
        "runs_too_many": sum(surplus) if one.function.is_numbered else None,
    }


def _growth(growth: Mapping[str, Any]) -> str:
    before, after = growth["redis_bytes"]
    parts = "; ".join(
        f"{name} {one['bytes'][0] / 1e6:.0f} → {one['bytes'][1] / 1e6:.0f} MB, "
        f"{one['descriptors'][0]} → {one['descriptors'][1]} files"
        for name, one in growth["parts"].items()
    )
    processes = " → ".join(map(str, growth["processes"]))
    return f"Redis {before / 1e6:.1f} → {after / 1e6:.1f} MB in use; {processes} processes; {parts}."


def _status(status: int) -> str:
    return "no answer" if status == UNANSWERED else str(status)


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f} s"
