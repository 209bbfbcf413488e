"""The metrics of AWS/Lambda: their names, their units, and their statistics over any number of records. Pure.

What happened in a minute is a record of counts (`metric_notes.lua`); here one or many of those become a `Tally`, which
knows the statistics of every metric. Sums, counts, lowest and highest values are exact. Lengths of time lie in buckets,
eight to a doubling, so a percentile is wrong by 4.4 % at the most, and never lies outside what was measured.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

#: Seconds of the two kinds of records, and for how long they can be read: minutes, and what they come to in five.
MINUTE, PERIOD = 60, 300
MINUTES_KEPT, PERIODS_KEPT = 3 * 3_600, 15 * 86_400

#: The name of the records in which all functions are counted together.
ALL = ""

#: A record as Redis holds it.
Columns = Mapping[bytes, bytes]

_BUCKET = re.compile(r"([daw])(-?\d+)")
_LOWEST = ("dl", "al", "cl")
_HIGHEST = ("dh", "ah", "c")


class NoPercentile(Exception):
    """Raised for a percentile of ConcurrentExecutions, of which only the highest value of a minute is known."""


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
    percentile: Callable[[float], float]  # of a number from 0 to 100; may raise NoPercentile


class Tally:
    """What was counted in one record, or in several."""

    def __init__(self, records: Iterable[Columns]) -> None:
        self._columns: dict[str, int] = {}
        for record in records:
            for name, value in record.items():
                self._join(name.decode(), int(value))
            if b"c" in record and b"cn" not in record:  # a minute's: one value, which is the highest of it
                for column, number in {"cn": 1, "cs": int(record[b"c"]), "cl": int(record[b"c"])}.items():
                    self._join(column, number)

    def sample(self, metric: str) -> Sample | None:
        """The statistics of a metric of METRICS; None if it was not measured in this time."""
        return _SAMPLES[metric](self)

    def column(self, name: str) -> int:
        """One column; what the columns are is told in `metric_notes.lua`."""
        return self._columns.get(name, 0)

    @property
    def durations(self) -> Lengths:
        """How long attempts ran."""
        buckets = self.buckets("d")
        return Lengths(buckets, *(self.column(name) / 1000 for name in ("ds", "dl", "dh")))

    @property
    def ages(self) -> Lengths:
        """How old events were when they ran, at each attempt."""
        total = self.column("ws") + self.column("as")
        return Lengths(self.buckets("w") + self.buckets("a"), total, self.column("al"), self.column("ah"))

    def buckets(self, letter: str) -> Counter[int]:
        """The buckets of a kind: d, w or a."""
        found = ((_BUCKET.fullmatch(name), count) for name, count in self._columns.items())
        return Counter({int(match[2]): count for match, count in found if match and match[1] == letter})

    def _join(self, name: str, value: int) -> None:
        before = self._columns.get(name)
        if before is None:
            self._columns[name] = value
        elif name in _LOWEST:
            self._columns[name] = min(before, value)
        else:
            self._columns[name] = max(before, value) if name in _HIGHEST else before + value


def _happened(column: str) -> Callable[[Tally], Sample | None]:
    """Of what is only told when it happens: a one each time."""
    return lambda tally: _ones(tally.column(column), tally.column(column))


def _invocations(tally: Tally) -> Sample | None:
    count = tally.durations.count
    return _ones(count, count)


def _errors(tally: Tally) -> Sample | None:
    """A one or a zero of each attempt that ran: the average is the rate of errors."""
    return _ones(tally.column("e"), tally.durations.count)


def _throttles(tally: Tally) -> Sample | None:
    """A one or a zero of each attempt, whether it ran or not."""
    return _ones(tally.column("t"), tally.durations.count + tally.column("t"))


def _concurrent(tally: Tally) -> Sample | None:
    """Of the highest number of each minute."""
    if not tally.column("cn"):
        return None
    count, total, lowest, highest = map(tally.column, ("cn", "cs", "cl", "c"))
    return Sample(count, total, lowest, highest, _no_percentile)


def _ones(ones: int, count: int) -> Sample | None:
    if not count:
        return None
    zeros = count - ones
    return Sample(count, ones, float(not zeros), float(ones > 0), lambda percent: float(percent / 100 * count > zeros))


def _of_lengths(lengths: Lengths) -> Sample | None:
    if not lengths.count:
        return None
    return Sample(lengths.count, lengths.sum, lengths.lowest, lengths.highest, lengths.percentile)


def _no_percentile(_: float) -> float:
    raise NoPercentile


_SAMPLES: Mapping[str, Callable[[Tally], Sample | None]] = {
    "Invocations": _invocations,
    "Errors": _errors,
    "Throttles": _throttles,
    "Duration": lambda tally: _of_lengths(tally.durations),
    "ConcurrentExecutions": _concurrent,
    "AsyncEventsReceived": _happened("r"),
    "AsyncEventAge": lambda tally: _of_lengths(tally.ages),
    "AsyncEventsDropped": _happened("x"),
    "DeadLetterErrors": _happened("q"),
    "DestinationDeliveryFailures": _happened("f"),
    "RecursiveInvocationsDropped": _happened("y"),
}

#: The unit of every metric there is, in the order in which they are listed.
METRICS: Mapping[str, str] = {
    metric: "Milliseconds" if metric in ("Duration", "AsyncEventAge") else "Count" for metric in _SAMPLES
}
