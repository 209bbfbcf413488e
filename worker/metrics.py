"""The metrics of AWS/Lambda: their names, their units, and their statistics over any number of periods. Pure.

`metrics.lua` writes what happened in a minute as a hash of counts; here one or many of those become a `Tally`, which
knows every statistic of every metric. Sums, counts, lowest and highest values are exact. Lengths of time are kept in
buckets eight to a doubling, so a percentile is wrong by 4.4 % at the most, and never lies outside what was measured.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

#: Seconds of the periods that are kept: minutes for MINUTES_KEPT seconds, and what they come to in five for PERIODS_KEPT.
MINUTE, PERIOD = 60, 300
MINUTES_KEPT, PERIODS_KEPT = 3 * 3_600, 15 * 86_400

#: The name under which all functions are counted together.
ALL = ""

_BUCKET = re.compile(r"([daw])(-?\d+)")
_LOWEST = re.compile(r"[dac]l")
_HIGHEST = re.compile(r"[da]h|c")


@dataclass(slots=True)
class Lengths:
    """Lengths of time, in ms."""

    buckets: Counter[int] = field(default_factory=Counter)
    sum: float = 0.0
    lowest: float = 0.0
    highest: float = 0.0

    @property
    def count(self) -> int:
        """How many there are."""
        return self.buckets.total()

    def percentile(self, percent: float) -> float:
        """The length that `percent` of all do not exceed."""
        left = percent / 100 * self.count
        for bucket, count in sorted(self.buckets.items()):
            left -= count
            if left <= 0:
                return min(max(2 ** ((bucket + 0.5) / 8), self.lowest), self.highest)
        return self.highest


@dataclass(frozen=True, slots=True)
class Sample:
    """The statistics of one metric."""

    count: float
    sum: float
    lowest: float
    highest: float
    percentile: Callable[[float], float]

    @property
    def average(self) -> float:
        """Sum by count."""
        return self.sum / self.count


class Tally:
    """What was counted in one period, or in several: the columns of `metrics.lua`."""

    def __init__(self, columns: Mapping[str, int]) -> None:
        """Take the columns of one period, or those that `joined` gives of several."""
        self.columns = columns

    @classmethod
    def read(cls, fields: Iterable[Mapping[bytes, bytes]]) -> "Tally":
        """Of the hashes of some periods."""
        columns: dict[str, int] = {}
        for period in fields:
            for name, value in period.items():
                _join(columns, name.decode(), int(value))
            if b"c" in period and b"cn" not in period:
                for name, value in {"cn": 1, "cs": int(period[b"c"]), "cl": int(period[b"c"])}.items():
                    _join(columns, name, value)
        return cls(columns)

    def lengths(self, letter: str, per_ms: int) -> Lengths:
        """Those of the columns that begin with `letter`, of which a ms has `per_ms` units."""
        buckets: Counter[int] = Counter()
        for name, count in self.columns.items():
            found = _BUCKET.fullmatch(name)
            if found and found[1] == letter:
                buckets[int(found[2])] = count
        total, lowest, highest = (self._get(letter + what) / per_ms for what in "slh")
        return Lengths(buckets, total, lowest, highest)

    def sample(self, metric: str) -> Sample | None:
        """The statistics of a metric of METRICS; None if it was not measured in this time."""
        return _SAMPLES[metric](self)

    @property
    def durations(self) -> Lengths:
        """Of the attempts that ran."""
        return self.lengths("d", 1000)

    @property
    def ages(self) -> Lengths:
        """Of the events when they ran."""
        return self.lengths("a", 1)

    def _get(self, name: str) -> int:
        return self.columns.get(name, 0)

    def counted(self, name: str) -> Sample | None:
        """Of something that is only told when it happens: each time a one."""
        return _ones(self._get(name), self._get(name))

    def of_attempts(self, happened: int, attempts: int) -> Sample | None:
        """Of something that is told of each attempt: a one if it happened, else a zero."""
        return _ones(happened, attempts)

    def concurrent(self) -> Sample | None:
        """Of the most that ran at once in each minute."""
        count, total, lowest, highest = (self._get(name) for name in ("cn", "cs", "cl", "c"))
        return Sample(count, total, lowest, highest, _no_percentile) if count else None


def _join(columns: dict[str, int], name: str, value: int) -> None:
    before = columns.get(name)
    if before is None:
        columns[name] = value
    elif _LOWEST.fullmatch(name):
        columns[name] = min(before, value)
    elif _HIGHEST.fullmatch(name):
        columns[name] = max(before, value)
    else:
        columns[name] = before + value


def _ones(ones: int, count: int) -> Sample | None:
    if not count:
        return None

    def percentile(percent: float) -> float:
        return float(percent / 100 * count > count - ones)

    return Sample(count, ones, float(ones == count), float(ones > 0), percentile)


def _of_lengths(lengths: Lengths) -> Sample | None:
    if not lengths.count:
        return None
    return Sample(lengths.count, lengths.sum, lengths.lowest, lengths.highest, lengths.percentile)


def _no_percentile(_: float) -> float:
    raise NoPercentile


class NoPercentile(Exception):
    """Raised for a percentile of ConcurrentExecutions, of which only the highest value of a minute is known."""


_SAMPLES: Mapping[str, Callable[[Tally], Sample | None]] = {
    "Invocations": lambda tally: _ones(tally.durations.count, tally.durations.count),
    "Errors": lambda tally: tally.of_attempts(tally.columns.get("e", 0), tally.durations.count),
    "Throttles": lambda tally: tally.of_attempts(
        tally.columns.get("t", 0), tally.durations.count + tally.columns.get("t", 0)
    ),
    "Duration": lambda tally: _of_lengths(tally.durations),
    "ConcurrentExecutions": Tally.concurrent,
    "AsyncEventsReceived": lambda tally: tally.counted("r"),
    "AsyncEventAge": lambda tally: _of_lengths(tally.ages),
    "AsyncEventsDropped": lambda tally: tally.counted("x"),
    "DeadLetterErrors": lambda tally: tally.counted("q"),
    "DestinationDeliveryFailures": lambda tally: tally.counted("f"),
    "RecursiveInvocationsDropped": lambda tally: tally.counted("y"),
}

#: The unit of every metric there is, in the order in which they are listed.
METRICS: Mapping[str, str] = {
    metric: "Milliseconds" if metric in ("Duration", "AsyncEventAge") else "Count" for metric in _SAMPLES
}
