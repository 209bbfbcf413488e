"""The Celery pool of the workers: the event loop itself runs the invocations.

The worker's loop talks to the handlers' processes directly; there is no child of Celery's and no thread in between. The
pool keeps the slots: what runs, what waits for a slot, and what runs next. Celery tasks that are no events (any task of
any Celery program) run in a few threads beside the loop.
"""

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from celery.concurrency.base import BasePool, apply_target
from celery.utils.dispatch import Signal

from worker import activity
from worker.clock import SystemClock
from worker.invocation import Outcome
from worker.request import EventRequest
from worker.slots import Slots
from worker.transport.hub_loop import HubLoop

#: Sent by the pool with `loop` when the worker's event loop is about to run for the first time.
loop_ready = Signal(name="loop_ready", providing_args={"loop"})

#: Threads for Celery tasks that are no events.
THREADS = 4

#: Seconds after which an event that waits for a slot goes back to the queue, where another worker may take it.
STALE = 1.0

#: Seconds that a pool which is told to stop waits for the last outcomes to be settled. What is not is run again.
SETTLING = 5.0


class TaskPool(BasePool):  # type: ignore[misc]  # Celery is not typed
    """Runs events from the loop, and other tasks in threads."""

    uses_semaphore = False
    task_join_will_block = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._slots: Slots[EventRequest] = Slots(self.limit)
        self.clock = SystemClock()
        self._loop: HubLoop | None = None
        self._hub: Any = None
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="task")
        self._tasks: set[Future[Any]] = set()
        self._is_pumping = False
        self._is_closed = False
        self._window: Any = None
        #: Whether Redis knows how everything ended that ran here. Replaced by who settles it.
        self.is_settled: Callable[[], bool] = lambda: True
        #: Is told how many slots there are whenever that changes.
        self.on_resize: Callable[[int], object] = lambda _: None

    # --- Celery's side ----------------------------------------------------------------------------------------------

    def register_with_event_loop(self, hub: Any) -> None:
        """Use the loop. It is told again after each reconnect, when it has forgotten all descriptors."""
        self._hub = hub
        if self._loop is None:
            self._loop = HubLoop(hub)
            loop_ready.send(sender=self, loop=self._loop)
            self._loop.call_later(STALE, self._give_back_stale)
        else:
            self._loop.resume()

    def on_apply(
        self,
        target: Callable[..., Any],
        args: Any = None,
        kwargs: Any = None,
        callback: Callable[..., Any] | None = None,
        accept_callback: Callable[..., Any] | None = None,
        **_: Any,
    ) -> Future[Any]:
        """Run a Celery task that is no event in a thread."""
        loop = self._loop
        assert loop is not None, "tasks come from the loop"

        def report(function: Callable[..., Any] | None) -> Callable[..., None]:
            def later(*values: Any, **named: Any) -> None:
                if function is not None:
                    loop.call_soon_threadsafe(lambda: function(*values, **named))

            return later

        future = self._threads.submit(apply_target, target, args, kwargs, report(callback), report(accept_callback))
        self._tasks.add(future)
        # In the loop, after what the task has reported itself: who waits for the tasks waits for their acks as well.
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(lambda: self._tasks.discard(future)))
        return future

    def grow(self, n: int = 1) -> None:
        """Have `n` more slots."""
        self._resize(self.limit + n)

    def shrink(self, n: int = 1) -> None:
        """Have `n` slots fewer, but one at least. What runs goes on."""
        self._resize(max(1, self.limit - n))

    def terminate_job(self, pid: int, signal: int | None = None) -> None:
        """End the invocation that runs in the process `pid`."""
        for request in activity.active():
            if isinstance(request, EventRequest) and request.worker_pid == pid:
                request.terminate(self, signal)

    def on_close(self) -> None:
        """Begin no more. What waits for a slot goes back at once, for other workers."""
        self._is_closed = True
        waiting = self._slots.clear()
        for request in waiting:
            activity.ended(request)
        if self._window is not None:
            self._window.give_back([request.claimed.field for request in waiting])

    def on_stop(self) -> None:
        """Wait until what runs has ended and is settled: Celery's warm shutdown, which a cold one may break off."""
        while (self._slots.running or self._tasks) and not activity.is_to_end_at_once():
            self._hub.run_once()
        end = self.clock.monotonic() + SETTLING
        while self._loop is not None and not self.is_settled() and self.clock.monotonic() < end:
            if activity.is_to_end_at_once():
                break
            self._loop.turn(0.1)
        self._threads.shutdown(wait=not activity.is_to_end_at_once())

    def on_terminate(self) -> None:
        """End at once: what runs is killed with this process."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _get_info(self) -> dict[str, Any]:
        general: dict[str, Any] = super()._get_info()
        return general | {
            "slots": self._slots.total,
            "slots-per-function": self._slots.limit,
            "running": self._slots.running,
            "waiting": self._slots.waiting,
            "processes": [os.getpid()],
        }

    @property
    def num_processes(self) -> int:
        """How many slots there are, as Celery's autoscaler counts."""
        return self._slots.total

    # --- events -----------------------------------------------------------------------------------------------------

    def use(self, window: Any) -> None:
        """Tell the transport's window how much there is room for."""
        if window is not self._window:
            self._window = window
            window.is_low = lambda: self._slots.is_low
            window.most = lambda: self._slots.room
            window.allowances = self._slots.allowances
            window.allowance = lambda: self._slots.allowance
            window.on_lost = self._lost

    @property
    def is_busy(self) -> bool:
        """Whether more than one event is held."""
        return self._slots.is_busy

    def submit(self, request: EventRequest) -> None:
        """Run an event as soon as there is a slot; one that is not to run needs none, and ends now."""
        if not self._is_closed and not request.task.needs_slot(request.claimed):
            self._begin(request, has_slot=False)
            return
        self._slots.put(request, request.function, is_urgent=request.is_urgent)
        self._pump()

    def drop(self, request: EventRequest) -> None:
        """Give up a request that waits for a slot."""
        if self._slots.discard(request, request.function):
            self._give_up(request)

    def _give_up(self, request: EventRequest) -> None:
        activity.ended(request)
        request.give_up()

    def _lost(self, tags: list[str]) -> None:
        """Others have these: forget those that wait for a slot. What runs goes on, and settles nothing."""
        lost = set(tags)
        for request in self._slots.all_waiting():
            if request.claimed.field in lost and self._slots.discard(request, request.function):
                activity.ended(request)

    def _give_back_stale(self) -> None:
        if self._loop is None or self._is_closed:
            return
        self._loop.call_later(STALE, self._give_back_stale)
        self._end_what_will_not_run()
        before = self.clock.monotonic() - STALE
        stale = self._slots.surplus(lambda request: request.claimed.received_at < before)
        for request in stale:
            activity.ended(request)
        if stale:
            self._window.give_back([request.claimed.field for request in stale])

    def _end_what_will_not_run(self) -> None:
        """An event that waits behind slow ones may have grown too old: it ends on time, and the next is looked at."""
        for request in self._slots.all_waiting():
            if not request.task.needs_slot(request.claimed) and self._slots.discard(request, request.function):
                self._begin(request, has_slot=False)

    def _pump(self) -> None:
        """Begin what there are slots for. An attempt that ends in the middle of this only frees its slot."""
        if self._is_pumping or self._is_closed:
            return
        self._is_pumping = True
        try:
            while (request := self._slots.take()) is not None:
                if activity.is_revoked(request.id):
                    self._slots.give_back(request.function)
                    self._give_up(request)
                else:
                    self._begin(request)
        finally:
            self._is_pumping = False

    def _begin(self, request: EventRequest, *, has_slot: bool = True) -> None:
        activity.begun(request)
        request.time_start = self.clock.monotonic()
        if request.send is not None:
            request.tell("task-started")
        has_ended = False

        def ended(outcome: Outcome | None) -> None:
            nonlocal has_ended
            has_ended = True
            self._finish(request, outcome, has_slot=has_slot)

        run = request.task.begin(request.claimed, ended)
        if not has_ended:
            request.run = run

    def _finish(self, request: EventRequest, outcome: Outcome | None, *, has_slot: bool) -> None:
        seconds = self.clock.monotonic() - (request.time_start or 0.0)
        request.run = None
        if request.send is not None:
            request.tell_how_it_ended(outcome, seconds)
        activity.ended(request)
        if has_slot:
            self._slots.give_back(request.function, seconds)
            self._pump()
        if self._slots.is_low:
            self._window.room()

    def _resize(self, total: int) -> None:
        self.limit = total
        self._slots.resize(total)
        self.on_resize(total)
        self._pump()
