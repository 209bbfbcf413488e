"""What a backlog of others adds to the time until a function's event begins.

Three backlogs, each in a system of its own: of one slow function (100 ms), of one that is throttled (reserved
concurrency 1), and of 200 functions together. Beside it single events of another function, warm, as before it. The
figure is the difference of the 99th percentiles.
"""

import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

from benchmarks.event import payload
from benchmarks.latency import FIRST, latency, wait_for
from benchmarks.measurements.measurement import Figure, Measurement
from benchmarks.sizes import Sizes
from benchmarks.thrice_system import ThriceSystem

#: How long the backlog is worked on before anything is measured, in seconds.
UNDER_WAY = 3.0


def _one_slow_function(system: ThriceSystem, sizes: Sizes) -> None:
    system.create_function("slow")
    system.fill("slow", payload, sizes.backlog)


def _one_throttled_function(system: ThriceSystem, sizes: Sizes) -> None:
    system.create_function("slow", reserved_concurrency=1)
    system.fill("slow", payload, sizes.backlog)


def _many_functions(system: ThriceSystem, sizes: Sizes) -> None:
    for number in range(sizes.crowd):
        system.create_function("slow", f"slow-{number}")
    for number in range(sizes.crowd):
        system.fill(f"slow-{number}", payload, sizes.backlog // sizes.crowd)


def _thrice(fill: Callable[[ThriceSystem, Sizes], None], sizes: Sizes, folder: Path) -> dict[str, float]:
    with closing(ThriceSystem(folder)) as system:
        system.create_function("stamp")
        system.fill("stamp", payload, sizes.warm_up)
        wait_for(system.records, sizes.warm_up, sizes.patience, system.check)

        def publish(number: int) -> None:
            system.publisher.publish("stamp", [payload(number)])

        alone = latency(system.records, sizes, publish, system.check)
        fill(system, sizes)
        time.sleep(UNDER_WAY)
        beside = latency(system.records, sizes, publish, system.check, FIRST + sizes.samples)
    return {
        "alone_p50_ms": alone["latency_p50_ms"],
        "alone_p99_ms": alone["latency_p99_ms"],
        "added_p50_ms": beside["latency_p50_ms"] - alone["latency_p50_ms"],
        "added_p99_ms": beside["latency_p99_ms"] - alone["latency_p99_ms"],
    } | beside


def _measurement(name: str, whose: str, fill: Callable[[ThriceSystem, Sizes], None]) -> Measurement:
    figure = Figure(
        f"{name.replace('-', '_')}_added_ms",
        "added_p99_ms",
        f"added to the p99 of others' starts by a backlog {whose}, ms",
        50.0,
        is_ratio=False,
    )
    return Measurement(
        name, {"thrice": partial(_thrice, fill)}, (figure,), repetitions=lambda sizes: sizes.start_repetitions
    )


MEASUREMENTS = (
    _measurement("fair-slow", "of a slow function", _one_slow_function),
    _measurement("fair-throttled", "of a throttled function", _one_throttled_function),
    _measurement("fair-crowd", "of 200 functions", _many_functions),
)
