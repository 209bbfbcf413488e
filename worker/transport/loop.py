"""What the transport, and the parts of a worker that wait for descriptors, need of an event loop.

asyncio's loops have it. A Celery worker's loop is kombu's hub, which `HubLoop` adapts. Who drains events by hand (a
producer that waits for replies, a worker of a pool without hub) gets a `PollLoop`.
"""

from collections.abc import Callable
from typing import Protocol

Callback = Callable[[], object]


class Timer(Protocol):
    """A call that is to come."""

    def cancel(self) -> object:
        """See to it that the call does not come. After it came this does nothing."""
        ...


class Loop(Protocol):
    """What is needed of an event loop. Only `call_soon_threadsafe` is for other threads than the loop's own."""

    def add_reader(self, fd: int, callback: Callback, /) -> object:
        """Call `callback` whenever `fd` has something to read, or has ended."""
        ...

    def remove_reader(self, fd: int, /) -> object:
        """Look no more whether `fd` has something to read."""
        ...

    def add_writer(self, fd: int, callback: Callback, /) -> object:
        """Call `callback` whenever `fd` takes something. It may have a reader as well."""
        ...

    def remove_writer(self, fd: int, /) -> object:
        """Look no more whether `fd` takes something."""
        ...

    def call_later(self, seconds: float, callback: Callback, /) -> Timer:
        """Call `callback` once, in so many seconds."""
        ...

    def call_soon_threadsafe(self, callback: Callback, /) -> object:
        """Call `callback` in the loop's thread, in one of its next turns, in the order of these calls."""
        ...


class Watching:
    """Who is to be told of which descriptor: what loops over a poller have in common."""

    def __init__(self) -> None:
        self._readers: dict[int, Callback] = {}
        self._writers: dict[int, Callback] = {}

    def add_reader(self, fd: int, callback: Callback, /) -> None:
        """See `Loop`."""
        self._readers[fd] = callback
        self._register(fd)

    def remove_reader(self, fd: int, /) -> None:
        """See `Loop`."""
        if self._readers.pop(fd, None) is not None:
            self._register(fd)

    def add_writer(self, fd: int, callback: Callback, /) -> None:
        """See `Loop`."""
        self._writers[fd] = callback
        self._register(fd)

    def remove_writer(self, fd: int, /) -> None:
        """See `Loop`."""
        if self._writers.pop(fd, None) is not None:
            self._register(fd)

    def _register(self, fd: int) -> None:
        """Tell the poller what is wanted of `fd` now."""
        raise NotImplementedError
