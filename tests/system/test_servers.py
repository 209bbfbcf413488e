"""The whole system on servers of the operator's: over TLS, as a user with few rights, and through their bad hours."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from redis import Redis

from console.up import worker_command
from tests.system.running import RunningSystem, environment, free_port
from tests.transport.processes import Server, server
from tests.transport.refusals import loading, without_disk
from tests.transport.tls import server_with_tls
from tests.waiting import wait_until
from worker.keys import Keys
from worker.ledger import Account, Ledger

StartUp = Callable[..., RunningSystem]

#: A handler that takes a moment, so that a server can begin to refuse while it runs.
SOURCE = """
import time

def handler(event, context):
    time.sleep(0.05)
"""

EVENTS = 40


def invoke(system: RunningSystem, events: int) -> None:
    """Create a function, and have it run so many times."""
    system.create_function("f", SOURCE)
    client = system.client("lambda")
    for number in range(events):
        client.invoke(FunctionName="f", InvocationType="Event", Payload=json.dumps(number))


def account(redis: Redis) -> Account:
    """The ledger's numbers of the function."""
    return Ledger.of(redis.hgetall(Keys().ledger)).functions.get("f", Account())


def test_the_system_runs_over_tls(folder: Path, start_up: StartUp) -> None:
    """`thrice up` is ready, and events go through."""
    with server_with_tls(folder) as broker:
        system = start_up(THRICE_REDIS_URL=broker.url, THRICE_WORKERS="1")
        invoke(system, 3)

        wait_until(lambda: account(broker.client).succeeded == 3, "the events have succeeded")
        system.stop()


@pytest.mark.parametrize(("refuse", "words"), [(loading, "loading the dataset"), (without_disk, "MISCONF")])
def test_workers_wait_out_a_server_that_refuses(
    refuse: Callable[[Server, Path], object], words: str, folder: Path, start_up: StartUp
) -> None:
    """Accepted events are all run and settled; no worker has ended."""
    (folder / "redis").mkdir()
    with server(folder / "redis") as broker:
        system = start_up(THRICE_REDIS_URL=broker.url, THRICE_WORKERS="1", THRICE_CONCURRENCY="2")
        invoke(system, EVENTS)
        log = folder / "data" / "logs" / "worker-1.log"
        wait_until(lambda: account(broker.client).succeeded > 5, "the worker is busy")
        with refuse(broker, folder / "redis"):
            wait_until(lambda: words in log.read_text(), "the worker is refused")

        wait_until(lambda: account(broker.client).succeeded == EVENTS, "all events have succeeded")
        assert "worker-1 ended" not in system.printed
        system.stop()


def test_a_certificate_that_nobody_knows_is_refused(folder: Path) -> None:
    """A worker does not talk to a server that it has not been told to trust, though the URL says nothing of that."""
    with server_with_tls(folder) as broker:
        variables = environment(folder, free_port(), THRICE_REDIS_URL=broker.url.partition("?")[0])
        log = folder / "worker.log"
        command = [sys.executable, "-m", *worker_command("worker")]
        with log.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=file, env=variables) as process:
            try:
                wait_until(lambda: "Cannot connect" in log.read_text(), "the worker has tried")
            finally:
                process.kill()
        assert "CERTIFICATE_VERIFY_FAILED" in log.read_text()
