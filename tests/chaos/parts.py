"""The parts of a system as processes of the test's own: started by the commands of `thrice up`, at once when asked.

`thrice up` waits longer and longer before it starts again what keeps dying, as it should; here the dying is the work.
Every part ends with the test process, whatever becomes of it.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from console import launch


@dataclass
class Part:
    """One process that can be killed, frozen and started again."""

    name: str
    command: list[str]
    environment: Mapping[str, str] = field(repr=False)
    log: Path
    inherits: tuple[int, ...] = ()  # descriptors
    process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    def start(self) -> None:
        """Start it. It does not wait until it works."""
        launcher = [sys.executable, "-I", "-S", launch.__file__, str(os.getpid()), str(int(signal.SIGKILL))]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*launcher, *self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment,
                cwd=self.log.parent,
                pass_fds=self.inherits,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The id of its latest process."""
        assert self.process is not None, f"{self.name} was never started"
        return self.process.pid

    @property
    def is_running(self) -> bool:
        """Whether its process is there, frozen or not."""
        return self.process is not None and self.process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process, and to none of its children."""
        if self.is_running:
            os.kill(self.pid, number)

    def end(self, number: signal.Signals = signal.SIGKILL, timeout: float = 40) -> None:
        """Send a signal that ends it, and wait until it has ended."""
        self.send(number)
        if self.process is not None:
            self.process.wait(timeout)


def children(pid: int) -> list[int]:
    """The processes whose parent is `pid`."""
    return [child for child, (parent, _) in _processes().items() if parent == pid]


def descendants(pid: int) -> frozenset[tuple[int, str]]:
    """The processes below `pid`, each with its start time: an id alone may be given to another one."""
    children: dict[int, list[tuple[int, str]]] = {}
    for child, (parent, started) in _processes().items():
        children.setdefault(parent, []).append((child, started))
    found: set[tuple[int, str]] = set()
    below = children.get(pid, [])
    while below:
        found.update(below)
        below = [child for process, _ in below for child in children.get(process, [])]
    return frozenset(found)


def parent_of(pid: int) -> int:
    """Its parent; 0 if it has ended."""
    parent, _ = _processes().get(pid, (0, ""))
    return parent


def surviving(processes: Iterable[tuple[int, str]]) -> list[int]:
    """Those of `processes` that still run."""
    now = _processes()
    return [pid for pid, started in processes if pid in now and now[pid][1] == started]


def _processes() -> dict[int, tuple[int, str]]:
    """Process -> its parent and its start time. What has ended and waits for its parent to notice is left out."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if fields[0] != "Z":
                    found[int(entry.name)] = (int(fields[1]), fields[19])
    return found
