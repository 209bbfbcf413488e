"""One load test, from the first connection to the result.

Clients connect; all begin at one moment; while they send, the system is watched. When all is sent, the events that are
ready or running are waited for. Those that wait for their next attempt are waited for as long as the plan says; where
the system's clock is virtual it is moved instead. Then the records are read and the result is put together. Ctrl-C ends
the sending, and what is known by then is the result.
"""

import asyncio
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

from redis import Redis
from redis.exceptions import RedisError

from config.credentials import read_credentials
from config.settings import Settings
from console.asking import ask
from console.bench.bottleneck import Load, bottleneck
from console.bench.client import PATIENCE, Task
from console.bench.clients import Clients
from console.bench.collector import Account, Collector, Left
from console.bench.plan import Plan
from console.bench.processes import Parts
from console.bench.result import Result
from console.bench.signing import Caller
from console.bench.watch import LOOK, Watch
from worker.clock import Clock, from_ms, iso_ms
from worker.keys import Keys

#: From the moment at which all clients are told to begin to that at which they do, in seconds.
HEAD_START = 0.2

#: Events that should run are given up on when none has ended for so long, or for the function's own timeout and half of
#: this, in seconds.
STALLED = 30.0

#: How often records are read at the end although the ledger says that something is ready or runs, in seconds: those may
#: be events of others.
LOOK_ANYWAY = 5.0


@dataclass(frozen=True, slots=True)
class Target:
    """The function, as the system knows it."""

    name: str  # without a qualifier: as the ledger has it
    timeout: float  # in seconds
    is_virtual: bool  # the system's clock may be moved
    offset_ms: float  # how far ahead of the machine's it is now


@dataclass(frozen=True, slots=True)
class Glance:
    """What a person is shown while it goes on."""

    phase: str
    account: Account
    watch: Watch
    left: Left | None
    elapsed: float  # seconds since the start


