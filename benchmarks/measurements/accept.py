"""What it takes to have events accepted over HTTP: signed asynchronous invokes over 64 keep-alive connections.

The peer is one process that calls `apply_async` one by one, which is how events get into stock Celery. thrice's workers
are stopped meanwhile, as the peer has none: this is the way in, and the drain is measured by itself. First as fast as
answers come, then at half that rate with moments that were fixed before, which shows what a caller waits for.
"""

from contextlib import closing
from pathlib import Path

from benchmarks.failure import MeasurementFailed
from benchmarks.measurements.measurement import Figure, Measurement
from benchmarks.measurements.producer import stock_one_by_one
from benchmarks.sizes import Sizes
from benchmarks.thrice_system import ThriceSystem

#: Keep-alive connections.
CONNECTIONS = 64

#: How long requests come at half the rate, in seconds.
_HALF_LOAD = 8.0


def _thrice(sizes: Sizes, folder: Path) -> dict[str, float]:
    with closing(ThriceSystem(folder)) as system:
        system.create_function("nothing")
        system.pause()
        system.call("nothing", sizes.warm_up, CONNECTIONS)
        cpu = system.cpu()
        full = system.call("nothing", sizes.accepted, CONNECTIONS)
        used = {part: (seconds - cpu.get(part, 0.0)) / sizes.accepted * 1e6 for part, seconds in system.cpu().items()}
        rate = full["rate"] / 2
        half = system.call("nothing", min(sizes.accepted, int(rate * _HALF_LOAD)), CONNECTIONS, rate)
        kept = system.account("nothing").accepted
        system.resume()
    answered = full["accepted"] + half["accepted"] + sizes.warm_up
    if kept != answered:
        raise MeasurementFailed(f"{answered:.0f} events were answered 202, and the ledger has {kept}")
    return {
        "rate": full["rate"], "accept_p50_ms": half["p50_ms"], "accept_p99_ms": half["p99_ms"],
        "full_p99_ms": full["p99_ms"], "client_us": full["client_us"], "gateway_us": used["gateway"],
        "redis_us": used["redis"],
    }  # fmt: skip


MEASUREMENT = Measurement(
    "accept",
    {"thrice": _thrice, "stock": stock_one_by_one},
    (
        Figure(
            "accept_rate", "rate", "signed HTTP invokes accepted/s, / stock `apply_async`", 5.0, more_is_better=True
        ),
        Figure("accept_p99_ms", "accept_p99_ms", "p99 of an accept at half that rate, ms", 25.0, is_ratio=False),
        Figure("accept_gateway_us", "gateway_us", "CPU of the gateway per accept, µs", is_ratio=False),
    ),
)
