"""One handler's process, as the worker sees it: started, spoken to, watched, and ended with all it started.

It is the leader of a session and process group of its own, so that a terminal's Ctrl-C does not reach it and one kill
ends it with its children. It holds the reading end of a pipe whose writing end is ours: when this worker dies, the pipe
ends, and the kernel kills the group (`bootstrap.end_with_worker`). Only a child that leaves the group by making a
session of its own gets away, as a daemon would.

All waiting is in `receive`: in the calling thread, on the socket and on what the handler prints.
"""

import math
import os
import select
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config import limits
from worker.runtime.memory import MemoryGauge
from worker.runtime.wire import Frame, Incoming, Outgoing, WireBroken

#: How often a running process is looked at for its memory, in seconds.
LOOK = 0.1

#: How long a process that closed its socket may take to end, in seconds, before it is ended.
LINGER = 1.0

_BOOTSTRAP = Path(__file__).with_name("bootstrap.py")
_READ = 65_536


class CannotStart(Exception):
    """Raised when the operating system refuses to start a process. The function is not to blame."""


@dataclass(frozen=True, slots=True)
class Exited:
    """The process ended by itself. `code` is its exit code, or the negative number of the signal that killed it."""

    code: int


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """The deadline came first; the process still runs."""


@dataclass(frozen=True, slots=True)
class OutOfMemory:
    """The process holds more memory than its function may; it still runs."""


