"""Real servers and real workers, which tests start, kill and start again."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from celery import Celery
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, RedisError
from redis.retry import Retry

from config.redis import find_server
from tests.waiting import wait_until


class CannotServe(Exception):
    """A server has not started: it may not know one of its options."""


class Server:
    """A Redis server of a test's own, with an append-only file, on a Unix socket: the bundled one, or another."""

    def __init__(self, folder: Path, *options: str, program: Path | None = None) -> None:
        self.socket = folder / "s"
        self.url = f"redis+socket://{self.socket}"
        # By itself the client would wait for seconds before it tries again.
        self.client = Redis(unix_socket_path=str(self.socket), retry=Retry(NoBackoff(), 1))
        self._folder = folder
        self._options = options
        self._program = program or find_server().path
        self.process = self._start()

    def _start(self, *options: str, is_loading: bool = False) -> subprocess.Popen[bytes]:
        command = [
            self._program,
            "--port",
            "0",
            "--unixsocket",
            self.socket,
            "--dir",
            self._folder,
            "--appendonly",
            "yes",
        ]
        process = subprocess.Popen([*command, "--save", "", *self._options, *options], stdout=subprocess.DEVNULL)
        wait_until(lambda: self._answers(is_loading) or process.poll() is not None, "the server answers")
        if process.poll() is not None:
            raise CannotServe(f"{self._program} with {' '.join(self._options)} ended at once")
        return process

    def _answers(self, is_loading: bool) -> bool:
        try:
            return bool(self.client.ping())
        except BusyLoadingError:
            return is_loading
        except RedisError:
            return False

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait()

    def start_again(self, *options: str, is_loading: bool = False) -> None:
        """Start it on the same data, with further `options`, and wait until it answers, if only that it is loading."""
        self.process = self._start(*options, is_loading=is_loading)


@contextmanager
def server(folder: Path, *options: str, program: Path | None = None) -> Iterator[Server]:
    """A server while the test runs."""
    started = Server(folder, *options, program=program)
    try:
        yield started
    finally:
        started.kill()


class Worker:
    """A worker of `tests.transport.app`."""

    def __init__(self, broker: Server, folder: Path, *options: str, name: str = "worker") -> None:
        self.name = name
        self.notes = folder / "notes"
        self.log = folder / f"{name}.log"
        environment = {
            **os.environ,
            "TRANSPORT_TEST_BROKER": broker.url,
            "TRANSPORT_TEST_LOG": str(self.notes),
            "TRANSPORT_TEST_BACKEND": broker.url,
        }
        command = [sys.executable, "-m", "celery", "-A", "tests.transport.app", "worker", "-n", f"{name}@test"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "-l", "INFO", *options], stdout=log, stderr=log, env=environment, start_new_session=True
            )

    def wait_ready(self) -> "Worker":
        """Until it consumes."""
        wait_until(self._is_ready, f"the worker is ready: {self.log}", timeout=60)
        return self

    def _is_ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()[-4000:]
        return " ready." in self.log.read_text()

    def is_controlled_by(self, application: Celery) -> bool:
        """Whether it answers to remote control."""
        inspect = application.control.inspect([f"{self.name}@test"], timeout=5, limit=1)
        return inspect.ping() == {f"{self.name}@test": {"ok": "pong"}}

    def stop(self) -> int:
        """Tell it to end, and wait. Returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def kill(self) -> None:
        """End it and its children at once."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def noted(self) -> Counter[str]:
        """What tasks have noted, and how often."""
        return Counter(self.notes.read_text().split("\n")[:-1]) if self.notes.exists() else Counter()


@contextmanager
def worker(broker: Server, folder: Path, *options: str, name: str = "worker") -> Iterator[Worker]:
    """A worker that is ready, while the test runs."""
    started = Worker(broker, folder, *options, name=name)
    try:
        yield started.wait_ready()
    finally:
        started.kill()
