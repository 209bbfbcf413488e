"""Schedule expressions: what is valid, and when they fire."""

import calendar
import random
from datetime import UTC, date, datetime, timedelta

import pytest

from producers.events import schedule
from producers.events.schedule import InvalidSchedule

START = datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC)


def moments(expression: str, after: datetime, count: int) -> list[str]:
    """The next `count` times, fewer if the schedule ends."""
    found = []
    parsed = schedule.parse(expression, START)
    moment: datetime | None = after
    while moment is not None and len(found) < count:
        moment = parsed.next_after(moment)
        if moment is not None:
            found.append(moment.strftime("%Y-%m-%d %H:%M"))
    return found


@pytest.mark.parity("events.schedule.cron")
@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        ("cron(0 12 29 2 ? *)", "2026-01-01", ["2028-02-29 12:00", "2032-02-29 12:00"]),
        ("cron(0 0 29 2 ? *)", "2097-01-01", ["2104-02-29 00:00"]),
        ("cron(0 0 15W * ? *)", "2026-02-01", ["2026-02-16 00:00"]),  # 15 February 2026 is a Sunday
        ("cron(0 0 15W * ? *)", "2026-08-01", ["2026-08-14 00:00"]),  # a Saturday
        ("cron(0 0 15W * ? *)", "2026-04-01", ["2026-04-15 00:00"]),  # a Wednesday
        ("cron(0 0 1W * ? *)", "2026-07-31", ["2026-08-03 00:00"]),  # Saturday the 1st: not back into July
        ("cron(0 0 1W * ? *)", "2026-01-31", ["2026-02-02 00:00"]),  # Sunday the 1st
        ("cron(0 0 31W * ? *)", "2026-05-01", ["2026-05-29 00:00", "2026-07-31 00:00"]),  # Sunday 31 May, no June
        ("cron(0 0 30W * ? *)", "2026-05-01", ["2026-05-29 00:00"]),  # Saturday
        ("cron(0 0 28W 2 ? *)", "2027-02-01", ["2027-02-26 00:00"]),  # Sunday and month end: two days back
        ("cron(0 0 LW * ? *)", "2026-01-01", ["2026-01-30 00:00", "2026-02-27 00:00", "2026-03-31 00:00"]),
        ("cron(0 0 L * ? *)", "2028-01-31", ["2028-02-29 00:00", "2028-03-31 00:00"]),
        ("cron(0 0 L-3 * ? *)", "2026-01-01", ["2026-01-28 00:00", "2026-02-25 00:00"]),
        ("cron(0 0 L-30 * ? *)", "2026-01-02", ["2026-03-01 00:00"]),
        ("cron(15 10 ? * 6L *)", "2026-01-01", ["2026-01-30 10:15", "2026-02-27 10:15"]),
        ("cron(15 10 ? * FRIL *)", "2026-01-01", ["2026-01-30 10:15"]),
        ("cron(0 0 ? * L *)", "2026-01-01", ["2026-01-03 00:00", "2026-01-10 00:00"]),
        ("cron(0 0 ? * SAT#3 *)", "2026-01-01", ["2026-01-17 00:00", "2026-02-21 00:00"]),
        ("cron(0 0 ? * 3#2 *)", "2026-01-01", ["2026-01-13 00:00"]),
        ("cron(0 0 ? * 5#5 *)", "2026-01-01", ["2026-01-29 00:00", "2026-04-30 00:00"]),
        ("cron(0 0 ? * 1 *)", "2026-01-01", ["2026-01-04 00:00"]),
        ("cron(0 0 ? * FRI-MON *)", "2026-01-05", ["2026-01-09 00:00", "2026-01-10 00:00", "2026-01-11 00:00"]),
        ("cron(0 8-10 ? * MON-FRI *)", "2026-01-02T10:00", ["2026-01-05 08:00", "2026-01-05 09:00"]),
        ("cron(0 22-1 1 1 ? 2027)", "2026-01-01", ["2027-01-01 00:00", "2027-01-01 01:00", "2027-01-01 22:00"]),
        ("cron(0 22-3/2 1 1 ? 2027)", "2026-01-01", ["2027-01-01 00:00", "2027-01-01 02:00", "2027-01-01 22:00"]),
        ("cron(0 0 1 NOV-FEB ? *)", "2026-02-02", ["2026-11-01 00:00", "2026-12-01 00:00", "2027-01-01 00:00"]),
        ("cron(1/10 0 1 1 ? *)", "2026-12-31", ["2027-01-01 00:01", "2027-01-01 00:11", "2027-01-01 00:21"]),
        ("cron(*/15 * * * ? *)", "2026-01-01T00:15", ["2026-01-01 00:30", "2026-01-01 00:45"]),
        ("cron(0-59/10 0 1,15 jan ? *)", "2026-01-01T00:45", ["2026-01-01 00:50", "2026-01-15 00:00"]),
        ("cron(0 0 1,L * ? *)", "2026-01-01T01:00", ["2026-01-31 00:00", "2026-02-01 00:00"]),
        ("cron(0 0 1 1 ? 2026/2)", "2026-01-02", ["2028-01-01 00:00", "2030-01-01 00:00"]),
        ("cron(0 0 1 1 ? 2025,2029-2030)", "2026-01-01", ["2029-01-01 00:00", "2030-01-01 00:00"]),
        ("cron(0 0 1 1 ? 2025)", "2026-01-01", []),
        ("cron(59 23 31 12 ? *)", "2199-12-31T23:59", []),
        ("cron(0 0 31 2 ? *)", "2026-01-01", []),
        ("cron(0 0 30 FEB ? *)", "1970-01-01", []),
        ("cron(0 12 * * ? *)", "2026-03-29T11:59:59", ["2026-03-29 12:00"]),
        ("cron(0 12 * * ? *)", "2026-03-29T12:00", ["2026-03-30 12:00"]),
    ],
)
def test_cron_fires_at(expression: str, after: str, expected: list[str]) -> None:
    """The next times after a moment, strictly later than it, and none when the expression is over."""
    moment = datetime.fromisoformat(after).replace(tzinfo=UTC)

    actual = moments(expression, moment, len(expected) or 1)

    assert actual == expected


