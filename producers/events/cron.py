"""AWS's cron expressions: six fields in UTC, minute by minute, with `?`, `L`, `W` and `#` for days.

`parse` turns the text between the parentheses into a `Cron`; `Cron.next_after` walks over the years and months that
the expression names, and asks for the days of each. So it ends after 230 years of months at the latest, also for
an expression that never fires, like the 31st of February. Nothing here does I/O.
"""

import calendar
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

#: The years that an expression may name. Source: EventBridge User Guide, "Cron expressions".
FIRST_YEAR = 1970
LAST_YEAR = 2199

SATURDAY = 7
_MONTHS = {name: number for number, name in enumerate(calendar.month_abbr) if name}
_WEEKDAYS = {name: number for number, name in enumerate(("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"), start=1)}


class InvalidCron(ValueError):
    """Raised when an expression cannot be read. The text says which field is wrong, and why."""


@dataclass(frozen=True, slots=True)
class Month:
    """One month of one year, as far as day rules ask about it."""

    year: int
    month: int

    @property
    def last_day(self) -> int:
        """28 to 31."""
        return calendar.monthrange(self.year, self.month)[1]

    def weekday(self, day: int) -> int:
        """AWS's number of the day's weekday: 1 is Sunday, 7 is Saturday."""
        return date(self.year, self.month, day).isoweekday() % 7 + 1

    def days_on(self, weekday: int) -> range:
        """All days of the month that are this weekday."""
        first = 1 + (weekday - self.weekday(1)) % 7
        return range(first, self.last_day + 1, 7)

    def nearest_weekday(self, day: int) -> int:
        """The day from Monday to Friday that is nearest to `day` without leaving the month."""
        weekday = self.weekday(day)
        if weekday == SATURDAY:
            return day - 1 if day > 1 else day + 2
        if weekday == 1:
            return day + 1 if day < self.last_day else day - 2
        return day


#: Says which days of a month an expression means.
DayRule = Callable[[Month], set[int]]


