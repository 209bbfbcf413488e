"""From records of executions to figures. Pure."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from benchmarks.records import Execution

#: What a measurement gives, by name.
Numbers = dict[str, float]


def share_of(sorted_values: Sequence[float], share: float) -> float:
    """The value below which `share` of them are."""
    return sorted_values[min(int(len(sorted_values) * share), len(sorted_values) - 1)]


def drain_rate(executions: Sequence[Execution], since: int) -> float:
    """Jobs per second of those at or after `since`: from the moment when all workers had begun to the last one.

    Where a worker took its first job only in the second half, the others did the work alone, and all of it counts.
    """
    drained = sorted((each for each in executions if each.at >= since), key=lambda each: each.at)
    begun: dict[int, int] = {}
    for position, each in enumerate(drained):
        begun.setdefault(each.process, position)
    start = max(begun.values())
    if start > len(drained) // 2:
        start = 0
    counted = len(drained) - 1 - start
    return counted / max(drained[-1].at - drained[start].at, 1) * 1e9


def lateness(late_ms: Sequence[float]) -> Numbers:
    """How far off the due moment events began. Too early is off as well: RQ rounds to whole seconds."""
    off = sorted(abs(each) for each in late_ms)
    return {"off_p50_ms": share_of(off, 0.5), "off_p99_ms": share_of(off, 0.99), "early_ms": max(0.0, -min(late_ms))}


def missing(executions: Sequence[Execution], given: Collection[int]) -> frozenset[int]:
    """Which of the events `given` were never done. One that was repeated does not stand for another."""
    return frozenset(given) - {each.number for each in executions}


@dataclass(frozen=True, slots=True)
class Account:
    """What became of the events after a kill."""

    missing: frozenset[int]  # never done
    twice: int  # done more than once
    last_done_s: float  # from the kill to the last one

    @classmethod
    def of(cls, executions: Sequence[Execution], given: Collection[int], killed: int) -> "Account":
        """Of the events `given`, after the kill at `killed` (CLOCK_MONOTONIC in ns)."""
        asked = frozenset(given)
        times = Counter(each.number for each in executions if each.number in asked)
        last = max(each.at for each in executions)
        twice = sum(1 for count in times.values() if count > 1)
        return cls(missing(executions, given), twice, (last - killed) / 1e9)

    def numbers(self, stuck: set[int]) -> Numbers:
        """As the table has it; `stuck` are those of the missing that the server still has."""
        return {
            "lost": len(self.missing - stuck),
            "stuck": len(stuck),
            "twice": self.twice,
            "last_done_s": self.last_done_s,
        }
