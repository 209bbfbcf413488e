"""What a person who knows Celery does with our workers: real workers, real handlers, Celery's own remote control.

A worker of four slots runs three events of one function at a time and holds two more that wait for a slot; what else
there is lies in Redis.
"""

import asyncio
import json
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import ClientError

from config.credentials import read_credentials
from tests.chaos import structures
from tests.chaos.parts import descendants, surviving
from tests.chaos.system import System
from tests.gateway.capture import catching_client, scope_of, written
from tests.system.celery_operator import Function, Operator, operator
from tests.waiting import wait_until
from worker.event_message import ATTEMPT, CALL, DELIVER

RUNNING, HELD = 3, 5


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A server and a gateway. The workers are each test's own."""
    system = System.start(tmp_path_factory.mktemp("celery"), workers=1)
    for worker in system.workers:
        worker.end(signal.SIGTERM)
    system.workers.clear()
    yield system
    system.stop()


@pytest.fixture
def celery(system: System, tmp_path: Path) -> Iterator[Operator]:
    """Who starts and controls the workers."""
    with operator(system, tmp_path) as one:
        yield one


def wait_full(celery: Operator, function: Function, name: str = "a") -> tuple[set[str], set[str]]:
    """Wait until a worker of four slots has all it may have of a function; the ids of what runs and what waits."""
    wait_until(lambda: len(function.begun) == RUNNING, "the function's slots are full")
    wait_until(lambda: len(celery.ids(name, "reserved")) == HELD - RUNNING, "others wait for a slot")
    return celery.ids(name, "active"), celery.ids(name, "reserved")


def test_inspect_shows_events(celery: Operator):
    """Events are shown as tasks: what runs with its function, attempt and process, and what waits for a slot."""
    celery.start("a", "-c", "4")
    f = celery.create("f")
    ids = {f.invoke(number, waits=True) for number in range(6)}

    active, reserved = wait_full(celery, f)
    shown = celery.inspect("a", "active")
    asked = celery.inspect("a", "query_task", *ids)
    stats = celery.inspect("a", "stats")

    assert json.loads(celery.celery("inspect", "ping", "--json")) == {"a@test": {"ok": "pong"}}
    assert {request["worker_pid"] for request in shown} == {process for _, process in f.begun}
    assert [request["args"] for request in shown] == [["f"]] * RUNNING
    assert [request["kwargs"] for request in shown] == [{"attempt": 1, "source": "lambda:Invoke"}] * RUNNING
    assert {name: state for name, (state, _) in asked.items()} == dict.fromkeys(active, "active") | dict.fromkeys(
        reserved, "reserved"
    )
    assert {ATTEMPT, CALL, DELIVER} <= set(celery.inspect("a", "registered"))
    assert stats["total"][ATTEMPT] >= RUNNING  # the gateway's canaries are events as well
    assert (stats["pool"]["max-concurrency"], stats["pool"]["running"], stats["pool"]["waiting"]) == (4, 3, 2)


def test_revoked_events_are_dead_letters(celery: Operator):
    """Whether it runs, has a worker, lies in the queue or waits for its next attempt: it ends as `Revoked`, once."""
    url, arn = celery.system.create_queue("dlq")
    celery.start("a", "-c", "4")
    again = celery.create("again", DeadLetterConfig={"TargetArn": arn})
    waiting = again.invoke(0, fails=True)
    wait_until(lambda: again.account.waiting == 1, "it waits for its second attempt")
    f = celery.create("f", DeadLetterConfig={"TargetArn": arn})
    numbers = {f.invoke(number, waits=True): number for number in range(1, 8)}
    active, reserved = wait_full(celery, f)
    held, running, terminated = min(reserved), min(active), max(active)
    queued = next(name for name in numbers if name not in active | reserved)
    victims = dict(f.begun)

    answers = [
        celery.control("a", "revoke", task_id=[waiting, queued, held]),
        celery.control("a", "revoke", task_id=[max(reserved)], terminate=True),
        celery.control("a", "revoke", task_id=[terminated], terminate=True),
    ]
    wait_until(lambda: not Path(f"/proc/{victims[numbers[terminated]]}").exists(), "the handler was killed")
    celery.system.advance(61)
    f.open()
    revoked = {waiting, queued, held, terminated, max(reserved)}
    celery.wait_for_end(again, 1, dead_lettered=1)
    celery.wait_for_end(f, 7, succeeded=3, dead_lettered=4)

    assert all("ok" in answer for answer in answers), answers
    assert {name: celery.record(name)["condition"] for name in revoked} == dict.fromkeys(revoked, "Revoked")
    assert celery.record(running)["state"] == "succeeded"
    assert celery.system.take_dead_letters(url) == sorted(numbers.get(name, 0) for name in revoked)
    assert f.ended == sorted(number for name, number in numbers.items() if name not in revoked)
    assert len(f.begun) == 4  # the three that ran first, and the one that had to wait for a slot
    assert celery.inspect("a", "active") == celery.inspect("a", "reserved") == []


