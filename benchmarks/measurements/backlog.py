"""What an event costs behind a long backlog, beside what it costs behind a short one. There is no peer.

For each spread (so many functions that the events are of, in turn) one system of its own, whose backlog is made deeper
step by step. At each depth the workers are stopped, the queue is filled up, the last events of that are measured as
publishing; everything that shows a person how it stands is read; then the workers go on, and the front of the queue is
measured as claiming and settling. Flat is what costs at the deepest no more than 1.3 times what it costs at the
shallowest.
"""

import time
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from benchmarks.depths import depth_table
from benchmarks.drain import LOOK
from benchmarks.event import payload
from benchmarks.failure import MeasurementFailed
from benchmarks.measurements.measurement import Figure, Measurement, Run
from benchmarks.server import Usage
from benchmarks.sizes import Sizes
from benchmarks.slow_log import SlowLog
from benchmarks.thrice_system import ThriceSystem
from worker.keys import Keys

#: What may cost so many times as much at the deepest as at the shallowest is flat.
FLAT = 1.3

#: Numbers of which the worst counts, and not the mean.
_WORST = (
    "growth_mb", "worker_mb", "slowest_publish_ms", "slowest_claim_ms", "fork_ms",
    "ledger_ms", "metrics_ms", "event_ms",
)  # fmt: skip

#: The ledger is the longer the more functions there are: looking at it is to take a hundredth of the time, about.
_SHARE_OF_LOOKING = 0.01

#: How often the memory of workers is looked at, and the ledger at the least, in seconds.
_REGULARLY = 0.5

#: From so many events on, what is worked off first and last does not count.
_MANY = 5_000

#: How often each page is read; the slowest time counts.
_READS = 5

#: Of many functions most events start a process: fewer of them are worked off, or it would take hours.
_CROWD, _CROWD_SHARE = 32, 5


@dataclass(slots=True)
class _Spread:
    """One system, and the functions that its backlog is of."""

    system: ThriceSystem
    slow_log: SlowLog
    functions: Sequence[str]
    sizes: Sizes
    queued: int = 0
    published: int = 0

    def publish(self, events: int) -> None:
        """Put so many more events on the queue, the functions in turn."""
        numbers = range(self.published, self.published + events)
        self.system.publisher.publish_mixed((self.function_of(number), payload(number)) for number in numbers)
        self.queued += events
        self.published += events

    def function_of(self, number: int) -> str:
        """The function that the event of that number is of."""
        return self.functions[number % len(self.functions)]

    @property
    def front(self) -> int:
        """How many events of each depth are worked off."""
        return self.sizes.front // (_CROWD_SHARE if len(self.functions) > _CROWD else 1)


def _thrice(sizes: Sizes, folder: Path) -> dict[str, float]:
    measured: dict[str, float] = {}
    for spread in sizes.spreads:
        own = folder / str(spread)
        own.mkdir()
        for depth, numbers in _spread(sizes, own, spread).items():
            measured |= {f"{spread}x{depth}_{name}": value for name, value in numbers.items()}
    return measured | _flatness(sizes, measured)


def _spread(sizes: Sizes, folder: Path, functions: int) -> dict[int, dict[str, float]]:
    """The numbers of one spread, by depth."""
    names = [f"nothing-{number}" for number in range(functions)]
    with closing(ThriceSystem(folder)) as system:
        for name in names:
            system.create_function("nothing", name)
        spread = _Spread(system, SlowLog(system.redis), names, sizes)
        system.pause()
        spread.publish(sizes.warm_up)
        _work_off(spread, sizes.warm_up)
        idle = system.largest_worker_memory()
        return {depth: _at_depth(spread, depth, idle) for depth in sizes.depths}


