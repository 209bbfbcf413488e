"""The client processes of a load test, as the one sees them who starts them, begins, hears and stops them."""

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import orjson

from console.bench.client import PATIENCE_WHEN_STOPPED, Task
from console.bench.histogram import Histogram

#: The longest line of a client, in bytes: what it reports of a tenth of a second.
_LONGEST_LINE = 2**26

#: How long a client that was told to stop may take beyond the answers that it waits for, in seconds.
_GRACE = 5.0


class ClientsFailed(Exception):
    """Raised when a client process cannot connect, or ends before its work. The text says what it said."""


@dataclass(slots=True)
class Clients:
    """Processes. `lateness`, `held_up` and `unsent` are there when all have ended: see `client.LoadClient`."""

    processes: list[asyncio.subprocess.Process]
    lateness: Histogram = field(default_factory=Histogram)
    held_up: int = 0
    unsent: int = 0
    has_given_up: bool = False

    @classmethod
    async def start(cls, tasks: list[Task]) -> "Clients":
        """Start a process for each task, and wait until all are connected.

        Raises:
            ClientsFailed: one cannot connect.
        """
        clients = cls([])
        try:
            for task in tasks:
                clients.processes.append(await _started(task))
            for process in clients.processes:
                answer = await _line(process)
                if "ready" not in answer:
                    raise ClientsFailed(f"The gateway does not take the connections: {answer.get('failed')}.")
        except BaseException:
            await clients.end()
            raise
        return clients

    @property
    def pids(self) -> list[int]:
        """Their process ids."""
        return [process.pid for process in self.processes]

    def begin(self, start: float) -> None:
        """Tell all to begin at a moment of the machine's monotonic clock."""
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.write(f"{start!r}\n".encode())

    async def hear(self, take: Callable[[list[Any], dict[str, int]], None]) -> None:
        """Hand over what they report, until all have done their work.

        Raises:
            ClientsFailed: one ended before.
        """
        await asyncio.gather(*(self._hear_one(process, take) for process in self.processes))

    def stop(self) -> None:
        """Tell all to send nothing more, and to wait a little for what is under way."""
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.close()

    async def end(self) -> None:
        """See that none is left."""
        self.stop()
        for process in self.processes:
            try:
                await asyncio.wait_for(process.wait(), PATIENCE_WHEN_STOPPED + _GRACE)
            except TimeoutError:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()

    async def _hear_one(
        self, process: asyncio.subprocess.Process, take: Callable[[list[Any], dict[str, int]], None]
    ) -> None:
        while "done" not in (report := await _line(process)):
            take(report["answers"], report["errors"])
        done = report["done"]
        self.lateness.merge(Histogram.of(done["lateness"]))
        self.held_up += done["held_up"]
        self.unsent += done["unsent"]
        self.has_given_up = self.has_given_up or done["gave_up"]


async def _started(task: Task) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "console.bench.client",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LONGEST_LINE,
        env={**os.environ, "PYTHONSAFEPATH": "1"},  # the caller's folder may hold modules of the names of ours
        start_new_session=True,  # Ctrl-C reaches us alone: what they know is still told
    )
    assert process.stdin is not None
    process.stdin.write(task.encode())
    return process


async def _line(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    line = await process.stdout.readline()
    if not line:
        raise ClientsFailed(f"A client process of the load test ended with status {await process.wait()}.")
    return dict(orjson.loads(line))
