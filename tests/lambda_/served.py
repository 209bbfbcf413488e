"""A gateway with Lambda and Logs that answers on a port, and the clients of a user."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import uvicorn
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

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

    def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers in lower case and body of a signed request; `X_Amz_Log_Type` is the header X-Amz-Log-Type."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        signed = AWSRequest(method, self.url + path, data=body, headers=named)
        SigV4Auth(Credentials("test", "secret"), "lambda", "us-east-1").add_auth(signed)
        with closing(HTTPConnection(urlsplit(self.url).netloc, timeout=60)) as connection:
            connection.request(method, path, body, dict(signed.headers))
            with connection.getresponse() as answer:
                return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


async def _nothing_internal(*_: object) -> None:
    raise AssertionError("no internal path is asked for")


@contextmanager
def serving(settings: Settings, seams: Seams) -> Iterator[Served]:
    """A gateway with two services, in a thread of its own."""
    queue = RecordingQueue(seams)
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
