"""Schedule expressions of rules: `rate(5 minutes)` and `cron(0 12 * * ? *)`.

`parse` reads one and says precisely what is wrong with it; AWS has only one sentence for all of it, which the API
puts on top. A schedule answers one question: when does it fire next after a moment? Nothing here does I/O.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from producers.events import cron

_UNITS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_END = datetime.max.replace(tzinfo=UTC)


class InvalidSchedule(ValueError):
    """Raised when a schedule expression cannot be read. The text says why."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Fires one period after `start`, and then every period."""

    start: datetime
    minutes: int

    def next_after(self, moment: datetime) -> datetime | None:
        """The first tick later than `moment`; None if the calendar ends before it."""
        period_s = self.minutes * 60
        elapsed = moment - self.start
        ticks = max(1, elapsed // timedelta(seconds=1) // period_s + 1)
        if ticks * period_s > (_END - self.start).total_seconds():
            return None
        return self.start + timedelta(seconds=ticks * period_s)


Schedule = Rate | cron.Cron


def parse(expression: str, start: datetime) -> Schedule:
    """Read a schedule expression. A rate counts from `start`, the moment at which the rule got it.

    Raises:
        InvalidSchedule: the expression is neither a rate nor a cron expression of AWS's.
    """
    if match := re.fullmatch(r"cron\((.*)\)", expression):
        try:
            return cron.parse(match[1])
        except cron.InvalidCron as error:
            raise InvalidSchedule(f"'{expression}': {error}") from None
    if match := re.fullmatch(r"rate\(([0-9]+) (minute|hour|day)(s?)\)", expression):
        return Rate(start, _minutes(expression, int(match[1]), match[2], is_plural=bool(match[3])))
    raise InvalidSchedule(
        f"'{expression}' is neither rate(<number> minute|minutes|hour|hours|day|days) "
        "nor cron(<minutes> <hours> <day of month> <month> <day of week> <year>)"
    )


def check(expression: str) -> None:
    """Refuse an expression that cannot be read.

    Raises:
        InvalidSchedule: see `parse`.
    """
    parse(expression, _EPOCH)


def _minutes(expression: str, number: int, unit: str, *, is_plural: bool) -> int:
    if number == 0:
        raise InvalidSchedule(f"'{expression}': the number must be at least 1")
    if is_plural == (number == 1):
        raise InvalidSchedule(f"'{expression}': the unit is singular for 1, and plural for all other numbers")
    return number * (_UNITS[unit] // timedelta(minutes=1))
