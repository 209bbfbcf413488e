"""The workers' pool on a real loop of kombu's, with tasks that begin and end when the test says so."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from celery.worker import state
from kombu.asynchronous.hub import Hub

from worker.claim import Claimed
from worker.executor import Ended
from worker.invocation import Invocation, Lost, Outcome, Succeeded
from worker.pool import TaskPool, loop_ready
from worker.request import EventRequest
from worker.retry import History


class Run:
    """An invocation that goes on until the test ends it, or until it is killed."""

    pid = 4711

    def __init__(self, ended: Ended) -> None:
        self.end = ended

    def kill(self) -> None:
        """See `worker.executor.Run`."""
        self.end(Lost("killed"))


@dataclass
class Task:
    """Notes what it is asked for. What is named in `immediate` or `hopeless` ends in the middle of its beginning."""

    name: str = "task"
    runs: dict[str, Run] = field(default_factory=dict)
    revoked: list[str] = field(default_factory=list)
    immediate: set[str] = field(default_factory=set)
    hopeless: set[str] = field(default_factory=set)  # what will not run

    def needs_slot(self, claimed: Claimed) -> bool:
        """See `worker.request.Task`."""
        return claimed.invocation.request_id not in self.hopeless

    def begin(self, claimed: Claimed, ended: Ended) -> Run | None:
        """See `worker.request.Task`."""
        request_id = claimed.invocation.request_id
        self.runs[request_id] = run = Run(ended)
        if request_id in self.immediate | self.hopeless:
            self.end(request_id)
            return None
        return run

    def revoke(self, claimed: Claimed) -> None:
        """See `worker.request.Task`."""
        self.revoked.append(claimed.invocation.request_id)

    def end(self, request_id: str, outcome: Outcome | None = None) -> None:
        """Let a run end."""
        self.runs[request_id].end(outcome or Succeeded(b"1"))


@dataclass
class Window:
    """What the transport would be told."""

    given_back: list[str] = field(default_factory=list)
    claims: int = 0
    on_lost: Any = None

    def give_back(self, tags: list[str]) -> None:
        """See `worker.transport.window.Window`."""
        self.given_back += tags

    def room(self) -> None:
        """See `worker.transport.window.Window`."""
        self.claims += 1


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A loop; Celery knows of no request and of no end when the test begins."""
    state.reset_state()
    hub = Hub()
    yield hub
    hub.close()
    state.reset_state()
    state.should_terminate = None


@pytest.fixture
def window() -> Window:
    """A window."""
    return Window()


@pytest.fixture
def pool(hub: Hub, window: Window) -> Iterator[TaskPool]:
    """A pool of four slots, three of them for any one function, on the loop."""
    # Other tests may have loaded the worker's application, which would build a whole worker process now.
    receivers, loop_ready.receivers = loop_ready.receivers, []
    pool = TaskPool(4)
    pool.start()
    pool.register_with_event_loop(hub)
    pool.use(window)
    yield pool
    pool.terminate()
    pool._loop.close()
    loop_ready.receivers = receivers


@pytest.fixture
def task() -> Task:
    """A task."""
    return Task()


def submit(pool: TaskPool, task: Task, *names: str, is_synchronous: bool = False) -> list[EventRequest]:
    """Hand events to the pool; the function is the first letter, the tag the whole in capitals."""
    requests = []
    for name in names:
        invocation = Invocation(
            name, name[0], "arn", b"{}", None, is_synchronous=is_synchronous  # type: ignore[arg-type]
        )  # fmt: skip
        claimed = Claimed(
            invocation=invocation, function=None, history=History(), last_error=None, now_ms=0.0, received_at=0.0,
            lease="lease", field=name.upper(), forget=lambda: None, throttled=None, details={},
        )  # fmt: skip
        request = EventRequest(task, claimed, "a@test", None)
        state.requests[request.id] = request
        state.reserved_requests.add(request)
        pool.submit(request)
        requests.append(request)
    return requests


def turn_until(hub: Hub, predicate: Any) -> None:
    """Let the loop turn until something is true; a timer sees that it turns at all."""
    timer = hub.call_repeatedly(0.01, lambda: None)
    while not predicate():
        hub.run_once()
    timer.cancel()


