"""One handler's process, as the worker sees it: spoken to, watched, and ended with all it started.

It is the leader of a session and process group of its own, so that a terminal's Ctrl-C does not reach it and one kill
ends it with its children. It holds the reading end of a pipe whose writing end is ours: when this worker dies, the pipe
ends, and the kernel kills the group (`bootstrap.end_with_worker`). A child that leaves the group by making a session of
its own, as a daemon would, ends with the PID namespace where there is one (`room.py`); elsewhere it gets away.

Nothing here waits. The event loop tells when the process answers or prints, the `Watch` when it is time to look; an
exchange ends with a call of `done`, exactly once, and never before the call that began it has returned.
"""

import os
import select
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from config import limits
from worker.runtime.child import Child
from worker.runtime.chores import Chores
from worker.runtime.memory import MemoryGauge
from worker.runtime.watch import Watch
from worker.runtime.wire import Frame, Incoming, Outgoing, WireBroken
from worker.transport.loop import Loop

#: For how long what was read of a process's memory is good enough, in seconds.
FRESH = 0.005

#: How often a running process is looked at for its memory, in seconds.
LOOK = 0.1

#: How long a process that closed its socket may take to end, in seconds, before it is ended.
LINGER = 1.0

_READ = 65_536


@dataclass(frozen=True, slots=True)
class Exited:
    """The process has ended, and all is given back. `code`: exit code, or negative number of the signal."""

    code: int


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """The deadline came first; the process still runs."""


@dataclass(frozen=True, slots=True)
class OutOfMemory:
    """The process holds more memory than its function may; it still runs."""


Ending = Frame | Exited | DeadlinePassed | OutOfMemory

Done = Callable[[Ending], object]


@dataclass(frozen=True, slots=True)
class Surveillance:
    """With what a process is driven and looked after; the same for all of a worker."""

    loop: Loop
    watch: Watch
    chores: Chores
    look_every: float = LOOK  # seconds between two looks at a running process's memory and at its log


