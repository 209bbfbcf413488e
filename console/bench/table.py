"""A result as a person reads it in a terminal: the account, the percentiles, what was busy, and the verdict."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from console.bench.result import HISTOGRAMS, Result
from console.bench.thresholds import COUNTS, LENGTHS, PERCENTILES, RATES

#: How the lengths of time are called here: what a metric's name begins with -> a heading.
HEADINGS: Mapping[str, str] = {"": "end to end", "accept_": "until 202", "wait_": "in the queue", "run_": "handler"}

#: The heading of the end-to-end time of synchronous requests, which is all that there is of them.
SYNCHRONOUS = "until the result"


def show(console: Console, result: Result, earlier: Result | None) -> None:
    """Print it all; beside the numbers how many times those of `earlier` they are."""
    console.print()
    for part in _parts(result, earlier):
        console.print(part)
        console.print()


def length(milliseconds: float | None) -> str:
    """A length of time with three digits and its unit."""
    if milliseconds is None:
        return "–"
    if milliseconds >= 59_950:
        return f"{milliseconds / 60_000:.1f} min"
    if milliseconds >= 999.5:
        return f"{milliseconds / 1000:.{2 if milliseconds < 9_995 else 1}f} s"
    digits = 2 if milliseconds < 9.995 else 1 if milliseconds < 99.95 else 0
    return f"{milliseconds:.{digits}f} ms"


def value_of(metric: str, found: float | None, *, is_share: bool = False) -> str:
    """What was found for a metric, in its unit."""
    if found is None:
        return "nothing measured"
    if is_share:
        return f"{found:.2%}"
    if metric in RATES:
        return f"{found:,.1f}/s"
    return f"{found:,.0f}" if metric in COUNTS else length(found)


def ratio(now: float | None, before: float | None) -> str:
    """How many times `before` it is; "" where that says nothing."""
    return f"×{now / before:.2f}" if now and before else ""


def account_of(result: Result) -> list[tuple[str, int]]:
    """The numbers that add up, in their order: sent, accepted, and what became of those."""
    counts = result.counts
    if result.is_synchronous:
        names = ["sent", "errors", "accepted", "succeeded", "failed"]
    else:
        names = ["sent", "errors", "accepted", "succeeded", "dead_lettered", "dropped", "in_hand", "lost"]
    called = {"errors": "refused or unanswered", "dead_lettered": "dead-lettered", "in_hand": "in hand"}
    if result.is_synchronous:
        called |= {"accepted": "answered", "failed": "function errors"}
    return [(called.get(name, name), counts[name]) for name in names]


def is_accounted_for(result: Result) -> bool:
    """Whether every accepted event is in exactly one place, and the system's own ledger balances."""
    counts = result.counts
    known = counts["succeeded"] + counts["failed"] + counts["in_hand"]
    return counts["accepted"] == known and result.ledger_is_balanced


def notes_of(result: Result) -> list[str]:
    """What has to be known to read the numbers, in sentences."""
    counts, plan = result.counts, result.plan
    notes = []
    if result.is_interrupted:
        notes.append("It was interrupted: these are the numbers up to then.")
    if result.bottleneck["is_client"]:
        notes.append("The load test itself was the limit: the figures are of it, not of the system.")
    if plan["rate"] is None:
        notes.append("Without --rate a request follows an answer, and delays of sending do not show in the latencies.")
    if counts["retried"] and not result.is_synchronous:
        notes.append("End to end leaves out the time between attempts.")
    if result.is_virtual and counts["retried"]:
        notes.append("The clock is virtual: waits for retries were skipped by moving it.")
    if counts["waiting"]:
        many = f"{counts['waiting']:,} events wait for their next attempt, the first until {result.next_due}"
        ending = (
            "the function is deleted now, so they will be dropped. --wait waits" if plan["is_own"] else "--wait waits"
        )
        notes.append(f"{many}; {ending} for such events.")
    if counts["at_work"]:
        notes.append(f"{counts['at_work']:,} events were ready or running when it ended.")
    if counts["unsent"]:
        notes.append(f"{counts['unsent']:,} requests whose moment had come were not sent.")
    if not result.ledger_is_balanced:
        notes.append("The system's ledger does not balance for this function: see thrice ledger.")
    notes += [f"refused: {count:,} × {reason}" for reason, count in result.reasons.items()]
    notes += [f"dropped: {count:,} × {condition}" for condition, count in result.dropped.items()]
    return notes


