"""Who takes part, in which configuration, and what is known of each beforehand.

Stock is what the documents of a peer start with; tuned is the quickest that was found without giving up anything but
results and log lines. hiredis is there for all that can use it.
"""

from dataclasses import dataclass

from benchmarks.peers.offline_peer import Offline
from benchmarks.peers.over_http import Invocable
from benchmarks.peers.program_system import Program
from benchmarks.peers.system import Startable, System
from benchmarks.peers.thrice_peer import Thrice


@dataclass(frozen=True, slots=True)
class Peer:
    """A line of the table."""

    name: str
    configuration: str
    what: Startable[System]
    isolation: str  # where a handler runs, if not in the process that takes messages; else "no"
    durability: str  # after how long an event comes back that a killed worker held, by its configuration; else "no"
    share: float = 1.0  # of the jobs of a drain: less for slow ones

    @property
    def is_comparable(self) -> bool:
        """Whether it isolates handlers or keeps events, one of the two at least."""
        return self.isolation != "no" or self.durability != "no"


def _celery(*flags: str, tuned: bool) -> Program:
    def worker(processes: int) -> list[str]:
        return ["celery", "-A", "benchmarks.peers.programs.celery", "worker", "-c", str(processes), *flags]

    return Program("celery", worker, is_spreading=True, is_tuned=tuned, has_batches=True)


def _dramatiq(*flags: str, tuned: bool) -> Program:
    def worker(processes: int) -> list[str]:
        return ["dramatiq", "benchmarks.peers.programs.dramatiq", "-p", str(processes), *flags]

    variables = {"dramatiq_queue_prefetch": "100"} if tuned else {}
    return Program("dramatiq", worker, "dramatiq", is_spreading=True, is_tuned=tuned, variables=variables)


def _rq(*flags: str, tuned: bool) -> Program:
    def worker(_processes: int) -> list[str]:
        # The URL is in a file, because a command line can be read by everybody.
        return ["rq", "worker", "-c", "benchmarks.peers.programs.rq_settings", *flags]

    variables = {} if tuned else {"PEER_WORKER": "parent"}
    return Program(
        "rq", worker, "rq", is_tuned=tuned, has_batches=True, variables=variables, scheduling=("--with-scheduler",)
    )


def _taskiq(variant: str) -> Program:
    module = "benchmarks.peers.programs.taskiq"

    def worker(processes: int) -> list[str]:
        return ["taskiq", "worker", f"{module}:broker", "--workers", str(processes), "--log-level", "WARNING"]

    scheduler = ["taskiq", "scheduler", f"{module}:scheduler", "--update-interval", "1", "--log-level", "WARNING"]
    return Program("taskiq", worker, "taskiq", is_spreading=True, variant=variant, scheduler=scheduler)


def _arq(settings: str) -> Program:
    return Program("arq", lambda _processes: ["arq", f"benchmarks.peers.programs.arq.{settings}"], "arq")


def _huey(*flags: str, tuned: bool) -> Program:
    def worker(_processes: int) -> list[str]:
        return ["huey_consumer", "benchmarks.peers.programs.huey.huey", "-w", "1", "-k", "process", *flags]

    return Program("huey", worker, "huey", is_tuned=tuned)


def _streaq(*, tuned: bool) -> Program:
    def worker(_processes: int) -> list[str]:
        return ["streaq", "run", "benchmarks.peers.programs.streaq:worker"]

    return Program("streaq", worker, "streaq", is_tuned=tuned, has_batches=True)


_QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "WARNING")

THRICE = "thrice"

ROSTER: tuple[Peer, ...] = (
    Peer(
        THRICE,
        "`thrice up`, default settings: 2 workers, 16 at a time each; no walls, as handlers write into a file outside",
        Thrice(), "process", "12 s",
    ),
    Peer(
        "celery", "`worker -c 2`, stock settings, no results", _celery(tuned=False),
        "pool process", "no", 0.4,
    ),
    Peer(
        "celery tuned", "`acks_late`, prefetch 64, sweep each second, no gossip, mingle, heartbeat, results or events",
        _celery(*_QUIET, tuned=True), "pool process", "1 h", 0.4,
    ),
    Peer("dramatiq", "`-p 2`, 8 threads each", _dramatiq(tuned=False), "no", "60 s"),
    Peer(
        "dramatiq tuned", "`-p 2 -t 1`, prefetch 100, heartbeat timeout 10 s, looked at a hundred times as often",
        _dramatiq("-t", "1", tuned=True), "no", "10 s",
    ),
    Peer("rq", "two `rq worker`, a fork for each job", _rq(tuned=False), "process", "no", 0.1),
    Peer(
        "rq tuned", "two SimpleWorker (no fork), quiet, no results",
        _rq("-w", "rq.worker.SimpleWorker", "--quiet", tuned=True), "no", "no", 0.2,
    ),
    Peer("taskiq list", "ListQueueBroker, `--workers 2`, no results", _taskiq("list"), "no", "no"),
    Peer("taskiq stream", "RedisStreamBroker, `--workers 2`, no results", _taskiq("stream"), "no", "10 min"),
    Peer("arq", "two `arq`, stock settings", _arq("Stock"), "no", "5 min", 0.1),
    Peer("arq tuned", "100 jobs at a time, poll delay 10 ms, no results", _arq("Tuned"), "no", "5 min", 0.4),
    Peer("huey", "two `huey_consumer -k process -w 1`", _huey(tuned=False), "no", "no"),
    Peer("huey tuned", "the same, quiet, no results", _huey("-q", tuned=True), "no", "no"),
    Peer("streaq", "two `streaq run`, stock settings", _streaq(tuned=False), "no", "60 s", 0.4),
    Peer(
        "streaq tuned", "100 at a time, uvloop, silent, no results, idle timeout 10 s", _streaq(tuned=True),
        "no", "10 s", 0.4,
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class HttpPeer:
    """A line of the table of what goes over HTTP."""

    name: str
    configuration: str
    what: Startable[Invocable]


HTTP_ROSTER: tuple[HttpPeer, ...] = (
    HttpPeer(THRICE, "as above", Thrice()),
    HttpPeer("serverless-offline", "`serverless offline start`, a handler in Node.js", Offline()),
)
