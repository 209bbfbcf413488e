"""Reading a request's body: into memory up to a limit, or, where the model streams it, into a file.

Every byte is counted as it arrives, and a body that says beforehand that it is too long is not read at all. What goes
to a file is hashed and written in the thread pool, in batches, so that the event loop stays free. S3's own framing is
taken off, and every checksum that the client sent is compared before the service sees a byte.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from config import limits
from producers.errors import ApiError
from producers.gateway import checksums, refusals
from producers.gateway.checksums import Checksum
from producers.gateway.chunked import AwsChunkedDecoder
from producers.gateway.head import Head
from producers.gateway.model import Service
from producers.gateway.route import Route
from producers.gateway.signature import UNSIGNED, Caller
from producers.seams import SpooledBody

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

#: Largest request of CreateFunction and of UpdateFunctionCode. Source: recorded error messages of CreateFunction.
MAX_CODE_REQUEST = 70_167_211

#: Largest object of one PutObject (5 GiB). Source: Amazon S3 User Guide, "Uploading objects".
MAX_OBJECT = 5 * 1024**3

#: Everything else. The largest message, 1 MiB of text, may need six times its size when JSON escapes all of it.
MAX_REQUEST = 8 * 1024**2

#: Bytes that are collected before they are handed to a thread.
_BATCH = 262_144

_STREAMING = "STREAMING-"


class CallerGone(Exception):
    """Raised when the connection ended before the body did. Nobody is there to be answered."""


@dataclass(frozen=True, slots=True)
class Body:
    """A request's body: its bytes, or the file that it was streamed to."""

    data: bytes = b""
    spooled: SpooledBody | None = None


@dataclass(frozen=True, slots=True)
class Limit:
    """How long a body may be, and what is said to one that is longer. `{size}` stands for its length."""

    size: int
    text: str


def limit_of(service: Service, route: Route | None, head: Head) -> Limit:
    """The limit of an operation; of the service, where only the body will tell the operation."""
    name = route.operation.name if route else "one"
    if service.name == "lambda" and name in ("Invoke", "InvokeWithResponseStream"):
        kind = head.headers.get("x-amz-invocation-type", "RequestResponse")
        size = limits.MAX_ASYNC_PAYLOAD if kind == "Event" else limits.MAX_SYNC_PAYLOAD
        text = f"{{size}} byte payload is too large for the {kind} invocation type (limit {size} bytes)"
        return Limit(size, text)
    if service.name == "lambda":
        sizes = {"CreateFunction": MAX_CODE_REQUEST, "UpdateFunctionCode": MAX_CODE_REQUEST}
        size = limits.MAX_INVOKE_ASYNC if name == "InvokeAsync" else sizes.get(name, MAX_REQUEST)
        return Limit(size, f"Request must be smaller than {size} bytes for the {name} operation")
    if service.protocol == "rest-xml" and route and is_spooled(route):
        return Limit(MAX_OBJECT, "Your proposed upload exceeds the maximum allowed size")
    return Limit(MAX_REQUEST, f"The request has {{size}} bytes; it must be smaller than {MAX_REQUEST} bytes.")


def is_spooled(route: Route) -> bool:
    """The body goes to a file: the model streams it, and it may be larger than memory should hold."""
    return route.operation.service.protocol == "rest-xml" and route.operation.model.has_streaming_input


@dataclass(frozen=True, slots=True)
class Coming:
    """A body that is still to come, and what is known of it by then."""

    receive: Receive
    head: Head
    service: Service
    route: Route | None  # None: only the body will tell
    caller: Caller

    @property
    def limit(self) -> Limit:
        """How long it may be."""
        return limit_of(self.service, self.route, self.head)


async def in_memory(coming: Coming) -> Body:
    """Receive a body, and compare it with everything that the client said of it.

    Raises:
        ApiError: it is too long, cut off, or is not what was signed or announced.
        CallerGone: the connection ended.
    """
    service, limit = coming.service, coming.limit
    _check_announced(coming.head, service, limit)
    data, has_more = await _next(coming.receive)
    if has_more:
        pieces, size = [data], len(data)
        while has_more and size <= limit.size:
            piece, has_more = await _next(coming.receive)
            pieces.append(piece)
            size += len(piece)
        data = b"".join(pieces)
    if len(data) > limit.size:
        raise refusals.too_large(service.protocol, limit.text.format(size=len(data)))
    coming.caller.confirm(hashlib.sha256(data).hexdigest())
    if service.protocol == "rest-xml" and coming.route is not None:
        _verify_in_memory(data, coming.head, coming.route)
    return Body(data=data)


@contextlib.asynccontextmanager
async def spooled(coming: Coming, path: Path, threads: Executor) -> AsyncIterator[Body]:
    """The same into the file `path`, written by `threads`. What the service leaves of it is removed at the end."""
    limit = coming.limit
    _check_announced(coming.head, coming.service, limit)
    upload = _Upload(path, coming.head, coming.caller, limit)
    try:
        yield Body(spooled=await _spool(coming.receive, upload, threads))
    finally:
        await asyncio.get_running_loop().run_in_executor(threads, upload.discard)


def _verify_in_memory(data: bytes, head: Head, route: Route) -> None:
    for name, value in head.headers.items() if route.operation.checks_body else ():
        kind = checksums.kind_of(name)
        if kind is not None:
            checksum = checksums.KINDS[kind]()
            checksum.update(data)
            checksums.verify(kind, checksum, value)
    if "content-md5" in head.headers:
        digest = hashlib.md5(data, usedforsecurity=False).digest()
        checksums.verify_content_md5(digest, head.headers["content-md5"])


