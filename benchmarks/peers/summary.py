"""From runs to the figures of each system, and what they say of thrice beside the others. Pure."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.peers import plan

#: The figures of one system by name; a name is missing where nothing was measured.
Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Column:
    """A figure as tables have it."""

    key: str
    title: str
    form: str
    more_is_better: bool = False
    is_judged: bool = True


COLUMNS = (
    Column("drain_rate", "drain /s", ",.0f", more_is_better=True),
    Column("publish_rate", "publish 1 by 1 /s", ",.0f", more_is_better=True),
    Column("batch_rate", "publish in batches /s", ",.0f", more_is_better=True),
    Column("latency_p50_ms", "idle p50 ms", ",.2f"),
    Column("latency_p99_ms", "idle p99 ms", ",.2f"),
    Column("off_p99_ms", "delayed, off p99 ms", ",.0f"),
    Column("memory_idle_mb", "workers idle MB", ",.0f"),
    Column("memory_drained_mb", "after the drain MB", ",.0f"),
    Column("not_done", "not done after kill", ",.0f"),
    Column("lost", "of them lost", ",.0f", is_judged=False),
    Column("stuck", "of them stuck", ",.0f", is_judged=False),
    Column("twice", "done twice", ",.0f", is_judged=False),
    Column("last_done_s", "last done after s", ",.1f", is_judged=False),
)

HTTP_COLUMNS = (
    Column("accepted_rate", "accepted /s", ",.0f", more_is_better=True),
    Column("handled_rate", "handled /s", ",.0f", more_is_better=True),
    Column("latency_p50_ms", "idle p50 ms", ",.2f"),
    Column("latency_p99_ms", "idle p99 ms", ",.2f"),
    Column("memory_idle_mb", "idle MB", ",.0f"),
    Column("memory_drained_mb", "after the burst MB", ",.0f"),
    Column("accepted", "accepted around a kill", ",.0f", is_judged=False),
    Column("not_done", "of them not done", ",.0f"),
)


def figures(
    runs: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]], measurements: Sequence[str]
) -> dict[str, Figures]:
    """The medians of all numbers of each system in these measurements."""
    found: dict[str, Figures] = {}
    for measurement in measurements:
        for system, repetitions in runs.get(measurement, {}).items():
            good = [run for run in repetitions if "error" not in run]
            keys = {key for run in good for key in run} - {"foreign_percent", "took_s"}
            own = found.setdefault(system, {})
            own |= {key: statistics.median(run[key] for run in good if key in run) for key in sorted(keys)}
            if "lost" in own:
                own["not_done"] = own["lost"] + own["stuck"]
    return found


MAIN = (plan.THROUGHPUT, plan.LATENESS, plan.CRASH)
HTTP = (plan.HTTP, plan.HTTP_CRASH)


def verdicts(of_all: Mapping[str, Figures], ours: str, comparable: Sequence[str]) -> list[str]:
    """In which columns `ours` is first among `comparable`, in which it is not, and how its drain compares."""
    if ours not in of_all:
        return []
    rivals = {name: of_all[name] for name in comparable if name != ours and name in of_all}
    first: list[str] = []
    behind: list[str] = []
    for column in COLUMNS:
        best = _best(rivals, column)
        if best is None or column.key not in of_all[ours] or not column.is_judged:
            continue
        mine, theirs = of_all[ours][column.key], rivals[best][column.key]
        text = f"{column.title}: {mine:{column.form}} (best other: {best}, {theirs:{column.form}})"
        is_first = mine >= theirs if column.more_is_better else mine <= theirs
        (first if is_first else behind).append(text)
    lines = []
    if first:
        lines.append(
            "First or equal among those that isolate handlers or keep events through a kill: " + "; ".join(first) + "."
        )
    if behind:
        lines.append("Not first among them: " + "; ".join(behind) + ".")
    return lines + _drains(of_all, ours, rivals)


def _drains(of_all: Mapping[str, Figures], ours: str, rivals: Mapping[str, Figures]) -> list[str]:
    mine = of_all[ours].get("drain_rate")
    if mine is None:
        return []
    drain = COLUMNS[0]
    others = {name: own for name, own in of_all.items() if name != ours}
    told = []
    for whom, best, those in (
        ("of those", _best(rivals, drain), rivals),
        ("of all", _best(others, drain), others),
    ):
        if best is not None:
            told.append(f"{mine / those[best]['drain_rate']:.1f} × the best other {whom} ({best})")
    return [f"Drain: {', and '.join(told)}."] if told else []


def _best(systems: Mapping[str, Figures], column: Column) -> str | None:
    measured = {name: own[column.key] for name, own in systems.items() if column.key in own}
    if not measured:
        return None
    return (max if column.more_is_better else min)(measured, key=lambda name: measured[name])
