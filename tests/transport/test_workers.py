"""Real Celery workers on the transport, in the pools that Celery has."""

import gc
import os
import signal
from collections import Counter
from pathlib import Path

import pytest
from celery import Celery, chord, group
from kombu.exceptions import OperationalError

from tests.transport.app import answer, begin, fail_once, gather, note, send_stock
from tests.transport.contents import QUEUE, held, is_empty
from tests.transport.processes import Server, Worker, worker
from tests.waiting import wait_until

POOLS = ["prefork", "threads", "solo"]


@pytest.mark.parametrize("pool", POOLS)
def test_every_kind_of_sending_is_run_once(pool: str, broker: Server, folder: Path, producer: Celery) -> None:
    """Tasks, countdowns, retries, priorities and messages of stock producers run once, and nothing is left over."""
    with worker(broker, folder, "-P", pool, "-c", "2") as consumer:
        for number in range(100):
            note.apply_async((f"n{number}",), priority=number % 10)
        note.apply_async(("later",), countdown=1)
        fail_once.delay("retried")
        send_stock(broker.url, note.name, "stock")
        send_stock(broker.url, note.name, "stock later", countdown=1)

        expected = Counter([*(f"n{number}" for number in range(100)), "later", "retried", "stock", "stock later"])
        wait_until(lambda: consumer.noted() == expected, "all tasks have run")
        wait_until(lambda: is_empty(broker), "every message is acknowledged")
        assert consumer.stop() == 0

    assert broker.client.zcard("{test}:consumers") == 0
    assert consumer.noted() == expected


def test_remote_control_reaches_a_busy_worker(broker: Server, folder: Path, producer: Celery) -> None:
    """`inspect` is answered, a queue can be added, and a revoked task does not run."""
    with worker(broker, folder, "-P", "threads", "-c", "1") as consumer:
        begin.delay("busy", 15)
        wait_until(lambda: consumer.noted()["busy begins"], "the worker is busy")

        control = producer.control
        assert consumer.is_controlled_by(producer)
        assert [task["name"] for task in control.inspect(timeout=2).active()["worker@test"]] == [begin.name]
        control.revoke("not-this-one", reply=True, timeout=2)
        note.apply_async(("revoked",), task_id="not-this-one", queue="{test}:other")
        control.add_consumer("{test}:other", reply=True, timeout=2)
        note.apply_async(("other",), queue="{test}:other")

        wait_until(lambda: consumer.noted()["other"], "a task of the added queue has run")
        wait_until(lambda: is_empty(broker), "every message is acknowledged")
        assert consumer.noted() == Counter(["busy begins", "busy ends", "other"])


def test_groups_and_chords_are_gathered(broker: Server, folder: Path, producer: Celery) -> None:
    """A chord's body runs once, with all results."""
    producer.conf.result_backend = broker.url
    with worker(broker, folder, "-P", "threads", "-c", "2") as consumer:
        chord(group(answer.s(name) for name in "abc"))(gather.s())

        wait_until(lambda: consumer.noted()["a+b+c"] == 1, "the results are gathered")
        gc.collect()  # a result's last act is to talk to the server


@pytest.mark.parametrize("pool", POOLS)
def test_a_killed_worker_loses_nothing(pool: str, broker: Server, folder: Path, producer: Celery) -> None:
    """What a killed worker held is run by the next one when the lease has ended."""
    expected = {f"n{number}" for number in range(60)}
    for text in sorted(expected):
        note.delay(text, 0.02)
    first = Worker(broker, folder, "-P", pool, "-c", "2", name="first").wait_ready()
    wait_until(lambda: len(first.noted()) >= 5, "the first worker is busy")
    first.kill()
    assert held(broker) > 0

    with worker(broker, folder, "-P", pool, "-c", "2", name="second") as second:
        wait_until(lambda: set(second.noted()) == expected, "all tasks have run")
        wait_until(lambda: is_empty(broker), "every message is acknowledged")


