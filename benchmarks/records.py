"""The file in which executions leave their traces, which survive whatever happens to the process that wrote them."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.failure import MeasurementFailed

#: What `handler.py`, which may import nothing of ours, writes: the number of the event, and CLOCK_MONOTONIC in ns.
RECORD = struct.Struct("<qq")


@dataclass(frozen=True, slots=True)
class Records:
    """The file that `handler.stamp` appends to."""

    path: Path

    @classmethod
    def new(cls, path: Path) -> "Records":
        """An empty file."""
        path.touch()
        return cls(path)

    def count(self) -> int:
        """How many executions there were."""
        return self.path.stat().st_size // RECORD.size

    def since(self, moments: Mapping[int, int]) -> list[float]:
        """Milliseconds from the moment of each number (CLOCK_MONOTONIC in ns) until it began first, in order of size.

        Raises:
            MeasurementFailed: some never began.
        """
        began: dict[int, int] = {}
        for number, moment in RECORD.iter_unpack(self.path.read_bytes()):
            began[number] = min(moment, began.get(number, moment))
        if never := moments.keys() - began.keys():
            raise MeasurementFailed(f"{len(never)} of {len(moments)} messages never ran, {min(never)} among them")
        return sorted((began[number] - moment) / 1e6 for number, moment in moments.items())
