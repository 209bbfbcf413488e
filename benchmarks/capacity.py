"""What a number of machines carries, and which part is full first: a model, made of what an event costs each part.

    python -m benchmarks.capacity --machines 4 --cores 8 --handler-ms 20 --rate 500

prints it as Markdown. An event needs some time of each part, and a part has so much of it in a second: what it has, by
what an event needs, is the most that it carries. The first to be full is where that is least. `docs/scaling.md` tells
what is left out. The costs are those of one machine; `--measured FILE` takes those of another one, as
`python -m benchmarks --only parts` has measured them there.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from config.settings import MOST_GATEWAYS

#: How the costs are measured.
COMMAND = "python -m benchmarks --only parts"


def _cost(meaning: str, form: str = ".1f") -> Any:
    return field(metadata={"meaning": meaning, "form": form})


@dataclass(frozen=True, slots=True)
class Coefficients:
    """What an event costs. Times are CPU in microseconds, but for `overhead_ms`."""

    gateway_us: float = _cost("CPU of the gateway to check a signed request and to answer it, µs")
    accept_us: float = _cost("CPU of Redis to take the event in, µs")
    settle_us: float = _cost("CPU of Redis to claim and to settle it, µs")
    worker_us: float = _cost("CPU of the worker, µs")
    call_us: float = _cost("CPU of the handler's process beside the handler, µs")
    overhead_ms: float = _cost("time for which a place to run in is taken beside the handler's, ms", ".2f")
    queued_bytes: float = _cost("memory of Redis while it is queued, bytes", ",.0f")
    kept_bytes: float = _cost("memory of Redis after its end, while its record is kept, bytes", ",.0f")
    environment_mb: float = _cost("memory of a warm environment that does nothing, MB")

    @classmethod
    def of(cls, run: Mapping[str, Any]) -> "Coefficients":
        """As a run of the measurement `parts` gives them.

        Raises:
            KeyError: it has not measured one of them.
        """
        return cls(**{each.name: float(run[each.name]) for each in fields(cls)})


#: The costs that docs/scaling.md shows, of the machine that benchmarks/README.md describes. scaling_page.py
#: writes them.
COSTS = Path(__file__).with_name("costs.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What there is, and what is asked of it.

    `systems` share `redis` servers, each server having a whole number of them: a system
    cannot be spread over two.
    """

    machines: int = 1
    cores: int  # of each machine
    gateways: int = 1  # processes on each machine
    workers: int  # likewise
    concurrency: int = 16  # invocations that each of those runs at a time
    account: int = 1_000  # invocations that each system runs at a time
    systems: int = 1
    redis: int = 1
    is_redis_apart: bool = False  # on machines that are not counted
    is_accepting: bool = True  # events come through the gateway at the same time
    handler_ms: float = 0.0
    handler_cpu_ms: float = 0.0  # of these it computes


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that can be full. `needs`: for so many seconds an event needs one of its `unit`."""

    name: str
    unit: str
    has: float
    needs: float

    @property
    def most(self) -> float:
        """Events a second."""
        return self.has / self.needs if self.needs else float("inf")

    def used(self, rate: float) -> float:
        """How many of `unit` are in use at so many events a second."""
        return rate * self.needs


def capacities(site: Site, costs: Coefficients) -> list[Part]:
    """Every part of the site, all systems together."""
    gateway_us = costs.gateway_us if site.is_accepting else 0.0
    redis_us = costs.settle_us + (costs.accept_us if site.is_accepting else 0.0)
    handler_us = costs.call_us + site.handler_cpu_ms * 1e3
    on_machines_us = gateway_us + costs.worker_us + handler_us + (0.0 if site.is_redis_apart else redis_us)
    workers = site.machines * site.workers
    taken_s = (site.handler_ms + costs.overhead_ms) / 1e3
    return [
        Part("gateways", "cores", site.machines * site.gateways, gateway_us / 1e6),
        Part("Redis", "cores", site.redis, redis_us / 1e6),
        Part("workers", "cores", workers, costs.worker_us / 1e6),
        Part("environments", "places", workers * site.concurrency, taken_s),
        Part("account concurrency", "places", site.systems * site.account, taken_s),
        Part("machines", "cores", site.machines * site.cores, on_machines_us / 1e6),
    ]


def first_to_be_full(parts: Sequence[Part]) -> Part:
    """The one that carries least."""
    return min(parts, key=lambda part: part.most)


@dataclass(frozen=True, slots=True)
class Memory:
    """What is taken, in GB (10^9 bytes)."""

    queued: float  # of all Redis servers together, by what is queued
    kept: float  # by the records of what has ended
    environments: float  # of all machines together


def memory(site: Site, costs: Coefficients, *, rate: float, backlog_hours: float, retention_s: float) -> Memory:
    """At so many events a second, when nothing was worked off for so many hours."""
    places = site.machines * site.workers * site.concurrency
    return Memory(
        queued=rate * backlog_hours * 3600 * costs.queued_bytes / 1e9,
        kept=rate * retention_s * costs.kept_bytes / 1e9,
        environments=places * costs.environment_mb / 1e3,
    )


def page(site: Site, costs: Coefficients, *, rate: float, backlog_hours: float, retention_s: float) -> str:
    """The whole answer, as Markdown."""
    parts = capacities(site, costs)
    lines = [
        f"| part | has | an event needs | used at {rate:,g}/s | busy | most events/s |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        *(_line(part, rate) for part in parts if part.needs),
    ]
    first = first_to_be_full(parts)
    verdict = "carried" if rate <= first.most else "NOT carried"
    taken = memory(site, costs, rate=rate, backlog_hours=backlog_hours, retention_s=retention_s)
    load = f"{rate:,g}/s are {verdict} ({rate / first.most:.0%} of that)"
    queued = f"{taken.queued:.2f} GB if nothing is worked off for {backlog_hours:g} h"
    kept = f"{taken.kept:.2f} GB of records that are kept for {retention_s:,g} s"
    lines += [
        "",
        f"First to be full: {first.name}, at {first.most:,.0f} events/s. {load}.",
        "",
        f"Memory of Redis: {queued}, and {kept}. Warm environments that do nothing: {taken.environments:.2f} GB.",
    ]
    return "\n".join(lines) + "\n"


def _line(part: Part, rate: float) -> str:
    used = part.used(rate)
    cells = (
        part.name,
        f"{part.has:,g} {part.unit if part.has != 1 else part.unit.removesuffix('s')}",
        f"{part.needs * 1e6:,.0f} µs" if part.unit == "cores" else f"{part.needs * 1e3:,.1f} ms",
        f"{used:,.2f}",
        f"{used / part.has:.0%}",
        f"{part.most:,.0f}",
    )
    return f"| {' | '.join(cells)} |"


def coefficients_table(costs: Coefficients) -> str:
    """The costs, as Markdown."""
    lines = ["| cost of an event | |", "| --- | ---: |"]
    for each in fields(costs):
        value = format(getattr(costs, each.name), each.metadata["form"])
        lines.append(f"| `{each.name}`: {each.metadata['meaning']} | {value} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Print what the command line asks for."""
    print(answer(sys.argv[1:]), end="")
    return 0


