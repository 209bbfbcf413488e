"""The Lambda service with a queue that only records, and the small things that its tests need again and again."""

import asyncio
import io
import zipfile
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore import xform_name
from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StructureShape
from redis.client import Pipeline

from producers.errors import ApiError
from producers.lambda_.api import Lambda
from producers.seams import Request, Response, Seams
from worker.errors import FunctionNotFound
from worker.function import FunctionConfiguration
from worker.invocation import Invocation, Succeeded
from worker.reply import Reply

ROLE = "arn:aws:iam::000000000000:role/r"
ARN = "arn:aws:lambda:us-east-1:000000000000:function:f"
REQUEST_ID = "6a7e8feb-b491-4cf7-a9f1-bf3703467718"
TRACE = "Root=1-67891233-abcdef012345678912345678;Parent=463ac35c9f6413ad;Sampled=0"


def package(source: str = "def handler(event, context):\n    return event\n") -> bytes:
    """A deployment package with one module, `app`; the same bytes for the same source."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("app.py", (1980, 1, 1, 0, 0, 0)), source)
    return buffer.getvalue()


@dataclass
class RecordingQueue:
    """Keeps what it is given, and answers every synchronous call with `reply`. `seams` say what functions exist."""

    seams: Seams
    reply: Reply = field(default_factory=lambda: Reply(Succeeded(b'{"ok": 1}'), b"END\n"))
    enqueued: list[Invocation] = field(default_factory=list)
    called: list[tuple[Invocation, FunctionConfiguration]] = field(default_factory=list)
    parts: list[bytes] = field(default_factory=list)  # of a streamed answer, before `reply`
    failure: Exception | None = None

    def add(self, pipe: Pipeline, invocation: Invocation) -> None:
        """Put the request id on a Redis list within the caller's transaction."""
        pipe.rpush("test:added", invocation.request_id)
        self.enqueued.append(invocation)

    async def enqueue(self, invocation: Invocation) -> None:
        """Keep it, or fail as told; one of a function that does not exist is not kept."""
        if self.failure is not None:
            raise self.failure
        if not self.seams.redis.hexists(self.seams.keys.functions, invocation.function):
            raise FunctionNotFound(invocation.function)
        self.enqueued.append(invocation)

    async def call(self, invocation: Invocation, function: FunctionConfiguration) -> Reply:
        """Keep it, and answer."""
        self.called.append((invocation, function))
        return self.reply

    async def stream(
        self, invocation: Invocation, function: FunctionConfiguration
    ) -> AsyncGenerator[bytes | Reply, None]:
        """Keep it, and answer in parts; `failure` comes after them."""
        self.called.append((invocation, function))
        for part in self.parts:
            yield part
        if self.failure is not None:
            raise self.failure
        yield self.reply


class System:
    """Calls operations of the service as the gateway does, and checks every answer against AWS's service model."""

    def __init__(self, service: Lambda, queue: RecordingQueue, runner: asyncio.Runner) -> None:
        self.service = service
        self.queue = queue
        self._runner = runner

    def call(self, operation: str, *, headers: Mapping[str, str] | None = None, **parameters: Any) -> Any:
        """The answer's members, or the whole `Response` where there is one."""
        result = getattr(self.service, xform_name(operation))(request(operation, headers), **parameters)
        answer = self._runner.run(result) if asyncio.iscoroutine(result) else result
        check_answer("lambda", operation, answer.members if isinstance(answer, Response) else answer)
        return answer

    def create(self, name: str = "f", **parameters: Any) -> dict[str, Any]:
        """Make a function with what is required, and `parameters`."""
        required = {"Runtime": "python3.12", "Handler": "app.handler", "Role": ROLE, "Code": {"ZipFile": package()}}
        answer: dict[str, Any] = self.call("CreateFunction", FunctionName=name, **(required | parameters))
        return answer

    def refusal(self, operation: str, **parameters: Any) -> tuple[str, int, str, dict[str, Any]]:
        """Code, status, message and members of the error that the call is answered with."""
        try:
            answer = self.call(operation, **parameters)
        except ApiError as error:
            return error.code, error.status, error.message, error.members
        raise AssertionError(f"{operation} was not refused but answered {answer}")


def request(operation: str, headers: Mapping[str, str] | None = None, service: str = "lambda") -> Request:
    """What the gateway hands to a method."""
    return Request(
        request_id=REQUEST_ID,
        service=service,
        operation=operation,
        base_url="http://127.0.0.1:4566",
        source_ip="127.0.0.1",
        access_key="test",
        headers=headers or {},
    )


_MODELS: dict[str, ServiceModel] = {}


def check_answer(service: str, operation: str, members: Mapping[str, Any]) -> None:
    """See that every name in an answer is one of the service model's."""
    if service not in _MODELS:
        _MODELS[service] = ServiceModel(Loader().load_service_model(service, "service-2"), service)
    shape = _MODELS[service].operation_model(operation).output_shape
    if shape is None:
        assert members == {}
    else:
        _check(shape, members, operation)


def _check(shape: Shape, value: Any, path: str) -> None:
    if isinstance(shape, StructureShape):
        for name, member in value.items():
            assert name in shape.members, f"{path} has no member {name}"
            _check(shape.members[name], member, f"{path}.{name}")
    elif isinstance(shape, ListShape):
        for item in value:
            _check(shape.member, item, f"{path}[]")
    elif isinstance(shape, MapShape):
        for item in value.values():
            _check(shape.value, item, f"{path}{{}}")
