"""How much processor time the parts of the running system use, and the load test itself: read from /proc. Linux only.

Gateway, workers and scheduler are found by their command lines, and by the data folder in their environment, which only
their owner can read. What a worker starts are execution environments, however it does that. Redis says itself what it
uses. A process that ended counts for the one that waited for it; only the clients do not count for the load test.
"""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")

#: What a part's command line has -> the part.
_PARTS: Mapping[bytes, str] = {
    b"producers.gateway": "gateway",
    b"celery -A worker worker": "workers",
    b"producers.scheduler": "scheduler",
}

#: What workers start.
ENVIRONMENTS = "environments"

#: The load test's own: its client processes, and the one that started them.
CLIENTS, LOAD_TEST = "clients", "load test"


@dataclass(frozen=True, slots=True)
class Process:
    """One process. Times are in seconds."""

    pid: int
    parent: int
    own: float
    of_children: float  # that have ended


class Parts:
    """The processes of the system with one data folder."""

    def __init__(self, folder: Path, clients: Iterable[int]) -> None:
        """`clients` are the ids of the load test's own processes, this one not among them."""
        self._marker = b"THRICE_DATA_DIR=" + os.fsencode(folder)
        self._clients: dict[int, float] = {}  # what was seen last: they may have ended
        self._known: dict[int, str] = dict.fromkeys(clients, CLIENTS) | {os.getpid(): LOAD_TEST}

    def cpu(self) -> dict[str, float]:
        """Seconds of processor time since each process began, by part; nothing where there is no /proc."""
        processes = {process.pid: process for process in _everybody()}
        total: dict[str, float] = {}
        for process in processes.values():
            part = self._part_of(process.pid, processes)
            if part == CLIENTS:
                self._clients[process.pid] = process.own
            elif part:
                of_children = process.of_children if part != LOAD_TEST else 0.0
                total[part] = total.get(part, 0.0) + process.own + of_children
        return total | {CLIENTS: sum(self._clients.values())} if self._clients else total

    def count(self, part: str) -> int:
        """How many processes of a part were found."""
        return sum(known == part for known in self._known.values())

    def _part_of(self, pid: int, processes: Mapping[int, Process]) -> str:
        """The part that a process belongs to; "" if it is none of ours."""
        known = self._known.get(pid)
        if known is None:
            known = self._known[pid] = self._recognized(pid)
        if known:
            return known
        parent = processes[pid].parent
        above = self._part_of(parent, processes) if parent in processes else ""
        if above in ("workers", ENVIRONMENTS):
            self._known[pid] = ENVIRONMENTS
            return ENVIRONMENTS
        return ""

    def _recognized(self, pid: int) -> str:
        with suppress(OSError):
            command = (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ")
            for words, part in _PARTS.items():
                if words in command and self._marker in (_PROC / str(pid) / "environ").read_bytes().split(b"\0"):
                    return part
        return ""


def machine_cpu() -> float:
    """Seconds that all cores of the machine together have been busy since it started; 0 where there is no /proc."""
    with suppress(OSError):
        fields = (_PROC / "stat").read_text().splitlines()[0].split()[1:]
        user, nice, system, _idle, _waiting, interrupts, soft_interrupts, stolen = map(int, fields[:8])
        return (user + nice + system + interrupts + soft_interrupts + stolen) / _TICKS
    return 0.0


def _everybody() -> Iterable[Process]:
    if not _PROC.is_dir():
        return
    for entry in _PROC.iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                stat = (entry / "stat").read_text()
                # The name in parentheses may hold anything; what follows it are the fields from the third on.
                fields = stat[stat.rindex(")") + 2 :].split()
                own, of_children = sum(map(int, fields[11:13])), sum(map(int, fields[13:15]))
                yield Process(int(entry.name), int(fields[1]), own / _TICKS, of_children / _TICKS)