def answer(arguments: Sequence[str]) -> str:
    """What such a command line asks for, as Markdown.

    Raises:
        SystemExit: it asks for what cannot be; what and why has been said.
    """
    parser = _parser()
    asked = parser.parse_args(arguments)
    if asked.redis > asked.systems:
        parser.error(f"--redis {asked.redis} --systems {asked.systems}: a system uses one server; have more systems")
    costs = Coefficients.of(json.loads(COSTS.read_text())) if asked.measured is None else _read(parser, asked.measured)
    if asked.costs:
        return coefficients_table(costs)
    site = Site(
        machines=asked.machines, cores=asked.cores, workers=asked.workers or asked.cores,
        gateways=asked.gateways or min(asked.cores, MOST_GATEWAYS),
        concurrency=asked.concurrency, account=asked.account, systems=asked.systems, redis=asked.redis,
        is_redis_apart=asked.redis_apart, handler_ms=asked.handler_ms, handler_cpu_ms=asked.handler_cpu_ms,
    )  # fmt: skip
    return page(site, costs, rate=asked.rate, backlog_hours=asked.backlog_hours, retention_s=asked.retention)


#: Options: name, default, meaning.
_WHOLE = (
    ("machines", 1, "machines, each with gateways and workers; 1"),
    ("cores", 2, "cores of each; 2"),
    ("gateways", None, "gateway processes on each; one for each core, at most four"),
    ("workers", None, "worker processes on each; one for each core"),
    ("concurrency", 16, "THRICE_CONCURRENCY; 16"),
    ("account", 1_000, "THRICE_ACCOUNT_CONCURRENCY; 1000"),
    ("systems", 1, "systems that share all of it; 1"),
    ("redis", 1, "Redis servers, at most one for each system; 1"),
)
_NUMBERS = (
    ("handler-ms", 0.0, "how long a handler takes; 0"),
    ("handler-cpu-ms", 0.0, "how much of that it computes; 0"),
    ("rate", 100.0, "events a second; 100"),
    ("backlog-hours", 1.0, "for how long nothing is worked off; 1"),
    ("retention", 3_600.0, "THRICE_EVENT_RETENTION; 3600"),
)


def _read(parser: argparse.ArgumentParser, path: Path) -> Coefficients:
    """The costs in the file that the benchmarks have written."""
    try:
        runs = json.loads(path.read_text())["runs"]["parts"]
        return Coefficients.of(runs[-1]["thrice"])
    except (OSError, ValueError, LookupError) as error:
        parser.error(f"--measured {path}: no costs are in it ({type(error).__name__}: {error}). Make it by `{COMMAND}`")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity", description="What a site carries.")
    for name, default, meaning in _WHOLE:
        parser.add_argument(f"--{name}", type=_at_least_one, default=default, metavar="N", help=meaning)
    for name, number, meaning in _NUMBERS:
        parser.add_argument(f"--{name}", type=_number, default=number, metavar="X", help=meaning)
    parser.add_argument("--redis-apart", action="store_true", help="the servers are on machines of their own")
    parser.add_argument("--measured", type=Path, metavar="FILE", help="build/bench.json of a machine of yours")
    parser.add_argument("--costs", action="store_true", help="only show what an event costs each part")
    return parser


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text}: at least 1")
    return number


def _number(text: str) -> float:
    number = float(text)
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: a number that is not negative")
    return number


if __name__ == "__main__":
    sys.exit(main())
