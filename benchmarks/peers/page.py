"""The figures as Markdown: all of them, the few of the README, and how both get between the marks of a page. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.peers import summary
from benchmarks.peers.roster import HTTP_ROSTER, ROSTER, THRICE
from benchmarks.peers.summary import COLUMNS, HTTP_COLUMNS, Column, Figures

BEGIN, END = "<!-- peers -->", "<!-- /peers -->"

#: The columns of the README.
_FEW = ("drain_rate", "publish_rate", "batch_rate", "latency_p50_ms", "not_done")


class NoMarks(Exception):
    """Raised when a page has no place for the figures. The text says which and what it needs."""


def markdown(document: Mapping[str, Any]) -> str:
    """Tables, machine and verdicts of a run, as `build/peers.json` has it."""
    figures = summary.figures(document["runs"], summary.MAIN)
    over_http = summary.figures(document["runs"], summary.HTTP)
    known = {peer.name: (peer.isolation, peer.durability) for peer in ROSTER}
    extra = (("handler apart", {name: facts[0] for name, facts in known.items()}),
             ("kept through a kill", {name: facts[1] for name, facts in known.items()}))  # fmt: skip
    parts = [_table(figures, COLUMNS, [peer.name for peer in ROSTER], extra)]
    if over_http:
        parts.append("Over HTTP, by boto3 from one thread:")
        parts.append(_table(over_http, HTTP_COLUMNS, [peer.name for peer in HTTP_ROSTER], ()))
    lines = _verdicts(figures) + _remarks(document, figures)
    return "\n\n".join([*parts, "\n".join(f"- {line}" for line in lines), _measured_on(document)]) + "\n"


def short_markdown(document: Mapping[str, Any]) -> str:
    """What the README shows."""
    figures = summary.figures(document["runs"], summary.MAIN)
    columns = [column for column in COLUMNS if column.key in _FEW]
    shown = [peer.name for peer in ROSTER]
    return "\n\n".join([_table(figures, columns, shown, ()), _measured_on(document)]) + "\n"


def filled(page: str, text: str, name: str) -> str:
    """`page` with `text` between its marks.

    Raises:
        NoMarks: it does not have them.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise NoMarks(f"{name} has no place for the figures: it needs a line {BEGIN} and, below it, a line {END}.")
    return f"{before}{BEGIN}\n\n{text}\n{END}{after}"


def _table(
    figures: Mapping[str, Figures], columns: Sequence[Column], names: Sequence[str],
    extra: Sequence[tuple[str, Mapping[str, str]]],
) -> str:  # fmt: skip
    titles = [column.title for column in columns] + [title for title, _ in extra]
    lines = [f"| system | {' | '.join(titles)} |", "| --- |" + " ---: |" * len(columns) + " --- |" * len(extra)]
    for name in (name for name in names if name in figures):
        cells = [_cell(figures[name], column) for column in columns] + [texts.get(name, "") for _, texts in extra]
        shown = f"**{name}**" if name == THRICE else name
        lines.append(f"| {shown} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(own: Figures, column: Column) -> str:
    return f"{own[column.key]:{column.form}}" if column.key in own else "–"


def _verdicts(figures: Mapping[str, Figures]) -> list[str]:
    return summary.verdicts(figures, THRICE, [peer.name for peer in ROSTER if peer.is_comparable])


def _remarks(document: Mapping[str, Any], figures: Mapping[str, Figures]) -> list[str]:
    """What else a reader should know: what is missing, and why."""
    lines = []
    if whole := figures.get(THRICE, {}).get("memory_whole_mb"):
        lines.append(f"All of `thrice up`, with Redis, gateway and scheduler, idle: {whole:,.0f} MB.")
    early = [
        f"{name} by up to {own['early_ms']:,.0f} ms" for name, own in figures.items() if own.get("early_ms", 0) >= 1
    ]
    if early:
        lines.append(f"Delayed events that began before they were due: {', '.join(early)}.")
    lines += [f"{name} was left out: {reason}" for name, reason in document["absent"].items()]
    for measurement, systems in document["runs"].items():
        for system, runs in systems.items():
            errors = [run["error"].splitlines()[-1] for run in runs if "error" in run]
            if errors:
                lines.append(f"{measurement} of {system} failed {len(errors)} of {len(runs)} times: {errors[-1]}")
    return lines


def _measured_on(document: Mapping[str, Any]) -> str:
    machine, sizes = document["machine"], document["sizes"]
    foreign = [run["foreign_percent"] for each in document["runs"].values() for runs in each.values() for run in runs]
    others = f"{sorted(foreign)[len(foreign) // 2]} % of the machine in the median run, {max(foreign)} % in the worst"
    return (
        f"Measured on {machine['date']}: {machine['cores']} cores ({machine['cpu']}), {machine['memory_gb']} GB, "
        f"Linux {machine['kernel']}, Python {machine['python']}, {machine['server']}. "
        f"Medians of {sizes['repetitions']}, backlog {sizes['jobs']:,}. Others used {others}."
    )
