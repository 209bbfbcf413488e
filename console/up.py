"""`thrice up`: the whole system on this machine.

In order: the data folder is ours alone, the port is free, Redis runs and would keep events; then gateways, workers and
scheduler; then a canary event has gone all the way round. Only then it says ready. Until Ctrl-C it keeps the parts
running.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Protocol, cast

import orjson
from redis import Redis
from redis.exceptions import RedisError

from config import redis as config_redis
from config.credentials import read_credentials
from config.settings import Settings
from console import preflight
from console.preflight import CannotStart
from console.supervisor import Part, Supervisor
from console.syncing import Syncing
from worker.clock import Clock, SystemClock
from worker.keys import Keys
from worker.ledger import Account, Ledger

#: Where a server comes from that `thrice up` does not start.
_YOURS = "yours"

#: How long the parts may take until a canary has gone round, in seconds.
PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Ready:
    """What `thrice up` can say once a canary has gone round."""

    url: str
    redis: str
    gateways: int
    workers: int
    round_trip_ms: float
    took: float  # seconds since the start
    left_over: Account
    dead: int
    supervisor: Supervisor


class Say(Protocol):
    """Where lines for a person go."""

    def line(self, text: str) -> None:
        """Show one line."""
        ...

    def ready(self, ready: Ready) -> None:
        """Show the table of parts."""
        ...


async def up(settings: Settings, say: Say) -> None:
    """Run the system until SIGTERM or Ctrl-C.

    Raises:
        CannotStart: the data folder is in use, the port is taken, there is no usable Redis, or a part does not come up.
    """
    stop = stop_signals()
    async with running(settings, say.line, stop) as ready:
        if ready is not None:
            say.ready(ready)
            await _renew_when_asked(ready.supervisor, stop)
        say.line("stopping: scheduler, workers, gateway, Redis. What is queued stays in the data folder.")


@contextlib.asynccontextmanager
async def running(settings: Settings, say: Callable[[str], None], stop: asyncio.Event) -> AsyncIterator[Ready | None]:
    """The whole system, for as long as the context lasts. None: `stop` was set before it was ready.

    Raises:
        CannotStart: see `up`.
    """
    clock = SystemClock()
    started = clock.monotonic()
    async with preflight.held_folder(settings, say) as lock:
        door = preflight.listen(settings)
        preflight.check_isolation(settings)
        read_credentials(settings)
        supervisor = Supervisor(
            settings.folder / "logs", _environment(settings), clock, say, grace=settings.shutdown_grace
        )
        syncing: asyncio.Task[None] | None = None
        try:
            server = await _start_redis(settings, supervisor, lock)
            if server != _YOURS:
                syncing = asyncio.create_task(Syncing(settings.folder / "redis", say).keep_on())
            redis = config_redis.connect(settings)
            try:
                name = await preflight.usable_redis(redis, server)
                preflight.reset_clock(redis, settings, say)
                left_over, dead = _left_over(redis)
                for part in _parts(settings, door):
                    await supervisor.start(part)
                round_trip = await _wait_for_canary(settings, supervisor, stop, clock)
            finally:
                redis.close()
            if round_trip is None:
                yield None
            else:
                took = clock.monotonic() - started
                yield Ready(
                    settings.gateway_url,
                    name,
                    settings.gateways,
                    settings.workers,
                    round_trip,
                    took,
                    left_over,
                    dead,
                    supervisor,
                )
        finally:
            await supervisor.stop()
            if syncing is not None:
                syncing.cancel()
            door.close()


async def _renew_when_asked(supervisor: Supervisor, stop: asyncio.Event) -> None:
    """Until `stop`, renew the parts at each SIGHUP: `thrice restart` sends it."""
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, asked.set)
    stopping = asyncio.create_task(stop.wait())
    while not stopping.done():
        asking = asyncio.create_task(asked.wait())
        await asyncio.wait({stopping, asking}, return_when=asyncio.FIRST_COMPLETED)
        asking.cancel()
        if asked.is_set() and not stopping.done():
            asked.clear()
            renewing = asyncio.create_task(supervisor.renew())
            await asyncio.wait({stopping, renewing}, return_when=asyncio.FIRST_COMPLETED)
            if not renewing.done():
                supervisor.break_off()
            await renewing


def stop_signals() -> asyncio.Event:
    """An event that SIGTERM and Ctrl-C set. A second one while stopping does not break off the stop."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def _environment(settings: Settings) -> dict[str, str]:
    """The environment of the parts: ours, with every setting spelled out, and no way in for the caller's folder."""
    # The folder that `thrice up` is called in may hold modules of the names of ours.
    return {**os.environ, **settings.as_environment(), "PYTHONSAFEPATH": "1"}


