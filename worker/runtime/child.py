"""A process of ours, from its start to the moment when its number may be somebody else's.

A process that has ended keeps its number until somebody asks how it ended. So nobody asks before the process group has
got its last kill: until then a kill reaches the group that was meant, or nobody.
"""

import os
import select
import signal
import socket
import subprocess
import threading
from dataclasses import dataclass
from typing import Protocol


class CannotStart(Exception):
    """Raised when the operating system refuses to start a process. The function is not to blame."""


class Keeper(Protocol):
    """The process's parent, who decides when its number is given back."""

    def is_certain(self) -> bool:
        """Whether the number still belongs to the process, alive or not. Does not block."""
        ...

    @property
    def init(self) -> int | None:
        """Process 1 of the PID namespace, if the process has one; its end ends all in it."""
        ...

    def kill_namespace(self) -> bool:
        """Kill all in the PID namespace. False if the process has none. Does not block."""
        ...

    def wait(self, seconds: float | None) -> bool:
        """Wait for the end; True if it has come. None: however long it takes."""
        ...

    def reap(self) -> int:
        """How it ended: exit code, or negative number of a signal. Gives the process's number back; called once."""
        ...


@dataclass(frozen=True, slots=True)
class Lines:
    """Our ends of what leads to a process."""

    control: socket.socket
    lifeline: int  # writing end; the process dies when it closes
    printed: int  # reading end of both outputs

    def close(self) -> None:
        """Give them back."""
        self.control.close()
        os.close(self.lifeline)
        os.close(self.printed)


class Child:
    """The leader of a process group. `kill` never blocks; `end` does, and may run in another thread meanwhile."""

    def __init__(self, pid: int, lines: Lines, keeper: Keeper) -> None:
        self.pid = pid
        self.lines = lines
        self._keeper = keeper
        self._lock = threading.Lock()
        self._is_given_back = False

    def kill(self) -> None:
        """Kill all in its PID namespace, or else its process group. Any thread may do this, also after the end."""
        with self._lock:
            if self._is_given_back or self._keeper.kill_namespace() or not self._keeper.is_certain():
                return
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except PermissionError:
                return  # nobody is left; macOS says so in its own way
            except ProcessLookupError:
                os.kill(self.pid, signal.SIGKILL)  # it was forked so lately that it leads no group yet

    @property
    def init(self) -> int | None:
        """The parent of those whose parent has died, if it has a PID namespace of its own."""
        return self._keeper.init

    def has_ended(self) -> bool:
        """Whether it has. Does not block."""
        return self._keeper.wait(0)

    def end(self, linger: float = 0.0) -> int:
        """Let it end within `linger` seconds, then kill what is left of the group. The exit code, as `Keeper.reap`."""
        self._keeper.wait(linger)
        self.kill()
        self._keeper.wait(None)
        with self._lock:
            self._is_given_back = True
        return self._keeper.reap()


class Executed:
    """Keeps a process that this one has started."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self._pidfd = open_pidfd(process.pid)

    def is_certain(self) -> bool:
        """See `Keeper`."""
        return True

    @property
    def init(self) -> int | None:
        """See `Keeper`: it has none."""
        return None

    def kill_namespace(self) -> bool:
        """See `Keeper`: it has none."""
        return False

    def wait(self, seconds: float | None) -> bool:
        """See `Keeper`."""
        if self._pidfd is not None:
            return has_ended(self._pidfd, seconds)
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def reap(self) -> int:
        """See `Keeper`."""
        if self._pidfd is not None:
            os.close(self._pidfd)
        return self._process.wait()


def open_pidfd(pid: int) -> int | None:
    """A descriptor of the process; None where there is no such thing, or none left."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


def has_pidfds() -> bool:
    """Whether the system has descriptors of processes (Linux 5.3), which tell of an end without asking how it came."""
    pidfd = open_pidfd(os.getpid())
    if pidfd is None:
        return False
    os.close(pidfd)
    return True


def has_ended(pidfd: int, seconds: float | None) -> bool:
    """Wait so long for the end of a process; None: for ever."""
    ends = select.poll()
    ends.register(pidfd, select.POLLIN)
    return bool(ends.poll(None if seconds is None else seconds * 1000))