@dataclass(frozen=True, slots=True)
class Cron:
    """One cron expression, ready to be asked. All tuples are sorted."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: DayRule
    months: tuple[int, ...]
    years: tuple[int, ...]

    def next_after(self, moment: datetime) -> datetime | None:
        """The first full minute later than `moment` that the expression names; None if there is none any more."""
        start = moment.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
        for day in self._days_from(start.date()):
            for hour in self.hours:
                for minute in self.minutes:
                    candidate = datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)
                    if candidate >= start:
                        return candidate
        return None

    def _days_from(self, start: date) -> Iterator[date]:
        for year in self.years:
            if year < start.year:
                continue
            for month in self.months:
                if (year, month) < (start.year, start.month):
                    continue
                for day in sorted(self.days(Month(year, month))):
                    found = date(year, month, day)
                    if found >= start:
                        yield found


@dataclass(frozen=True, slots=True)
class _Field:
    """The values that one field may have. `names` may stand for numbers."""

    name: str
    first: int
    last: int
    names: dict[str, int]
    may_wrap: bool = True

    def values(self, text: str) -> tuple[int, ...]:
        """All values that a list of items names, sorted."""
        return tuple(sorted({value for item in text.split(",") for value in self.item(item)}))

    def item(self, text: str) -> list[int]:
        """The values of one item of the list: `*`, `5`, `1-5`, `*/2`, `10/5` (from 10 on) or `1-9/2`."""
        start, slash, step_text = text.partition("/")
        step = self._step(step_text) if slash else 1
        if start == "*":
            return list(range(self.first, self.last + 1, step))
        low_text, dash, high_text = start.partition("-")
        low = self.number(low_text)
        if not dash:
            return list(range(low, self.last + 1, step)) if slash else [low]
        high = self.number(high_text)
        if low <= high:
            return list(range(low, high + 1, step))
        if not self.may_wrap:
            raise InvalidCron(f"{self.name}: the range '{start}' ends before it begins")
        size = self.last - self.first + 1
        return [self.first + (value - self.first) % size for value in range(low, high + size + 1, step)]

    def number(self, text: str) -> int:
        """The value of a number or a name."""
        value = self.names.get(text.capitalize())
        if value is None:
            if not re.fullmatch(r"[0-9]{1,4}", text):
                raise InvalidCron(f"{self.name}: '{text}' is neither a number nor a name that is known here")
            value = int(text)
        if not self.first <= value <= self.last:
            raise InvalidCron(f"{self.name}: {value} is not between {self.first} and {self.last}")
        return value

    def _step(self, text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,4}", text) or int(text) == 0:
            raise InvalidCron(f"{self.name}: the step '{text}' is not a number from 1")
        return int(text)


_MINUTES = _Field("minutes", 0, 59, {})
_HOURS = _Field("hours", 0, 23, {})
_DAY_OF_MONTH = _Field("day of month", 1, 31, {})
_MONTH = _Field("month", 1, 12, _MONTHS)
_DAY_OF_WEEK = _Field("day of week", 1, 7, _WEEKDAYS)
_YEAR = _Field("year", FIRST_YEAR, LAST_YEAR, {}, may_wrap=False)


def parse(text: str) -> Cron:
    """Read the six fields `minutes hours day-of-month month day-of-week year`.

    Raises:
        InvalidCron: the expression is not one of AWS's.
    """
    fields = re.split(r" +", text)
    if len(fields) != 6 or "" in fields:
        raise InvalidCron(f"there must be six fields with blanks between them, not '{text}'")
    minutes, hours, day_of_month, month, day_of_week, year = fields
    if (day_of_month == "?") == (day_of_week == "?"):
        raise InvalidCron("exactly one of day of month and day of week must be '?'")
    return Cron(
        _MINUTES.values(minutes),
        _HOURS.values(hours),
        _days_of_month(day_of_month) if day_of_week == "?" else _days_of_week(day_of_week),
        _MONTH.values(month),
        _YEAR.values(year),
    )


def _days_of_month(text: str) -> DayRule:
    rules = [_day_of_month(item) for item in text.split(",")]
    return lambda month: {day for rule in rules for day in rule(month)}


def _day_of_month(item: str) -> DayRule:
    if item == "L":
        return lambda month: {month.last_day}
    if item == "LW":
        return lambda month: {month.nearest_weekday(month.last_day)}
    if item.startswith("L-"):
        before = _DAY_OF_MONTH.number(item[2:])
        return lambda month: {month.last_day - before} if before < month.last_day else set()
    if item.endswith("W"):
        day = _DAY_OF_MONTH.number(item[:-1])
        # A month without the day has no nearest weekday to it either: 31W does not fire in April, as 31 does not.
        return lambda month: {month.nearest_weekday(day)} if day <= month.last_day else set()
    days = set(_DAY_OF_MONTH.item(item))
    return lambda month: {day for day in days if day <= month.last_day}


def _days_of_week(text: str) -> DayRule:
    if "#" in text:
        return _nth_weekday(text)
    rules = [_day_of_week(item) for item in text.split(",")]
    return lambda month: {day for rule in rules for day in rule(month)}


def _nth_weekday(text: str) -> DayRule:
    # AWS reads the whole field as one expression when there is a '#' in it: no list.
    weekday_text, _, nth_text = text.partition("#")
    weekday = _DAY_OF_WEEK.number(weekday_text)
    if nth_text not in {"1", "2", "3", "4", "5"}:
        raise InvalidCron(f"day of week: '{text}' must end in a number from 1 to 5")
    nth = int(nth_text)
    return lambda month: set(month.days_on(weekday)[nth - 1 : nth])


def _day_of_week(item: str) -> DayRule:
    if item == "L":  # the last day of the week
        return lambda month: set(month.days_on(SATURDAY))
    if item.endswith("L"):
        last = _DAY_OF_WEEK.number(item[:-1])
        return lambda month: {month.days_on(last)[-1]}
    weekdays = _DAY_OF_WEEK.item(item)
    return lambda month: {day for weekday in weekdays for day in month.days_on(weekday)}
