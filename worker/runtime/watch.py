"""Who looks after what runs: one timer for all processes of a worker, instead of one or two for every call.

It goes off at the next deadline or the next time to look, and stands still while nothing runs. A warm call thus costs
an entry in a set, and most calls are over before anybody looks.
"""

import time
from typing import Protocol

from worker.transport.loop import Loop, Timer


class Watched(Protocol):
    """Something that has to be looked at before long."""

    next_look: float  # on time.monotonic

    def look(self, now: float) -> None:
        """It is `next_look` or later: do what is due, and set the next one."""
        ...


class Watch:
    """Calls `look` of everything that is watched when its time has come."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._watched: set[Watched] = set()
        self._timer: Timer | None = None
        self._due = 0.0

    def add(self, watched: Watched) -> None:
        """Look at it from now on."""
        self._watched.add(watched)
        if self._timer is None or watched.next_look < self._due:
            self._set(watched.next_look)

    def discard(self, watched: Watched) -> None:
        """Look at it no more."""
        self._watched.discard(watched)

    def close(self) -> None:
        """Look at nothing any more."""
        self._watched.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due = due
        self._timer = self._loop.call_later(max(due - time.monotonic(), 0.001), self._go_round)

    def _go_round(self) -> None:
        self._timer = None
        now = time.monotonic()
        for watched in list(self._watched):
            if watched.next_look <= now and watched in self._watched:
                watched.look(now)
        if self._watched:
            earliest = min(watched.next_look for watched in self._watched)
            if self._timer is None or earliest < self._due:
                self._set(earliest)