def _at_depth(spread: _Spread, depth: int, idle: float) -> dict[str, float]:
    """All numbers of one depth: what is shorter than the front is filled and worked off several times."""
    rounds = []
    for _ in range(max(1, spread.front // depth)):
        spread.system.pause()
        published = _publish_up_to(spread, depth)
        read = _read_times(spread)
        rounds.append(published | read | _work_off(spread, min(depth, spread.front)))
    of_all = {name: [each[name] for each in rounds] for name in rounds[0]}
    numbers = {name: max(values) if name in _WORST else sum(values) / len(values) for name, values in of_all.items()}
    return numbers | {"growth_mb": numbers["worker_mb"] - idle}


def _publish_up_to(spread: _Spread, depth: int) -> dict[str, float]:
    """Fill the queue up to `depth`; the cost of the last of it, and the memory of all of it."""
    redis = spread.system.redis
    wanted = depth - spread.queued
    measured = min(wanted, spread.sizes.front)
    memory = _memory(spread)
    spread.publish(wanted - measured)
    spread.slow_log.forget()
    before, since = Usage.of(redis), time.monotonic()
    spread.publish(measured)
    seconds, used = time.monotonic() - since, Usage.of(redis).since(before, measured)
    return {
        "publish_us": used["redis_cpu_us"],
        "publish_rate": measured / seconds,
        "slowest_publish_ms": spread.slow_log.slowest_ms(),
        "bytes": (_memory(spread) - memory) / wanted,
        "fork_ms": int(_info(spread)["latest_fork_usec"]) / 1e3,
    }


def _work_off(spread: _Spread, events: int) -> dict[str, float]:
    """Let the workers go on until so many events have ended, and say what one of them costs.

    Of many, those between a tenth and nine tenths count; few are over between two looks, so all of them do.
    """
    system = spread.system
    start, memory = system.completed(), 0.0
    shares = (0.1, 0.9, 1.0) if events >= _MANY else (0.0, 1.0, 1.0)
    spread.slow_log.forget()
    readings = []
    for share in shares:
        if share > 0:
            system.resume()
            memory = max(memory, _wait_for(spread, start + int(events * share)))
        readings.append((time.monotonic(), system.completed(), Usage.of(system.redis), system.cpu()))
    (since, first, before, cpu), (until, last, after, cpu_after), (_, done, _, _) = readings
    spread.queued -= done - start
    jobs = max(1, last - first)
    parts = {f"{part}_us": (cpu_after[part] - cpu.get(part, 0.0)) / jobs * 1e6 for part in ("workers", "handlers")}
    return parts | {
        "rate": jobs / max(until - since, LOOK),
        "settle_us": after.since(before, jobs)["redis_cpu_us"],
        "slowest_claim_ms": spread.slow_log.slowest_ms(),
        "worker_mb": memory,
    }


def _wait_for(spread: _Spread, completed: int) -> float:
    """Wait until so many have ended, and return what the largest worker took at the most, in MB."""
    deadline = time.monotonic() + spread.sizes.patience
    largest, looked = spread.system.largest_worker_memory(), time.monotonic()
    while True:
        spread.system.check()
        since = time.monotonic()
        ended = spread.system.completed()
        took = time.monotonic() - since
        if ended >= completed:
            return largest
        if since > deadline:
            raise MeasurementFailed(f"{ended} of {completed} events had ended after {spread.sizes.patience:g} s")
        if since > looked + _REGULARLY:
            largest, looked = max(largest, spread.system.largest_worker_memory()), since
        time.sleep(min(max(LOOK, took / _SHARE_OF_LOOKING), _REGULARLY))


def _read_times(spread: _Spread) -> dict[str, float]:
    """How long it takes to read what tells of the backlog, in milliseconds."""
    keys = Keys()
    latest: Any = spread.system.redis.lindex(keys.lane(keys.invocations, spread.function_of(spread.published - 1)), 0)
    event = orjson.loads(latest)["headers"]["id"]
    pages = {"ledger_ms": "ledger", "metrics_ms": "metrics", "event_ms": f"events/{event}"}
    return {name: max(_seconds(spread, page) for _ in range(_READS)) * 1e3 for name, page in pages.items()}


def _seconds(spread: _Spread, page: str) -> float:
    since = time.monotonic()
    with urllib.request.urlopen(f"{spread.system.gateway_url}/_thrice/{page}", timeout=60) as answer:
        answer.read()
    return time.monotonic() - since


def _memory(spread: _Spread) -> int:
    return int(_info(spread)["used_memory"])


def _info(spread: _Spread) -> dict[str, Any]:
    info: dict[str, Any] = spread.system.redis.info("everything")
    return info


def _flatness(sizes: Sizes, measured: Mapping[str, float]) -> dict[str, float]:
    """What the deepest costs beside the shallowest, and what is worst at any depth; of the spread where it is most."""
    flatness = {}
    shallow, deep = sizes.depths[0], sizes.depths[-1]
    for name in ("publish_us", "settle_us", "bytes"):
        ratios = [
            measured[f"{spread}x{deep}_{name}"] / measured[f"{spread}x{shallow}_{name}"] for spread in sizes.spreads
        ]
        flatness[f"{name}_flatness"] = max(ratios)
    flatness["growth_mb"] = max(measured[f"{sizes.spreads[0]}x{depth}_growth_mb"] for depth in sizes.depths)
    for name in _WORST:
        flatness[f"{name}_worst"] = max(value for key, value in measured.items() if key.endswith(f"_{name}"))
    return flatness


def _page(repetitions: Sequence[Mapping[str, Run]]) -> str:
    return "\n".join(depth_table(runs["thrice"]) for runs in repetitions)


def _worst(name: str, what: str) -> Figure:
    return Figure(f"deep_{name}", f"{name}_worst", f"{what} at any depth, worst of all spreads", is_ratio=False)


def _flat(name: str, key: str, what: str) -> Figure:
    meaning = f"{what}, deepest / shallowest backlog, worst of all spreads"
    return Figure(f"flat_{name}", f"{key}_flatness", meaning, FLAT, is_ratio=False)


MEASUREMENT = Measurement(
    "backlog",
    {"thrice": _thrice},
    (
        _flat("publish", "publish_us", "CPU of Redis to publish an event"),
        _flat("settle", "settle_us", "CPU of Redis to claim and settle one"),
        _flat("memory", "bytes", "Redis memory of a queued one"),
        Figure(
            "deep_growth_mb", "growth_mb", "growth of a worker, MB, at any depth, of one function", 5.0, is_ratio=False
        ),
        _worst("slowest_publish_ms", "slowest script of publishing, ms,"),
        _worst("slowest_claim_ms", "slowest script of claiming and settling, ms,"),
        _worst("ledger_ms", "slowest read of the ledger, ms,"),
        _worst("metrics_ms", "slowest read of the metrics, ms,"),
        _worst("event_ms", "slowest read of an event's record, ms,"),
    ),
    repetitions=lambda sizes: sizes.start_repetitions,
    is_long=True,
    page=_page,
)
