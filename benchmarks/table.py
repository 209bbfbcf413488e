"""What a person sees: a line for each run, and the table at the end."""

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from benchmarks.measurements.measurement import Run, Target

#: What a line about a run shows, if the run has it: name, format, unit.
_SHOWN = (
    ("rate", ",.0f", "/s"), ("call_us", ",.0f", "us/call"), ("workers_us", ",.0f", "us worker"),
    ("producer_us", ",.1f", "us producer"), ("accept_p99_ms", ".1f", "ms p99 of an accept"),
    ("gateway_us", ",.0f", "us gateway"), ("redis_cpu_us", ",.1f", "us Redis"), ("latency_p50_ms", ".2f", "ms p50"),
    ("latency_p99_ms", ".2f", "ms p99"), ("added_p99_ms", ".1f", "ms added to p99"),
    ("bytes", ",.0f", "bytes/event"), ("late_p99_ms", ",.1f", "ms late p99"), ("growth_mb", ".1f", "MB growth"),
    ("memory_mb", ".0f", "MB"), ("cpu_percent", ".1f", "% CPU"), ("ready_s", ".2f", "s to ready"),
)  # fmt: skip


def tell(console: Console, what: str, run: Run) -> None:
    """One line about a run that has ended."""
    numbers = ", ".join(f"{run[name]:{form}} {unit}" for name, form, unit in _SHOWN if name in run)
    told = f"FAILED: {run['error'].splitlines()[-1]}" if "error" in run else numbers
    console.print(f"{what}: {told} ({run['took_s']:.0f} s)", markup=False, highlight=False, soft_wrap=True)


def markdown(targets: Iterable[Target]) -> str:
    """The same for a page."""
    lines = ["| figure | measured | each run | goal | met |", "| --- | ---: | ---: | ---: | --- |"]
    for target in targets:
        measured, goal, runs, met = _cells(target)
        lines.append(f"| `{target.figure.name}`: {target.figure.meaning} | {measured} | {runs} | {goal} | {met} |")
    return "\n".join(lines) + "\n"


def table(targets: Iterable[Target]) -> Table:
    """All figures beside their goals."""
    shown = Table("figure", "what it is")
    for column in ("measured", "goal", "each run"):
        shown.add_column(column, justify="right")
    shown.add_column("met")
    for target in targets:
        measured, goal, runs, met = _cells(target)
        colour = {"yes": "green", "NO": "red"}.get(met, "default")
        shown.add_row(target.figure.name, target.figure.meaning, measured, goal, runs, f"[{colour}]{met}[/]")
    return shown


def _cells(target: Target) -> tuple[str, str, str, str]:
    """What is measured, its goal, the single repetitions, and whether the goal is met."""
    figure = target.figure
    goal = "" if figure.goal is None else f"{'≥' if figure.more_is_better else '≤'} {figure.goal:g}"
    if figure.stretch is not None:
        goal += f" ({figure.stretch:g})"
    measured = "failed" if target.value is None else f"{target.value:.3g}"
    runs = " ".join(f"{each:.3g}" for each in target.values)
    return measured, goal, runs, {None: "", True: "yes", False: "NO"}[target.is_met]
