"""Which of the invocations that a worker holds runs next. Pure: it decides, the pool acts.

A worker has a number of slots. Synchronous invocations go first, because somebody waits. Otherwise the functions take
turns, and no function may have all the slots: however slow one is and however much of it is waiting, another finds a
slot.
"""

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

#: One in so many slots is kept from any single function (but never the only one).
SHARE_FOR_OTHERS = 8


class Slots(Generic[T]):
    """Holds invocations by function: those that run, and those that wait for a slot."""

    def __init__(self, total: int) -> None:
        """Have `total` slots."""
        self.resize(total)
        self._running: dict[str, int] = {}
        self._count = 0
        self._waiting: dict[str, deque[T]] = {}  # in the order of the functions' turns
        self._urgent: dict[str, deque[T]] = {}
        self._waiting_count = 0

    def resize(self, total: int) -> None:
        """Have `total` slots from now on. What runs goes on."""
        self.total = total
        self.limit = total - max(1, total // SHARE_FOR_OTHERS) if total > 1 else total

    def put(self, item: T, function: str, *, is_urgent: bool) -> None:
        """Let `item` wait for a slot."""
        queues = self._urgent if is_urgent else self._waiting
        queue = queues.get(function)
        if queue is None:
            queues[function] = queue = deque()
        queue.append(item)
        self._waiting_count += 1

    def take(self) -> T | None:
        """The next one to run, which has a slot from now on; None if nothing waits that may run."""
        if self._count >= self.total or not self._waiting_count:
            return None
        return self._take_from(self._urgent) or self._take_from(self._waiting)

    def _take_from(self, queues: dict[str, deque[T]]) -> T | None:
        for function in queues:
            if self._running.get(function, 0) < self.limit:
                break
        else:
            return None
        queue = queues.pop(function)
        item = queue.popleft()
        if queue:
            queues[function] = queue  # at the end: the others come first now
        self._running[function] = self._running.get(function, 0) + 1
        self._count += 1
        self._waiting_count -= 1
        return item

    def give_back(self, function: str) -> None:
        """One of this function does not run any more."""
        left = self._running[function] - 1
        if left:
            self._running[function] = left
        else:
            del self._running[function]
        self._count -= 1

    def discard(self, item: T, function: str) -> bool:
        """Forget one that waits. False if it does not."""
        for queues in (self._urgent, self._waiting):
            queue = queues.get(function)
            if queue is not None and item in queue:
                queue.remove(item)
                if not queue:
                    del queues[function]
                self._waiting_count -= 1
                return True
        return False

    def clear(self) -> list[T]:
        """Forget all that wait; they are returned."""
        waiting = [item for queues in (self._urgent, self._waiting) for queue in queues.values() for item in queue]
        self._urgent.clear()
        self._waiting.clear()
        self._waiting_count = 0
        return waiting

    @property
    def running(self) -> int:
        """How many slots are in use."""
        return self._count

    @property
    def waiting(self) -> int:
        """How many wait for a slot."""
        return self._waiting_count

    def full(self) -> Iterator[str]:
        """The functions that may have no more slots."""
        return (function for function, count in self._running.items() if count >= self.limit)
