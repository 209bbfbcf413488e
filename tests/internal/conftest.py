"""A whole gateway in a thread, and a worker that is moved by hand."""

import asyncio
import io
import json
import socket
import threading
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
import uvicorn
from botocore.config import Config
from redis import Redis

from config.settings import Settings
from producers import services
from producers.canary import Canary
from producers.gateway.app import Gateway
from producers.internal.app import Internal
from producers.services import Services
from tests.conftest import FakeClock
from tests.waiting import wait_until
from tests.worker.conftest import System
from worker.clock import SystemClock
from worker.keys import Keys


@dataclass(frozen=True)
class Running:
    """A gateway that answers."""

    settings: Settings
    services: Services

    def client(self, service: str) -> Any:
        """A boto3 client, as a handler makes it."""
        return boto3.client(
            service,
            endpoint_url=self.settings.gateway_url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="secret",
            config=Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}),
        )

    def get(self, path: str) -> tuple[int, Any]:
        """Status and JSON of a page below `/_thrice/`."""
        return self._ask(path, None)

    def post(self, path: str, body: bytes) -> tuple[int, Any]:
        """The same of POST."""
        return self._ask(path, body)

    def create_function(self, name: str, **fields: Any) -> str:
        """Create a function that no test runs; return its ARN."""
        package = io.BytesIO()
        with zipfile.ZipFile(package, "w") as archive:
            archive.writestr("app.py", "")
        created = self.client("lambda").create_function(
            FunctionName=name,
            Runtime="python3.11",
            Role="arn:aws:iam::000000000000:role/r",
            Handler="app.handler",
            Code={"ZipFile": package.getvalue()},
            **fields,
        )
        return str(created["FunctionArn"])

    def _ask(self, path: str, body: bytes | None) -> tuple[int, Any]:
        try:
            with urllib.request.urlopen(f"{self.settings.gateway_url}/_thrice/{path}", body, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)


@pytest.fixture
def start(settings: Settings, redis: Redis) -> Iterator[Callable[..., Running]]:
    """Starts gateways, with settings of the test's own."""
    started: list[tuple[uvicorn.Server, threading.Thread]] = []

    def start(**changes: Any) -> Running:
        listening = socket.create_server(("127.0.0.1", 0))
        own = settings.model_copy(update={"port": listening.getsockname()[1], **changes})
        built: list[Services] = []

        async def serve() -> None:
            built.append(services.build(own))
            canary = Canary(built[0].seams, built[0].queue, built[0].async_redis)
            gateway = Gateway(
                built[0].by_name,
                settings=own,
                clock=SystemClock(),
                credentials={"test": "secret"},
                internal=Internal.of(built[0], canary, own),
            )
            server = uvicorn.Server(
                uvicorn.Config(gateway, lifespan="off", log_config=None, ws="none", timeout_graceful_shutdown=5)
            )
            started.append((server, thread))
            await server.serve(sockets=[listening])
            await built[0].aclose()

        thread = threading.Thread(target=lambda: asyncio.run(serve()))
        thread.start()
        wait_until(lambda: started and started[-1][1] is thread and started[-1][0].started, "the gateway answers")
        return Running(own, built[0])

    yield start
    for server, thread in started:
        server.should_exit = True
        thread.join(30)


@pytest.fixture
def gateway(start: Callable[..., Running]) -> Running:
    """A gateway of a system whose clock may be moved."""
    return start(clock="virtual")


@pytest.fixture
def system(redis: Redis, keys: Keys, clock: FakeClock) -> System:
    """A worker whose function `f` succeeds, unless a test says otherwise."""
    return System.of(redis, keys, clock)
