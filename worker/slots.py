"""Which of the invocations that a worker holds runs next. Pure: it decides, the pool acts.

A worker has a number of slots. Synchronous invocations go first, because somebody waits. Otherwise the functions take
turns, and no function may have all the slots: however slow one is and however much of it is waiting, another finds a
slot.

It also says how much may be taken from the queue ahead of need: of a function as much as will begin within a moment, by
the time that its invocations take. What waits here for longer would only be kept from other workers.
"""

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

#: One in so many slots is kept from any single function (but never the only one).
SHARE_FOR_OTHERS = 8

#: What is taken ahead should begin within so many seconds.
AHEAD = 0.03

#: At least so many invocations of a function are taken ahead, and at most so many for each slot.
FEWEST_AHEAD = 2
MOST_AHEAD = 14

#: The weight of the latest invocation in the average time of its function's.
WEIGHT = 0.1


class Slots(Generic[T]):
    """Holds invocations by function: those that run, and those that wait for a slot."""

    def __init__(self, total: int) -> None:
        """Have `total` slots."""
        self._seconds: dict[str, float] = {}  # average time of an invocation, by function
        self._mean: float | None = None  # average time of an invocation, of whatever function
        self._running: dict[str, int] = {}
        self._at_limit: set[str] = set()  # functions of which as many run as may: the next of them waits for its own
        self.resize(total)
        self._count = 0
        self._held: dict[str, int] = {}  # running and waiting
        self._waiting: dict[str, deque[T]] = {}  # in the order of the functions' turns
        self._urgent: dict[str, deque[T]] = {}
        self._waiting_count = 0

    def resize(self, total: int) -> None:
        """Have `total` slots from now on. What runs goes on."""
        self.total = total
        self.limit = total - max(1, total // SHARE_FOR_OTHERS) if total > 1 else total
        self._at_limit = {function for function, running in self._running.items() if running >= self.limit}

    def put(self, item: T, function: str, *, is_urgent: bool) -> None:
        """Let `item` wait for a slot."""
        queues = self._urgent if is_urgent else self._waiting
        queue = queues.get(function)
        if queue is None:
            queues[function] = queue = deque()
        queue.append(item)
        self._waiting_count += 1
        self._held[function] = self._held.get(function, 0) + 1

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
        running = self._running[function] = self._running.get(function, 0) + 1
        if running >= self.limit:
            self._at_limit.add(function)
        self._count += 1
        self._waiting_count -= 1
        return item

    def give_back(self, function: str, seconds: float | None = None) -> None:
        """One of this function does not run any more. It took so many seconds; None: it was not run at all."""
        if seconds is not None:
            average = self._seconds.get(function)
            self._seconds[function] = seconds if average is None else average + WEIGHT * (seconds - average)
            self._mean = seconds if self._mean is None else self._mean + WEIGHT * (seconds - self._mean)
        self._let_go(function)
        left = self._running[function] - 1
        if left < self.limit:
            self._at_limit.discard(function)
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
                self._let_go(function)
                return True
        return False

    def all_waiting(self) -> list[T]:
        """Those that wait for a slot."""
        return [item for queues in (self._urgent, self._waiting) for queue in queues.values() for item in queue]

    def surplus(self, is_stale: Callable[[T], bool]) -> list[T]:
        """Forget those that have waited for too long, but for the next few of each function; they are returned.

        They were taken ahead when their function was fast. Now that it is not, another worker may have a slot for them.
        """
        found = []
        for queues in (self._urgent, self._waiting):
            for function, queue in list(queues.items()):
                found += [(item, function) for item in list(queue)[FEWEST_AHEAD:] if is_stale(item)]
        for item, function in found:
            self.discard(item, function)
        return [item for item, _ in found]

    def clear(self) -> list[T]:
        """Forget all that wait; they are returned."""
        waiting = self.all_waiting()
        self._urgent.clear()
        self._waiting.clear()
        self._waiting_count = 0
        self._held = dict(self._running)
        return waiting

    @property
    def running(self) -> int:
        """How many slots are in use."""
        return self._count

    @property
    def waiting(self) -> int:
        """How many wait for a slot."""
        return self._waiting_count

    @property
    def room(self) -> int:
        """How many more may be taken, of whatever functions: what has a slot, and what will begin within a moment."""
        return max(0, self.total + self._ahead_of_all - self._count - self._next_count)

    @property
    def is_low(self) -> bool:
        """Whether little waits: time to take more from the queue."""
        return self._next_count < min(self.total, max(1, self._ahead_of_all // 2))

    @property
    def _next_count(self) -> int:
        """How many of those that wait are counted: all but the few that each function at its limit has ahead anyway.

        Were those counted, a single function whose invocations never end would keep the others' out. Of a fast function
        more is taken ahead than those few, and begins within a moment.
        """
        ahead = sum(min(FEWEST_AHEAD, self._held[function] - self._running[function]) for function in self._at_limit)
        return self._waiting_count - ahead

    @property
    def _ahead_of_all(self) -> int:
        if self._mean is None:
            return self.total
        return min(self.total * MOST_AHEAD, max(FEWEST_AHEAD, int(self.total * AHEAD / max(self._mean, 1e-6))))

    @property
    def is_busy(self) -> bool:
        """Whether more than one is held."""
        return self._count + self._waiting_count > 1

    @property
    def allowance(self) -> int:
        """How many invocations may be taken of a function of which none is held."""
        return self.limit + FEWEST_AHEAD

    def allowances(self) -> dict[str, int]:
        """How many more may be taken of each function of which some are held."""
        return {name: max(0, self.limit + self._ahead(name) - held) for name, held in self._held.items()}

    def _ahead(self, function: str) -> int:
        seconds = self._seconds.get(function)
        if seconds is None:
            return FEWEST_AHEAD
        return min(self.total * MOST_AHEAD, max(FEWEST_AHEAD, int(self.limit * AHEAD / max(seconds, 1e-6))))

    def _let_go(self, function: str) -> None:
        left = self._held[function] - 1
        if left:
            self._held[function] = left
        else:
            del self._held[function]
