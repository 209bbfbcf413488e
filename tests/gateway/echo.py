"""Services that do next to nothing, and a real server in front of them."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import uvicorn
from redis.exceptions import ConnectionError as RedisConnectionError

from config.settings import Settings
from producers.errors import ApiError
from producers.gateway import Gateway
from producers.seams import FileRange, Request, Response
from tests.gateway.capture import ACCESS_KEY, SECRET
from tests.waiting import wait_until
from worker.clock import SystemClock
from worker.errors import StoreUnavailable

# ruff: noqa: ARG002, N803 - parameters of a method are the members of AWS's request, obeyed or not


class EchoLambda:
    """Answers an invocation with what it was asked."""

    async def invoke(
        self,
        request: Request,
        FunctionName: str,
        InvocationType: str = "RequestResponse",
        Payload: bytes = b"",
        Qualifier: str | None = None,
    ) -> dict[str, Any]:
        """202 for events; else the payload, or the parameters where there is none."""
        if InvocationType == "Event":
            return {"StatusCode": 202}
        asked = {"name": FunctionName, "qualifier": Qualifier, "id": request.request_id, "base": request.base_url}
        return {"StatusCode": 200, "Payload": Payload or orjson.dumps(asked), "ExecutedVersion": "$LATEST"}

    def create_function(self, request: Request, FunctionName: str, Role: str, Code: dict[str, Any]) -> dict[str, Any]:
        """Tells the size of the code."""
        return {"FunctionName": FunctionName, "CodeSize": len(Code["ZipFile"])}

    def get_function(self, request: Request, FunctionName: str) -> dict[str, Any]:
        """Fails in the way that the function's name says."""
        failures: dict[str, Exception] = {
            "redis": RedisConnectionError("Error 111 connecting to secret:6379"),
            "store": StoreUnavailable("secret"),
            "bug": ZeroDivisionError("secret"),
        }
        raise failures.get(FunctionName, ApiError("ResourceNotFoundException", "Function not found: f", 404))


class EchoS3:
    """Keeps each object in a file, and nothing about it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.requests: list[Request] = []

    def put_object(self, request: Request, Bucket: str, Key: str, ContentEncoding: str | None = None) -> dict[str, Any]:
        """Moves the body to its place, unless the key says to fail or to leave it."""
        assert request.body is not None
        self.requests.append(request)
        if Key == "left":
            raise ApiError("NoSuchBucket", "The specified bucket does not exist", 404)
        request.body.path.rename(self._path(Bucket, Key))
        return {"ETag": f'"{request.body.md5}"'}

    def get_object(self, request: Request, Bucket: str, Key: str, Range: str | None = None) -> Response:
        """The file, or its third to fifth byte if a range is asked."""
        path = self._path(Bucket, Key)
        size = path.stat().st_size if path.exists() else 10
        status, offset, length = (206, 2, 3) if Range else (200, 0, size)
        moment = datetime(2026, 1, 2, tzinfo=UTC)
        return Response({"Body": FileRange(path, offset, length), "LastModified": moment}, status=status)

    def head_object(self, request: Request, Bucket: str, Key: str) -> dict[str, Any]:
        """The length, or 404."""
        path = self._path(Bucket, Key)
        if not path.exists():
            raise ApiError("NoSuchKey", "The specified key does not exist.", 404)
        return {"ContentLength": path.stat().st_size}

    def _path(self, bucket: str, key: str) -> Path:
        return self.folder / f"{bucket}-{key}".replace("/", "_")


class EchoSqs:
    """Has no messages, ever."""

    def __init__(self) -> None:
        self.waiting = threading.Event()
        self.cancelled = threading.Event()

    async def receive_message(self, request: Request, QueueUrl: str, WaitTimeSeconds: int = 0) -> dict[str, Any]:
        """Waits, and notes when it is not waited for any more."""
        self.waiting.set()
        try:
            await asyncio.sleep(WaitTimeSeconds)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return {}

    def send_message(self, request: Request, QueueUrl: str, MessageBody: str) -> dict[str, Any]:
        """Knows no queue."""
        raise ApiError("QueueDoesNotExist", "The specified queue does not exist.")


class EchoSns:
    """Publishes to nobody."""

    def publish(self, request: Request, Message: str, TopicArn: str | None = None) -> dict[str, Any]:
        """Names the message after its text."""
        return {"MessageId": Message}


class EchoEvents:
    """Counts entries."""

    def put_events(self, request: Request, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        """Accepts everything."""
        return {"FailedEntryCount": 0, "Entries": [{"EventId": str(number)} for number in range(len(Entries))]}


async def internal(scope: Any, receive: Any, send: Any) -> None:
    """The pages below /_thrice/."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


class EchoServer:
    """A gateway that listens."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.s3 = EchoS3(folder)
        self.sqs = EchoSqs()
        self.events: list[str] = []
        self.uploads = settings.folder / "tmp"
        services = {"lambda": EchoLambda(), "s3": self.s3, "sqs": self.sqs, "sns": EchoSns(), "events": EchoEvents()}
        self.gateway = Gateway(
            services,
            settings=settings,
            clock=SystemClock(),
            credentials={ACCESS_KEY: SECRET},
            internal=internal,
            on_startup=[lambda: self.events.append("startup"), self._start],
            on_shutdown=[lambda: self.events.append("shutdown")],
        )
        self.port = 0

    async def _start(self) -> None:
        self.events.append("started")

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def listening(echo: EchoServer) -> Iterator[EchoServer]:
    """Run the server in a thread, on a free port."""
    server = uvicorn.Server(uvicorn.Config(echo.gateway, port=0, log_level="warning", lifespan="on"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started, "the server listens")
        echo.port = server.servers[0].sockets[0].getsockname()[1]
        yield echo
    finally:
        server.should_exit = True
        thread.join()