def test_last_attempt_that_is_terminated_is_revoked(celery: Operator):
    """An event without retries is given up because of the operator, not because its retries are exhausted."""
    celery.start("a", "-c", "4")
    f = celery.create("f")
    celery.client.put_function_event_invoke_config(FunctionName="f", MaximumRetryAttempts=0)
    request_id = f.invoke(1, waits=True)
    wait_until(lambda: f.begun, "it runs")

    celery.control("a", "terminate", signal="KILL", task_id=[request_id])
    celery.wait_for_end(f, 1, dropped={"Revoked": 1})

    assert celery.record(request_id)["condition"] == "Revoked"


def test_revoked_call_is_answered(celery: Operator):
    """The caller of a synchronous invocation is told: that it never ran, or that the handler's process was killed."""
    celery.start("a", "-c", "4")
    f = celery.create("f")
    with ThreadPoolExecutor(4) as callers:
        running = [callers.submit(f.call, number, waits=True) for number in range(RUNNING)]
        wait_until(lambda: len(f.begun) == RUNNING, "three calls run")
        waiting = callers.submit(f.call, 9, waits=True)
        wait_until(lambda: len(celery.ids("a", "reserved")) == 1, "the fourth waits")

        (held,) = celery.ids("a", "reserved")
        celery.control("a", "revoke", task_id=[held])
        celery.control("a", "revoke", task_id=[min(celery.ids("a", "active"))], terminate=True)
        wait_until(lambda: any(call.done() for call in running), "the killed one is answered")
        f.open()
        with pytest.raises(ClientError) as refusal:
            waiting.result()
        answers = [call.result() for call in running]

    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert len([answer for answer in answers if answer in range(RUNNING)]) == RUNNING - 1
    assert [answer["errorType"] for answer in answers if answer not in range(RUNNING)] == ["Runtime.ExitError"]
    assert 9 not in [number for number, _ in f.begun]


def test_pool_grows_and_shrinks(celery: Operator):
    """More slots are used at once; with fewer, what runs goes on."""
    celery.start("a", "-c", "2")
    f = celery.create("f")
    for number in range(8):
        f.invoke(number, waits=True)
    wait_until(lambda: len(f.begun) == 1, "one of two slots is for others")

    celery.control("a", "pool_grow", n=4)
    wait_until(lambda: len(f.begun) == 5, "five run")
    celery.control("a", "pool_shrink", n=4)
    stats = celery.inspect("a", "stats")
    for number in range(7):
        f.open(f"open-{number}")
        wait_until(lambda: len(f.ended) == number + 1, "one has ended")  # noqa: B023
    wait_until(lambda: len(celery.ids("a", "active")) == 1, "the last one runs, alone")
    f.open()
    celery.wait_for_end(f, 8)

    assert (stats["pool"]["slots"], stats["pool"]["running"], stats["prefetch_count"]) == (2, 5, 32)


