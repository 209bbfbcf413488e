"""A Redis server for one system: the embedded one with its very configuration, in a folder of its own.

`Usage` is what it has done so far: CPU of its process, commands, and socket reads. A script's own commands count as
commands; a socket read is what a client's command or pipeline costs at the least, so reads stand for round trips.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from benchmarks.processes import Tree, wait_until
from config import redis as config_redis
from config import settings as config_settings
from config.settings import Settings


@dataclass(frozen=True, slots=True)
class Usage:
    """Since the server's start."""

    cpu: float  # seconds, of its main process with all threads
    commands: int
    reads: int

    @classmethod
    def of(cls, redis: Redis) -> "Usage":
        """Ask the server."""
        info: dict[str, Any] = redis.info("everything")
        cpu = float(info["used_cpu_sys"]) + float(info["used_cpu_user"])
        return cls(cpu, int(info["total_commands_processed"]), int(info["total_reads_processed"]))

    def since(self, before: "Usage", count: int) -> dict[str, float]:
        """For each of `count` messages."""
        return {
            "redis_cpu_us": (self.cpu - before.cpu) / count * 1e6,
            "redis_commands": (self.commands - before.commands) / count,
            "redis_reads": (self.reads - before.reads) / count,
        }


class Server:
    """A server that runs."""

    def __init__(self, folder: Path) -> None:
        """Start it with its data in `folder`, and wait until it answers."""
        self.settings: Settings = config_settings.load(data_dir=folder / "data")
        command = config_redis.server_command(config_redis.find_server(), self.settings)
        self._tree = Tree.start(command, folder / "redis.txt", {}, folder)
        self.redis = config_redis.connect(self.settings)
        try:
            wait_until(self._answers, "Redis answers", 20, tree=self._tree)
        except BaseException:
            self.close()
            raise

    @property
    def celery_url(self) -> str:
        """Its address as Celery spells it."""
        return config_redis.celery_url(self.settings)

    def memory(self) -> int:
        """Bytes that its data take."""
        info: dict[str, Any] = self.redis.info("memory")
        return int(info["used_memory"])

    def close(self) -> None:
        """Stop it."""
        self.redis.close()
        self._tree.end(grace=15)

    def _answers(self) -> bool:
        try:
            return bool(self.redis.ping())
        except RedisError:
            return False
