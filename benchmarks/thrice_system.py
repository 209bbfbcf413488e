"""A `thrice up` with default settings in a new folder, and the events that a benchmark gives it.

The function is created by boto3, as a user does; the events then go straight into the queue in pipelines, because their
drain is what is measured and not the gateway. Completions are read from the ledger.
"""

import io
import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import boto3
from processes import Tree, wait_until

from config import redis as config_redis
from config import settings as config_settings
from config.credentials import read_credentials
from worker.identity import new_request_id
from worker.invocation import Invocation
from worker.keys import Keys
from worker.queue import EventQueue

FUNCTION = "nothing"
SOURCE = "def handler(event, context):\n    return None\n"

#: How long a start may take, in seconds.
PATIENCE = 60.0

_BATCH = 500


class ThriceSystem:
    """A system that runs. `ready_s` is the time from the spawn of `thrice up` to its line `Ready after`."""

    def __init__(self, folder: Path, payload: bytes) -> None:
        """Start it in `folder` and wait until it is ready."""
        self._payload = payload
        self._settings = config_settings.load(data_dir=folder / "data", port=_free_port())
        own = {"THRICE_DATA_DIR": str(self._settings.folder), "THRICE_PORT": str(self._settings.port)}
        output = folder / "up.txt"
        with output.open("wb") as file:
            started = time.monotonic()
            process = subprocess.Popen(
                [Path(sys.executable).with_name("thrice"), "up"],
                env={**os.environ, **own, "COLUMNS": "200"}, cwd=folder,
                stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self.tree = Tree(process)
        try:
            wait_until(
                lambda: b"Ready after" in output.read_bytes() or process.poll() is not None,
                "thrice up says that it is ready",
                PATIENCE,
            )
            self.ready_s = time.monotonic() - started
            if process.poll() is not None:
                raise RuntimeError(f"thrice up ended with {process.returncode}: {output.read_text()}")
        except BaseException:
            self.tree.end()
            raise
        self._keys = Keys()
        self._redis = config_redis.connect(self._settings)
        self._queue = EventQueue(self._redis, self._keys)

    def create_function(self) -> None:
        """Create the function that does nothing."""
        package = io.BytesIO()
        with zipfile.ZipFile(package, "w") as archive:
            archive.writestr("app.py", SOURCE)
        credentials = read_credentials(self._settings)
        client = boto3.client(
            "lambda",
            endpoint_url=self._settings.gateway_url,
            region_name=self._settings.region,
            aws_access_key_id=credentials.access_key,
            aws_secret_access_key=credentials.secret_key,
        )
        role = f"arn:aws:iam::{self._settings.account_id}:role/any"
        client.create_function(
            FunctionName=FUNCTION, Runtime="python3.11", Role=role, Handler="app.handler",
            Code={"ZipFile": package.getvalue()},
        )  # fmt: skip

    def fill(self, count: int) -> None:
        """Put `count` events on the queue."""
        arn = f"arn:aws:lambda:{self._settings.region}:{self._settings.account_id}:function:{FUNCTION}"
        for begin in range(0, count, _BATCH):
            with self._redis.pipeline(transaction=False) as pipe:
                for _ in range(min(_BATCH, count - begin)):
                    self._queue.add(pipe, Invocation(new_request_id(), FUNCTION, arn, self._payload, datetime.now(UTC)))
                pipe.execute()

    def completed(self) -> int:
        """How many events have succeeded."""
        return int(self._redis.hget(self._keys.ledger, f"{FUNCTION}|succeeded") or 0)

    def pause(self) -> None:
        """Stop the workers where they are."""
        self.tree.send(signal.SIGSTOP, " celery ")

    def resume(self) -> None:
        """Let the workers go on."""
        self.tree.send(signal.SIGCONT, " celery ")

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far, by part."""
        return self.tree.cpu(_part_of)

    def close(self) -> None:
        """Stop everything."""
        self._redis.close()
        self.tree.end()


def _part_of(command: str) -> str:
    parts = {
        " celery ": "workers", "bootstrap.py": "handlers", "redis.conf": "redis", "valkey-server": "redis",
        "redis-server": "redis", "producers.gateway": "gateway", "producers.scheduler": "scheduler",
    }  # fmt: skip
    return next((part for words, part in parts.items() if words in command), "thrice up")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
