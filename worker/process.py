"""What one worker process consists of, besides Celery: its environments, its settler, its executor.

All of it belongs to the worker's event loop, which calls `start` when it is about to run.
"""

from collections.abc import Callable
from dataclasses import dataclass

from redis import Redis

from config import redis as config_redis
from config.credentials import read_credentials
from config.settings import Settings
from worker.clock import SystemClock
from worker.event_loop import Loop
from worker.executor import Executor
from worker.keys import Keys
from worker.runtime.code import CodeStore
from worker.runtime.pool import EnvironmentPool
from worker.runtime.surroundings import AwsAccess
from worker.settler import LOG_LENGTH, Scripts, Settler, log_lines

#: How often idle environments are looked through, in seconds.
TIDY = 30.0


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """A running worker process."""

    redis: Redis
    environments: EnvironmentPool
    settler: Settler
    executor: Executor
