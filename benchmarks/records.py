"""The file in which executions leave their traces, which survive whatever happens to the process that wrote them."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.failure import MeasurementFailed

#: What `handler.py` and `peers/programs/job.py`, which may import nothing of ours, write: the number of the event, the
#: process, and CLOCK_MONOTONIC in ns.
RECORD = struct.Struct("<iiq")


@dataclass(frozen=True, slots=True)
class Execution:
    """One record. `at` is CLOCK_MONOTONIC in ns."""

    number: int
    process: int
    at: int


@dataclass(frozen=True, slots=True)
class Records:
    """The file that executions append to."""

    path: Path

    @classmethod
    def new(cls, path: Path) -> "Records":
        """An empty file."""
        path.touch()
        return cls(path)

    def count(self) -> int:
        """How many executions there were."""
        return self.path.stat().st_size // RECORD.size

    def executions(self) -> list[Execution]:
        """All there are, in the order in which they were written."""
        whole = self.path.read_bytes()
        return [Execution(*fields) for fields in RECORD.iter_unpack(whole[: len(whole) // RECORD.size * RECORD.size])]

    def since(self, moments: Mapping[int, int]) -> list[float]:
        """Milliseconds from the moment of each number (CLOCK_MONOTONIC in ns) until it began first, in order of size.

        Raises:
            MeasurementFailed: some never began.
        """
        began: dict[int, int] = {}
        for each in self.executions():
            began[each.number] = min(each.at, began.get(each.number, each.at))
        if never := moments.keys() - began.keys():
            raise MeasurementFailed(f"{len(never)} of {len(moments)} messages never ran, {min(never)} among them")
        return sorted((began[number] - moment) / 1e6 for number, moment in moments.items())
