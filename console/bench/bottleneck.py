"""What was it that kept the figures from being better? An opinion, by how busy each part was. Pure.

A part that one core can serve is busy when it uses most of one; the machine is when all its cores are; the handlers are
when every place to run in was taken while events waited. The load test's own clients are looked at first: where they
are the limit, the figures say little of the system.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: From this share on a part counts as busy.
BUSY = 0.85

#: From this share of all on, events that were put back, or requests that waited for a connection, are told of.
MANY = 0.05

#: A client that notices the moment of an arrival so late (ms, 99th percentile) was not there in time.
LATE_MS = 10.0


@dataclass(frozen=True, slots=True)
class Load:
    """How busy everything was while requests were sent and events were run."""

    cores: int
    machine: float  # cores in use, everything on the machine together
    parts: Mapping[str, float]  # part -> cores in use
    clients: int  # client processes
    gateways: int  # gateway processes; 0 if none could be found here
    workers: int  # worker processes; likewise
    slots: int  # invocations that may run at once
    running: float  # that ran, on average, while events waited
    is_backlogged: bool  # whether events waited for most of the time
    lateness_ms: float  # by which the clients noticed arrivals too late, 99th percentile
    throttled: float  # share of the events that were put back because the reserved concurrency was in use
    held_up: float  # share of the arrivals that found no free connection

    def document(self) -> dict[str, Any]:
        """As JSON keeps it."""
        return {
            "cores": self.cores,
            "machine": round(self.machine, 3),
            "parts": {part: round(used, 3) for part, used in sorted(self.parts.items())},
            "slots": self.slots,
            "running": round(self.running, 2),
            "backlogged": self.is_backlogged,
            "lateness_ms": round(self.lateness_ms, 3),
            "throttled": round(self.throttled, 4),
            "held_up": round(self.held_up, 4),
        }


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """The part, and a sentence for a person. `is_client`: the load test itself."""

    part: str
    why: str
    is_client: bool = False


def bottleneck(load: Load) -> Bottleneck:
    """The part that was busy first, by the order in which its being so explains the others."""
    clients = load.parts.get("clients", 0.0)
    if clients > BUSY * load.clients:
        why = (
            f"the client processes used {clients:.1f} cores; more of them, or another machine for them, would send more"
        )
        return Bottleneck("clients", why, is_client=True)
    # An arrival that is noticed late on a machine without a free core is the machine's doing.
    is_full = load.machine > BUSY * load.cores
    if load.lateness_ms > LATE_MS and not is_full:
        why = f"they noticed the moment of 1% of the requests more than {load.lateness_ms:.0f} ms too late"
        return Bottleneck("clients", why, is_client=True)
    if load.throttled > MANY:
        why = f"{_percent(load.throttled)} of the events were put back because all of the function's was in use"
        return Bottleneck("reserved concurrency", why)
    if gateway := _busy_processes(load, "gateway", load.gateways, "gateway", "THRICE_GATEWAYS"):
        return gateway
    redis = load.parts.get("redis", 0.0)
    if redis > BUSY:
        return Bottleneck("redis", f"it used {_percent(redis)} of the one core that it can use")
    if workers := _busy_processes(load, "workers", load.workers, "worker", "THRICE_WORKERS"):
        return workers
    if load.is_backlogged and load.running > BUSY * load.slots:
        why = f"the {load.slots} invocations that may run at once did, and others waited"
        return Bottleneck("places to run in", f"{why}; THRICE_CONCURRENCY and THRICE_WORKERS set how many there are")
    if is_full:
        shares = {**load.parts, "other programs": max(0.0, load.machine - sum(load.parts.values()))}
        most = ", ".join(f"{part} {cores:.1f}" for part, cores in sorted(shares.items(), key=_used, reverse=True)[:4])
        return Bottleneck("machine", f"its {load.cores} cores were {_percent(load.machine / load.cores)} busy: {most}")
    if load.held_up > MANY:
        why = f"{_percent(load.held_up)} of the requests waited for a free connection, and nothing was busy"
        return Bottleneck("connections", f"{why}; -c sets how many there are", is_client=True)
    return Bottleneck("none", "no part was busy: the system took this load")


def _busy_processes(load: Load, part: str, count: int, each: str, setting: str) -> Bottleneck | None:
    """A part of `count` processes, if they were busy; `setting` says how many there are."""
    used = load.parts.get(part, 0.0)
    if not count or used <= BUSY * count:
        return None
    why = f"{count} {each} processes used {_percent(used / count)} of a core each"
    return Bottleneck(part, f"{why}; {setting} sets their number")


def _used(item: tuple[str, float]) -> float:
    return item[1]


def _percent(share: float) -> str:
    return f"{share:.0%}"
