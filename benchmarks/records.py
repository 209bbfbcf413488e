"""The file in which executions leave their traces, which survive whatever happens to the process that wrote them."""

import struct
from dataclasses import dataclass
from pathlib import Path

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

    def read(self) -> dict[int, int]:
        """When each number began first, by CLOCK_MONOTONIC in ns."""
        first: dict[int, int] = {}
        for number, moment in RECORD.iter_unpack(self.path.read_bytes()):
            first[number] = min(moment, first.get(number, moment))
        return first
