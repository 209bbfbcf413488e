"""The environments of one worker, with real packages in a real Redis."""

import io
import threading
import zipfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from tests.runtime.conftest import ACCESS, configure, event, is_gone, result
from tests.waiting import wait_until
from worker.clock import SystemClock
from worker.invocation import Lost, Succeeded
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


@pytest.fixture
def pool(code, folder, movable):
    pool = EnvironmentPool(folder, code, movable, lambda *_: None, ACCESS, max_idle=4)
    yield pool
    pool.close()


def pid_of(attempt):
    return result(attempt)[2]


def test_invocations_share_a_warm_environment(pool, function):
    """One after the other, they run in the same process; the pool shows what it has."""
    first, second = pool.run(function, event(1, "A")), pool.run(function, event(2, "B"))

    assert [result(first), result(second)] == [[1, "A", pid_of(first), 1], [2, "B", pid_of(first), 2]]
    assert repr(pool) == "<EnvironmentPool running={} idle={'f': 1}>"


def test_many_threads(pool, function):
    """Every invocation gets its own answer, and an environment runs one at a time."""

    def fifty(thread):
        return [result(pool.run(function, event(n, f"{thread}-{n}"))) for n in range(50)]

    with ThreadPoolExecutor(8) as threads:
        answers = [answer for answers in threads.map(fifty, range(8)) for answer in answers]

    assert [answer[:2] for answer in answers] == [[n, f"{thread}-{n}"] for thread in range(8) for n in range(50)]
    calls = Counter(pid for _, _, pid, _ in answers)
    assert sorted((pid, number) for _, _, pid, number in answers) == sorted(
        (pid, number + 1) for pid, count in calls.items() for number in range(count)
    )
    assert repr(pool) == f"<EnvironmentPool running={{}} idle={{'f': {min(len(calls), 4)}}}>"


def test_new_revision_replaces_the_old(pool, function):
    """The process of the older revision ends when the newer one is seen."""
    old = pid_of(pool.run(function, event()))

    new = pid_of(pool.run(function.model_copy(update={"revision_id": "r2"}), event()))

    assert new != old
    assert is_gone(old)
    assert repr(pool) == "<EnvironmentPool running={} idle={'f': 1}>"


def test_sweep_closes_what_is_idle_for_five_minutes(pool, function, movable):
    """Not a moment earlier."""
    pid = pid_of(pool.run(function, event()))

    movable.added = 299
    pool.sweep()
    assert not is_gone(pid)
    movable.added = 301
    pool.sweep()

    assert is_gone(pid)
    assert repr(pool) == "<EnvironmentPool running={} idle={}>"


def test_missing_code_is_not_the_functions_fault(pool, function):
    """The attempt is lost, and the reason says what is missing."""
    attempt = pool.run(function.model_copy(update={"code_sha256": "0" * 64}), event())

    assert attempt.outcome == Lost(f"No environment for function 'f': CodeMissing: {'0' * 64}")


def test_process_that_cannot_be_started_is_not_the_functions_fault(pool, function, code):
    """A code folder that vanished under the pool makes the attempt lost, and leaves nothing behind."""
    root = code.root(function.code_sha256)
    root.rename(root.with_suffix(".away"))
    root.touch()
    code.root = lambda _: root

    attempt = pool.run(function, event())

    assert isinstance(attempt.outcome, Lost)
    assert "could not be started" in attempt.outcome.reason
    assert repr(pool) == "<EnvironmentPool running={} idle={}>"


def test_close_ends_everything(pool, function, folder):
    """What is idle ends, what runs is lost, what comes later is lost; no process and no folder is left."""
    idle = pid_of(pool.run(function.model_copy(update={"name": "g"}), event()))
    mark = folder / "mark"
    attempts = []
    running = threading.Thread(target=lambda: attempts.append(pool.run(function, event({"mark": str(mark)}))))
    running.start()
    wait_until(mark.exists, "the handler runs")
    assert repr(pool) == "<EnvironmentPool running={'f': 1} idle={'g': 1}>"

    pool.close()
    running.join()

    assert is_gone(idle)
    assert [type(attempt.outcome) for attempt in (*attempts, pool.run(function, event()))] == [Lost, Lost]
    assert list((folder / "environments").iterdir()) == []


def test_handler_finds_boto3(pool, function):
    """The runtime's folder is below the data folder."""
    assert isinstance(pool.run(function, event()).outcome, Succeeded)
    assert pool._host.runtime_folder.name == "python"
