"""Events of some 300 bytes to handlers in warm processes: how soon one runs when all is idle, and how fast many do.

The peer is a prefork task that calls a warm process of its pool process (`warm_process.py`): the same handler, the same
JSON work, and no record, no ledger, no log. First single events, each published when the one before has long ended;
then a backlog.
"""

from contextlib import closing
from pathlib import Path

from benchmarks import transports
from benchmarks.celery_app import CALL
from benchmarks.celery_system import CelerySystem
from benchmarks.drain import Plan, drain
from benchmarks.event import payload
from benchmarks.latency import latency, wait_for
from benchmarks.measurements.measurement import Figure, Measurement
from benchmarks.sizes import Sizes
from benchmarks.thrice_system import ThriceSystem


def _thrice(sizes: Sizes, folder: Path) -> dict[str, float]:
    with closing(ThriceSystem(folder)) as system:
        for handler in ("stamp", "nothing"):
            system.create_function(handler)
        system.fill("stamp", payload, sizes.warm_up)
        wait_for(system.records, sizes.warm_up, sizes.patience, system.check)
        delays = latency(
            system.records, sizes, lambda number: system.publisher.publish("stamp", [payload(number)]), system.check
        )
        plan = Plan(
            lambda count: system.fill("nothing", payload, count),
            system.redis,
            sizes.warm_up,
            sizes.jobs,
            sizes.patience,
        )
        measured = drain(system, plan)
        memory = system.tree.memory()
    both = measured["workers_us"] + measured.get("handlers_us", 0.0)
    return {"ready_s": system.ready_s, "call_us": both, "memory_mb_after": memory} | delays | measured


def _stock(sizes: Sizes, folder: Path) -> dict[str, float]:
    with closing(CelerySystem(folder, transports.STOCK)) as system:
        system.start_worker()
        task = system.app.tasks[CALL]
        system.fill(CALL, lambda number: ("stamp", payload(number).decode()), sizes.warm_up)
        wait_for(system.records, sizes.warm_up, sizes.patience, system.check)
        with system.app.producer_pool.acquire(block=True) as producer:
            delays = latency(
                system.records,
                sizes,
                lambda number: task.apply_async(("stamp", payload(number).decode()), producer=producer),
                system.check,
            )
        plan = Plan(
            lambda count: system.fill(CALL, lambda number: ("nothing", payload(number).decode()), count),
            system.server.redis, sizes.warm_up, sizes.jobs, sizes.patience,
        )  # fmt: skip
        measured = drain(system, plan)
    return {"call_us": measured["workers_us"]} | delays | measured


MEASUREMENT = Measurement(
    "warm-handler",
    {"thrice": _thrice, "stock": _stock},
    (
        Figure("ready_s", "ready_s", "from `thrice up` to `Ready after`, s", 5.0, is_ratio=False),
        Figure(
            "warm_handler_throughput", "rate", "events/s to warm handlers, / stock", 8.0, more_is_better=True,
            stretch=15.0,
        ),
        Figure("warm_handler_cpu", "call_us", "CPU of worker and handlers per event, / stock", 0.15),
        Figure("redis_cpu", "redis_cpu_us", "CPU of Redis per event, / stock", 0.15),
        Figure("redis_commands", "redis_commands", "commands per event, in scripts too, / stock"),
        Figure("redis_round_trips", "redis_reads", "round trips per event", 0.1, is_ratio=False),
        Figure("idle_latency_p50", "latency_p50_ms", "publish to handler, idle, p50, / stock", 0.8),
    ),
)  # fmt: skip
