"""A histogram of lengths of time whose buckets grow with the value: any length is known to one part in a hundred.

Values are counted in whole microseconds. Up to 128 µs each has a bucket of its own; above that, each doubling is split
into 64 buckets. Histograms of several processes are merged by adding their counts, and percentiles of the sum are as
good as those of the parts. Pure.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

#: Buckets for each doubling of the value. The middle of a bucket is off by half of 1/64 of the value at the most.
_SPLIT = 64
_BITS = 6


@dataclass(slots=True)
class Histogram:
    """Counts by bucket. All lengths that go in and come out are in milliseconds."""

    counts: dict[int, int] = field(default_factory=dict)
    total: int = 0
    sum_ms: float = 0.0
    least_ms: float = 0.0
    most_ms: float = 0.0

    def add(self, length_ms: float) -> None:
        """Count one length. One below 0, as two clocks of a machine may tell it, counts as 0."""
        length_ms = max(0.0, length_ms)
        self.least_ms = length_ms if not self.total else min(self.least_ms, length_ms)
        self.most_ms = max(self.most_ms, length_ms)
        self.total += 1
        self.sum_ms += length_ms
        index = _index(int(length_ms * 1000))
        self.counts[index] = self.counts.get(index, 0) + 1

    def merge(self, other: "Histogram") -> None:
        """Add what another has counted."""
        if not other.total:
            return
        self.least_ms = other.least_ms if not self.total else min(self.least_ms, other.least_ms)
        self.most_ms = max(self.most_ms, other.most_ms)
        self.total += other.total
        self.sum_ms += other.sum_ms
        for index, count in other.counts.items():
            self.counts[index] = self.counts.get(index, 0) + count

    @property
    def mean_ms(self) -> float:
        """The mean; 0 if nothing was counted."""
        return self.sum_ms / self.total if self.total else 0.0

    def percentile(self, percent: float) -> float:
        """The length, in ms, that `percent` per cent of all do not exceed; 0 if nothing was counted.

        The least and the greatest are exact; the others are the middle of their bucket.
        """
        if not self.total:
            return 0.0
        wanted = max(1, -(-self.total * percent // 100))  # rounded up: the rank of the one that is asked for
        if wanted >= self.total:
            return self.most_ms
        seen = 0
        for index in sorted(self.counts):
            seen += self.counts[index]
            if seen >= wanted:
                low, high = _edges(index)
                return min(max((low + high) / 2000, self.least_ms), self.most_ms)
        return self.most_ms

    def buckets(self) -> Iterator[tuple[float, float, int]]:
        """The buckets that are not empty, from the least: lower edge and upper edge in ms, count."""
        for index in sorted(self.counts):
            low, high = _edges(index)
            yield low / 1000, high / 1000, self.counts[index]

    def document(self) -> dict[str, Any]:
        """As JSON keeps it."""
        return {
            "total": self.total,
            "sum_ms": round(self.sum_ms, 3),
            "least_ms": round(self.least_ms, 3),
            "most_ms": round(self.most_ms, 3),
            "counts": [[index, self.counts[index]] for index in sorted(self.counts)],
        }

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Histogram":
        """From what `document` gave.

        Raises:
            KeyError, TypeError, ValueError: it is no such document.
        """
        return cls(
            counts={int(index): int(count) for index, count in document["counts"]},
            total=int(document["total"]),
            sum_ms=float(document["sum_ms"]),
            least_ms=float(document["least_ms"]),
            most_ms=float(document["most_ms"]),
        )


def _index(microseconds: int) -> int:
    """The bucket of a length."""
    shift = max(0, microseconds.bit_length() - _BITS - 1)
    return shift * _SPLIT + (microseconds >> shift)


def _edges(index: int) -> tuple[int, int]:
    """From where to where, in µs, the upper edge excluded, a bucket reaches."""
    if index < 2 * _SPLIT:
        return index, index + 1
    shift = index // _SPLIT - 1
    mantissa = index - shift * _SPLIT
    return mantissa << shift, (mantissa + 1) << shift