class HandlerProcess:
    """A process that runs `bootstrap.py`. One thread at a time may use it; only `kill` is for others."""

    def __init__(
        self,
        interpreter: str,
        *,
        folder: Path,
        variables: Mapping[str, str],
        memory_limit: int,
        output: Callable[[bytes], None],
        look: Callable[[], None],
        look_every: float = LOOK,
    ) -> None:
        """Start it.

        Args:
            interpreter: path of the Python to run.
            folder: where it runs.
            variables: its whole environment.
            memory_limit: bytes that it may hold with its children.
            output: is handed what it prints, as it comes.
            look: is called about every `look_every` seconds while it runs, before its memory is looked at.
            look_every: see `look`.

        Raises:
            CannotStart: the operating system refused.
        """
        self._memory_limit = memory_limit
        self._output = output
        self._look = look
        self._look_every = look_every
        self._next_look = 0.0
        self.peak = 0  # most memory seen, in bytes
        self._lock = threading.Lock()
        self._ended = False
        try:
            self._start(interpreter, folder, variables)
        except OSError as error:
            raise CannotStart(f"{interpreter} could not be started in {folder}: {error}") from error
        self._memory = MemoryGauge(self._process.pid)
        self._poll = select.poll()
        self._poll.register(self._control, select.POLLIN)
        self._poll.register(self._printed, select.POLLIN)
        self._prints = True

    def _start(self, interpreter: str, folder: Path, variables: Mapping[str, str]) -> None:
        self._control, theirs = socket.socketpair()
        lifeline, self._lifeline = os.pipe()
        self._printed, their_output = os.pipe()
        try:
            # Without `site` (-S): the packages of the base interpreter are not the function's. The bootstrap makes good
            # for the rest. Both outputs are one pipe, which keeps their order.
            self._process = subprocess.Popen(
                [interpreter, "-S", _BOOTSTRAP, str(theirs.fileno()), str(lifeline), str(limits.MAX_SYNC_RESPONSE)],
                cwd=folder,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=their_output,
                stderr=their_output,
                pass_fds=(theirs.fileno(), lifeline),
                start_new_session=True,
            )
        except OSError:
            self._close_descriptors()
            raise
        finally:
            theirs.close()
            os.close(lifeline)
            os.close(their_output)
        self._control.setblocking(False)
        os.set_blocking(self._printed, False)

    @property
    def pid(self) -> int:
        """Its process id, which is its process group's as well."""
        return self._process.pid

    def is_idle(self) -> bool:
        """Whether it lives and has nothing to say. Takes in what it printed since it was last used."""
        for descriptor, _ in self._poll.poll(0):
            if descriptor == self._control.fileno():
                return False
            self._read_output()
        return True

    def ask(self, kind: bytes, header: Mapping[str, Any], payload: bytes, deadline: float) -> "Ending":
        """Send a frame and wait for the answer until `deadline`, on `time.monotonic`."""
        outgoing = Outgoing(kind, header, payload)
        try:
            if outgoing.send(self._control):
                return self.receive(deadline)
            self._poll.modify(self._control, select.POLLIN | select.POLLOUT)
            return self.receive(deadline, outgoing)
        except WireBroken:
            return self._await_exit(deadline)

    def receive(self, deadline: float, outgoing: Outgoing | None = None) -> "Ending":
        """Wait for a frame until `deadline`, on `time.monotonic`, while `outgoing` is still being sent."""
        incoming = Incoming(limits.MAX_SYNC_RESPONSE)
        now = time.monotonic()
        self._next_look = now + self._look_every
        while now < deadline:
            wait = min(deadline, self._next_look) - now
            for descriptor, events in self._poll.poll(max(math.ceil(wait * 1000), 0)):
                if descriptor == self._printed:
                    self._read_output()
                    continue
                try:
                    frame = self._move(events, incoming, outgoing)
                except WireBroken:
                    return self._await_exit(deadline)
                if frame is not None:
                    return self._finish(frame)
            now = time.monotonic()
            if now >= self._next_look:
                self._next_look = now + self._look_every
                self._look()
                if self._is_too_big(self._memory.read_with_children()):
                    return OutOfMemory()
        return DeadlinePassed()

    def _move(self, events: int, incoming: Incoming, outgoing: Outgoing | None) -> Frame | None:
        if events & select.POLLOUT and outgoing is not None and outgoing.send(self._control):
            self._poll.modify(self._control, select.POLLIN)
        return incoming.receive(self._control) if events & ~select.POLLOUT else None

    def _finish(self, frame: Frame) -> Frame:
        self._read_output()
        self._is_too_big(self._memory.read())
        return frame

    def _is_too_big(self, size: int) -> bool:
        self.peak = max(self.peak, size)
        return size > self._memory_limit

    @property
    def is_over_its_memory(self) -> bool:
        """Whether it has at some time held more than it may."""
        return self.peak > self._memory_limit

    def _read_output(self) -> None:
        """Take in what was printed. At most 1 MiB at once: a thread of the handler may print without end."""
        for _ in range(16):
            if not self._prints:
                return
            try:
                data = os.read(self._printed, _READ)
            except BlockingIOError:
                return
            if data:
                self._output(data)
            else:  # nobody holds the other end any more
                self._prints = False
                self._poll.unregister(self._printed)
            if len(data) < _READ:
                return

    def _await_exit(self, deadline: float) -> Exited:
        """How it ended, now that the socket is closed. If it goes on without one, it is killed."""
        try:
            self._process.wait(max(min(LINGER, deadline - time.monotonic()), 0))
        except subprocess.TimeoutExpired:
            self.kill()
        return Exited(self._process.wait())

    def kill(self) -> None:
        """Kill the process group. Any thread may do this, also after the end."""
        with self._lock:
            if self._ended:
                return
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                return  # nobody is left; macOS says so in its own way

    def end(self) -> None:
        """Kill it with all it started, take in what it had printed, and give everything back."""
        self.kill()
        with self._lock:
            if self._ended:
                return
            self._ended = True  # from here on its number may be somebody else's
            self._process.wait()
        try:
            self._read_output()
        finally:
            self._memory.close()
            self._close_descriptors()

    def _close_descriptors(self) -> None:
        self._control.close()
        os.close(self._lifeline)
        os.close(self._printed)


Ending = Frame | Exited | DeadlinePassed | OutOfMemory