def test_a_task_longer_than_the_lease_runs_once(broker: Server, folder: Path, producer: Celery) -> None:
    """A heartbeat keeps the lease of a task that takes three times as long, also in the pool that blocks the loop."""
    begin.delay("long", 6)
    with (
        worker(broker, folder, "-P", "solo", name="first") as consumer,
        worker(broker, folder, "-P", "solo", name="second"),
    ):
        wait_until(lambda: consumer.noted()["long ends"], "the task has ended")
        wait_until(lambda: is_empty(broker), "the message is acknowledged")

        assert consumer.noted() == Counter(["long begins", "long ends"])


def test_a_warm_shutdown_gives_back_what_has_not_begun(broker: Server, folder: Path, producer: Celery) -> None:
    """What a worker has taken and not begun when it is told to end is ready for others before it has ended."""
    begin.delay("running", 1)
    for number in range(6):
        note.delay(f"n{number}")
    with worker(broker, folder, "-P", "threads", "-c", "1") as consumer:
        wait_until(lambda: consumer.noted()["running begins"], "a task runs")

        assert consumer.stop() == 0

    done = consumer.noted()
    assert done["running ends"] == 1
    assert broker.client.llen(QUEUE) == 8 - len(done)
    assert broker.client.zcard("{test}:consumers") == 0


@pytest.mark.parametrize("pool", POOLS)
def test_a_restart_of_redis_is_waited_out(pool: str, broker: Server, folder: Path, producer: Celery) -> None:
    """A busy worker neither exits nor loses anything when Redis is killed and comes back; it is still controlled."""
    expected = {f"n{number}" for number in range(80)}
    for text in sorted(expected):
        note.delay(text, 0.05)
    with worker(broker, folder, "-P", pool, "-c", "2") as consumer:
        wait_until(lambda: len(consumer.noted()) >= 10, "the worker is busy")
        broker.kill()
        wait_until(lambda: "connect" in consumer.log.read_text(), "the worker has noticed")
        broker.start_again()

        wait_until(lambda: set(consumer.noted()) == expected, "all tasks have run", timeout=60)
        wait_until(lambda: is_empty(broker), "every message is acknowledged", timeout=60)
        assert consumer.process.poll() is None
        assert consumer.is_controlled_by(producer)
        assert max(consumer.noted().values()) <= 2


def test_a_stopped_worker_changes_nothing_later(broker: Server, folder: Path, producer: Celery) -> None:
    """A worker that stood still past its lease learns that others have its messages; each ends acknowledged once."""
    expected = {f"n{number}" for number in range(20)}
    for text in sorted(expected):
        note.delay(text, 0.05)
    with worker(broker, folder, "-P", "solo", name="first") as first:
        wait_until(lambda: len(first.noted()) >= 2, "the first worker is busy")
        os.kill(first.process.pid, signal.SIGSTOP)
        with worker(broker, folder, "-P", "solo", name="second") as second:
            wait_until(lambda: len(second.noted()) >= len(expected) - 1, "others run what it held")
            os.kill(first.process.pid, signal.SIGCONT)

            wait_until(lambda: set(second.noted()) == expected, "all tasks have run")
            wait_until(lambda: is_empty(broker), "every message is acknowledged")


def test_a_full_server_goes_on_being_emptied(broker: Server, folder: Path, producer: Celery) -> None:
    """With no memory left producers are refused, but workers go on, and do not exit."""
    for number in range(50):
        note.delay(f"n{number}", 0.02)
    with worker(broker, folder, "-P", "threads", "-c", "2") as consumer:
        wait_until(lambda: len(consumer.noted()) >= 5, "the worker is busy")
        broker.client.config_set("maxmemory", 1)
        with pytest.raises(OperationalError):
            note.apply_async(("refused",), retry=False)

        wait_until(lambda: len(consumer.noted()) == 50, "all tasks have run")
        wait_until(lambda: is_empty(broker), "every message is acknowledged")
        assert consumer.process.poll() is None