def test_what_ends_makes_room_for_what_waits(pool: TaskPool, task: Task, window: Window):
    """A function has three slots of four; when one ends the next begins, and more is claimed."""
    submit(pool, task, "a1", "a2", "a3", "a4", "a5")
    before = list(task.runs)
    claims = window.claims

    task.end("a2")

    assert before == ["a1", "a2", "a3"]
    assert list(task.runs) == ["a1", "a2", "a3", "a4"]
    assert (pool.info["running"], pool.info["waiting"], window.claims) == (3, 1, claims + 1)


def test_what_waits_behind_a_slow_function_goes_back_to_the_queue(pool: TaskPool, task: Task, window: Window, hub: Hub):
    """It was taken ahead; another worker may have a slot for it. The next few of the function stay."""
    requests = submit(pool, task, *(f"a{number}" for number in range(1, 8)))

    turn_until(hub, lambda: window.given_back)

    assert window.given_back == ["A6", "A7"]
    assert requests[-1] not in state.reserved_requests
    assert pool.info["waiting"] == 2


def test_call_goes_before_events(pool: TaskPool, task: Task):
    """Somebody waits for a synchronous invocation: it has the next slot."""
    calls = Task("call")
    submit(pool, task, "a1", "a2", "a3", "a4")
    submit(pool, calls, "a5", is_synchronous=True)

    task.end("a1")

    assert (list(task.runs), list(calls.runs)) == (["a1", "a2", "a3"], ["a5"])


def test_attempt_that_ends_while_it_begins_frees_its_slot(pool: TaskPool, task: Task):
    """An event that is given up unrun takes nobody's place, however many of them there are."""
    task.immediate = {f"a{number}" for number in range(50)}

    submit(pool, task, *sorted(task.immediate))

    assert len(task.runs) == 50
    assert (pool.info["running"], pool.info["waiting"]) == (0, 0)
    assert not state.requests
    assert not state.active_requests


def test_what_will_not_run_waits_for_no_slot(pool: TaskPool, task: Task):
    """A throttled event, or one that is too old, ends although all slots are taken, and takes none from anybody."""
    task.hopeless = {"a4", "c2"}

    submit(pool, task, "a1", "a2", "a3", "b1", "a4", "c1", "c2", "a5")

    assert list(task.runs) == ["a1", "a2", "a3", "b1", "a4", "c2"]
    assert (pool.info["running"], pool.info["waiting"]) == (4, 2)
    assert set(state.requests) == {"a1", "a2", "a3", "b1", "c1", "a5"}


def test_event_that_grows_too_old_behind_slow_ones_ends_on_time(pool: TaskPool, task: Task, window: Window, hub: Hub):
    """What waits is looked at again and again; then there is room for the next, which may be too old as well."""
    submit(pool, task, "a1", "a2", "a3", "a4", "a5")
    claims = window.claims
    task.hopeless = {"a4"}

    turn_until(hub, lambda: "a4" in task.runs)

    assert "a4" not in state.requests
    assert (pool.info["running"], pool.info["waiting"]) == (3, 1)
    assert window.claims == claims + 1


def test_revoked_while_it_waits_never_begins(pool: TaskPool, task: Task):
    """It is given up when its turn comes, and its slot goes to the next."""
    submit(pool, task, "a1", "a2", "a3", "a4", "a5")
    state.revoked.add("a4")

    task.end("a1")

    assert task.revoked == ["a4"]
    assert list(task.runs) == ["a1", "a2", "a3", "a5"]
    assert "a4" not in state.requests


def test_terminated_while_it_waits_is_given_up_at_once(pool: TaskPool, task: Task):
    """It does not wait for its turn; one that runs is killed."""
    requests = submit(pool, task, "a1", "a2", "a3", "a4")

    requests[3].terminate(pool)
    requests[0].terminate(pool)

    assert task.revoked == ["a4"]
    assert set(state.requests) == {"a2", "a3"}


def test_process_can_be_ended_by_its_id(pool: TaskPool, task: Task):
    """Celery's `terminate_job` finds the invocation by the process of its handler."""
    submit(pool, task, "a1")

    pool.terminate_job(1)
    before = set(state.requests)
    pool.terminate_job(Run.pid)

    assert (before, set(state.requests)) == ({"a1"}, set())


