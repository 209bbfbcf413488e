"""A server that answers, and refuses: a busy worker waits out each way, loses nothing and does not exit."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import pytest
from celery import Celery
from redis import Redis
from redis.exceptions import RedisError

from tests.system.running import free_port
from tests.transport.app import note
from tests.transport.contents import is_empty
from tests.transport.processes import Server, worker
from tests.waiting import wait_until


@contextmanager
def read_only(broker: Server, folder: Path) -> Iterator[None]:
    """It becomes the replica of a server that is not there, as one does that lost an election."""
    broker.client.replicaof("127.0.0.1", str(free_port()))
    yield
    broker.client.replicaof("NO", "ONE")


@contextmanager
def loading(broker: Server, folder: Path) -> Iterator[None]:
    """It starts again, and takes three seconds to read its data."""
    broker.client.mset({f"filler:{number}": os.urandom(2000) for number in range(150)})
    broker.client.bgrewriteaof()
    wait_until(lambda: not broker.client.info("persistence")["aof_rewrite_in_progress"], "the data is in a snapshot")
    broker.kill()
    broker.start_again("--key-load-delay", "20000", "--loading-process-events-interval-bytes", "1024", is_loading=True)
    yield


@contextmanager
def without_disk(broker: Server, folder: Path) -> Iterator[None]:
    """It cannot save its data, and so takes no writes: MISCONF."""
    obstacle = folder / "dump.rdb"
    obstacle.mkdir()
    broker.client.config_set("save", "3600 1000000")
    save(broker, "err")
    yield
    obstacle.rmdir()
    save(broker, "ok")


@contextmanager
def busy(broker: Server, folder: Path) -> Iterator[None]:
    """It runs an endless script, until that is killed."""
    broker.client.config_set("busy-reply-threshold", "50")
    endless = Redis(unix_socket_path=str(broker.socket), socket_timeout=0.2, retry=None)
    with suppress(RedisError):
        endless.eval("while true do end", 0)
    endless.close()
    yield
    broker.client.script_kill()


@contextmanager
def forgetful(broker: Server, folder: Path) -> Iterator[None]:
    """It has forgotten all scripts."""
    broker.client.script_flush()
    yield


@contextmanager
def unreplicated(broker: Server, folder: Path) -> Iterator[None]:
    """It takes no writes without a replica, and there is none: NOREPLICAS."""
    broker.client.config_set("min-replicas-to-write", "1")
    yield
    broker.client.config_set("min-replicas-to-write", "0")


def save(broker: Server, outcome: str) -> None:
    """Save the data, and wait until that has ended so."""
    broker.client.bgsave()
    wait_until(lambda: broker.client.info("persistence")["rdb_last_bgsave_status"] == outcome, "the data is saved")


#: What each refusal is called by the server; None where the worker never learns of it.
REFUSALS: list[tuple[Callable[[Server, Path], AbstractContextManager[None]], str | None]] = [
    (read_only, "read only replica"),
    (loading, "loading the dataset"),
    (without_disk, "MISCONF"),
    (busy, "BUSY"),
    (unreplicated, "NOREPLICAS"),
    (forgetful, None),
]


@pytest.mark.parametrize(("refuse", "words"), REFUSALS, ids=[refuse.__name__ for refuse, _ in REFUSALS])
def test_a_server_that_refuses_is_waited_out(
    refuse: Callable[[Server, Path], AbstractContextManager[None]],
    words: str | None,
    broker: Server,
    folder: Path,
    producer: Celery,
) -> None:
    """The worker goes on when the server does: nothing is lost, nothing left over, and it can be controlled."""
    expected = {f"n{number}" for number in range(60)}
    for text in sorted(expected):
        note.delay(text, 0.02)
    with worker(broker, folder, "-P", "threads", "-c", "2") as consumer:
        wait_until(lambda: len(consumer.noted()) >= 5, "the worker is busy")
        with refuse(broker, folder):
            wait_until(lambda: words is None or words in consumer.log.read_text(), "the worker is refused")

        wait_until(lambda: set(consumer.noted()) == expected, "all tasks have run")
        wait_until(lambda: is_empty(broker), "every message is acknowledged")
        assert consumer.process.poll() is None
        assert consumer.is_controlled_by(producer)
        assert max(consumer.noted().values()) <= 2
