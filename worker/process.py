"""What one worker process consists of: its queue, its environments, its executor, and two threads beside Celery's.

The heart beats in a thread of its own, so that a busy worker keeps its leases. The sweeper puts back what is due, what
dead workers held and what lost messages stood for; every worker sweeps, so there is no one whose loss would stop it.
"""

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass

from redis import Redis
from redis.exceptions import RedisError

from config import redis as config_redis
from config.credentials import read_credentials
from config.settings import Settings
from worker import telemetry
from worker.clock import SystemClock
from worker.executor import Executor
from worker.keys import Keys
from worker.queue import HEARTBEAT, SWEEP_LIMIT, WorkerQueue, worker_name
from worker.runtime.code import CodeStore
from worker.runtime.pool import EnvironmentPool
from worker.runtime.surroundings import AwsAccess

#: Longest time between two sweeps, in seconds: how late a sweep may notice what another process did.
SWEEP = 0.5

#: How often idle environments are looked through, in seconds.
TIDY = 30.0


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """A running worker process."""

    redis: Redis
    queue: WorkerQueue
    environments: EnvironmentPool
    executor: Executor
    stopping: threading.Event
    threads: list[threading.Thread]

    @classmethod
    def start(cls, settings: Settings, keys: Keys) -> "WorkerProcess":
        """Connect, and start the threads."""
        redis = config_redis.connect(settings)
        queue = WorkerQueue(redis, keys, worker_name(), retention=settings.event_retention)
        clock = SystemClock()
        credentials = read_credentials(settings)
        environments = EnvironmentPool(
            root=settings.folder,
            code=CodeStore(redis, keys, settings.folder),
            clock=clock,
            sink=queue.write_log,
            access=AwsAccess(
                endpoint_url=settings.endpoint_url or settings.gateway_url,
                access_key_id=credentials.access_key,
                secret_access_key=credentials.secret_key,
            ),
        )
        stopping = threading.Event()
        executor = Executor(queue, environments, settings.retry_countdowns, clock, stopping.wait)
        process = cls(redis, queue, environments, executor, stopping, [])
        for body in (process._beat, process._sweep, process._tidy):
            thread = threading.Thread(target=body, name=body.__name__.strip("_"), daemon=True)
            process.threads.append(thread)
            thread.start()
        return process

    def stop(self) -> None:
        """End the environments and the leases. What still runs is put back by the next sweep of another worker."""
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        self.environments.close()
        with contextlib.suppress(RedisError):  # then the leases end by themselves
            self.queue.release()
        self.redis.close()

    def _beat(self) -> None:
        self._repeat("renewing the leases", self.queue.heartbeat, HEARTBEAT)

    def _sweep(self) -> None:
        self._repeat("sweeping", self._sweep_once, SWEEP)

    def _tidy(self) -> None:
        self._repeat("closing idle environments", self.environments.sweep, TIDY)

    def _sweep_once(self) -> float:
        """Sweep, and return the seconds until it is worth while to do so again."""
        swept = self.queue.sweep()
        if swept.reaped or swept.republished:
            telemetry.emit(telemetry.EventsPutBack(swept.reaped, swept.republished))
        if max(swept.promoted, swept.republished) >= SWEEP_LIMIT:
            return 0.0
        return SWEEP if swept.next_due_ms is None else min(SWEEP, swept.next_due_ms / 1000)

    def _repeat(self, doing: str, act: Callable[[], float | None], every: float) -> None:
        """Do `act` until the worker stops, each time after the pause it asks for, else `every`. Redis may be away."""
        pause = 0.0
        while not self.stopping.wait(pause):
            try:
                asked = act()
                pause = every if asked is None else asked
            except RedisError as error:
                telemetry.emit(telemetry.StoreAway(doing, str(error)))
                pause = every
