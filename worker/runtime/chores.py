"""What may block, done beside the event loop: fetching code, starting processes, waiting for their end, writing logs.

A few threads do the work; what follows from it is done in the loop's thread, as everything else. When the worker ends,
the loop may have stopped already: `finish` then takes its place, until nothing is left to do.
"""

import queue
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from worker.transport.loop import Loop

T = TypeVar("T")

#: How many chores are done at the same time. Most of them wait for a process or for Redis.
THREADS = 8

#: `do(work, then)`, as the class below has it.
Do = Callable[[Callable[[], T], Callable[[T], object]], None]


class Chores:
    """Does blocking work in threads, and what follows from it in the loop. Only the loop's thread may use it."""

    def __init__(self, loop: Loop, threads: int = THREADS) -> None:
        self._loop = loop
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="chores")
        self._done: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._open = 0
        self._is_closed = False

    def do(self, work: Callable[[], T], then: Callable[[T], object]) -> None:
        """Do `work` in a thread, and `then` with what it returned in the loop, never before this returned.

        What `work` raises is a mistake of ours, and comes out of the loop.
        """
        self._open += 1
        self._threads.submit(work).add_done_callback(partial(self._hand_over, then))

    def _hand_over(self, then: Callable[[T], object], future: "Future[T]") -> None:
        self._done.put(lambda: then(future.result()))
        self._loop.call_soon_threadsafe(self._follow_up)

    def _follow_up(self) -> None:
        if self._is_closed:
            return
        try:
            follow = self._done.get_nowait()
        except queue.Empty:
            return  # `finish` was faster
        self._open -= 1
        follow()

    def finish(self, seconds: float) -> bool:
        """Wait until every chore is done, with those that follow. False if some are not after so many seconds."""
        deadline = time.monotonic() + seconds
        while self._open:
            try:
                follow = self._done.get(timeout=max(deadline - time.monotonic(), 0))
            except queue.Empty:
                return False
            self._open -= 1
            follow()
        return True

    def close(self) -> None:
        """Take no more; what has not begun is not done, and what was not done yet is followed by nothing."""
        self._is_closed = True
        # When all is done the threads are at their end, and have made their last call into the loop after this.
        self._threads.shutdown(wait=not self._open, cancel_futures=True)
