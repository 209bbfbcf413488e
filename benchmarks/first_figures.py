"""The first figures: how soon thrice is ready, what it costs while idle, and how fast it drains beside stock Celery.

`make bench` runs this in two to four minutes and leaves the figures in `build/bench.json`. One system is started to
warm the file cache and is measured while idle; then thrice and stock Celery drain the same number of jobs in turn,
three times each. README.md beside this file says what the figures mean and what they do not.
"""

import json
import os
import platform
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drain import drain
from stock_system import StockSystem
from thrice_system import ThriceSystem

REPETITIONS = 3
JOBS = 10_000
WARM_UP = 200
SETTLE_S = 15.0
IDLE_S = 20.0

#: How long one drain may take, in seconds: what ends a run that hangs.
LONGEST_DRAIN = 120.0

RESULT = Path(__file__).parents[1] / "build" / "bench.json"

#: 309 bytes as compact JSON.
PAYLOAD = {"order": 4711, "customer": "c-1029", "items": [{"sku": f"sku-{n:04}", "count": n} for n in range(7)]}
PAYLOAD["note"] = "x" * (309 - len(json.dumps({**PAYLOAD, "note": ""}, separators=(",", ":"))))


@dataclass(frozen=True, slots=True)
class Target:
    """One figure beside its goal."""

    name: str
    value: float
    goal: float
    more_is_better: bool = False

    @property
    def is_met(self) -> bool:
        """Whether the goal is reached."""
        return self.value >= self.goal if self.more_is_better else self.value <= self.goal

    def document(self) -> dict[str, Any]:
        """As JSON shows it."""
        return {"name": self.name, "value": round(self.value, 3), "goal": self.goal, "met": self.is_met}


def main() -> None:
    """Measure, print, and write down."""
    signal.signal(signal.SIGTERM, stop)
    for name in [name for name in os.environ if name.startswith("THRICE_")]:
        del os.environ[name]  # default settings are what is measured
    started = time.monotonic()
    idle = measure_idle()
    thrice, stock = [], []
    for number in range(1, REPETITIONS + 1):
        thrice.append(measure_thrice(number))
        stock.append(measure_stock(number))
    ratios = [a["rate_per_s"] / b["rate_per_s"] for a, b in zip(thrice, stock, strict=True)]
    targets = [
        Target("ready_s", statistics.median(run["ready_s"] for run in thrice), 5.0),
        Target("idle_memory_mb", idle["memory_mb"], 400.0),
        Target("idle_cpu_percent", idle["cpu_percent"], 3.0),
        Target("drain_ratio", statistics.median(ratios), 0.5, more_is_better=True),
    ]
    runs = {"machine": machine(), "idle": idle, "thrice": thrice, "stock": stock, "drain_ratios": ratios}
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps({"targets": [target.document() for target in targets], "runs": runs}, indent=2) + "\n")
    show(targets)
    say(f"took {time.monotonic() - started:.0f} s; the runs one by one: {RESULT}")


def stop(number: int, _frame: Any) -> None:
    """End the run on SIGTERM as on any error: what was started is stopped first. A second one changes nothing."""
    signal.signal(number, signal.SIG_IGN)
    sys.exit("stopped")


def measure_idle() -> dict[str, Any]:
    """Memory and CPU of a system that has nothing to do. Its start is the one that warms the file cache."""
    with folder() as path, closing(ThriceSystem(path, payload())) as system:
        say(f"idle: ready after {system.ready_s:.2f} s (not counted); {SETTLE_S:g} s to settle")
        time.sleep(SETTLE_S)
        memory = system.tree.memory()
        processes = len(system.tree.members())
        before, since = system.cpu(), time.monotonic()
        time.sleep(IDLE_S)
        after, seconds = system.cpu(), time.monotonic() - since
    parts = {part: round((after[part] - before.get(part, 0.0)) / seconds * 100, 2) for part in after}
    percent = (sum(after.values()) - sum(before.values())) / seconds * 100
    say(f"idle: {memory:.0f} MB in {processes} processes, {percent:.1f} % of a core {parts}")
    return {
        "memory_mb": round(memory, 1), "processes": processes, "cpu_percent": round(percent, 2),
        "cpu_percent_by_part": parts, "load": load(),
    }  # fmt: skip


def measure_thrice(number: int) -> dict[str, Any]:
    """Start, and drain one queue."""
    before = load()
    with folder() as path, closing(ThriceSystem(path, payload())) as system:
        system.create_function()
        result = drain(system, JOBS, WARM_UP, LONGEST_DRAIN).document()
        result |= {"ready_s": round(system.ready_s, 3), "memory_mb_after": round(system.tree.memory(), 1)}
    tell(number, "thrice", result)
    return result | {"load": before}


def measure_stock(number: int) -> dict[str, Any]:
    """The same drain with the peer."""
    before = load()
    with folder() as path, closing(StockSystem(path, PAYLOAD)) as system:
        result = drain(system, JOBS, WARM_UP, LONGEST_DRAIN).document()
    tell(number, "stock", result)
    return result | {"load": before}


@contextmanager
def folder() -> Iterator[Path]:
    """A new folder on the disk of the temporary directory, for a data folder; deleted at the end."""
    with tempfile.TemporaryDirectory(prefix="thrice-bench-", ignore_cleanup_errors=True) as path:
        yield Path(path)


def payload() -> bytes:
    """The event as bytes."""
    return json.dumps(PAYLOAD, separators=(",", ":")).encode()


def load() -> float:
    """The machine's load average of the last minute: what else ran."""
    return round(os.getloadavg()[0], 2)


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "date": time.strftime("%Y-%m-%d"), "cores": os.cpu_count(), "kernel": platform.release(),
        "python": platform.python_version(),
    }  # fmt: skip


def tell(number: int, name: str, result: dict[str, Any]) -> None:
    """One line about a drain that has ended."""
    ready = f"ready after {result['ready_s']:.2f} s, " if "ready_s" in result else ""
    say(
        f"drain {number}/{REPETITIONS} {name}: {ready}{result['rate_per_s']:.0f} jobs/s, "
        f"CPU us/job {result['cpu_us_per_job']}"
    )


def show(targets: list[Target]) -> None:
    """Print the table."""
    print(f"\n{'figure':<18}{'measured':>10}{'goal':>10}  met")
    for target in targets:
        goal = f"{'>=' if target.more_is_better else '<='} {target.goal:g}"
        print(f"{target.name:<18}{target.value:>10.2f}{goal:>10}  {'yes' if target.is_met else 'NO'}")
    print()


def say(text: str) -> None:
    """Show one line at once."""
    print(text, flush=True)


if __name__ == "__main__":
    main()
