"""What is shown while a load test goes on: three lines that change on a terminal, else a line every five seconds."""

from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from console.bench.plan import Plan
from console.bench.run import Glance
from console.bench.table import length
from console.bench.watch import Sample

#: Where there is no terminal, a line is printed every so many seconds.
SELDOM = 5.0

_BLOCKS = " ▁▂▃▄▅▆▇█"
_WIDTH = 28


class Progress:
    """Shows glances. A context manager: the lines go when it ends."""

    def __init__(self, console: Console, plan: Plan) -> None:
        self._console = console
        self._plan = plan
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        self._printed_at = -SELDOM

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, glance: Glance) -> None:
        """Show how far it is."""
        if self._live is not None:
            self._live.update(_lines(glance, self._plan), refresh=True)
        elif glance.elapsed - self._printed_at >= SELDOM:
            self._printed_at = glance.elapsed
            self._console.print(_line(glance), markup=False)


def _line(glance: Glance) -> str:
    account = glance.account
    latest = glance.watch.samples[-1] if glance.watch.samples else None
    depth = f", {latest.ended:,} ended, {latest.depth:,} ready or running" if latest else ""
    errors = f", {account.errors:,} refused or unanswered" if account.errors else ""
    return f"  {glance.elapsed:5.0f} s  {glance.phase}: {account.accepted:,} accepted{errors}{depth}"


def _lines(glance: Glance, plan: Plan) -> Group:
    account = glance.account
    latest = glance.watch.samples[-1] if glance.watch.samples else Sample(0.0, 0, 0, 0, 0)
    total = plan.expected
    table = Table.grid(padding=(0, 2))
    rate = f"{account.accepted / glance.elapsed:,.0f}/s" if glance.elapsed > 0 else ""
    p99 = f"p99 {length(account.accept.percentile(99))}" if account.accept.total else ""
    table.add_row("  accept", _bar(account.accepted, total), _of(account.accepted, total), rate, p99)
    if not plan.is_synchronous:
        table.add_row("  end", _bar(latest.ended, total or account.accepted), _of(latest.ended, total), "", "")
        depths = [sample.depth for sample in glance.watch.samples[-_WIDTH:]]
        table.add_row("  depth", Text(sparkline(depths)), f"max {max(depths, default=0):,}", "", "")
    in_hand = f"  {latest.ready:,} ready, {latest.running:,} running, {latest.waiting:,} wait for their next attempt"
    below = Text(f"  {glance.phase}{'' if plan.is_synchronous else in_hand}")
    if account.errors:
        below.append(f"  {account.errors:,} refused or unanswered", "red")
    return Group(table, below)


def sparkline(numbers: list[int]) -> str:
    """Numbers as blocks, the greatest as a full one."""
    most = max(numbers, default=0)
    return "".join(_BLOCKS[-(-number * (len(_BLOCKS) - 1) // most) if most else 0] for number in numbers)


def _bar(done: int, total: int | None) -> ProgressBar:
    return ProgressBar(total=total, completed=done, width=_WIDTH, pulse=total is None)


def _of(done: int, total: int | None) -> str:
    return f"{done:,}" if total is None else f"{done:,}/{total:,}"
