"""A gateway with Lambda and Logs that answers on a port, and the clients of a user."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import uvicorn
from botocore.config import Config

from config import redis as config_redis
from config.settings import Settings
from producers.gateway.app import Gateway
from producers.lambda_.api import Lambda
from producers.logs.api import Logs
from producers.seams import Seams
from tests.lambda_.system import RecordingQueue
from tests.waiting import wait_until
from worker.clock import SystemClock


@dataclass(frozen=True)
class Served:
    """A gateway that answers."""

    url: str
    queue: RecordingQueue

    def client(self, service: str) -> Any:
        """A boto3 client of it, which does not try again."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="secret",
            config=Config(retries={"max_attempts": 0}),
        )

    def cli(self, *arguments: str) -> str:
        """What the AWS CLI prints."""
        environment = {
            "PATH": os.environ["PATH"], "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": self.url, "HOME": "/nonexistent",
        }  # fmt: skip
        aws = Path(sys.executable).parent / "aws"
        done = subprocess.run(
            [aws, *arguments], env=environment, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


async def _nothing_internal(*_: object) -> None:
    raise AssertionError("no internal path is asked for")


@contextmanager
def serving(settings: Settings, seams: Seams) -> Iterator[Served]:
    """A gateway with two services, in a thread of its own."""
    queue = RecordingQueue()
    async_redis = config_redis.connect_async(settings)
    gateway = Gateway(
        {"lambda": Lambda(seams, queue, async_redis), "logs": Logs(seams)},
        settings=settings,
        clock=SystemClock(),
        credentials={"test": "secret"},
        internal=_nothing_internal,
    )
    server = uvicorn.Server(uvicorn.Config(gateway, port=0, lifespan="off", log_config=None, ws="none"))

    async def serve() -> None:
        await server.serve()
        await async_redis.aclose()

    thread = threading.Thread(target=asyncio.run, args=[serve()])
    thread.start()
    wait_until(lambda: server.started, "the gateway answers")
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Served(f"http://127.0.0.1:{port}", queue)
    server.should_exit = True
    thread.join()
