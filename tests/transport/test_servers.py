"""The transport on every server program that is here, over TLS, as a user with few rights, and on no cluster."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from celery import Celery

from config.redis import RedisUnusable, ServerProgram, check
from tests.system.running import free_port
from tests.transport.app import note, weigh
from tests.transport.contents import held, is_empty
from tests.transport.processes import Server, Worker, server, worker
from tests.transport.programs import programs
from tests.transport.tls import server_with_tls
from tests.waiting import wait_until
from worker.transport.channel import ServerUnusable

SendTo = Callable[..., Celery]

#: The table of the document in which the rights of a worker's user are.
DOCUMENT = Path(__file__).parents[2] / "docs" / "transport.md"


def assert_it_works(broker: Server, folder: Path, producer: Celery) -> None:
    """A worker is killed at its work, and another does the rest; delays, large messages and remote control work."""
    expected = {f"n{number}" for number in range(40)}
    for text in sorted(expected):
        note.delay(text, 0.02)
    first = Worker(broker, folder, "-P", "threads", "-c", "2", name="first").wait_ready()
    wait_until(lambda: len(first.noted()) >= 5, "the first worker is busy")
    first.kill()
    assert held(broker) > 0
    note.apply_async(("later",), countdown=1)
    weigh.delay("x" * 1_500_000)

    with worker(broker, folder, "-P", "threads", "-c", "2") as second:
        expected |= {"later", "1500000"}
        wait_until(lambda: set(second.noted()) == expected, "all tasks have run")
        wait_until(lambda: is_empty(broker), "every message is acknowledged")
        assert second.is_controlled_by(producer)
        assert second.stop() == 0
    assert "NOPERM" not in second.log.read_text()


@pytest.mark.parametrize("program", programs(), ids=lambda program: program.name)
def test_every_server_will_do(program: ServerProgram, folder: Path, send_to: SendTo) -> None:
    """Redis from 6.2 on, and Valkey."""
    with server(folder, program=program.path) as broker:
        assert_it_works(broker, folder, send_to(broker.url))


def test_a_user_needs_few_rights(folder: Path, send_to: SendTo) -> None:
    """Those in the document are enough: for workers, producers and remote control."""
    rights = re.search(r"```\n(ACL SETUSER [^`]*)```", DOCUMENT.read_text())
    assert rights is not None
    port = free_port()
    with server(folder, "--port", str(port)) as broker:
        broker.client.execute_command(*rights[1].replace("<password>", "secret").replace("{app}", "{test}").split())
        broker.url = f"redis://app:secret@127.0.0.1:{port}/0"

        assert_it_works(broker, folder, send_to(broker.url))


def test_tls_is_spoken(folder: Path, send_to: SendTo) -> None:
    """Every connection of workers and producers is encrypted, and each side shows its certificate."""
    with server_with_tls(folder) as broker:
        assert_it_works(broker, folder, send_to(broker.url))


def test_a_cluster_is_refused(folder: Path, send_to: SendTo) -> None:
    """Producers, workers and what `thrice up` asks before it starts say what the matter is."""
    with server(folder, "--cluster-enabled", "yes", "--cluster-port", str(free_port())) as broker:
        send_to(broker.url)
        with pytest.raises(ServerUnusable, match="runs in cluster mode"):
            note.delay("refused")
        with pytest.raises(RedisUnusable, match="is a cluster node; thrice needs a single server"):
            check(broker.client)

        consumer = Worker(broker, folder)
        try:
            assert consumer.process.wait(60) != 0
            assert "runs in cluster mode" in consumer.log.read_text()
        finally:
            consumer.kill()
