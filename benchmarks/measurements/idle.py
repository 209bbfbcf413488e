"""What a system costs that has nothing to do: `thrice up` with default settings, settled, then watched."""

import time
from contextlib import closing
from pathlib import Path

from benchmarks.measurements.measurement import Figure, Measurement
from benchmarks.sizes import Sizes
from benchmarks.thrice_system import ThriceSystem


def _thrice(sizes: Sizes, folder: Path) -> dict[str, float]:
    with closing(ThriceSystem(folder)) as system:
        time.sleep(sizes.settle)
        memory, processes = system.tree.memory(), len(system.tree.members())
        before, since = system.cpu(), time.monotonic()
        time.sleep(sizes.idle)
        after, seconds = system.cpu(), time.monotonic() - since
    percent = {f"{part}_percent": (used - before.get(part, 0.0)) / seconds * 100 for part, used in after.items()}
    return {"memory_mb": memory, "processes": processes, "cpu_percent": sum(percent.values()), **percent}


MEASUREMENT = Measurement(
    "idle",
    {"thrice": _thrice},
    (
        Figure("idle_memory_mb", "memory_mb", "memory of the whole idle system, MB", 400.0, is_ratio=False),
        Figure("idle_cpu_percent", "cpu_percent", "CPU of the whole idle system, % of a core", 3.0, is_ratio=False),
    ),
    repetitions=lambda sizes: sizes.start_repetitions,
)