def test_autoscale_follows_the_work(celery: Operator):
    """A worker between one slot and six has six as soon as there is that much work."""
    celery.start("a", "--autoscale=6,1")
    f = celery.create("f")
    for number in range(10):
        f.invoke(number, waits=True)

    wait_until(lambda: len(f.begun) == 5, "it has scaled up")
    answer = celery.control("a", "autoscale", max=3, min=1)
    slots = celery.inspect("a", "stats")["pool"]["slots"]
    f.open()
    celery.wait_for_end(f, 10)

    assert answer == {"ok": "autoscale now max=3 min=1"}
    assert slots == 3


def test_queues_can_be_cancelled_and_added(celery: Operator):
    """A worker that consumes from the calls only leaves events to others, until it is told to consume again."""
    celery.start("a", "-c", "4")
    queue = celery.system.keys.invocations
    f = celery.create("f")

    celery.control("a", "cancel_consumer", queue=queue)
    wait_until(lambda: len(celery.inspect("a", "active_queues")) == 1, "the queue is cancelled")
    f.invoke(1)
    called = f.call(2)
    before = f.account.ready
    celery.control("a", "add_consumer", queue=queue)
    celery.wait_for_end(f, 1)

    assert (called, before) == (2, 1)


def test_limits_that_mean_nothing_for_events_are_refused(celery: Operator):
    """`rate_limit` and `time_limit` say that they do not hold for events, and what does; events go on."""
    celery.start("a", "-c", "4")
    f = celery.create("f")

    rate = celery.control("a", "rate_limit", task_name=ATTEMPT, rate_limit="1/m")
    time = celery.control("a", "time_limit", task_name=ATTEMPT, hard=1.0)
    for number in range(5):
        f.invoke(number)
    celery.wait_for_end(f, 5)

    assert "ReservedConcurrentExecutions" in rate["error"]
    assert "Timeout" in time["error"]
    assert ATTEMPT in celery.inspect("a", "registered")


@pytest.mark.parametrize("options", [("-E",), ()], ids=["sent from the start", "switched on from afar"])
def test_event_stream_tells_of_every_attempt(celery: Operator, options: tuple[str, ...]):
    """`celery events` and Flower, which switches events on, see what becomes of events, with the function's name."""
    celery.start("a", "-c", "4", *options)
    celery.control("a", "enable_events")
    f = celery.create("f")
    seen: list[dict[str, Any]] = []
    connection = celery.app.connection()
    receiver = celery.app.events.Receiver(connection, handlers={"*": seen.append})
    listener = threading.Thread(target=receiver.capture, kwargs={"limit": None, "timeout": None}, daemon=True)
    listener.start()
    wait_until(lambda: seen, "the worker's heartbeat is heard")
    good = f.invoke(1)
    bad = f.invoke(2, fails=True)
    lost = f.invoke(3, waits=True)
    wait_until(lambda: lost in celery.ids("a", "active"), "the third runs")
    celery.control("a", "revoke", task_id=[lost], terminate=True)

    def kinds(request_id: str) -> list[str]:
        return [event["type"] for event in seen if event.get("uuid") == request_id]

    wait_until(lambda: all(len(kinds(name)) == 3 for name in (good, bad, lost)), "all three are told of")
    receiver.should_stop = True
    listener.join(10)
    connection.close()

    received = next(event for event in seen if event["type"] == "task-received" and event["uuid"] == good)
    assert kinds(good) == ["task-received", "task-started", "task-succeeded"]
    assert kinds(bad) == ["task-received", "task-started", "task-failed"]
    assert kinds(lost) == ["task-received", "task-started", "task-failed"]
    assert (received["name"], received["args"], received["retries"]) == (ATTEMPT, "('f',)", 0)


def test_worker_that_is_told_to_end_finishes_what_runs(celery: Operator):
    """After SIGTERM it ends what runs; another worker gets at once what waited, and nothing is run twice."""
    a = celery.start("a", "-c", "4")
    f = celery.create("f")
    ids = [f.invoke(number, waits=True) for number in range(8)]
    wait_full(celery, f)
    own = {number for number, _ in f.begun}

    a.send(signal.SIGTERM)
    wait_until(lambda: celery.system.look().unheld("f") == 5, "what waited is back in its lane")
    celery.start("b", "-c", "4")
    for number in set(range(8)) - own:
        f.open(f"open-{number}")
    wait_until(lambda: len(f.ended) == 5, "the other worker has run what waited")
    assert a.is_running
    f.open()
    celery.wait_for_end(f, 8)
    assert a.process is not None
    status = a.process.wait(30)

    assert status == 0
    assert sorted(number for number, _ in f.begun) == f.ended == list(range(8))
    assert {celery.record(name)["attempts_made"] for name in ids} == {1}


