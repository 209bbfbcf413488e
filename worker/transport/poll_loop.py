"""A loop that turns only when it is told to: for who drains events by hand."""

import heapq
import itertools
import os
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from kombu.utils.eventio import ERR, READ, WRITE

from worker.transport.loop import Callback, Timer, Watching


class PollLoop(Watching):
    """A loop that turns only when it is told to, over a poller of kombu that others use as well."""

    def __init__(self, poller: Any, on_other: Callable[[int, int], object]) -> None:
        """Give events of descriptors that are not the loop's own to `on_other`."""
        super().__init__()
        self._poller = poller
        self._on_other = on_other
        self._timers: list[_PollTimer] = []
        self._numbers = itertools.count()
        self._calls: deque[Callback] = deque()
        self._bell, self._ring = os.pipe()
        os.set_blocking(self._bell, False)
        os.set_blocking(self._ring, False)
        self.add_reader(self._bell, self._run_calls)

    def call_later(self, seconds: float, callback: Callback, /) -> Timer:
        """See `Loop`."""
        timer = _PollTimer(time.monotonic() + seconds, next(self._numbers), callback)
        heapq.heappush(self._timers, timer)
        return timer

    def call_soon_threadsafe(self, callback: Callback, /) -> None:
        """See `Loop`. After the loop was closed nothing is called."""
        self._calls.append(callback)
        try:
            os.write(self._ring, b"\0")
        except (BlockingIOError, OSError):
            return  # the bell has rung often enough, or nobody hears it any more

    def turn(self, seconds: float) -> None:
        """Wait until something happens, `seconds` at most, and call what is to be called."""
        due = [timer.due for timer in self._timers[:1]]
        wait = max(0.0, min([seconds, *(moment - time.monotonic() for moment in due)]))
        for fd, event in self._poller.poll(wait) or ():
            reader, writer = self._readers.get(fd), self._writers.get(fd)
            if reader is None and writer is None:
                self._on_other(fd, event)
            if event & WRITE and writer is not None:
                writer()
            if event & (READ | ERR) and reader is not None and self._readers.get(fd) is reader:
                reader()
        self._run_timers()

    def close(self) -> None:
        """Call nothing any more."""
        for fd in {*self._readers, *self._writers}:
            self._poller.unregister(fd)
        self._readers.clear()
        self._writers.clear()
        self._timers.clear()
        self._calls.clear()
        os.close(self._bell)
        ring, self._ring = self._ring, -1  # whoever calls from now on rings nothing, least of all another's descriptor
        os.close(ring)

    def _run_timers(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0].due <= now:
            timer = heapq.heappop(self._timers)
            if timer.callback is not None:
                timer.callback()

    def _run_calls(self) -> None:
        try:
            os.read(self._bell, 4096)
        except BlockingIOError:
            return
        for _ in range(len(self._calls)):
            self._calls.popleft()()

    def _register(self, fd: int) -> None:
        flags = (READ | ERR if fd in self._readers else 0) | (WRITE if fd in self._writers else 0)
        with suppress(KeyError, ValueError, OSError):  # it may not be registered
            self._poller.unregister(fd)
        if flags:
            self._poller.register(fd, flags)


class _PollTimer:
    __slots__ = ("callback", "due", "number")

    def __init__(self, due: float, number: int, callback: Callback) -> None:
        self.due = due
        self.number = number
        self.callback: Callback | None = callback

    def cancel(self) -> None:
        """See `Timer`."""
        self.callback = None

    def __lt__(self, other: "_PollTimer") -> bool:
        return (self.due, self.number) < (other.due, other.number)
