"""The embedded server, as a process that a test may kill."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from redis import Redis
from redis.exceptions import RedisError

from config import redis as config_redis
from config.settings import Settings
from tests.waiting import wait_until


@contextmanager
def server(settings: Settings, **variables: str) -> "Iterator[tuple[subprocess.Popen[bytes], Redis]]":
    """The server, with `variables` in its environment, and a client of it. It is killed at the end."""
    command = config_redis.server_command(config_redis.find_server(), settings)
    client = config_redis.connect(settings)

    def answers() -> bool:
        with suppress(RedisError):
            return bool(client.ping())
        return False

    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, **variables}) as process:
        try:
            wait_until(answers, "the server answers")
            yield process, client
        finally:
            client.close()
            process.kill()
