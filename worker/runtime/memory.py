"""How much memory a handler's process holds, with the processes it started.

Linux says it in /proc; elsewhere the answer is 0 and no limit is kept. A single read of the process itself costs a
microsecond and is done after every invocation; its children are looked at only now and then while it runs, and are
counted by their proportional share, so that pages which a fork shares count once.
"""

import os
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")


class MemoryGauge:
    """Reads the memory of one process."""

    def __init__(self, pid: int, init: int | None = None) -> None:
        """Of `pid`, and of what lives on under `init`, process 1 of its PID namespace, when its parent has died."""
        self._pid = pid
        self._init = init
        try:
            self._statm = os.open(f"/proc/{pid}/statm", os.O_RDONLY)
        except OSError:
            self._statm = -1

    def read(self) -> int:
        """Resident bytes of the process itself; 0 when it has ended."""
        if self._statm < 0:
            return 0
        try:
            return int(os.pread(self._statm, 128, 0).split()[1]) * _PAGE
        except (OSError, IndexError):
            return 0

    def read_with_children(self) -> int:
        """Resident bytes of the process and of all that descend from it."""
        if self._statm < 0:
            return 0
        children = descendants(self._pid)
        if self._init is not None:
            children += descendants(self._init)
        if not children:
            return self.read()
        return sum(_proportional(pid) for pid in (self._pid, *children))

    def close(self) -> None:
        """Give the descriptor back."""
        if self._statm >= 0:
            os.close(self._statm)
            self._statm = -1


def descendants(pid: int) -> list[int]:
    """The processes that descend from `pid`, as far as their parents live."""
    found: list[int] = []
    unseen = [pid]
    while unseen:
        children = _children(unseen.pop())
        found += children
        unseen += children
    return found


def _children(pid: int) -> list[int]:
    """Children of every thread of `pid`; none when it has ended meanwhile."""
    children: list[int] = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            children += map(int, (task / "children").read_text().split())
    except OSError:
        return children
    return children


def _proportional(pid: int) -> int:
    """Bytes of `pid`, where a page that n processes share counts as one n-th; 0 when it has ended meanwhile."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        return 0
    return 0
