"""Looks at the system while a load test runs: what the ledger says of the function, and how busy every part is.

The ledger is read from Redis itself, one command four times a second, so that looking does not burden the gateway.
"""

import asyncio
import os
from dataclasses import asdict, dataclass, field
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from console.bench.bottleneck import Load
from console.bench.processes import Parts, machine_cpu
from worker.clock import Clock
from worker.keys import Keys
from worker.ledger import Account, Ledger

#: How often the ledger is looked at, and how often the processes, in seconds.
LOOK = 0.25
LOOK_AT_PROCESSES = 1.0


@dataclass(frozen=True, slots=True)
class Sample:
    """The function's numbers at one moment. `ended` counts from the start of the run, and includes events of others."""

    at: float  # seconds since the start
    ready: int
    waiting: int
    running: int
    ended: int

    @property
    def depth(self) -> int:
        """Events that could run now, or do."""
        return self.ready + self.running

    def document(self) -> dict[str, Any]:
        """As JSON keeps it."""
        return asdict(self) | {"at": round(self.at, 3)}


@dataclass(frozen=True, slots=True)
class Usage:
    """Processor time since the system started, by part, in seconds; the machine's as `machine`."""

    at: float
    parts: dict[str, float]


@dataclass(slots=True)
class Watch:
    """Samples of one run. `start` is a moment of the monotonic clock."""

    redis: Redis
    keys: Keys
    clock: Clock
    function: str
    parts: Parts
    start: float
    samples: list[Sample] = field(default_factory=list)
    usages: list[Usage] = field(default_factory=list)
    is_balanced: bool = True
    _before: Account | None = None

    async def run(self) -> None:
        """Look until cancelled. While Redis does not answer there is nothing to see."""
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(LOOK)

    def look(self) -> Sample | None:
        """Look once; None if Redis does not answer."""
        now = self.clock.monotonic() - self.start
        try:
            if not self.usages or now - self.usages[-1].at >= LOOK_AT_PROCESSES:
                self.usages.append(self._usage(now))
            account = self._account()
        except RedisError:
            return None
        if self._before is None:
            self._before = account
        self.is_balanced = account.is_balanced
        sample = Sample(now, account.ready, account.waiting, account.running, _ended(account) - _ended(self._before))
        self.samples.append(sample)
        return sample

    def load(self, *, slots_each: int, clients: int, lateness_ms: float, held_up: float, throttled: float) -> Load:
        """How busy everything was on average, over all that was seen.

        Args:
            slots_each: invocations that one worker process runs at the same time.
            clients: client processes.
            lateness_ms: by which they noticed arrivals too late, 99th percentile.
            held_up: the share of arrivals that found no free connection.
            throttled: the share of events that were put back for the reserved concurrency.
        """
        used = self.cores(self.usages[0], self.usages[-1]) if len(self.usages) > 1 else {}
        queued = [sample for sample in self.samples if sample.ready > 0]
        return Load(
            cores=os.cpu_count() or 1,
            machine=used.pop("machine", 0.0),
            parts=used,
            clients=clients,
            gateways=self.parts.count("gateway"),
            workers=self.parts.count("workers"),
            slots=slots_each * self.parts.count("workers"),
            running=sum(sample.running for sample in queued) / len(queued) if queued else 0.0,
            is_backlogged=len(queued) * 2 > len(self.samples),
            lateness_ms=lateness_ms,
            throttled=throttled,
            held_up=held_up,
        )

    def finish(self) -> None:
        """Look at the processes for the last time."""
        try:
            self.usages.append(self._usage(self.clock.monotonic() - self.start))
        except RedisError:
            return

    @staticmethod
    def cores(before: Usage, after: Usage) -> dict[str, float]:
        """How many cores each part used between two looks."""
        length = max(1e-3, after.at - before.at)
        return {part: max(0.0, after.parts[part] - before.parts.get(part, 0.0)) / length for part in after.parts}

    def _account(self) -> Account:
        return Ledger.of(self.redis.hgetall(self.keys.ledger)).functions.get(self.function, Account())

    def _usage(self, at: float) -> Usage:
        said = self.redis.info("cpu")
        own = {"redis": float(said["used_cpu_sys"]) + float(said["used_cpu_user"]), "machine": machine_cpu()}
        return Usage(at, self.parts.cpu() | own)


def _ended(account: Account) -> int:
    return account.succeeded + account.dead_lettered + sum(account.dropped.values())
