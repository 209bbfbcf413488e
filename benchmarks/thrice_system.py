"""A `thrice up` with default settings in a new folder, and the events that a benchmark gives it.

Only what every release of thrice has is touched: the program itself, its gateway (the functions are created by boto3,
as a user does), the ledger, and the event queue, whose publishing side `publish.py` knows. Events go straight into the
queue, because what happens to them is measured and not the gateway.
"""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from benchmarks.failure import MeasurementFailed
from benchmarks.processes import Tree, program, wait_until
from benchmarks.publish import EventPublisher
from benchmarks.records import Records
from config import redis as config_redis
from config import settings as config_settings
from config.credentials import read_credentials
from worker.keys import Keys
from worker.ledger import Account, Ledger
from worker.runtime.interpreter import own_runtime

#: How long a start may take, in seconds.
_PATIENCE = 60.0

#: What the command line of a worker has.
_WORKER = "celery -A worker "

_ROOT = Path(__file__).parents[1]

_CODE = Path(__file__).with_name("handler.py")


class ThriceSystem:
    """A system that runs. `ready_s` is the time from the spawn of `thrice up` to its line `Ready after`."""

    def __init__(self, folder: Path, **settings: str) -> None:
        """Start it in `folder`, with `settings` (`THRICE_…`) beside the default ones, and wait until it is ready."""
        self._settings = config_settings.load(data_dir=folder / "data", port=free_port())
        self.records = Records.new(folder / "records")
        output = folder / "up.txt"
        self.variables = {
            "THRICE_DATA_DIR": str(self._settings.folder), "THRICE_PORT": str(self._settings.port), "COLUMNS": "200",
            "THRICE_ISOLATION": "off",  # handlers write into a file of the benchmark
            **settings,
        }  # fmt: skip
        started = time.monotonic()
        self.tree = Tree.start([program("thrice"), "up"], output, self.variables, folder)
        try:
            wait_until(lambda: b"Ready after" in output.read_bytes(), "thrice up is ready", _PATIENCE, tree=self.tree)
        except BaseException:
            self.tree.end()
            raise
        self.ready_s = time.monotonic() - started
        self.redis = config_redis.connect(self._settings)
        self.publisher = EventPublisher(self.redis, self._settings)

    @property
    def gateway_url(self) -> str:
        """Where its gateway answers."""
        return self._settings.gateway_url

    def create_function(
        self,
        handler: str,
        name: str | None = None,
        *,
        reserved_concurrency: int | None = None,
        code: Path = _CODE,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """Create the function that runs `handler` of `code`, under that name if there is no other.

        `variables` are what its environment has besides.

        Raises:
            MeasurementFailed: the gateway did not do it.
        """
        package = io.BytesIO()
        with zipfile.ZipFile(package, "w") as archive:
            archive.writestr("app.py", code.read_text())
        role = f"arn:aws:iam::{self._settings.account_id}:role/any"
        own = {"BENCH_RECORDS": str(self.records.path)}
        try:
            self.client.create_function(
                FunctionName=name or handler, Runtime=own_runtime(), Role=role, Handler=f"app.{handler}",
                Code={"ZipFile": package.getvalue()}, Environment={"Variables": {**own, **(variables or {})}},
            )  # fmt: skip
            if reserved_concurrency is not None:
                self.client.put_function_concurrency(
                    FunctionName=name or handler, ReservedConcurrentExecutions=reserved_concurrency
                )
        except (BotoCoreError, ClientError) as error:
            raise MeasurementFailed(f"the function {name or handler} was not created: {error}") from error

    @cached_property
    def client(self) -> Any:
        """A client of Lambda for the gateway."""
        credentials = read_credentials(self._settings)
        return boto3.client(
            "lambda",
            endpoint_url=self._settings.gateway_url,
            region_name=self._settings.region,
            aws_access_key_id=credentials.access_key,
            aws_secret_access_key=credentials.secret_key,
        )

    def publisher_of_later(self, countdown: float) -> EventPublisher:
        """A publisher of events that are due after `countdown` seconds."""
        return EventPublisher(self.redis, self._settings, countdown=countdown)

    def fill(self, function: str, payload: Callable[[int], bytes], count: int) -> None:
        """Put `count` events on the queue; `payload` makes that of each from its number."""
        self.publisher.publish(function, [payload(number) for number in range(count)])

    def call(self, function: str, count: int, connections: int, rate: float | None = None) -> dict[str, float]:
        """Have `count` events accepted over HTTP by a caller of its own (accept_client.py); give what it says.

        Raises:
            MeasurementFailed: not all were accepted.
        """
        credentials = read_credentials(self._settings)
        variables = {
            "AWS_ACCESS_KEY_ID": credentials.access_key, "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
            "AWS_REGION": self._settings.region,
        }  # fmt: skip
        command = [sys.executable, "-m", "benchmarks.accept_client", self._settings.gateway_url, function, str(count)]
        command += [str(connections)] if rate is None else [str(connections), str(rate)]
        ended = subprocess.run(
            command, env=os.environ | variables, cwd=_ROOT, capture_output=True, text=True, check=False
        )
        if ended.returncode:
            raise MeasurementFailed(f"the caller ended with {ended.returncode}: {ended.stderr.strip()[-500:]}")
        told: dict[str, float] = json.loads(ended.stdout)
        if told["accepted"] != count:
            raise MeasurementFailed(f"{told['accepted']} of {count} requests were answered 202")
        return told

    def account(self, function: str) -> Account:
        """What the ledger says of a function."""
        return Ledger.of(self.redis.hgetall(Keys().ledger)).functions.get(function, Account())

    def accepted(self) -> int:
        """How many events have been accepted."""
        return Ledger.of(self.redis.hgetall(Keys().ledger)).total.accepted

    def completed(self) -> int:
        """How many events have succeeded."""
        return Ledger.of(self.redis.hgetall(Keys().ledger)).total.succeeded

    def check(self) -> None:
        """See that `thrice up` still runs."""
        self.tree.check()

    def pause(self) -> None:
        """Stop the workers where they are."""
        self.tree.send(signal.SIGSTOP, _WORKER)

    def resume(self) -> None:
        """Let the workers go on."""
        self.tree.send(signal.SIGCONT, _WORKER)

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far, by part."""
        return self.tree.cpu(_part_of)

    def worker_memory(self) -> float:
        """PSS of the workers and their handlers, in MB (10^6 bytes)."""
        return self.tree.memory(_part_of, {"workers", "handlers"})

    def kill_worker(self) -> None:
        """SIGKILL one worker with its handlers. `thrice up` starts another by itself."""
        self.tree.kill(_WORKER)

    def largest_worker_memory(self) -> float:
        """Resident memory of the largest worker process, in MB (10^6 bytes); its handlers are not part of it."""
        return max(self.tree.resident(_WORKER), default=0.0)

    def close(self) -> None:
        """Stop everything."""
        self.redis.close()
        self.tree.end()


def _part_of(command: str, parent: str) -> str:
    """A worker is told by its command line, a handler by whose child it is: it may have been forked from anything."""
    if _WORKER in command:
        return "workers"
    if parent in {"workers", "handlers"}:
        return "handlers"
    parts = {
        "redis.conf": "redis", "valkey-server": "redis", "redis-server": "redis", "producers.gateway": "gateway",
        "producers.scheduler": "scheduler",
    }  # fmt: skip
    return next((part for words, part in parts.items() if words in command), "thrice up")


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
