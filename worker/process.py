"""What one worker process consists of, besides Celery: its environments, its settler, its executor.

All of it belongs to the worker's event loop, and is built when the loop is about to run for the first time. What may
block is done in threads beside it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from redis import Redis

from config import redis as config_redis
from config.credentials import read_credentials
from config.settings import Settings
from worker.account import Account
from worker.clock import Clock
from worker.executor import Executor
from worker.invocation import LogEvent
from worker.keys import Keys
from worker.log_entry import attempt_json
from worker.registry import FunctionRegistry
from worker.reply_stream import ReplyStream
from worker.runtime import confinement
from worker.runtime.chores import Chores
from worker.runtime.code import CodeStore
from worker.runtime.pool import EnvironmentPool
from worker.runtime.surroundings import AwsAccess
from worker.scripts import LIBRARY
from worker.settler import Settler
from worker.transport.commands import CommandConnection
from worker.transport.loop import Loop
from worker.transport.script import Script
from worker.versions import Versions

T = TypeVar("T")

#: How often idle environments are looked through, in seconds.
TIDY = 30.0

#: Threads for deliveries.
THREADS = 4

#: Threads for looking up published versions.
VERSION_THREADS = 2


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """A running worker process."""

    redis: Redis
    loop: Loop
    environments: EnvironmentPool
    settler: Settler
    executor: Executor
    commands: CommandConnection
    versions: Versions
    deliveries: Chores
    account: Account

    @classmethod
    def start(
        cls,
        settings: Settings,
        keys: Keys,
        clock: Clock,
        loop: Loop,
        *,
        is_revoked: Callable[[str], bool],
        is_busy: Callable[[], bool],
    ) -> "WorkerProcess":
        """Connect, and build everything. `is_revoked` is for the executor, `is_busy` for the settler."""
        redis = config_redis.connect(settings)
        credentials = read_credentials(settings)
        environments = EnvironmentPool(
            root=settings.folder,
            code=CodeStore(redis, keys, settings.folder),
            clock=clock,
            sink=_log_sink(redis, keys),
            access=AwsAccess(
                endpoint_url=settings.endpoint_url or settings.gateway_url,
                access_key_id=credentials.access_key,
                secret_access_key=credentials.secret_key,
            ),
            loop=loop,
            walls=confinement.find(settings.isolation, settings.folder / "runtime"),
        )
        commands = CommandConnection(redis.connection_pool, loop)
        settler = Settler(commands, keys, loop, retention=settings.event_retention, is_busy=is_busy)
        versions = Versions(environments, FunctionRegistry(redis, keys), Chores(loop, VERSION_THREADS), clock)
        executor = Executor(
            versions,
            settler.add,
            settings.retry_countdowns,
            clock,
            is_revoked,
            open_stream=lambda request_id, on_room: ReplyStream(request_id, commands, keys, loop, on_room),
        )
        account = Account(commands, keys, loop, settings.account_concurrency)
        process = cls(redis, loop, environments, settler, executor, commands, versions, Chores(loop, THREADS), account)
        process._tidy()
        return process

    def in_thread(self, work: Callable[[], T], done: Callable[[T | Exception], None]) -> None:
        """Do `work` in a thread; `done` is handed its result, or what it raised, in the loop."""

        def do() -> T | Exception:
            try:
                return work()
            except Exception as error:  # noqa: BLE001 - it goes on to whoever asked
                return error

        self.deliveries.do(do, done)

    def stop(self) -> None:
        """End the environments. What still runs is lost here, and made again by whoever gets it next."""
        self.versions.close()
        self.environments.close()
        self.deliveries.close()
        self.commands.close()
        self.redis.close()

    def _tidy(self) -> None:
        self.environments.sweep()
        self.loop.call_later(TIDY, self._tidy)


def _log_sink(redis: Redis, keys: Keys) -> Callable[[str, str, list[LogEvent]], None]:
    """Appends to the log of a function, and waits for it."""
    script = Script.of(LIBRARY, "write_log")

    def write(function: str, log_stream: str, events: list[LogEvent]) -> None:
        if events:
            part = attempt_json(log_stream, "", events)
            script.run(redis, [keys.log(function)], [str(keys), function, part])

    return write