@pytest.mark.parity("events.schedule.rate")
@pytest.mark.parametrize(
    ("expression", "elapsed", "expected"),
    [
        ("rate(1 minute)", 0, 60),
        ("rate(1 minute)", 59.999, 60),
        ("rate(1 minute)", 60, 120),
        ("rate(5 minutes)", 301, 600),
        ("rate(1 hour)", 0, 3_600),
        ("rate(2 hours)", 7_200, 14_400),
        ("rate(1 day)", 5 * 86_400 + 1, 6 * 86_400),
        ("rate(7 days)", -3_600, 7 * 86_400),
    ],
)
def test_a_rate_counts_from_its_start(expression: str, elapsed: float, expected: float) -> None:
    """Ticks lie whole periods after the start, and the start itself is none."""
    actual = schedule.parse(expression, START).next_after(START + timedelta(seconds=elapsed))

    assert actual == START + timedelta(seconds=expected)


def test_a_rate_beyond_the_calendar_never_fires() -> None:
    """A number that no date can hold is valid, and gives no time."""
    assert schedule.parse("rate(99999999999999999999 days)", START).next_after(START) is None


@pytest.mark.parity("events.schedule.rate", "events.schedule.cron")
@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("rate(0 minutes)", "at least 1"),
        ("rate(1 hours)", "singular for 1"),
        ("rate(10 hour)", "plural"),
        ("rate(10 seconds)", "neither rate"),
        ("rate(10 years)", "neither rate"),
        ("rate(10 MINUTES)", "neither rate"),
        ("rate( 10 minutes)", "neither rate"),
        ("rate(10 minutes )", "neither rate"),
        ("rate(10  minutes)", "neither rate"),
        (" rate(10 minutes)", "neither rate"),
        ("rate(-1 minutes)", "neither rate"),
        ("rate(1.5 minutes)", "neither rate"),
        ("rate(٣ minutes)", "neither rate"),
        ("rate(10)", "neither rate"),
        ("5 minutes", "neither rate"),
        ("", "neither rate"),
        ("at(2030-01-01T00:00:00)", "neither rate"),
        ("cron(0 0 1 1 ?)", "six fields"),
        ("cron(0 0 1 1 ? * *)", "six fields"),
        ("cron( 0 0 1 1 ? *)", "six fields"),
        ("cron()", "six fields"),
        ("cron(0 0 * * * *)", "exactly one"),
        ("cron(0 0 ? * ? *)", "exactly one"),
        ("cron(60 0 1 1 ? *)", "minutes: 60 is not between 0 and 59"),
        ("cron(0 24 1 1 ? *)", "hours: 24"),
        ("cron(0 0 0 1 ? *)", "day of month: 0"),
        ("cron(0 0 32 1 ? *)", "day of month: 32"),
        ("cron(0 0 1 13 ? *)", "month: 13"),
        ("cron(0 0 1 JANUARY ? *)", "month: 'JANUARY'"),
        ("cron(0 0 ? * 0 *)", "day of week: 0"),
        ("cron(0 0 ? * 8 *)", "day of week: 8"),
        ("cron(0 0 ? * MON#6 *)", "from 1 to 5"),
        ("cron(0 0 ? * 3#1,6#3 *)", "from 1 to 5"),
        ("cron(0 0 ? * 15W *)", "day of week"),
        ("cron(0 0 W * ? *)", "day of month: ''"),
        ("cron(0 0 32W * ? *)", "day of month: 32"),
        ("cron(0 0 L-31W * ? *)", "day of month"),
        ("cron(0 0 6L * ? *)", "day of month: '6L'"),
        ("cron(0 0 1 1 ? 1969)", "year: 1969"),
        ("cron(0 0 1 1 ? 2200)", "year: 2200"),
        ("cron(0 0 1 1 ? 2030-2020)", "ends before it begins"),
        ("cron(*/0 0 1 1 ? *)", "step '0'"),
        ("cron(*/x 0 1 1 ? *)", "step 'x'"),
        ("cron(1,,2 0 1 1 ? *)", "minutes: ''"),
        ("cron(1- 0 1 1 ? *)", "minutes: ''"),
        ("cron(-1 0 1 1 ? *)", "minutes: ''"),
        ("cron(? 0 1 1 ? *)", "minutes: '?'"),
        ("cron(L 0 1 1 ? *)", "minutes: 'L'"),
        ("cron(MON 0 1 1 ? *)", "minutes: 'MON'"),
    ],
)
def test_invalid_expressions_are_refused(expression: str, reason: str) -> None:
    """The exception says what exactly is wrong."""
    with pytest.raises(InvalidSchedule) as raised:
        schedule.parse(expression, START)

    assert reason in str(raised.value)


