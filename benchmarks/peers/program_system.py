"""A peer that is a Python library on Redis: a server of its own, its workers, and a process that publishes.

Server, configuration and kind of socket are those of thrice. What differs from peer to peer is the `Program`.
"""

import json
import os
import signal
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.event import event
from benchmarks.peers import environment
from benchmarks.peers.leftovers import kept
from benchmarks.peers.producer_process import ProducerProcess
from benchmarks.peers.system import Mode
from benchmarks.processes import Tree, program
from benchmarks.records import Records
from benchmarks.server import Server
from config import redis as config_redis

_ROOT = Path(__file__).parents[2]
_PROGRAMS = "benchmarks.peers.programs"


@dataclass(frozen=True, slots=True)
class Program:
    """How a peer's workers are started.

    `worker(processes)` is the command line of an instance with so many worker processes, without its folder;
    `environment` is that of `requirements/`, and None is the one that runs this, which has Celery.
    """

    name: str  # of the module in programs/
    worker: Callable[[int], list[str]]
    environment: str | None = None
    is_spreading: bool = False  # one instance is commonly started with several processes
    is_tuned: bool = False
    variant: str = ""
    has_batches: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)
    scheduler: list[str] | None = None  # a process beside the workers that delayed events need
    scheduling: tuple[str, ...] = ()  # what a worker is told in addition where events are delayed

    @property
    def module(self) -> str:
        """Its module, as Python imports it."""
        return f"{_PROGRAMS}.{self.name}"

    @property
    def python(self) -> Path:
        """The interpreter that has it.

        Raises:
            NotInstalled: there is none, and none could be made.
        """
        return environment.python(self.environment) if self.environment else Path(program("python"))

    def install(self) -> None:
        """Make its environment, unless it is there."""
        _ = self.python

    def open(self, folder: Path, mode: Mode) -> "ProgramSystem":
        """Start it in `folder`."""
        return ProgramSystem(self, folder, mode)


class ProgramSystem:
    """A system that runs."""

    def __init__(self, program: Program, folder: Path, mode: Mode) -> None:
        """Start the server, the workers and the process that publishes.

        Raises:
            NotInstalled: the peer cannot be had on this machine.
        """
        self._program = program
        self._mode = mode
        self._folder = folder
        self._python = program.python
        self.has_batches = program.has_batches
        self.records = Records.new(folder / "records")
        self._started = ExitStack()
        self._instances: list[Tree] = []
        self._beside: list[Tree] = []
        self._server = Server(folder)
        self._started.callback(self._server.close)
        try:
            self._variables = self._told()
            self._started.callback(self._end_instances)
            self._start_instances()
            clean = {name: value for name, value in os.environ.items() if not name.startswith(("THRICE_", "AWS_"))}
            self._producer = ProducerProcess(
                self._python, program.module, clean | self._variables, folder / "producer.txt"
            )
            self._started.callback(self._producer.close)
        except BaseException:
            self.close()
            raise

    def publish(self, numbers: range) -> float:
        """One by one; seconds."""
        return float(self._producer.ask("publish", numbers)["seconds"])

    def publish_batch(self, numbers: range) -> float:
        """By the library's own call; seconds."""
        return float(self._producer.ask("batch", numbers)["seconds"])

    def pace(self, numbers: range, pause: tuple[float, float]) -> dict[int, int]:
        """One by one with pauses; when each was published."""
        answer = self._producer.ask("pace", numbers, pause=pause, countdown=self._mode.countdown)
        return dict(zip(numbers, answer["moments"], strict=True))

    def check(self) -> None:
        """See that all instances run."""
        for tree in (*self._instances, *self._beside):
            tree.check()

    def pause(self) -> None:
        """Stop the workers."""
        for tree in self._instances:
            tree.send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let them go on."""
        for tree in self._instances:
            tree.send(signal.SIGCONT)

    def memory(self) -> float:
        """PSS of all instances, in MB."""
        return sum(tree.memory() for tree in self._instances)

    def kill(self) -> None:
        """Kill the first instance; it does not belong to this any more."""
        killed = self._instances.pop(0)
        killed.kill()
        killed.root.wait(10)

    def start_again(self) -> None:
        """Start another in its place."""
        self._instances.append(self._start(1))

    def kept(self, numbers: Collection[int]) -> set[int]:
        """Which of `numbers` the server still has."""
        return kept(self._server.redis, numbers)

    def close(self) -> None:
        """Stop everything, the server last."""
        self._started.close()

    def _start_instances(self) -> None:
        spreads = self._program.is_spreading and not self._mode.is_apart
        for _ in range(1 if spreads else 2):
            self._instances.append(self._start(2 if spreads else 1))
        if self._program.scheduler is not None and self._mode.countdown:
            self._beside.append(self._run(self._program.scheduler, "scheduler.txt"))

    def _end_instances(self) -> None:
        for tree in (*self._beside, *self._instances):
            tree.end(grace=1.0)

    def _start(self, processes: int) -> Tree:
        command = self._program.worker(processes) + (list(self._program.scheduling) if self._mode.countdown else [])
        return self._run(command, f"worker-{len(list(self._folder.glob('worker-*')))}.txt")

    def _run(self, command: list[str], output: str) -> Tree:
        program, *arguments = command
        return Tree.start(
            [str(self._python.with_name(program)), *arguments], self._folder / output, self._variables, _ROOT
        )

    def _told(self) -> dict[str, str]:
        told = {
            "PEER_URL": config_redis.url(self._server.settings),
            "PEER_TUNED": "yes" if self._program.is_tuned else "",
            "PEER_VARIANT": self._program.variant,
            "PEER_RECORDS": str(self.records.path),
            "PEER_SLEEP": str(self._mode.sleep),
            "PEER_EVENT": json.dumps(event()),
            "PYTHONPATH": str(_ROOT),
        }
        return told | dict(self._program.variables)
