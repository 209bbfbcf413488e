"""Stock Celery with a Redis server of its own.

Binary, configuration file and kind of socket are the same as thrice's, so the two differ in nothing below Celery.
Messages are made by the peer's own `apply_async`. Celery's application is loaded in this process too, to send them, so
there can be one such system at a time.
"""

import importlib
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

from processes import Tree, wait_until
from redis.exceptions import RedisError

from config import redis as config_redis
from config import settings as config_settings

_TMPFS = Path("/dev/shm")


class StockSystem:
    """A system that runs."""

    def __init__(self, folder: Path, payload: dict[str, Any]) -> None:
        """Start server and worker below `folder`, and wait until the server answers."""
        self._payload = payload
        settings = config_settings.load(data_dir=folder / "data")
        self._count = (_TMPFS if _TMPFS.is_dir() else folder) / f"thrice-bench-{uuid.uuid4().hex}"
        self._count.touch()
        os.environ["BENCH_BROKER"] = config_redis.celery_url(settings)
        os.environ["BENCH_COUNT"] = str(self._count)
        self._trees: dict[str, Tree] = {}
        try:
            self._start("redis", config_redis.server_command(config_redis.find_server(), settings), folder)
            with config_redis.connect(settings) as redis:
                wait_until(lambda: _answers(redis), "the peer's Redis answers", 20)
            self._start("workers", _worker_command(), folder)
            sys.modules.pop("stock_celery", None)
            self._celery = importlib.import_module("stock_celery")
        except BaseException:
            self.close()
            raise

    def _start(self, part: str, command: list[str], folder: Path) -> None:
        with (folder / f"{part}.txt").open("wb") as log:
            process = subprocess.Popen(
                command, cwd=Path(__file__).parent, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        self._trees[part] = Tree(process)

    def fill(self, count: int) -> None:
        """Put `count` messages on the queue."""
        with self._celery.app.producer_pool.acquire(block=True) as producer:
            for _ in range(count):
                self._celery.nothing.apply_async((self._payload,), producer=producer)

    def completed(self) -> int:
        """How many times the task has run."""
        return self._count.stat().st_size

    def pause(self) -> None:
        """Stop the workers where they are."""
        self._trees["workers"].send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let the workers go on."""
        self._trees["workers"].send(signal.SIGCONT)

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far, by part."""
        return {part: tree.cpu(lambda _: "all")["all"] for part, tree in self._trees.items()}

    def close(self) -> None:
        """Stop everything, the worker first."""
        for tree in reversed(self._trees.values()):
            tree.end(grace=15)
        if "stock_celery" in sys.modules:
            sys.modules.pop("stock_celery").app.close()
        self._count.unlink(missing_ok=True)


def _worker_command() -> list[str]:
    quiet = ["--without-gossip", "--without-mingle", "-l", "WARNING"]
    return [sys.executable, "-m", "celery", "-A", "stock_celery", "worker", "-P", "prefork", "-c", "2", *quiet]


def _answers(redis: Any) -> bool:
    try:
        return bool(redis.ping())
    except RedisError:
        return False
