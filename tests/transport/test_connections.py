"""Connections that end, or seem to live and do not: the worker finds out, and makes new ones."""

from pathlib import Path

import pytest
from celery import Celery

from tests.transport.app import begin, note
from tests.transport.contents import is_empty
from tests.transport.processes import Server, worker
from tests.transport.proxy import proxy
from tests.waiting import wait_until

#: What a worker needs: the doorbell, remote control, and scripts.
KINDS = {"brpop", "psubscribe", "evalsha"}


def connections(broker: Server) -> dict[str, str]:
    """The connections of workers that the server has: id -> what it is for, by its latest command."""
    return {
        client["id"]: "psubscribe" if client["psub"] != "0" else client["cmd"]
        for client in broker.client.client_list()
        if client["name"] == "consumer"
    }


def test_every_connection_of_a_worker_is_replaced_when_it_is_cut(
    broker: Server, folder: Path, producer: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Claims, the doorbell, the renewal, remote control: each is cut under load, and the work goes on."""
    monkeypatch.setenv("TRANSPORT_TEST_OPTIONS", '{"client_name": "consumer"}')
    with worker(broker, folder, "-P", "threads", "-c", "2") as consumer:
        wait_until(lambda: set(connections(broker).values()) >= KINDS, "the worker has all its connections")
        before = connections(broker)

        for number, connection in enumerate(before):
            texts = {f"{number}-{task}" for task in range(10)}
            for text in texts:
                note.delay(text, 0.01)
            assert broker.client.client_kill_filter(_id=connection) == 1
            wait_until(lambda texts=texts: texts <= set(consumer.noted()), f"the tasks have run without {connection}")

        wait_until(lambda: is_empty(broker), "every message is acknowledged")
        wait_until(lambda: set(connections(broker).values()) >= KINDS, "the worker has all its connections")
        assert consumer.is_controlled_by(producer)
        assert not set(before) & set(connections(broker))


def test_a_network_that_swallows_everything_is_found_out(
    broker: Server, folder: Path, producer: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connections on which nothing comes back are given up; what runs meanwhile is acknowledged over new ones."""
    monkeypatch.setenv("TRANSPORT_TEST_OPTIONS", '{"socket_timeout": 1, "health_check_interval": 1}')
    expected = {f"n{number}" for number in range(40)}
    with proxy(str(broker.socket)) as network:
        broker.url = f"redis://127.0.0.1:{network.port}/0"
        with worker(broker, folder, "-P", "threads", "-c", "2") as consumer:
            begin.delay("long", 3)
            for text in sorted(expected):
                note.delay(text, 0.05)
            wait_until(lambda: len(consumer.noted()) >= 5, "the worker is busy")
            assert network.live >= 4
            network.freeze()

            wait_until(lambda: expected <= set(consumer.noted()), "all tasks have run")
            wait_until(lambda: is_empty(broker), "every message is acknowledged")
            assert consumer.process.poll() is None
            wait_until(lambda: consumer.is_controlled_by(producer), "remote control is subscribed to again")
            assert max(consumer.noted().values()) <= 2
