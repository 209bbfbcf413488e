"""Which environments stay warm, and which one is used next. Only decides: the pool acts on what it gives out.

Environments of one function and one revision are alike; the one used last is used next, so that the others grow old
and can go. As soon as another revision of a function is asked for, what was warm for it is of no use any more.
"""

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class _Idle(NamedTuple, Generic[T]):
    item: T
    revision: str
    since: float
    is_warm: bool


class Shelf(Generic[T]):
    """The environments that are idle, by function. `now` is in seconds, on a clock that never jumps."""

    def __init__(self, max_idle: int, max_age: float) -> None:
        """Keep at most `max_idle` environments, each for at most `max_age` seconds."""
        self._max_idle = max_idle
        self._max_age = max_age
        self._idle: dict[str, list[_Idle[T]]] = {}  # oldest first
        self._count = 0

    def take(self, function: str, revision: str) -> tuple[T | None, list[T]]:
        """An environment to use, if there is one, and those to close. A warm one goes first, then the latest used."""
        own = self._idle.pop(function, [])
        if len(own) == 1 and own[0].revision == revision:  # as nearly always
            self._count -= 1
            return own[0].item, []
        fitting = [idle for idle in own if idle.revision == revision]
        outdated = [idle.item for idle in own if idle.revision != revision]
        self._count -= len(outdated)
        if not fitting:
            return None, outdated
        chosen = max(range(len(fitting)), key=lambda index: (fitting[index].is_warm, index))
        taken = fitting.pop(chosen)
        self._count -= 1
        if fitting:
            self._idle[function] = fitting
        return taken.item, outdated

    def put(self, item: T, *, function: str, revision: str, is_warm: bool, now: float) -> list[T]:
        """Keep an environment that has become idle. The least recently used ones beyond the limit are to be closed."""
        self._idle.setdefault(function, []).append(_Idle(item, revision, now, is_warm))
        self._count += 1
        closed = []
        while self._count > self._max_idle:
            oldest = min(self._idle, key=lambda name: self._idle[name][0].since)
            closed.append(self._idle[oldest].pop(0).item)
            self._count -= 1
            if not self._idle[oldest]:
                del self._idle[oldest]
        return closed

    def expire(self, now: float) -> list[T]:
        """Those that have been idle for too long, to be closed."""
        return self._remove(lambda idle: now - idle.since >= self._max_age)

    def clear(self) -> list[T]:
        """All of them."""
        return self._remove(lambda _: True)

    def _remove(self, is_gone: Callable[[_Idle[T]], bool]) -> list[T]:
        everything = self._idle
        self._idle = {}
        removed = []
        for function, own in everything.items():
            removed += [idle.item for idle in own if is_gone(idle)]
            kept = [idle for idle in own if not is_gone(idle)]
            if kept:
                self._idle[function] = kept
        self._count -= len(removed)
        return removed

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return repr({function: len(own) for function, own in self._idle.items()})
