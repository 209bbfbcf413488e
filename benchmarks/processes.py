"""A program that was started here and everything it started: found, measured, paused and ended by process id.

The members of a tree are found by their parents in /proc, so a handler in a session of its own belongs to it too. Every
member that was ever seen is remembered with its start time; `end` kills what is left of them, and never a stranger that
got the number of one of them. Linux only.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.failure import MeasurementFailed

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")

#: How much of a program's output is shown when it ended too soon, in characters.
_LAST_WORDS = 2_000


@dataclass(frozen=True, slots=True)
class Process:
    """One line of /proc. `cpu` is in seconds and includes children that ended and were waited for."""

    pid: int
    parent: int
    started: int  # in ticks since boot: with the pid, what tells it from any other process
    cpu: float
    command: str


@dataclass(slots=True)
class Tree:
    """The processes below `root`, itself included. Their output is in the file `output`."""

    root: "subprocess.Popen[bytes]"
    output: Path
    seen: dict[int, int] = field(default_factory=dict)  # pid -> start time

    @classmethod
    def start(cls, command: list[str], output: Path, variables: Mapping[str, str], folder: Path) -> "Tree":
        """Start `command` in `folder`, with `variables` added to a clean environment.

        It gets a session of its own: Ctrl-C reaches the benchmark alone, which then ends everything in order.
        """
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("THRICE_", "AWS_"))}
        with output.open("wb") as file:
            process = subprocess.Popen(
                command, cwd=folder, env={**clean, **variables}, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
            )  # fmt: skip
        return cls(process, output)

    def check(self) -> None:
        """See that the program still runs.

        Raises:
            MeasurementFailed: it has ended. The text has its last words.
        """
        status = self.root.poll()
        if status is not None:
            words = self.output.read_text(errors="replace")[-_LAST_WORDS:].rstrip()
            raise MeasurementFailed(f"{self.root.args!r} ended with {status}; its last words: {words}")

    def members(self) -> list[Process]:
        """Those that live now, each parent before its children."""
        found = _below(self.root.pid)
        self.seen |= {process.pid: process.started for process in found}
        return found

    def memory(self, part_of: Callable[[str, str], str] | None = None, parts: Collection[str] = ()) -> float:
        """Memory of all members, in MB (10^6 bytes): PSS, in which a shared page counts once in all.

        With `part_of`, which is that of `cpu`, only of those that belong to one of `parts`.
        """
        members = self.members()
        if part_of is not None:
            named = _parts(members, part_of)
            members = [process for process in members if named[process.pid] in parts]
        return sum(_pss(process.pid) for process in members) / 1e6

    def root_memory(self) -> float:
        """Resident memory of the program itself, in MB (10^6 bytes)."""
        return _resident(self.root.pid)

    def resident(self, words: str) -> list[float]:
        """Resident memory of each member whose command line has `words`, in MB (10^6 bytes)."""
        return [_resident(process.pid) for process in self.members() if words in process.command]

    def proportional(self, words: str) -> list[float]:
        """PSS of each member whose command line has `words`, in MB (10^6 bytes)."""
        return [_pss(process.pid) / 1e6 for process in self.members() if words in process.command]

    def cpu(self, part_of: Callable[[str, str], str]) -> dict[str, float]:
        """CPU seconds since the start by part.

        `part_of(command, part of the parent)` names the part that a process belongs to. A child that ended counts for
        its parent, once that has waited for it: nothing is lost between two calls.
        """
        members = self.members()
        parts = _parts(members, part_of)
        total: dict[str, float] = {}
        for process in members:
            total[parts[process.pid]] = total.get(parts[process.pid], 0.0) + process.cpu
        return total

    def send(self, number: signal.Signals, words: str = "") -> None:
        """Send a signal to the members whose command line has `words`."""
        for process in self.members():
            if words in process.command:
                with suppress(ProcessLookupError):
                    os.kill(process.pid, number)

    def kill(self, words: str = "") -> None:
        """SIGKILL the first member whose command line has `words`, and all below it, parents first."""
        first = next(process for process in self.members() if words in process.command)
        for process in _below(first.pid):
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)

    def end(self, grace: float = 40.0) -> None:
        """Ask the root to stop, wait for it, and kill what is left after that."""
        self.send(signal.SIGCONT)
        self.root.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.root.wait(grace)
        left = _everybody()
        for pid, started in self.seen.items():
            if pid in left and left[pid].started == started:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.root.wait(10)


def _everybody() -> dict[int, Process]:
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                stat = (entry / "stat").read_text()
                # The name in parentheses may hold anything; what follows it are the fields from the third on.
                fields = stat[stat.rindex(")") + 2 :].split()
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                cpu = sum(map(int, fields[11:15])) / _TICKS
                found[int(entry.name)] = Process(int(entry.name), int(fields[1]), int(fields[19]), cpu, command)
    return found


def _below(root: int) -> list[Process]:
    """The process `root` and its descendants that live now, each parent before its children."""
    everybody = _everybody()
    children: dict[int, list[int]] = {}
    for process in everybody.values():
        children.setdefault(process.parent, []).append(process.pid)
    found, open_ = [], [root]
    while open_:
        pid = open_.pop()
        if pid in everybody:
            found.append(everybody[pid])
            open_ += children.get(pid, [])
    return found


def _parts(members: Iterable[Process], part_of: Callable[[str, str], str]) -> dict[int, str]:
    """The part of each of `members`, in which a parent comes before its children, by process id."""
    parts: dict[int, str] = {}
    for process in members:
        parts[process.pid] = part_of(process.command, parts.get(process.parent, ""))
    return parts


def _resident(pid: int) -> float:
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE / 1e6
    return 0.0


def _pss(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def program(name: str) -> str:
    """The path of a program that was installed beside this interpreter."""
    return str(Path(sys.executable).with_name(name))


def wait_until(
    predicate: Callable[[], bool], description: str, timeout: float, *, look: float = 0.01, tree: Tree | None = None
) -> None:
    """Ask `predicate` every `look` seconds until it is true.

    Raises:
        MeasurementFailed: it was not within `timeout` seconds, or the program of `tree` ended meanwhile.
    """
    deadline = time.monotonic() + timeout
    while not predicate():
        if tree is not None:
            tree.check()
        if time.monotonic() > deadline:
            raise MeasurementFailed(f"waited {timeout:g} s in vain until {description}")
        time.sleep(look)