def test_remote_shutdown_is_a_warm_one(celery: Operator):
    """`celery control shutdown` is SIGTERM from afar: what runs is finished, and settled before the worker ends."""
    a = celery.start("a", "-c", "4")
    f = celery.create("f")
    for number in range(3):
        f.invoke(number, waits=True)
    wait_until(lambda: len(f.begun) == 3, "they run")

    celery.app.control.shutdown(destination=["a@test"])
    wait_until(lambda: "Got shutdown from remote" in celery.log("a"), "it was told")
    f.open()
    assert a.process is not None
    status = a.process.wait(30)

    assert status == 0
    assert (f.account.succeeded, f.account.running, f.account.ready) == (3, 0, 0)
    assert celery.system.look().held == {}


@pytest.mark.parametrize("signals", [(signal.SIGQUIT,), (signal.SIGTERM, signal.SIGTERM, signal.SIGQUIT)])
def test_cold_shutdown_gives_everything_back(celery: Operator, signals: tuple[signal.Signals, ...]):
    """SIGQUIT ends a worker at once, also while it finishes its work: handlers are killed, others get its events."""
    a = celery.start("a", "-c", "4")
    f = celery.create("f")
    for number in range(6):
        f.invoke(number, waits=True)
    wait_full(celery, f)
    processes = descendants(a.pid)

    for number in signals[:-1]:
        a.send(number)
        wait_until(lambda: "Warm shutdown" in celery.log("a"), "it was told to end")
    wait_until(lambda: len(f.begun) == RUNNING and a.is_running, "it waits for what runs")
    a.end(signals[-1], timeout=30)
    snapshot = celery.system.look()
    wait_until(lambda: not surviving(processes), "no handler is left")
    celery.start("b", "-c", "4")
    f.open()
    celery.wait_for_end(f, 6)

    assert snapshot.held == {}
    assert not snapshot.is_living(a.pid)
    assert snapshot.unheld("f") == 6
    assert f.ended == list(range(6))


def test_plain_tasks_run_beside_events(celery: Operator):
    """A task of any Celery program, registered in the same application, runs in threads of the worker."""
    a = celery.start("a", "-c", "4", "-I", "tests.system.plain_tasks")
    f = celery.create("f")
    f.invoke(1, waits=True)
    result = celery.folder / "result"

    celery.app.send_task("tests.system.plain_tasks.write", (str(result), "plain"))
    wait_until(lambda: result.exists() and result.read_text(), "the task has run")
    f.open()
    celery.wait_for_end(f, 1)

    assert result.read_text() == f"plain {a.pid} task"
    wait_until(lambda: not celery.inspect("a", "active"), "nothing is left")
    wait_until(lambda: celery.system.look().held == {}, "its message is acknowledged")


def test_backlog_holds_up_nobody(celery: Operator):
    """While hundreds of a function wait and its handlers stand still, another's events and calls all come through."""
    celery.start("a", "-c", "4")
    slow, fast = celery.create("slow"), celery.create("fast")
    slow.invoke(0, waits=True)
    with ThreadPoolExecutor(8) as clients:
        list(clients.map(lambda number: slow.invoke(number, waits=True), range(1, 200)))
    wait_full(celery, slow)

    with ThreadPoolExecutor(8) as clients:
        list(clients.map(fast.invoke, range(50)))
        called = list(clients.map(fast.call, range(50, 55)))
    celery.wait_for_end(fast, 50)
    assert (slow.ended, len(slow.begun)) == ([], RUNNING)
    slow.open()
    celery.wait_for_end(slow, 200)

    assert called == list(range(50, 55))