# --- against brute force --------------------------------------------------------------------------------------------

MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
WINDOW_DAYS = 70
FIRINGS = 40


def has_value(field: str, value: int, first: int, last: int, names: list[str] | None = None) -> bool:
    """The reference for one field, written as a question about one value."""
    return any(item_has_value(item, value, first, last, names or []) for item in field.split(","))


def item_has_value(item: str, value: int, first: int, last: int, names: list[str]) -> bool:
    span, _, step = item.partition("/")
    bounds = [first + names.index(part) if part in names else part for part in span.split("-")]
    if bounds == ["*"]:
        low, high = first, last
    else:
        low = int(bounds[0])
        high = int(bounds[1]) if len(bounds) == 2 else (last if step else low)
    size = last - first + 1
    distance = (value - low) % size
    return distance <= (high - low) % size and distance % int(step or 1) == 0


def is_day(day: date, day_of_month: str, day_of_week: str) -> bool:
    last = calendar.monthrange(day.year, day.month)[1]
    weekday = day.isoweekday() % 7 + 1
    if day_of_week == "?":
        return any(is_day_of_month(day, item, last) for item in day_of_month.split(","))
    name, sharp, nth = day_of_week.partition("#")
    if sharp:
        return has_value(name, weekday, 1, 7, WEEKDAYS) and (day.day - 1) // 7 + 1 == int(nth)
    if day_of_week == "L":
        return weekday == 7
    if day_of_week.endswith("L"):
        return has_value(day_of_week[:-1], weekday, 1, 7, WEEKDAYS) and day.day + 7 > last
    return has_value(day_of_week, weekday, 1, 7, WEEKDAYS)