async def _start_redis(settings: Settings, supervisor: Supervisor, lock: int) -> str:
    """Start the embedded server, unless the operator has one; return where it comes from.

    The server inherits the lock of the data folder: as long as it writes there, nobody else begins to.
    """
    if settings.redis_url is not None:
        return _YOURS
    try:
        server = await asyncio.to_thread(config_redis.find_server)
    except config_redis.RedisUnusable as error:
        raise CannotStart(str(error)) from None
    command = config_redis.server_command(server, settings)
    await supervisor.start(Part("redis", command, signal_on_orphaning=signal.SIGTERM, inherits=(lock,)))
    return server.origin


def _left_over(redis: Redis) -> tuple[Account, int]:
    """What the last run left: the ledger's total, and the number of dead letters that are kept."""
    keys = Keys()
    return Ledger.of(redis.hgetall(keys.ledger)).total, int(redis.zcard(keys.dead))


def _parts(settings: Settings, door: socket.socket) -> list[Part]:
    python = [sys.executable, "-m"]
    workers = [
        Part(
            name,
            [*python, *worker_command(name)],
            stage=2,
            signal_to_leave=signal.SIGQUIT,
            is_renewable=True,
            is_working=lambda pid: _takes_work(settings, pid),
        )
        for name in (f"worker-{number}" for number in range(1, settings.workers + 1))
    ]
    gateways = [
        Part(
            f"gateway-{number}",
            [*python, "producers.gateway", str(door.fileno())],
            inherits=(door.fileno(),),
            stage=1,
            is_renewable=True,
            may_overlap=True,
            is_working=lambda pid: _answers(settings, pid),
        )
        for number in range(1, settings.gateways + 1)
    ]
    scheduler = Part("scheduler", [*python, "producers.scheduler"], stage=3, is_renewable=True, may_overlap=True)
    return [*gateways, *workers, scheduler]


def _answers(settings: Settings, pid: int) -> bool:
    """Whether the gateway process of that id answers, and finds the system healthy. Several answer at one port."""
    health = _health(settings) or {}
    return health.get("status") == "ok" and health.get("gateway_pid") == pid


def _takes_work(settings: Settings, pid: int) -> bool:
    """Whether a worker process has said that it lives: then it asks for work, too."""
    redis = config_redis.connect(settings)
    try:
        consumers = cast("list[bytes]", redis.zrange(Keys().consumers, 0, -1))
    except RedisError:
        return False
    finally:
        redis.close()
    return any(consumer.decode().split(".")[-2] == str(pid) for consumer in consumers)


def worker_command(name: str) -> list[str]:
    """Celery's own command for one worker. Gossip and mingle would only make workers chat with each other."""
    quiet = ["--without-gossip", "--without-mingle"]
    return ["celery", "-A", "worker", "worker", "-n", f"{name}@%h", "-l", "INFO", *quiet]


async def _wait_for_canary(
    settings: Settings, supervisor: Supervisor, stop: asyncio.Event, clock: Clock
) -> float | None:
    """Wait until the gateway says that a canary has gone round; return its time, ms; None if `stop` came first."""
    deadline = clock.monotonic() + PATIENCE
    reason = "the gateway does not answer"
    while not stop.is_set():
        health = await asyncio.to_thread(_health, settings)
        if health is not None and health["status"] == "ok":
            return float(health["canary_round_trip_ms"])
        if health is not None:
            reason = health["reason"]
        if clock.monotonic() > deadline:
            raise CannotStart(f"Not ready after {PATIENCE:g} s: {reason}. The logs are in {supervisor.logs}.")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 0.05)
    return None


def _health(settings: Settings) -> dict[str, Any] | None:
    try:
        with urllib.request.urlopen(f"{settings.gateway_url}/_thrice/health", timeout=5) as answer:  # noqa: S310 - ours
            return dict(orjson.loads(answer.read()))
    except urllib.error.HTTPError as error:
        with error:
            return dict(orjson.loads(error.read()))
    except OSError:
        return None