class LoadTest:
    """Runs once. `show` is called four times a second; `stop` ends the sending when it is set."""

    def __init__(
        self, settings: Settings, plan: Plan, target: Target, *, redis: Redis, clock: Clock, stop: asyncio.Event,
        show: Callable[[Glance], None],
    ) -> None:  # fmt: skip
        self._settings = settings
        self._plan = plan
        self._target = target
        self._redis = redis
        self._clock = clock
        self._stop = stop
        self._show = show
        self._phase = "sending"
        self._left: Left | None = None
        self._load: Load | None = None
        self._throughput = 0.0

    async def run(self) -> Result:
        """Do it all.

        Raises:
            ClientsFailed: the gateway takes no connections, or a client process ended.
            GatewayAway: the virtual clock could not be moved.
            RedisError: the records cannot be read.
        """
        clients = await Clients.start(self._tasks())
        try:
            start = self._clock.monotonic() + HEAD_START
            epoch_ms = self._clock.now().timestamp() * 1000 + HEAD_START * 1000
            collector = Collector(
                self._redis, Keys(), start=start, epoch_ms=epoch_ms, is_synchronous=self._plan.is_synchronous
            )
            collector.moves.note(0.0, self._target.offset_ms)
            parts = Parts(self._settings.folder, clients.pids)
            watch = Watch(self._redis, Keys(), self._clock, self._target.name, parts, start)
            watch.look()
            beside = [asyncio.create_task(watch.run()), asyncio.create_task(self._display(collector, watch, start))]
            try:
                clients.begin(start)
                await self._send(clients, collector)
                await self._settle(clients, collector, watch)
            finally:
                for task in beside:
                    task.cancel()
                await asyncio.gather(*beside, return_exceptions=True)
            return self._result(clients, collector, watch, epoch_ms)
        finally:
            await clients.end()

    def _tasks(self) -> list[Task]:
        """One process for each core, but never one without a connection."""
        credentials = read_credentials(self._settings)
        url = urlsplit(self._settings.gateway_url)
        assert url.hostname is not None
        assert url.port is not None
        caller = Caller(credentials.access_key, credentials.secret_key, self._settings.region, url.netloc)
        number = min(os.cpu_count() or 1, self._plan.connections, self._plan.expected or self._plan.connections)
        patience = self._target.timeout + 60 if self._plan.is_synchronous else PATIENCE
        return [Task(self._plan, client, number, caller, url.hostname, url.port, patience) for client in range(number)]

    async def _send(self, clients: Clients, collector: Collector) -> None:
        hearing = asyncio.create_task(clients.hear(collector.take))
        stopped = asyncio.create_task(self._stop.wait())
        try:
            while not hearing.done() and not stopped.done():
                await asyncio.wait({hearing, stopped}, timeout=LOOK, return_when=asyncio.FIRST_COMPLETED)
                if not self._plan.is_synchronous:
                    self._read_old(collector)
            if not hearing.done():
                self._phase = "stopping"
                clients.stop()
            await hearing
        finally:
            hearing.cancel()
            stopped.cancel()

    def _read_old(self, collector: Collector) -> None:
        try:
            collector.read_old(self._clock.monotonic())
        except RedisError:
            return  # it is tried again, and at the end it must not fail

    # --- when all is sent

    async def _settle(self, clients: Clients, collector: Collector, watch: Watch) -> None:
        """Wait until nothing of ours is ready or running, then for retries as far as that is wanted."""
        if self._plan.is_synchronous:
            self._note_load(clients, collector, watch)
            return
        self._phase = "settling"
        is_wanted_until = self._clock.monotonic() + self._plan.wait
        ended, moved_at, read_at = -1, self._clock.monotonic(), -LOOK_ANYWAY
        while not self._stop.is_set():
            now = self._clock.monotonic()
            self._read_old(collector)
            is_quiet = not watch.samples or watch.samples[-1].depth == 0
            if is_quiet or now - read_at > LOOK_ANYWAY:
                read_at = now
                left = self._left = await self._read(collector)
                if left is not None and left.at_work == 0:
                    moved_at = now
                    self._note_load(clients, collector, watch)
                    if not left.waiting or not await self._wait_for_retries(collector, left, is_wanted_until):
                        return
            so_far = watch.samples[-1].ended + collector.account.ended if watch.samples else 0
            if so_far != ended:
                ended, moved_at = so_far, now
            if now - moved_at > max(STALLED, self._target.timeout + STALLED / 2):
                break
            await asyncio.sleep(LOOK)
        self._left = await asyncio.to_thread(collector.read)
        self._note_load(clients, collector, watch)

    async def _read(self, collector: Collector) -> Left | None:
        """Read the records of all that has not ended; None if Redis does not answer just now."""
        try:
            return await asyncio.to_thread(collector.read)
        except RedisError:
            return None

    async def _wait_for_retries(self, collector: Collector, left: Left, until: float) -> bool:
        """Whether to go on, where events wait for their next attempt and nothing else is left."""
        assert left.last_due_ms is not None
        if self._target.is_virtual:
            self._phase = "retries, with the clock moved"
            ahead = (left.last_due_ms - left.now_ms) / 1000
            post = {"advance": f"{max(0.001, ahead):.3f}s"}
            status, answer = await asyncio.to_thread(lambda: ask(self._settings, "clock", post=post))
            if status != 200:
                return False
            collector.moves.note(datetime.fromisoformat(answer["now"]).timestamp() * 1000, answer["offset_ms"])
            return True
        self._phase = "waiting for retries"
        return self._clock.monotonic() < until

    def _note_load(self, clients: Clients, collector: Collector, watch: Watch) -> None:
        """Take down how busy everything was, and how fast, when the load has gone for the first time."""
        if self._load is not None:
            return
        watch.finish()
        account = collector.account
        self._load = watch.load(
            slots_each=self._settings.concurrency,
            clients=len(clients.processes),
            lateness_ms=clients.lateness.percentile(99),
            held_up=clients.held_up / max(1, account.sent),
            throttled=(account.throttled + (self._left.throttled if self._left else 0)) / max(1, account.accepted),
        )
        self._throughput = collector.ended_a_second()

    async def _display(self, collector: Collector, watch: Watch, start: float) -> None:
        while True:
            elapsed = max(0.0, self._clock.monotonic() - start)
            self._show(Glance(self._phase, collector.account, watch, self._left, elapsed))
            await asyncio.sleep(LOOK)

    # --- the result

    def _result(self, clients: Clients, collector: Collector, watch: Watch, epoch_ms: float) -> Result:
        account, left = collector.account, self._left or Left(now_ms=0.0)
        assert self._load is not None
        found = bottleneck(self._load)
        due = left.first_due_ms
        return Result(
            at=iso_ms(from_ms(epoch_ms)),
            version=version("thrice"),
            machine=_machine(self._settings, self._load),
            plan=self._plan.document(),
            is_virtual=self._target.is_virtual,
            is_interrupted=self._stop.is_set(),
            counts=_counts(account, left, clients.unsent, is_synchronous=self._plan.is_synchronous),
            rates={"rate": collector.accepted_a_second(), "throughput": self._throughput},
            histograms=_histograms(account, is_synchronous=self._plan.is_synchronous),
            attempts=dict(account.attempts),
            reasons=dict(account.reasons),
            dropped=dict(account.dropped),
            load=self._load.document(),
            bottleneck={"part": found.part, "why": found.why, "is_client": found.is_client},
            ledger_is_balanced=watch.is_balanced,
            next_due=iso_ms(from_ms(due)) if due is not None else None,
            seconds=[
                {
                    "second": second,
                    "accepted": counted.accepted,
                    "errors": counted.errors,
                    "p50_ms": round(counted.accept.percentile(50), 3),
                    "p99_ms": round(counted.accept.percentile(99), 3),
                }
                for second, counted in sorted(account.seconds.items())
            ],
            samples=[sample.document() for sample in watch.samples],
            usages=[
                {"at": round(after.at, 3), "cores": watch.cores(before, after)}
                for before, after in zip(watch.usages, watch.usages[1:], strict=False)
            ],
        )


def _counts(account: Account, left: Left, unsent: int, *, is_synchronous: bool) -> dict[str, int]:
    ends = account.ends
    failed = account.function_errors if is_synchronous else ends["dead_lettered"] + ends["dropped"]
    return {
        "sent": account.sent,
        "accepted": account.accepted,
        "errors": account.errors,
        "unsent": unsent,
        "succeeded": account.accepted - failed if is_synchronous else ends["succeeded"],
        "dead_lettered": ends["dead_lettered"],
        "dropped": ends["dropped"],
        "failed": failed,
        "waiting": left.waiting,
        "at_work": left.at_work,
        "in_hand": left.in_hand,
        "lost": left.lost,
        "retried": sum(count for attempts, count in account.attempts.items() if attempts > 1) + left.retried,
        "workers_lost": account.workers_lost,
    }


def _histograms(account: Account, *, is_synchronous: bool) -> dict[str, Any]:
    if is_synchronous:
        return {"end_to_end": account.end_to_end}
    return {
        "end_to_end": account.end_to_end,
        "accept": account.accept,
        "wait": account.queue_wait,
        "run": account.run,
    }


def _machine(settings: Settings, load: Load) -> dict[str, Any]:
    return {
        "cores": load.cores,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "workers": load.workers,
        "concurrency": settings.concurrency,
        "clients": load.clients,
    }