def is_day_of_month(day: date, item: str, last: int) -> bool:
    if item.startswith("L-"):
        return day.day == last - int(item[2:])
    if item == "L":
        return day.day == last
    if item.endswith("W"):
        wanted = last if item == "LW" else int(item[:-1])
        if wanted > last:
            return False
        working_days = [d for d in range(1, last + 1) if date(day.year, day.month, d).isoweekday() <= 5]
        return day.day == min(working_days, key=lambda d: abs(d - wanted))
    return has_value(item, day.day, 1, 31)


def brute_force(expression: str, start: datetime) -> list[datetime]:
    """Every minute of the window is asked whether the expression names it."""
    minutes, hours, day_of_month, month, day_of_week, year = expression[5:-1].split()
    found = []
    for number in range(WINDOW_DAYS):
        day = start + timedelta(days=number)
        if not (
            has_value(year, day.year, 1970, 2199)
            and has_value(month, day.month, 1, 12, MONTHS)
            and is_day(day.date(), day_of_month, day_of_week)
        ):
            continue
        found.extend(
            day + timedelta(minutes=minute)
            for minute in range(24 * 60)
            if has_value(hours, minute // 60, 0, 23) and has_value(minutes, minute % 60, 0, 59)
        )
        if len(found) >= FIRINGS:
            break
    return found[:FIRINGS]


def random_field(dice: random.Random, first: int, last: int, names: list[str] | None = None) -> str:
    def number() -> str:
        value = dice.randint(first, last)
        return dice.choice(names) if names and dice.random() < 0.5 else str(value)

    def item() -> str:
        kind = dice.randrange(5)
        low, high = number(), number()
        return [low, f"{low}-{high}", f"{low}/{dice.randint(1, 9)}", f"*/{dice.randint(2, 9)}", f"{low}-{high}/3"][kind]

    if dice.random() < 0.25:
        return "*"
    return ",".join(item() for _ in range(dice.choice([1, 1, 2])))


def random_expression(dice: random.Random) -> str:
    day_of_month, day_of_week = "?", "?"
    if dice.random() < 0.5:
        special = ["L", "LW", f"L-{dice.randint(1, 30)}", f"{dice.randint(1, 31)}W", "3,L", "1W,20-25"]
        day_of_month = random_field(dice, 1, 31) if dice.random() < 0.4 else dice.choice(special)
    else:
        special = ["L", f"{dice.randint(1, 7)}L", f"{dice.choice(WEEKDAYS)}#{dice.randint(1, 5)}", "TUEL"]
        day_of_week = random_field(dice, 1, 7, WEEKDAYS) if dice.random() < 0.5 else dice.choice(special)
    month = "*" if dice.random() < 0.6 else random_field(dice, 1, 12, MONTHS)
    year = dice.choice(["*", "*", "*", "2020/2", "2025-2028", "2024,2028", "*/3"])
    minutes, hours = str(dice.randint(0, 59)), str(dice.randint(0, 23))
    if dice.random() < 0.5:
        minutes, hours = random_field(dice, 0, 59), random_field(dice, 0, 23)
    return f"cron({minutes} {hours} {day_of_month} {month} {day_of_week} {year})"


@pytest.mark.parametrize("seed", range(4))
def test_cron_agrees_with_brute_force(seed: int) -> None:
    """Random valid expressions fire at exactly the minutes that a search through all minutes finds."""
    dice = random.Random(seed)

    for _ in range(60):
        expression = random_expression(dice)
        start = datetime(dice.randint(2023, 2030), dice.randint(1, 12), 1, tzinfo=UTC)
        parsed = schedule.parse(expression, START)
        expected = brute_force(expression, start)

        actual: list[datetime] = []
        moment = parsed.next_after(start - timedelta(seconds=1))
        end = start + timedelta(days=WINDOW_DAYS)
        while moment is not None and moment < end and len(actual) < FIRINGS:
            actual.append(moment)
            moment = parsed.next_after(moment)
        assert actual == expected, expression
