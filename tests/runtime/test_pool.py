"""The environments of one worker, with real packages in a real Redis."""

import io
import os
import signal
import zipfile
from collections import Counter
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from tests.runtime.conftest import ACCESS, configure, event, is_gone, result
from worker.clock import SystemClock
from worker.invocation import Crashed, Lost, Succeeded, no_chunk
from worker.runtime.code import CodeStore
from worker.runtime.pool import EnvironmentPool

APP = """
import os, pathlib, time
calls = 0
def handler(event, context):
    global calls
    calls += 1
    if isinstance(event, dict):
        pathlib.Path(event["mark"]).touch()
        time.sleep(60)
    return [event, context.aws_request_id, os.getpid(), calls]
"""


class MovableClock(SystemClock):
    """The machine's clock, and what a test adds to it."""

    added = 0.0

    def monotonic(self) -> float:
        """Seconds, moved by what was added."""
        return super().monotonic() + self.added

    def now(self):
        """The moment, moved by what was added."""
        return super().now() + timedelta(seconds=self.added)


@pytest.fixture
def movable():
    return MovableClock()


@pytest.fixture
def code(redis, keys, folder):
    return CodeStore(redis, keys, folder)


@pytest.fixture
def function(code, redis):
    """A function whose package is in Redis."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", APP)
    with redis.pipeline(transaction=True) as pipe:
        sha256 = code.put(pipe, buffer.getvalue())
        pipe.execute()
    return configure(code_sha256=sha256, timeout=30)


class DrivenPool:
    """A pool, and a way to wait for the attempt that a run ends with."""

    def __init__(self, pool, driver) -> None:
        self.pool = pool
        self._driver = driver

    def run(self, function, invocation, on_chunk=no_chunk):
        """Run one attempt, and the loop meanwhile."""
        return self._driver.result(lambda done: self.pool.run(function, invocation, done, on_chunk))

    def settle(self):
        """Let everything that was begun come to its end."""
        assert self.pool._host.chores.finish(60)


@pytest.fixture
def pool(code, folder, movable, driver, can_fork):
    pool = EnvironmentPool(folder, code, movable, lambda *_: None, ACCESS, driver.loop, max_idle=4, can_fork=can_fork)
    yield pool
    pool.close()


@pytest.fixture
def driven(pool, driver):
    return DrivenPool(pool, driver)


def open_descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def pid_of(attempt):
    return result(attempt)[2]


def test_invocations_share_a_warm_environment(pool, driven, function):
    """One after the other, they run in the same process; the pool shows what it has."""
    first, second = driven.run(function, event(1, "A")), driven.run(function, event(2, "B"))

    assert [result(first), result(second)] == [[1, "A", pid_of(first), 1], [2, "B", pid_of(first), 2]]
    assert repr(pool) == "<EnvironmentPool running={} idle={'f:$LATEST': 1}>"
    assert (pool.running, pool.idle) == (Counter(), 1)


def test_answer_to_who_wants_a_stream(driven, function):
    """A handler that answers as a whole makes one part, and nothing is left for the attempt; others get no parts."""
    parts = []

    attempt = driven.run(function, event(1, "A", wants_stream=True), parts.append)
    other = driven.run(function, event(2, "B"), parts.append)

    assert attempt.outcome == Succeeded(b"")
    assert [orjson.loads(part)[:2] for part in parts] == [[1, "A"]]
    assert result(other)[:2] == [2, "B"]


def test_many_at_once(pool, driver, function):
    """Every invocation gets its own answer, once, and an environment runs one at a time."""
    attempts = []

    def go_on(lane, number):
        if number < 50:
            pool.run(function, event(number, f"{lane}-{number}"), lambda attempt: done(lane, number, attempt))

    def done(lane, number, attempt):
        attempts.append((lane, number, attempt))
        go_on(lane, number + 1)

    for lane in range(8):
        go_on(lane, 0)
    assert pool.running == Counter({"f": 8})
    driver.until(lambda: len(attempts) >= 400, "all are answered", timeout=110)

    answers = [result(attempt) for *_, attempt in sorted(attempts, key=lambda answered: answered[:2])]
    assert [answer[:2] for answer in answers] == [[n, f"{lane}-{n}"] for lane in range(8) for n in range(50)]
    calls = Counter(pid for _, _, pid, _ in answers)
    assert sorted((pid, number) for _, _, pid, number in answers) == sorted(
        (pid, number + 1) for pid, count in calls.items() for number in range(count)
    )
    assert repr(pool) == f"<EnvironmentPool running={{}} idle={{'f:$LATEST': {min(len(calls), 4)}}}>"


def test_new_revision_replaces_the_old(pool, driven, function):
    """The process of the older revision ends when the newer one is seen."""
    old = pid_of(driven.run(function, event()))

    new = pid_of(driven.run(function.model_copy(update={"revision_id": "r2"}), event()))
    driven.settle()

    assert new != old
    assert is_gone(old)
    assert repr(pool) == "<EnvironmentPool running={} idle={'f:$LATEST': 1}>"


def test_sweep_closes_what_is_idle_for_five_minutes(pool, driven, function, movable):
    """Not a moment earlier."""
    pid = pid_of(driven.run(function, event()))

    movable.added = 299
    pool.sweep()
    driven.settle()
    assert not is_gone(pid)
    movable.added = 301
    pool.sweep()
    driven.settle()

    assert is_gone(pid)
    assert repr(pool) == "<EnvironmentPool running={} idle={}>"


def test_missing_code_is_not_the_functions_fault(driven, function):
    """The attempt is lost, and the reason says what is missing."""
    attempt = driven.run(function.model_copy(update={"code_sha256": "0" * 64}), event())

    assert attempt.outcome == Lost(f"No environment for function 'f': CodeMissing: {'0' * 64}")


def test_process_that_cannot_be_started_is_not_the_functions_fault(pool, driven, function, code):
    """A code folder that vanished under the pool makes the attempt lost, and leaves nothing behind."""
    root = code.root(function.code_sha256)
    root.rename(root.with_suffix(".away"))
    root.touch()
    code.root = lambda _: root

    attempt = driven.run(function, event())

    assert isinstance(attempt.outcome, Lost)
    assert "could not be started" in attempt.outcome.reason
    assert repr(pool) == "<EnvironmentPool running={} idle={}>"


def test_close_ends_everything(pool, driven, driver, function, folder):
    """What is idle ends, what runs is lost, what comes later is lost; no process and no folder is left."""
    idle = pid_of(driven.run(function.model_copy(update={"name": "g"}), event()))
    mark = folder / "mark"
    attempts = []
    run = pool.run(function, event({"mark": str(mark)}), attempts.append)
    driver.until(mark.exists, "the handler runs")
    running = run.pid
    assert repr(pool) == "<EnvironmentPool running={'f': 1} idle={'g:$LATEST': 1}>"

    pool.close()

    assert is_gone(idle)
    assert is_gone(running)
    assert [type(attempt.outcome) for attempt in (*attempts, driven.run(function, event()))] == [Lost, Lost]
    assert list((folder / "environments").iterdir()) == []
    assert pool._host.launcher.server_pids() == []


def test_close_does_not_need_the_loop(pool, driver, function):
    """What was only just begun is answered as well, once, although the loop never turns again."""
    attempts = []
    runs = [pool.run(function, event(n), attempts.append) for n in range(3)]

    pool.close()

    assert [type(attempt.outcome) for attempt in attempts] == [Lost] * 3
    assert [run.pid for run in runs] == [None] * 3
    driver.until(lambda: True, "the loop turns")
    assert len(attempts) == 3


def test_killed_run(pool, driver, function, folder):
    """A run is killed by itself; its neighbour is not touched, and its environment is used again."""
    marks = [folder / "one", folder / "two"]
    attempts = []
    runs = [pool.run(function, event({"mark": str(mark)}), attempts.append) for mark in marks]
    driver.until(lambda: all(mark.exists() for mark in marks), "the handlers run")
    pids = [run.pid for run in runs]

    runs[0].kill()
    driver.until(lambda: attempts, "the killed one is answered")

    assert [type(attempt.outcome) for attempt in attempts] == [Crashed]
    assert [is_gone(pid) for pid in pids] == [True, False]
    assert repr(pool) == "<EnvironmentPool running={'f': 1} idle={'f:$LATEST': 1}>"
    runs[0].kill()  # it is over: nothing happens to whoever has its environment now
    runs[1].kill()
    driver.until(lambda: len(attempts) == 2, "the other one is answered")


def test_run_that_is_killed_before_it_has_a_place(pool, driver, function):
    """The kill reaches the process as soon as there is one."""
    attempts = []

    pool.run(function, event({"mark": "/dev/null"}), attempts.append).kill()
    driver.until(lambda: attempts, "it is answered")

    assert [type(attempt.outcome) for attempt in attempts] == [Crashed]


def test_handler_finds_boto3(pool, driven, function):
    """The runtime's folder is below the data folder."""
    assert isinstance(driven.run(function, event()).outcome, Succeeded)
    assert pool._host.runtime_folder.name == "python"


def test_no_descriptor_is_left(pool, driven, driver, function, folder):
    """After starts, crashes, kills and sweeps, the worker has open what it had before."""
    driven.run(function, event())
    driven.settle()
    before = open_descriptors()

    for number in range(5):
        other = function.model_copy(update={"revision_id": f"r{number}", "name": "g"})
        attempt = driven.run(other, event(number))
        os.kill(pid_of(attempt), signal.SIGKILL)
        driven.run(other, event(number))
        attempts = []
        run = pool.run(other, event({"mark": str(folder / f"mark-{number}")}), attempts.append)
        driver.until((folder / f"mark-{number}").exists, "the handler runs")
        run.kill()
        driver.until(lambda: attempts, "it is answered")  # noqa: B023 - it is over before the next round
        driven.run(function.model_copy(update={"code_sha256": "0" * 64, "name": "h"}), event())
    for idle in pool._idle._remove(lambda idle: idle.item.function.name != "f"):
        idle.close()
    driven.settle()

    assert open_descriptors() == before
