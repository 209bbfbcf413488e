"""Much data in either direction, and the loop that Celery's worker has."""

import io
import threading
import time
import zipfile

import pytest
from kombu.asynchronous.hub import Hub

from tests.runtime.conftest import ACCESS, configure, event, result
from worker.clock import SystemClock
from worker.invocation import LogEvent, Succeeded, TimedOut
from worker.runtime.code import CodeStore
from worker.runtime.pool import EnvironmentPool
from worker.transport.hub_loop import HubLoop

LARGEST = b'"' + b"x" * (6_291_456 - 2) + b'"'

APP = """
import os, time
def handler(event, context):
    if event == "hang": time.sleep(60)
    if event == "exit": os._exit(1)
    return event
"""


@pytest.fixture
def pool(redis, keys, folder):
    """A pool on kombu's hub, its functions' package, and how to let the hub turn."""
    code = CodeStore(redis, keys, folder)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", APP)
    with redis.pipeline(transaction=True) as pipe:
        sha256 = code.put(pipe, buffer.getvalue())
        pipe.execute()
    hub = Hub()
    loop = HubLoop(hub)
    pool = EnvironmentPool(folder, code, SystemClock(), lambda *_: None, ACCESS, loop)

    def until(predicate, timeout=60.0):
        deadline = time.monotonic() + timeout
        while not predicate():
            assert time.monotonic() < deadline
            hub.run_once()

    yield pool, configure(code_sha256=sha256, timeout=30), until
    pool.close()
    loop.close()
    hub.close()


def test_the_hub_of_celery(pool):
    """Answers, crashes and timeouts of several functions at once, each once."""
    pool, function, until = pool
    attempts = {}

    def run(number, payload, **changes):
        changed = function.model_copy(update=changes)
        attempts[number] = []
        pool.run(changed, event(payload, f"R{number}"), attempts[number].append)

    for number in range(20):
        run(number, number)
    run("exit", "exit", name="g")
    run("hang", "hang", name="h", timeout=1)
    run("large", LARGEST, name="k")
    assert not any(attempts.values())
    until(lambda: all(attempts.values()))

    assert {len(answers) for answers in attempts.values()} == {1}
    assert [result(attempts[number][0]) for number in range(20)] == list(range(20))
    assert result(attempts["exit"][0])["errorType"] == "Runtime.ExitError"
    assert type(attempts["hang"][0].outcome) is TimedOut
    assert attempts["large"][0].outcome == Succeeded(LARGEST)


def test_several_large_payloads_at_once(pool):
    """Each waits for its own process alone, and what is small goes by them."""
    pool, function, until = pool
    large, small = [], []
    for number in range(3):
        pool.run(function, event(LARGEST, f"L{number}"), large.append)
    pool.run(function.model_copy(update={"name": "g"}), event(1), small.append)

    until(lambda: len(large) == 3 and small)

    assert [attempt.outcome for attempt in large] == [Succeeded(LARGEST)] * 3
    assert result(small[0]) == 1


def test_handler_that_prints_more_than_the_sink_takes_at_once(environment, sunk, host):
    """It waits, and every line arrives in its order, those that come with the answer last."""
    lines = 60_000
    app = f"def handler(event, context):\n    for n in range({lines}): print(n, 'x' * 60)\n"

    def slowly(*batch):
        time.sleep(0.002)  # what a store far away takes
        sunk.append(batch)

    talkative = environment(app, timeout=60)
    talkative._log._sink = slowly

    attempt = talkative.invoke(event())

    events: list[LogEvent] = [event for _, _, events in sunk for event in events]
    handed_on = [event.message for event in [*events, *attempt.log]]
    numbers = [int(line.split()[0]) for line in handed_on if line.endswith("xxx")]
    assert numbers == list(range(lines))
    assert handed_on[-1].startswith("REPORT")


def test_log_that_is_not_taken_holds_up_the_handler(environment, driver, sunk):
    """While the sink has not answered little is kept: the handler waits in `print`, and goes on afterwards."""
    answers = threading.Event()

    def after_a_while(*batch):
        answers.wait(60)
        sunk.append(batch)

    talkative = environment("def handler(event, context):\n    for n in range(20): print('y' * 200_000)\n", timeout=60)
    talkative._log._sink = after_a_while
    attempts = []
    talkative.environment.invoke(event(), attempts.append)
    driver.until(lambda: talkative._process is not None and talkative._process._is_paused, "the handler is held up")

    assert attempts == []
    assert talkative._log._size < 1 << 20
    answers.set()
    driver.until(lambda: attempts, "it is answered")
    handed_on = [event.message for _, _, events in sunk for event in events]
    assert [*handed_on, *(event.message for event in attempts[0].log)].count("y" * 200_000) == 20


def test_largest_answer_after_much_output(environment):
    """What was printed before the answer is in the log before the end, however much it was."""
    app = "def handler(event, context):\n    print('y' * 1_000_000)\n    return event\n"

    attempt = environment(app, timeout=60, memory_size=512).invoke(event(LARGEST))

    assert attempt.outcome == Succeeded(LARGEST)
    assert attempt.log[-1].message.startswith("REPORT")