def test_handler_that_takes_too_long_is_replaced(celery: Operator):
    """Its process is killed and the event tried again in a new one; other handlers run on."""
    celery.start("a", "-c", "4")
    hasty, patient = celery.create("hasty", Timeout=1), celery.create("patient")
    patient.invoke(1, waits=True)
    wait_until(lambda: patient.begun, "the patient one runs")

    request_id = hasty.invoke(1, waits=True)
    wait_until(lambda: hasty.account.waiting == 1, "its first attempt has failed")
    ((_, killed),) = hasty.begun
    hasty.open()
    celery.system.advance(61)
    celery.wait_for_end(hasty, 1)
    still_running = Path(f"/proc/{patient.begun[0][1]}").exists()
    patient.open()
    celery.wait_for_end(patient, 1)

    assert not Path(f"/proc/{killed}").exists()
    assert still_running
    assert [attempt["outcome"] for attempt in celery.record(request_id)["attempts"]] == ["TimedOut", "Succeeded"]
    assert len(patient.begun) == 1


def test_worker_that_lost_its_lease_drops_what_has_not_begun(celery: Operator):
    """It stood still for too long and another ran its events: what waited for a slot is not run again by it."""
    a = celery.start("a", "-c", "4")
    f = celery.create("f")
    for number in range(HELD):
        f.invoke(number, waits=True)
    wait_full(celery, f)
    first = {process for _, process in f.begun}

    a.send(signal.SIGSTOP)
    celery.start("b", "-c", "4")
    structures.end_leases(celery.system.redis, celery.system.keys, {a.pid})

    def others_have_run() -> bool:
        for _, process in f.begun:
            if process not in first:
                f.open(f"open-process-{process}")
        return f.account.succeeded == HELD

    wait_until(others_have_run, "another worker has run all of it", 60)
    a.send(signal.SIGCONT)
    wait_until(lambda: "The lease was lost: 5 messages" in celery.log("a"), "it has noticed")
    wait_until(lambda: not celery.ids("a", "reserved"), "it has dropped what waited")
    f.open()
    wait_until(lambda: not celery.ids("a", "active"), "its handlers have ended")
    wait_until(lambda: celery.log("a").count("LeaseLost") == RUNNING, "their settlement was refused")
    celery.wait_for_end(f, HELD)

    assert len(f.begun) == HELD + RUNNING


def test_events_that_come_together_go_in_together(celery: Operator):
    """Many clients at once: the gateway calls Redis far less often than it answers 202, and keeps every event."""
    f = celery.create("f")
    number = 300
    credentials = read_credentials(celery.system.settings)
    catching = catching_client(
        "lambda", endpoint=celery.system.settings.gateway_url, key=credentials.access_key, secret=credentials.secret_key
    )
    requests = [
        written(catching, "Invoke", {"FunctionName": "f", "InvocationType": "Event", "Payload": b"{}"})
        for _ in range(number)
    ]
    f.invoke(0)

    before = celery.evalsha_calls()
    statuses = asyncio.run(send_at_once(requests, celery.system.settings.port))
    made = celery.evalsha_calls() - before

    assert statuses == [b"HTTP/1.1 202 Accepted"] * number
    assert f.account.ready == f.account.accepted == number + 1
    assert made < number / 4, made


async def send_at_once(requests: list[AWSPreparedRequest], port: int) -> list[bytes]:
    """Send all on connections of their own, before any answer is read; return the answers' first lines."""
    connections = [await asyncio.open_connection("127.0.0.1", port) for _ in requests]
    for (_, writer), request in zip(connections, requests, strict=True):
        writer.write(request_bytes(request))
    lines = [(await reader.readline()).strip() for reader, _ in connections]
    for _, writer in connections:
        writer.close()
        await writer.wait_closed()
    return lines


def request_bytes(request: AWSPreparedRequest) -> bytes:
    """A request of boto3's as it goes over the wire."""
    address = urlsplit(request.url)
    scope = scope_of(request)
    lines = [f"{request.method} {address.path} HTTP/1.1".encode(), *(b": ".join(header) for header in scope["headers"])]
    return b"\r\n".join([*lines, b"", request.body or b""])
