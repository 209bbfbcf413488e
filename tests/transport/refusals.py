"""The ways in which a server answers, and refuses: for a while, or until a test has seen it."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from tests.system.running import free_port
from tests.transport.processes import Server
from tests.waiting import wait_until


@contextmanager
def read_only(broker: Server, folder: Path) -> Iterator[None]:
    """It becomes the replica of a server that is not there, as one does that lost an election."""
    broker.client.replicaof("127.0.0.1", str(free_port()))
    yield
    broker.client.replicaof("NO", "ONE")


@contextmanager
def loading(broker: Server, folder: Path) -> Iterator[None]:
    """It starts again, and takes a few seconds to read its data."""
    broker.client.mset({f"filler:{number}": os.urandom(2000) for number in range(80)})
    broker.client.bgrewriteaof()
    wait_until(lambda: not broker.client.info("persistence")["aof_rewrite_in_progress"], "the data is in a snapshot")
    broker.kill()
    broker.start_again("--key-load-delay", "20000", "--loading-process-events-interval-bytes", "1024", is_loading=True)
    yield
    wait_until(lambda: not broker.client.info("persistence")["loading"], "the data is read")


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
