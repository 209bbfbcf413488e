"""The times of a request: which periods it asks for, and whether they can be answered. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from producers.errors import ApiError
from worker.metric_store import first_minute
from worker.metrics import MINUTE, MINUTES_KEPT, PERIOD, Columns, Tally


@dataclass(frozen=True, slots=True)
class Range:
    """Periods of `period` seconds that follow each other from `start` up to, and without, `end`."""

    start: int
    end: int
    period: int

    @property
    def points(self) -> int:
        """How many there are."""
        return -(-(self.end - self.start) // self.period)

    def tallies(self, records: Iterable[tuple[int, Columns]]) -> Mapping[int, Tally]:
        """What was counted in each period in which anything was, by its start, the earliest first."""
        parts: dict[int, list[Columns]] = {}
        for at, columns in sorted(records, key=lambda record: record[0]):
            parts.setdefault(at - (at - self.start) % self.period, []).append(columns)
        return {at: Tally(found) for at, found in parts.items()}


def range_of(start: float, end: float, period: int, now: int, *, is_aligned: bool) -> Range:
    """The periods of a request. `is_aligned`: they begin at multiples of the period, else where the range begins.

    Raises:
        ApiError: the range is empty, or there are no records of such periods.
    """
    if end <= start:
        raise ApiError("InvalidParameterValue", "The parameter StartTime must be less than the parameter EndTime.")
    if period % MINUTE:
        raise ApiError("InvalidParameterValue", f"The parameter Period is {period}; it must be a multiple of 60.")
    is_old = start < first_minute(now)
    if is_old and period % PERIOD:
        raise ApiError(
            "InvalidParameterCombination",
            f"The parameter Period is {period}, but what is older than {MINUTES_KEPT // 3_600} hours is kept for "
            "periods of 300 seconds. Ask for a multiple of 300, or for a later StartTime.",
        )
    step = period if is_aligned else (PERIOD if is_old else MINUTE)
    return Range(int(start // step * step), -(-int(end) // MINUTE) * MINUTE, period)
