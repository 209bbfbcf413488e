"""What every service is handed when it is built, and what the gateway hands to each of its methods."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from redis import Redis
from redis.client import Pipeline

from config.settings import Settings
from worker.clock import Clock
from worker.keys import Keys


class TargetMissing(Exception):
    """Raised by `Deliver` when the target does not exist or cannot receive this. The text begins with the ARN."""


class Deliver(Protocol):
    """Hands an event to whatever an ARN names: a function, an SQS queue, an SNS topic, an event bus."""

    def __call__(
        self,
        pipe: Pipeline,
        target_arn: str,
        payload: bytes,
        *,
        source: str,
        trace_header: str | None = None,
        attributes: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        """Add to `pipe` the commands that hand `payload` to the target. Nothing happens before the pipe is executed.

        So a service writes its own state and the events it causes in one MULTI/EXEC: both happen, or neither.
        `source` says what made the event: "aws:s3", "aws:sns", "aws.events". `attributes` are message attributes as SQS
        and SNS know them, {"RequestID": {"DataType": "String", "StringValue": …}}, a BinaryValue as text in base64;
        a function and an event bus know none and do without them.

        Raises:
            TargetMissing: there is no such target, or it does not take this payload. Nothing was added.
        """
        ...


class ObjectMissing(Exception):
    """Raised by `ReadObject` when it cannot give the object, with the code and the words that S3 has for it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class ReadObject(Protocol):
    """Reads an object of S3 for another service."""

    def __call__(self, bucket: str, key: str, version_id: str | None, most: int) -> bytes:
        """The bytes of an object of at most `most` bytes.

        Raises:
            ObjectMissing: there is no such bucket, key or version, or the object is larger.
        """
        ...


def no_objects(bucket: str, key: str, version_id: str | None, most: int) -> bytes:  # noqa: ARG001 - as `ReadObject`
    """Reads objects where there is no S3: none is there."""
    raise ObjectMissing("NoSuchBucket", "The specified bucket does not exist")


@dataclass(frozen=True, slots=True)
class Seams:
    """The world outside a service. Built once, in `services.py`; tests build their own."""

    settings: Settings
    redis: Redis  # replies are bytes
    keys: Keys
    clock: Clock
    deliver: Deliver
    read_object: ReadObject = no_objects


@dataclass(frozen=True, slots=True)
class SpooledBody:
    """A request body that was streamed to a file in the data folder, with what was computed on the way.

    The service moves the file to its place or leaves it; the gateway removes what is left after the call.
    `size` and the digests are of the decoded bytes: aws-chunked framing and trailers are already gone.
    """

    path: Path
    size: int
    md5: str  # hex
    sha256: str  # hex
    checksums: Mapping[str, str] = field(default_factory=dict)  # {"CRC32": base64, …} that the client sent, verified


@dataclass(frozen=True, slots=True)
class FileRange:
    """Bytes of a file, as a streaming member of an answer."""

    path: Path
    offset: int
    length: int


#: The events of a streaming member of an answer, each by its name in the model: {"PayloadChunk": {"Payload": b"…"}}.
#: A store that fails on the way ends the stream with an error. Closed when the caller hangs up.
EventStream = AsyncGenerator[Mapping[str, Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Request:
    """What a method may know of the call besides its parameters."""

    request_id: str
    service: str  # botocore's service name: "lambda", "s3", …
    operation: str  # AWS's name: "CreateFunction"
    base_url: str  # how the caller reached us, without a trailing slash: "http://127.0.0.1:4566"
    source_ip: str
    access_key: str
    headers: Mapping[str, str]  # names in lower case
    body: SpooledBody | None = None  # only for operations whose model streams the request body

    @property
    def trace_header(self) -> str | None:
        """The caller's X-Amzn-Trace-Id."""
        return self.headers.get("x-amzn-trace-id")


@dataclass(frozen=True, slots=True)
class Response:
    """An answer that needs more than its members: a status the model does not know (206), or a further header."""

    members: Mapping[str, Any]
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
