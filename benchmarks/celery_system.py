"""Plain Celery on one of the transports: a server of its own, and one worker with two prefork processes.

Binary, configuration and kind of socket are the same as thrice's, so the two differ in nothing below Celery. A backlog
is written as ready-made messages: one is taken from `apply_async`, the others differ in ids and arguments. So it is
there at once, and both transports get the very same bytes.
"""

import base64
import json
import signal
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from celery import Celery

from benchmarks import transports
from benchmarks.celery_app import celery_app
from benchmarks.processes import Tree, program, wait_until
from benchmarks.records import Records
from benchmarks.server import Server
from benchmarks.transports import Transport

_ROOT = Path(__file__).parents[1]
_QUEUE = "celery"
_BATCH = 500


class CelerySystem:
    """A system that runs, its worker not before `start_worker`."""

    def __init__(self, folder: Path, transport: Transport) -> None:
        """Start the server below `folder`."""
        self._folder = folder
        self._transport = transport
        self.server = Server(folder)
        self.records = Records.new(folder / "records")
        self._count = folder / "count"
        self._count.touch()
        self.app: Celery = celery_app(transport, self.server.celery_url)
        self._worker: Tree | None = None

    def start_worker(self) -> None:
        """Start the worker."""
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "WARNING"]
        command = [program("celery"), "-A", "benchmarks.celery_worker", "worker", "-P", "prefork", "-c", "2", *quiet]
        variables = {
            "BENCH_TRANSPORT": self._transport.name,
            "BENCH_BROKER": self.server.celery_url,
            "BENCH_COUNT": str(self._count),
            "BENCH_RECORDS": str(self.records.path),
        }
        self._worker = Tree.start(command, self._folder / "worker.txt", variables, _ROOT)

    @property
    def worker(self) -> Tree:
        """The worker's processes."""
        assert self._worker is not None, "start_worker first"
        return self._worker

    def fill(self, task: str, arguments: Callable[[int], tuple[Any, ...]], count: int) -> None:
        """Put `count` messages on the queue; `arguments` makes those of each from its number."""
        template = self._template(task, arguments(0))
        for begin in range(0, count, _BATCH):
            numbers = range(begin, min(begin + _BATCH, count))
            self.server.redis.lpush(_QUEUE, *(_message(template, arguments(number)) for number in numbers))

    def _template(self, task: str, arguments: tuple[Any, ...]) -> dict[str, Any]:
        """The message that `apply_async` sends; it goes to a queue that nobody reads."""
        scratch = f"template-{uuid.uuid4()}"
        app = celery_app(transports.STOCK, self.server.celery_url)
        app.tasks[task].apply_async(arguments, queue=scratch)
        app.close()
        message = self.server.redis.rpop(scratch)
        assert isinstance(message, bytes)
        self.server.redis.delete(f"_kombu.binding.{scratch}")
        template: dict[str, Any] = orjson.loads(message)
        template["properties"]["delivery_info"]["routing_key"] = _QUEUE
        return template

    def completed(self) -> int:
        """How many tasks that are counted have run."""
        return self._count.stat().st_size

    def check(self) -> None:
        """See that the worker still runs."""
        self.worker.check()

    def pause(self) -> None:
        """Stop the worker where it is."""
        self.worker.send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let the worker go on."""
        self.worker.send(signal.SIGCONT)

    def cpu(self) -> dict[str, float]:
        """CPU seconds of the worker with all its children so far."""
        return self.worker.cpu(lambda _command, _parent: "workers")

    def wait_for(self, count: int, timeout: float) -> None:
        """Wait until `count` executions are in the records."""
        wait_until(
            lambda: self.records.count() >= count, f"{count} tasks have run", timeout, look=0.05, tree=self.worker
        )

    def close(self) -> None:
        """Stop everything, the worker first."""
        if self._worker is not None:
            self._worker.end(grace=15)
        self.app.close()
        self.server.close()


def _message(template: dict[str, Any], arguments: tuple[Any, ...]) -> bytes:
    own_id = str(uuid.uuid4())
    headers = template["headers"] | {"id": own_id, "root_id": own_id}
    properties = template["properties"] | {"correlation_id": own_id, "delivery_tag": str(uuid.uuid4())}
    body = json.dumps([arguments, {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]).encode()
    encoded = base64.b64encode(body).decode()  # as the stock transport does
    return orjson.dumps(template | {"headers": headers, "properties": properties, "body": encoded})
