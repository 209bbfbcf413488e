"""What an event costs each part of thrice: the coefficients of the model in `capacity.py`, and whether it is right.

First the coefficients, on one system with default settings. Signed requests as in `accept`, while the workers are
stopped: what accepting costs the gateway and Redis. The drain of that backlog: what claiming, settling, working and
calling a handler cost. A handler that pauses for 10 ms with one worker: how long a place to run in is taken beyond the
handler itself. Then the model's word against the machine's, for one and two workers and two lengths of handlers.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from benchmarks.capacity import Coefficients, Site, capacities, first_to_be_full
from benchmarks.drain import Plan, drain
from benchmarks.event import payload
from benchmarks.measurements.accept import CONNECTIONS
from benchmarks.measurements.measurement import Figure, Measurement, Run
from benchmarks.processes import wait_until
from benchmarks.server import Usage
from benchmarks.sizes import Sizes
from benchmarks.thrice_system import ThriceSystem

#: Invocations that one worker runs at a time, by default.
_CONCURRENCY = 16

#: What the command line of an environment's process has.
_ENVIRONMENT = "bootstrap.py serve"

#: The pause by which the time beyond the handler is found, in ms.
_CALIBRATION_MS = 10.0


def _thrice(sizes: Sizes, folder: Path) -> dict[str, float]:
    measured = _costs(sizes, _new(folder, "costs"))
    calibrated = _rate(sizes, _new(folder, "calibration"), 1, _CALIBRATION_MS)
    measured["overhead_ms"] = max(0.0, _CONCURRENCY / calibrated * 1e3 - _CALIBRATION_MS)
    model = Coefficients.of(measured)
    ratios = []
    for workers, pause_ms in sizes.judged:
        name = f"{workers}x{pause_ms:g}"
        rate = _rate(sizes, _new(folder, name), workers, pause_ms)
        site = Site(
            cores=os.cpu_count() or 1, workers=workers, concurrency=_CONCURRENCY, handler_ms=pause_ms,
            is_accepting=False,
        )  # fmt: skip
        predicted = first_to_be_full(capacities(site, model)).most
        measured |= {f"rate_{name}": rate, f"predicted_{name}": predicted}
        ratios.append(max(predicted / rate, rate / predicted))
    return measured | {"worst_ratio": max(ratios, default=1.0)}


def _new(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    return folder / name


def _costs(sizes: Sizes, folder: Path) -> dict[str, float]:
    """CPU of each part per event, in µs, and what an event and an environment take."""
    with closing(ThriceSystem(folder)) as system:
        system.create_function("nothing")
        system.fill("nothing", payload, sizes.warm_up)
        wait_until(lambda: system.completed() >= sizes.warm_up, "it is warm", sizes.patience, tree=system.tree)
        accepting = _accept(system, sizes)
        plan = Plan(
            lambda count: system.fill("nothing", payload, count),
            system.redis, sizes.warm_up, sizes.jobs, sizes.patience,
        )  # fmt: skip
        before = int(system.redis.info("memory")["used_memory"])
        working = drain(system, plan)
        kept = (int(system.redis.info("memory")["used_memory"]) - before) / (sizes.warm_up + sizes.jobs)
        environments = system.tree.proportional(_ENVIRONMENT)
    return accepting | {
        "settle_us": working["redis_cpu_us"],
        "worker_us": working["workers_us"],
        "call_us": working["handlers_us"],
        "drain_rate": working["rate"],
        "kept_bytes": kept,
        "environment_mb": sum(environments) / max(1, len(environments)),
    }


def _accept(system: ThriceSystem, sizes: Sizes) -> dict[str, float]:
    """Have signed requests accepted while the workers stand still; then they run."""
    ended = system.completed()
    memory = int(system.redis.info("memory")["used_memory"])
    system.pause()
    cpu, usage = system.cpu(), Usage.of(system.redis)
    told = system.call("nothing", sizes.accepted, CONNECTIONS)
    used = system.cpu()
    redis = Usage.of(system.redis).since(usage, sizes.accepted)["redis_cpu_us"]
    taken = (int(system.redis.info("memory")["used_memory"]) - memory) / sizes.accepted
    system.resume()
    wanted = ended + sizes.accepted
    wait_until(lambda: system.completed() >= wanted, "all have run", sizes.patience, tree=system.tree)
    return {
        "gateway_us": (used["gateway"] - cpu["gateway"]) / sizes.accepted * 1e6,
        "accept_us": redis,
        "accept_rate": told["rate"],
        "queued_bytes": taken,
    }


def _rate(sizes: Sizes, folder: Path, workers: int, pause_ms: float) -> float:
    """Events a second that so many workers end whose handler takes so long."""
    with closing(ThriceSystem(folder, THRICE_WORKERS=str(workers))) as system:
        handler = "pause" if pause_ms else "nothing"
        system.create_function(handler, variables={"BENCH_PAUSE": str(pause_ms / 1e3)})
        plan = Plan(
            lambda count: system.fill(handler, payload, count),
            system.redis, sizes.warm_up, sizes.jobs, sizes.patience,
        )  # fmt: skip
        return drain(system, plan)["rate"]


def _page(repetitions: Sequence[Mapping[str, Run]]) -> str:
    """The model's word beside the machine's."""
    lines = ["| workers | handler, ms | predicted, events/s | measured, events/s | predicted / measured |"]
    lines.append("|" + " ---: |" * 5)
    for run in (runs["thrice"] for runs in repetitions):
        for name in (key.removeprefix("rate_") for key in run if key.startswith("rate_")):
            workers, pause_ms = name.split("x")
            predicted, measured = run[f"predicted_{name}"], run[f"rate_{name}"]
            ratio = predicted / measured
            lines.append(f"| {workers} | {pause_ms} | {predicted:,.0f} | {measured:,.0f} | {ratio:.2f} |")
    return "\n".join(lines) + "\n"


MEASUREMENT = Measurement(
    "parts",
    {"thrice": _thrice},
    (
        Figure("gateway_us", "gateway_us", "CPU of the gateway per signed request, µs", is_ratio=False),
        Figure("accept_us", "accept_us", "CPU of Redis to take an event in, µs", is_ratio=False),
        Figure("settle_us", "settle_us", "CPU of Redis to claim and settle it, µs", is_ratio=False),
        Figure("worker_us", "worker_us", "CPU of the worker, µs", is_ratio=False),
        Figure("call_us", "call_us", "CPU of the handler's process beyond the handler, µs", is_ratio=False),
        Figure("overhead_ms", "overhead_ms", "a place is taken beyond the handler's time for, ms", is_ratio=False),
        Figure("queued_bytes", "queued_bytes", "Redis memory of a queued event, bytes", is_ratio=False),
        Figure("kept_bytes", "kept_bytes", "Redis memory of one that has ended, bytes", is_ratio=False),
        Figure("environment_mb", "environment_mb", "memory of a warm environment, MB", is_ratio=False),
        Figure("model_worst", "worst_ratio", "the model beside the machine, worst ratio", 1.3, is_ratio=False),
    ),
    repetitions=lambda sizes: sizes.start_repetitions,
    is_long=True,
    page=_page,
)