def test_pool_grows_and_shrinks(pool: TaskPool, task: Task):
    """New slots are used at once; slots that are taken away are not until what runs in them has ended."""
    submit(pool, task, *(f"a{number}" for number in range(8)))

    pool.grow(2)
    grown = len(task.runs)
    pool.shrink(4)
    for number in range(4):
        task.end(f"a{number}")
    pool.shrink(100)

    assert grown == 5
    assert len(task.runs) == 5
    assert (pool.num_processes, pool.info["running"]) == (1, 1)


def test_lost_events_are_dropped_where_they_have_not_begun(pool: TaskPool, task: Task, window: Window):
    """Others have them: what waits is forgotten without a word, what runs goes on."""
    submit(pool, task, "a1", "a2", "a3", "a4", "a5", "b1")

    window.on_lost(["A1", "A4", "B1", "UNKNOWN"])
    task.end("a1")

    assert list(task.runs) == ["a1", "a2", "a3", "b1", "a5"]
    assert task.revoked == []
    assert "a4" not in state.requests


def test_event_that_is_here_twice_is_forgotten_once(pool: TaskPool, task: Task):
    """After a lost lease an event may come back while its first run goes on: remote control finds the second one."""
    submit(pool, task, "a1")
    first = task.runs["a1"]
    (second,) = submit(pool, task, "a1")

    first.end(Succeeded(b"1"))

    assert state.requests["a1"] is second


def test_closed_pool_gives_back_what_waits(pool: TaskPool, task: Task, window: Window):
    """What has not begun goes to other workers at once, and nothing begins any more."""
    submit(pool, task, "a1", "a2", "a3", "a4", "a5")

    pool.close()
    task.end("a1")

    assert window.given_back == ["A4", "A5"]
    assert list(task.runs) == ["a1", "a2", "a3"]
    assert set(state.requests) == {"a2", "a3"}


def test_pool_stops_when_all_has_ended_and_is_settled(pool: TaskPool, task: Task, hub: Hub):
    """A warm shutdown waits for what runs, and until Redis knows how it ended."""
    settled: list[bool] = []
    pool.is_settled = lambda: bool(settled)
    submit(pool, task, "a1")
    pool.close()
    hub.call_later(0.01, lambda: (task.end("a1"), hub.call_later(0.01, lambda: settled.append(True))))

    pool.stop()

    assert (pool.info["running"], settled) == (0, [True])


def test_cold_shutdown_does_not_wait(pool: TaskPool, task: Task, hub: Hub):
    """Told to end at once while it waits for what runs, the pool stops waiting."""
    submit(pool, task, "a1")
    pool.close()
    timer = hub.call_later(0.01, lambda: setattr(state, "should_terminate", True))

    pool.stop()
    timer.cancel()

    assert pool.info["running"] == 1


def test_plain_task_runs_in_a_thread_and_reports_in_the_loop(pool: TaskPool, hub: Hub):
    """The loop goes on meanwhile; Celery's callbacks are called where they may touch everything."""
    gate, told = threading.Event(), []
    here = threading.current_thread().name

    def wait() -> str:
        gate.wait()
        return threading.current_thread().name

    def note(word: str) -> Any:
        return lambda *values, **_: told.append((word, threading.current_thread().name, *values))

    pool.apply_async(wait, callback=note("done"), accept_callback=note("accepted"))
    turn_until(hub, lambda: told)
    gate.set()
    turn_until(hub, lambda: len(told) == 2)

    assert [(word, thread) for word, thread, *_ in told] == [("accepted", here), ("done", here)]
    assert told[1][2].startswith("task")


def test_pool_that_stops_waits_for_what_plain_tasks_report(pool: TaskPool):
    """A task's ack is its callback's work: without it the task would be run again by somebody else."""
    told: list[str] = []
    for number in range(20):
        pool.apply_async(lambda number=number: str(number), callback=told.append).result()
    pool.close()
    before = list(told)

    pool.stop()

    assert before == []
    assert told == [str(number) for number in range(20)]
