"""kombu's hub, the loop of a Celery worker, as a `Loop`.

The hub forgets everything when its connection to the broker breaks. This remembers, and registers it all again when it
is told that the hub goes on (`resume`).
"""

import os
import time
from collections import deque
from typing import Any

from worker.transport.loop import Callback, Watching


class HubLoop(Watching):
    """kombu's hub as a `Loop`. A callback that raises does so out of the hub: what is called here does not fail."""

    def __init__(self, hub: Any) -> None:
        """Use `hub`, a `kombu.asynchronous.Hub`, from the thread that runs it."""
        super().__init__()
        self._hub = hub
        self._timers: set[_HubTimer] = set()
        # The hub's own way in from other threads keeps no order, and is lost with its poller.
        self._calls: deque[Callback] = deque()
        self._is_woken = False
        self._bell, self._ring = os.pipe()
        os.set_blocking(self._bell, False)
        os.set_blocking(self._ring, False)
        self.add_reader(self._bell, self._run_calls)

    def call_later(self, seconds: float, callback: Callback, /) -> "_HubTimer":
        """See `Loop`."""
        timer = _HubTimer(self._timers, time.monotonic() + seconds, callback)
        timer.enter(self._hub)
        return timer

    def call_soon_threadsafe(self, callback: Callback, /) -> None:
        """See `Loop`."""
        self._calls.append(callback)
        if not self._is_woken:
            self._wake()

    def turn(self, seconds: float) -> None:
        """Wait until something happens, `seconds` at most, and see to it: for who is outside the hub."""
        alarm = self.call_later(seconds, _wake_up)
        self._hub.run_once()
        alarm.cancel()

    def resume(self) -> None:
        """Register everything again with the hub, which has forgotten it: it does when its consumer starts anew."""
        for fd in self._readers.keys() | self._writers.keys():
            self._register(fd)
        known = {id(scheduled.entry) for scheduled in self._hub.timer.queue}
        for timer in list(self._timers):
            if id(timer.entry) not in known:
                timer.enter(self._hub)

    def close(self) -> None:
        """Leave the hub. Calls that are still to come do not come."""
        for timer in list(self._timers):
            timer.cancel()
        for fd in self._readers.keys() | self._writers.keys():
            self._hub.remove(fd)
        self._readers.clear()
        self._writers.clear()
        self._calls.clear()
        self._is_woken = True  # nobody rings any more
        os.close(self._bell)
        os.close(self._ring)

    def _register(self, fd: int) -> None:
        """Let the hub know what is wanted of `fd`. It cannot change flags, nor have a reader and a writer by itself."""
        hub = self._hub
        hub.remove(fd)
        reader, writer = self._readers.get(fd), self._writers.get(fd)
        if reader is not None:
            hub.add(fd, reader, hub.READ | hub.ERR | (hub.WRITE if writer is not None else 0))
            if writer is not None:
                hub.writers[fd] = (writer, ())
        elif writer is not None:
            hub.add(fd, writer, hub.WRITE)

    def _wake(self) -> None:
        self._is_woken = True
        os.write(self._ring, b"\0")

    def _run_calls(self) -> None:
        try:
            os.read(self._bell, 4096)
        except BlockingIOError:
            return
        self._is_woken = False  # before the calls are looked at: whoever adds one from now on rings again
        try:
            for _ in range(len(self._calls)):
                self._calls.popleft()()
        finally:
            if self._calls and not self._is_woken:
                self._wake()


def _wake_up() -> None:
    """A timer that does nothing but end a wait."""


class _HubTimer:
    """A call that is to come from the hub's timer."""

    __slots__ = ("_callback", "_due", "_timers", "entry")

    def __init__(self, timers: "set[_HubTimer]", due: float, callback: Callback) -> None:
        self._timers = timers
        self._due = due
        self._callback = callback
        self.entry: Any = None
        timers.add(self)

    def enter(self, hub: Any) -> None:
        """Give it to the hub."""
        self.entry = hub.call_at(self._due, self._fire)

    def cancel(self) -> None:
        """See `Timer`."""
        self._timers.discard(self)
        self.entry.cancel()

    def _fire(self) -> None:
        self._timers.discard(self)
        self._callback()