async def _spool(receive: Receive, upload: "_Upload", threads: Executor) -> SpooledBody:
    loop = asyncio.get_running_loop()
    batch: list[bytes] = []
    collected = 0
    has_more = True
    while has_more:
        piece, has_more = await _next(receive)
        batch.append(piece)
        collected += len(piece)
        if collected >= _BATCH:
            await loop.run_in_executor(threads, upload.write, batch)
            batch, collected = [], 0
    return await loop.run_in_executor(threads, upload.finish, batch)


class _Upload:
    """One body on its way to a file; its methods block and are called in threads, one after the other."""

    def __init__(self, path: Path, head: Head, caller: Caller, limit: Limit) -> None:
        self._path = path
        self._head = head
        self._caller = caller
        self._limit = limit
        self._file: IO[bytes] | None = None
        self._size = 0
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha256 = hashlib.sha256()
        self._checksums: dict[str, Checksum] = {}
        for header in [*head.headers, *head.headers.get("x-amz-trailer", "").split(",")]:
            kind = checksums.kind_of(header)
            if kind is not None:
                self._checksums[kind] = checksums.KINDS[kind]()
        self._decoder = _decoder(head, caller)

    def write(self, batch: list[bytes]) -> None:
        """Decode, hash and write the next bytes."""
        for piece in batch:
            for decoded in self._decoder.feed(piece) if self._decoder else (piece,):
                self._keep(decoded)

    def _keep(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._limit.size:
            raise ApiError("EntityTooLarge", self._limit.text)
        self._md5.update(data)
        self._sha256.update(data)
        for checksum in self._checksums.values():
            checksum.update(data)
        self._open().write(data)

    def _open(self) -> IO[bytes]:
        if self._file is None:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = self._path.open("xb")
        return self._file

    def finish(self, batch: list[bytes]) -> SpooledBody:
        """Take the last bytes, and compare the whole with what the client said of it."""
        self.write(batch)
        if self._decoder is not None:
            self._decoder.finish()
        self._open().close()
        self._check_length()
        if self._decoder is None:
            self._caller.confirm(self._sha256.hexdigest())
        return SpooledBody(
            path=self._path,
            size=self._size,
            md5=self._md5.hexdigest(),
            sha256=self._sha256.hexdigest(),
            checksums=self._verified(),
        )

    def _check_length(self) -> None:
        announced = self._head.headers.get("x-amz-decoded-content-length") if self._decoder else None
        if announced is not None and announced != str(self._size):
            text = f"The request body terminated unexpectedly: {self._size} bytes came, {announced} were announced."
            raise ApiError("IncompleteBody", text)

    def _verified(self) -> Mapping[str, str]:
        trailer = self._decoder.trailer if self._decoder else {}
        values = {**self._head.headers, **trailer}
        verified: dict[str, str] = {}
        for kind, checksum in self._checksums.items():
            value = values.get(f"x-amz-checksum-{kind}")
            if value is None:
                raise ApiError(
                    "MalformedTrailerError", f"The trailer x-amz-checksum-{kind} was announced and is missing."
                )
            checksums.verify(kind, checksum, value)
            verified[kind.upper()] = value
        if "content-md5" in values:
            checksums.verify_content_md5(self._md5.digest(), values["content-md5"])
        return verified

    def discard(self) -> None:
        """Remove the file if the service left it where it is."""
        if self._file is not None:
            self._file.close()
            self._path.unlink(missing_ok=True)


def _decoder(head: Head, caller: Caller) -> AwsChunkedDecoder | None:
    payload = caller.payload or ""
    is_streamed = payload.startswith(_STREAMING)
    if not is_streamed and "aws-chunked" not in head.headers.get("content-encoding", "").lower():
        return None
    if not is_streamed and payload != UNSIGNED:
        # A hash of the framed bytes would cover them, but no client sends one.
        raise ApiError("InvalidRequest", f"aws-chunked goes with {UNSIGNED} or {_STREAMING}…, not with a hash.")
    return AwsChunkedDecoder(caller.chunks, signed_trailer=payload.endswith("-TRAILER"))


def _check_announced(head: Head, service: Service, limit: Limit) -> None:
    """Refuse a body by the length that its head announces."""
    announced = head.headers.get("x-amz-decoded-content-length") or head.headers.get("content-length", "0")
    if not announced.isdecimal():
        raise refusals.malformed(service.protocol, f"The length '{announced}' is not a number.")
    if int(announced) > limit.size:
        raise refusals.too_large(service.protocol, limit.text.format(size=announced))


async def _next(receive: Receive) -> tuple[bytes, bool]:
    """The next bytes of a body, and whether there are more."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise CallerGone
    return message.get("body", b""), message.get("more_body", False)


def without_aws_chunked(head: Head) -> Head:
    """The head as the service is to see it: S3's framing is not part of an object's content encoding."""
    codings = head.headers.get("content-encoding", "")
    if "aws-chunked" not in codings:
        return head
    headers = {name: value for name, value in head.headers.items() if name != "content-encoding"}
    kept = [coding.strip() for coding in codings.split(",") if coding.strip() != "aws-chunked"]
    return head.with_headers({**headers, "content-encoding": ",".join(kept)} if kept else headers)
