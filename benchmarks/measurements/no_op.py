"""The transport alone: tasks that do nothing, on two prefork processes, over our transport and over the stock one."""

from contextlib import closing
from pathlib import Path

from benchmarks import transports
from benchmarks.celery_app import NOTHING
from benchmarks.celery_system import CelerySystem
from benchmarks.drain import Plan, drain
from benchmarks.event import event
from benchmarks.measurements.measurement import Figure, Measurement, Runner
from benchmarks.sizes import Sizes
from benchmarks.transports import Transport


def _over(transport: Transport) -> Runner:
    def run(sizes: Sizes, folder: Path) -> dict[str, float]:
        with closing(CelerySystem(folder, transport)) as system:
            system.start_worker()
            plan = Plan(
                lambda count: system.fill(NOTHING, lambda number: (event(number),), count),
                system.server.redis, sizes.warm_up, sizes.jobs, sizes.patience,
            )  # fmt: skip
            return drain(system, plan)

    return run


MEASUREMENT = Measurement(
    "no-op",
    {"thrice": _over(transports.OURS), "stock": _over(transports.STOCK)},
    (
        Figure("no_op_throughput", "rate", "no-op tasks/s, prefork, / stock", 2.5, more_is_better=True),
        Figure("no_op_cpu", "workers_us", "CPU of the worker per no-op, prefork, / stock", 0.5),
        Figure("no_op_redis_cpu", "redis_cpu_us", "CPU of Redis per message of a no-op, / stock", 0.15),
    ),
)