def _parts(result: Result, earlier: Result | None) -> list[RenderableType]:
    parts: list[RenderableType] = [_percentiles(result, earlier)]
    columns = Table.grid(padding=(0, 3))
    columns.add_row(_account(result), _attempts(result), _rates(result, earlier))
    parts += [columns, _busy(result)]
    notes = notes_of(result)
    if notes:
        parts.append(Text("\n".join(f"  {note}" for note in notes)))
    parts.append(_verdicts(result))
    return parts


def _percentiles(result: Result, earlier: Result | None) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 1), header_style="bold")
    table.add_column("", no_wrap=True)
    for name in PERCENTILES:
        table.add_column("p99.9" if name == "p999" else name, justify="right", no_wrap=True)
    now = result.measured()
    before = earlier.measured() if earlier else {}
    for prefix in LENGTHS:
        if HISTOGRAMS[prefix] not in result.histograms:
            continue
        heading = SYNCHRONOUS if result.is_synchronous else HEADINGS[prefix]
        table.add_row(f" {heading}", *(length(now[f"{prefix}{name}"]) for name in PERCENTILES))
        ratios = [ratio(now[f"{prefix}{name}"], before.get(f"{prefix}{name}")) for name in PERCENTILES]
        if any(ratios):
            table.add_row("", *ratios, style="dim")
    return table


def _account(result: Result) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    for name, count in account_of(result):
        is_bad = count > 0 and name in ("lost", "refused or unanswered")
        table.add_row(f"  {name}", f"{count:,}", style="bold red" if is_bad else "")
    balances = is_accounted_for(result)
    table.add_row("  balances", "✔" if balances else "✘", style="green" if balances else "bold red")
    return table


def _attempts(result: Result) -> RenderableType:
    if not result.attempts:
        return ""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_row("attempts", "events")
    for number, count in sorted(result.attempts.items()):
        table.add_row(f"{number}", f"{count:,}")
    return table


def _rates(result: Result, earlier: Result | None) -> Table:
    table = Table.grid(padding=(0, 2))
    for _ in range(3):
        table.add_column(no_wrap=True)
    for name, called in (("rate", "accepted"), ("throughput", "ended")):
        if name == "throughput" and result.is_synchronous:
            continue
        compared = ratio(result.rates[name], earlier.rates[name]) if earlier else ""
        table.add_row(called, f"{result.rates[name]:,.1f}/s", Text(compared, "dim"))
    depths = [sample["ready"] + sample["running"] for sample in result.samples]
    if depths and not result.is_synchronous:
        table.add_row("deepest", f"{max(depths):,}")
    return table


def _busy(result: Result) -> Group:
    load: Mapping[str, Any] = result.load
    parts = ", ".join(f"{part} {cores:.2f}" for part, cores in load["parts"].items() if cores >= 0.005)
    found = result.bottleneck
    style = "yellow" if found["is_client"] else ""
    return Group(
        Text(f"  cores in use: {parts or 'unknown'}; machine {load['machine']:.2f} of {load['cores']}"),
        Text(f"  bottleneck: {found['part']}; {found['why']}", style),
    )


def _verdicts(result: Result) -> Text:
    text = Text("  thresholds")
    for verdict in result.verdicts:
        text.append(f"   {verdict['threshold']} ")
        text.append(
            "✔" if verdict["held"] else f"✘ ({verdict['found_text']})", "green" if verdict["held"] else "bold red"
        )
    return text
