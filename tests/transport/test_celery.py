"""What Celery and kombu offer beyond sending and running: batches, single messages, returns, the end of bad ones."""

import json
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from celery import Celery

from tests.transport.app import note, return_once, stand
from tests.transport.contents import QUEUE, held, is_empty
from tests.transport.processes import Server, worker
from tests.waiting import wait_until


def test_single_messages_come_by_priority_and_can_be_returned(broker: Server, producer: Celery) -> None:
    """`basic_get` takes the most urgent step first; what is rejected with `requeue` is the next one again."""
    for priority in (9, 0, 6, 3):
        note.apply_async((f"priority {priority}",), priority=priority)
    with producer.connection_for_read() as connection:
        channel = connection.default_channel
        first = channel.basic_get(QUEUE)
        assert (first.payload[0], held(broker)) == (["priority 0"], 1)
        first.requeue()
        assert held(broker) == 0

        taken = [channel.basic_get(QUEUE) for _ in range(4)]
        assert [message.payload[0] for message in taken] == [[f"priority {priority}"] for priority in (0, 3, 6, 9)]
        assert channel.basic_get(QUEUE) is None
        for message in taken:
            message.ack()
        assert is_empty(broker)

        note.delay("unacknowledged")
        assert channel.basic_get(QUEUE, no_ack=True).payload[0] == ["unacknowledged"]
        assert is_empty(broker)
        channel.lease.close()


def test_a_batch_goes_out_as_a_whole(broker: Server, folder: Path, producer: Celery) -> None:
    """Nothing of a batch is sent before it ends, and nothing of one that fails; the worker then runs it at once."""
    with producer.producer_or_acquire() as sender:
        with suppress(ZeroDivisionError), sender.batch():
            note.apply_async(("never",), producer=sender)
            raise ZeroDivisionError
        with worker(broker, folder, "-P", "threads", "-c", "2") as consumer:
            expected = {"later", *(f"n{number}" for number in range(100))}
            with sender.batch():
                for number in range(100):
                    note.apply_async((f"n{number}",), producer=sender, priority=number % 10)
                note.apply_async(("later",), producer=sender, countdown=0.5)
                assert broker.client.llen(QUEUE) == 0

            wait_until(lambda: set(consumer.noted()) == expected, "all tasks have run")
            wait_until(lambda: is_empty(broker), "every message is acknowledged")
            assert max(consumer.noted().values()) == 1


def test_a_task_that_returns_its_message_runs_again(broker: Server, folder: Path, producer: Celery) -> None:
    """`Reject(requeue=True)` puts it back; it is no loss, so no count is raised."""
    with worker(broker, folder, "-P", "threads", "-c", "1") as consumer:
        return_once.delay("text")

        wait_until(lambda: consumer.noted()["text"] == 2, "the task has run twice")
        wait_until(lambda: is_empty(broker), "the message is acknowledged")
        assert "x-dc" not in consumer.log.read_text()


def test_what_was_lost_too_often_is_buried(
    broker: Server, folder: Path, producer: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not run again, lies among the dead, and whoever wants to know is told; others run."""
    options = {"redeliveries": 3, "dead": "tests.transport.app:note_buried"}
    monkeypatch.setenv("TRANSPORT_TEST_OPTIONS", json.dumps(options))
    for text, losses in (("bad", 4), ("unlucky", 3), ("good", 0)):
        note.delay(text)
        envelope = broker.client.lpop(QUEUE)
        assert isinstance(envelope, bytes)
        broker.client.lpush(QUEUE, b'{"x-dc":%d,' % losses + envelope[1:] if losses else envelope)

    with worker(broker, folder, "-P", "threads", "-c", "2") as consumer:
        expected = Counter(["unlucky", "good", f"buried of {QUEUE}"])
        wait_until(lambda: consumer.noted() == expected, "all is seen to")
        wait_until(lambda: held(broker) == 0, "nothing is held")

    (dead,) = broker.client.lrange("{test}:dlq:" + QUEUE, 0, -1)
    assert json.loads(dead)["x-dc"] == 4
    assert broker.client.llen(QUEUE) == 0


def test_a_worker_that_stands_still_for_too_long_loses_its_messages(
    broker: Server, folder: Path, producer: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past `stall` the lease is renewed no more, and another worker runs the task; the late ack does no harm."""
    end = folder / "end"
    monkeypatch.setenv("TRANSPORT_TEST_OPTIONS", '{"stall": 0.5}')
    with worker(broker, folder, "-P", "solo", name="first") as first:
        stand.delay("slow", str(end))
        wait_until(lambda: first.noted()["slow begins"] == 1, "the loop stands still")
        with worker(broker, folder, "-P", "threads", "-c", "2", name="second") as second:
            wait_until(lambda: second.noted()["slow begins"] == 2, "the second worker runs it")
            end.touch()
            wait_until(lambda: second.noted()["slow ends"] == 2, "both have ended it")
            wait_until(lambda: is_empty(broker), "the message is acknowledged")
        note.delay("more")
        wait_until(lambda: first.noted()["more"] == 1, "the first worker goes on")


def test_a_worker_does_not_take_its_own_messages_for_lost(
    broker: Server, folder: Path, producer: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connected again after longer than its lease, it renews that before it looks for ones that have ended."""
    end = folder / "end"
    options = {"lease": 20, "heartbeat": 10, "client_name": "consumer"}  # no heartbeat comes in time to hide it
    monkeypatch.setenv("TRANSPORT_TEST_OPTIONS", json.dumps(options))
    with worker(broker, folder, "-P", "threads", "-c", "2") as consumer:
        stand.delay("long", str(end))
        wait_until(lambda: consumer.noted()["long begins"] == 1, "the task runs")
        (name,) = broker.client.zrange("{test}:consumers", 0, -1)
        broker.client.zadd("{test}:consumers", {name: 1})
        for client in broker.client.client_list():
            if client["name"] == "consumer":
                broker.client.client_kill_filter(_id=client["id"])

        wait_until(lambda: broker.client.zscore("{test}:consumers", name) != 1, "the lease is renewed")
        note.delay("next")
        wait_until(lambda: consumer.noted()["next"] == 1, "the worker works again")
        end.touch()
        wait_until(lambda: is_empty(broker), "every message is acknowledged")
        assert consumer.noted() == Counter(["long begins", "next", "long ends"])
