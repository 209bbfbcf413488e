"""A master, a replica, and a Sentinel that makes one of the other: the worker follows."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from celery import Celery
from redis import Redis
from redis.exceptions import RedisError

from config.redis import find_server
from tests.system.running import free_port
from tests.transport.app import note
from tests.transport.contents import is_empty
from tests.transport.processes import server, worker
from tests.waiting import wait_until

#: How Sentinel calls the master, and how soon it takes it for dead and tries another (ms).
WATCHED = """
sentinel monitor mymaster 127.0.0.1 {port} 1
sentinel down-after-milliseconds mymaster 500
sentinel failover-timeout mymaster 3000
"""


@contextmanager
def sentinel(folder: Path, master_port: int) -> Iterator[Redis]:
    """A Sentinel that watches a master, and a client of it."""
    configuration, port = folder / "sentinel.conf", free_port()
    configuration.write_text(f"port {port}\nbind 127.0.0.1\ndir {folder}\n{WATCHED.format(port=master_port)}")
    command = [find_server().path, configuration, "--sentinel"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process, Redis(port=port) as client:
        try:
            yield client
        finally:
            process.kill()


def knows_replica(watch: Redis) -> bool:
    """Whether a failover would find somebody."""
    try:
        replicas = watch.sentinel_slaves("mymaster")
    except RedisError:
        return False
    return [replica["master-link-status"] for replica in replicas] == ["ok"]


def test_a_worker_follows_a_failover(
    folder: Path, send_to: Callable[..., Celery], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The master dies under load: the worker goes on with the new one, and nothing that was replicated is lost."""
    expected = {f"n{number}" for number in range(60)}
    ports = free_port(), free_port()
    for name in ("a", "b"):
        (folder / name).mkdir()
    with (
        server(folder / "a", "--port", str(ports[0])) as master,
        server(folder / "b", "--port", str(ports[1]), "--replicaof", f"127.0.0.1 {ports[0]}") as replica,
        sentinel(folder, ports[0]) as watch,
    ):
        wait_until(lambda: knows_replica(watch), "Sentinel knows the replica")
        master.url = f"sentinel://127.0.0.1:{watch.connection_pool.connection_kwargs['port']}/0"
        monkeypatch.setenv("TRANSPORT_TEST_OPTIONS", json.dumps({"master_name": "mymaster"}))
        producer = send_to(master.url, master_name="mymaster")
        for text in sorted(expected):
            note.delay(text, 0.05)
        assert master.client.wait(1, 10_000) == 1

        with worker(master, folder, "-P", "threads", "-c", "2") as consumer:
            wait_until(lambda: len(consumer.noted()) >= 10, "the worker is busy")
            master.kill()
            wait_until(lambda: replica.client.role()[0] == b"master", "the replica has become the master")

            wait_until(lambda: set(consumer.noted()) == expected, "all tasks have run")
            wait_until(lambda: is_empty(replica), "every message is acknowledged")
            assert consumer.process.poll() is None
            note.delay("new")
            wait_until(lambda: consumer.noted()["new"], "the worker works with the new master")
            wait_until(lambda: consumer.is_controlled_by(producer), "remote control is there as well")