class HandlerProcess:
    """A process that runs `bootstrap.py`. Only the loop's thread may use it. One exchange at a time."""

    def __init__(
        self,
        child: Child,
        surveillance: Surveillance,
        *,
        memory_limit: int,
        output: Callable[[bytes], object],
        look: Callable[[], object],
    ) -> None:
        """Look after `child` from now on.

        Args:
            child: the process.
            surveillance: who helps.
            memory_limit: bytes that it may hold with its children.
            output: is handed what it prints, as it comes.
            look: is called about every `look_every` seconds while it runs, before its memory is looked at.
        """
        self.peak = 0  # most memory seen, in bytes
        self.next_look = 0.0
        self.was_asked = True  # whether what was asked last has reached it
        self._child = child
        self._control = child.lines.control
        self._printed = child.lines.printed
        self._loop = surveillance.loop
        self._watch = surveillance.watch
        self._chores = surveillance.chores
        self._look_every = surveillance.look_every
        self._memory_limit = memory_limit
        self._output = output
        self._look = look
        self._memory = MemoryGauge(child.pid, child.init)
        self._incoming = Incoming(limits.MAX_SYNC_RESPONSE)
        self._outgoing: Outgoing | None = None
        self._done: Done | None = None  # of the exchange that is under way
        self._deadline = 0.0
        self._memory_due = 0.0
        self._memory_fresh_until = 0.0
        self._listens = True  # to the socket
        self._prints = True  # the pipe has another end
        self._is_paused = False
        self._state = select.poll()
        self._state.register(self._printed, select.POLLIN)
        self._loop.add_reader(self._printed, self._on_output)
        self._listen()

    @property
    def pid(self) -> int:
        """Its process id, which is its process group's as well."""
        return self._child.pid

    def is_idle(self) -> bool:
        """Whether it lives and has nothing to say. Takes in what it printed since it was last used."""
        for descriptor, _ in self._state.poll(0):
            if descriptor != self._printed:
                return False
            self._read_output()
        return self._listens

    def ask(self, kind: bytes, header: Mapping[str, Any], payload: bytes, deadline: float, done: Done) -> None:
        """Send a frame, and hand the answer to `done`, or what came instead until `deadline`, on `time.monotonic`."""
        self.receive(deadline, done)
        outgoing = Outgoing(kind, header, payload)
        try:
            if not outgoing.send(self._control):
                self._outgoing = outgoing
                self._loop.add_writer(self._control.fileno(), self._on_room)
        except WireBroken:
            self._break()

    def receive(self, deadline: float, done: Done) -> None:
        """Hand the next frame to `done`, or what came instead until `deadline`, on `time.monotonic`."""
        self._done = done
        self._deadline = deadline
        self._memory_due = time.monotonic() + self._look_every
        self.next_look = min(deadline, self._memory_due)
        self._watch.add(self)

    def look(self, now: float) -> None:
        """See whether it is too late or too big. Called by the `Watch`."""
        if now >= self._deadline:
            self._conclude(DeadlinePassed())
            return
        self._look()
        if self._is_too_big(self._memory.read_with_children()):
            self._conclude(OutOfMemory())
            return
        self._memory_due = now + self._look_every
        self.next_look = min(self._deadline, self._memory_due)

    @property
    def is_over_its_memory(self) -> bool:
        """Whether it has at some time held more than it may."""
        return self.peak > self._memory_limit

    def pause_output(self) -> None:
        """Take in nothing that it prints, for now: a handler that prints faster than its log is written has to wait."""
        if self._prints and not self._is_paused:
            self._is_paused = True
            self._loop.remove_reader(self._printed)

    def resume_output(self) -> None:
        """Take in again what it prints."""
        if self._prints and self._is_paused:
            self._is_paused = False
            self._loop.add_reader(self._printed, self._on_output)

    def pause_response(self) -> None:
        """Take in nothing more of the response, for now. One over the socket is in one piece, and goes on."""

    def resume_response(self) -> None:
        """Take in again what comes of the response."""

    def kill(self) -> None:
        """Kill the process group. What is under way ends as `Exited`."""
        self._child.kill()
        if self._done is not None:
            self._break()

    def end(self, then: Callable[[int], object], *, linger: float = 0.0) -> None:
        """End it with all it started, within `linger` seconds, and then call `then` with the exit code.

        What it had printed has been taken in by then, and everything given back. What is under way gets no answer.
        """
        self._stop_listening()
        self._done = None
        self._watch.discard(self)
        if not linger:
            self._child.kill()  # here, because the chores may have to wait
        self._chores.do(lambda: self._child.end(linger), lambda code: self._finish(code, then))

    def _look_at_memory_if_due(self) -> None:
        """After an answer, but not after each of thousands a second."""
        now = time.monotonic()
        if now >= self._memory_fresh_until:
            self._memory_fresh_until = now + FRESH
            self._is_too_big(self._memory.read())

    # --- what the loop tells ------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        """Be told when it answers."""
        self._state.register(self._control, select.POLLIN)
        self._loop.add_reader(self._control.fileno(), self._on_answer)

    def _on_answer(self) -> None:
        try:
            frame = self._incoming.receive(self._control)
        except WireBroken:
            self._break()
            return
        if frame is None:
            return
        self._read_output()
        self._look_at_memory_if_due()
        if self._done is None:
            self._break()  # nobody has asked: the handler got hold of the socket
        else:
            self._conclude(frame)

    def _on_room(self) -> None:
        try:
            if self._outgoing is not None and self._outgoing.send(self._control):
                self._forget_outgoing()
        except WireBroken:
            self._break()

    def _on_output(self) -> None:
        self._read_once()  # the loop calls again if there is more, unless the log has had enough

    # ------------------------------------------------------------------------------------------------------------------

    def _conclude(self, ending: Ending) -> None:
        done, self._done = self._done, None
        self._watch.discard(self)
        if done is not None:
            done(ending)

    def _break(self) -> None:
        """The socket is closed. Say how the process ended; if it goes on without one, it is killed."""
        self._stop_listening()
        done = self._done
        if done is None:
            return  # seen by `is_idle`, when it is to be used again
        linger = max(min(LINGER, self._deadline - time.monotonic()), 0.001)
        self.end(lambda code: done(Exited(code)), linger=linger)  # `Exited` means: it is over already

    def _stop_listening(self) -> None:
        self._forget_outgoing()
        if self._listens:
            self._listens = False
            self._loop.remove_reader(self._control.fileno())

    def _forget_outgoing(self) -> None:
        if self._outgoing is not None:
            self._outgoing = None
            self._loop.remove_writer(self._control.fileno())

    def _is_too_big(self, size: int) -> bool:
        if size > self.peak:
            self.peak = size
        return size > self._memory_limit

    def _read_output(self) -> None:
        """Take in what was printed. At most 1 MiB at once: a thread of the handler may print without end."""
        for _ in range(16):
            if self._read_once() < _READ:
                return

    def _read_once(self) -> int:
        """Take in some of what was printed, and say how many bytes."""
        if not self._prints:
            return 0
        try:
            data = os.read(self._printed, _READ)
        except BlockingIOError:
            return 0
        if data:
            self._output(data)
        else:  # nobody holds the other end any more
            self._stop_printing()
        return len(data)

    def _stop_printing(self) -> None:
        self._prints = False
        self._state.unregister(self._printed)
        if not self._is_paused:
            self._loop.remove_reader(self._printed)

    def _finish(self, code: int, then: Callable[[int], object]) -> None:
        self._read_output()
        if self._prints:
            self._stop_printing()
        self._memory.close()
        self._child.lines.close()
        then(code)
