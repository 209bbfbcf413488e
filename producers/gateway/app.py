"""The ASGI application for all services on one port.

Its main path is the list of its steps: route, authenticate, read the body, parse, check, call, serialize.

Plain methods of the services run in a pool of threads, coroutine methods on the event loop; a caller that hangs up
takes a waiting coroutine with it. A refusal (`ApiError`) is written in the caller's protocol, and so is a store that
does not answer: a 503 after which nothing has happened. Anything else is a bug of ours: its trace goes to the log, the
caller gets a 500 that names the request's id and nothing more.
"""

import asyncio
import contextlib
import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from typing import IO, Any, TypeVar

from redis.exceptions import RedisError

from config.settings import Settings
from producers.errors import ApiError
from producers.gateway import refusals
from producers.gateway.body import (
    Body,
    CallerGone,
    Coming,
    Receive,
    in_memory,
    is_spooled,
    spooled,
    without_aws_chunked,
)
from producers.gateway.errors import serialize_error
from producers.gateway.full_disk import FullDisk
from producers.gateway.head import Head
from producers.gateway.model import Operation, Service, load_services
from producers.gateway.parse import Parameters, parse, parse_form
from producers.gateway.route import Router, UnknownService
from producers.gateway.serialize import Answer, Parts, serialize
from producers.gateway.signature import Caller, SignatureVerifier
from producers.gateway.signature_v2 import with_headers_of_url
from producers.gateway.validate import Validator
from producers.seams import FileRange, Request
from worker.clock import Clock
from worker.errors import StoreUnavailable
from worker.identity import new_request_id

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Hook = Callable[[], Any]
T = TypeVar("T")

_log = logging.getLogger("thrice.gateway")

#: Threads for the methods of the services and for files.
_THREADS = 64

#: For so long nobody looks whether a caller has hung up, in seconds: most calls are answered by then.
_UNWATCHED = 0.05

#: Bytes of a file that are read and sent at once.
_PIECE = 262_144

#: Answers of these kinds have no body, whatever the service gave.
_BODILESS = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)

#: Where thrice's own pages are: not AWS's.
_INTERNAL = "/_thrice/"


class Gateway:
    """Answers boto3, the AWS CLI and every other SDK for all services that it is given."""

    def __init__(
        self,
        services: Mapping[str, object],
        *,
        settings: Settings,
        clock: Clock,
        credentials: Mapping[str, str],
        internal: AsgiApp,
        full_disk: FullDisk | None = None,
        on_startup: Sequence[Hook] = (),
        on_shutdown: Sequence[Hook] = (),
    ) -> None:
        """Prepare all tables.

        `services` maps botocore's service names to the objects whose methods are the operations; `credentials` access
        keys to secrets. `clock` must be the machine's own: callers sign with theirs. The hooks may be coroutines.
        `full_disk` is that of a Redis on this machine.
        """
        self._services = load_services(services)
        self._router = Router(self._services)
        self._signatures = SignatureVerifier(credentials, clock)
        self._validator = Validator(settings.account_id)
        self._uploads = settings.folder / "tmp"
        self._internal = internal
        self._full_disk = full_disk
        self._on_startup = on_startup
        self._on_shutdown = on_shutdown
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="gateway")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection of ASGI: a request, or the server's start and end."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["path"].startswith(_INTERNAL) or scope["type"] != "http":
            await self._internal(scope, receive, send)
        else:
            with contextlib.suppress(CallerGone):
                await self._serve(Head.of(scope), receive, send)

    async def _serve(self, head: Head, receive: Receive, send: Send) -> None:
        request_id = new_request_id()
        try:
            service = self._router.service_of(head)
        except UnknownService as unknown:
            answer = serialize_error(unknown.protocol, self._explain(unknown), request_id)
        else:
            answer = await self._answer(head, service, receive, request_id)
        if isinstance(answer.body, bytes | FileRange):
            await self._send(answer, answer.body, head, request_id, send)
        else:
            await _send_parts(answer, answer.body, head, request_id, receive, send)

    # --- the main path ------------------------------------------------------------------------------------------

    async def _answer(self, head: Head, service: Service, receive: Receive, request_id: str) -> Answer:
        """Answer a request; every way in which it can fail is an answer too."""
        try:
            return await self._steps(head, service, receive, request_id)
        except ApiError as error:
            return serialize_error(service, error, request_id, path=head.path)
        except (RedisError, StoreUnavailable) as error:
            _log.warning("The store did not answer request %s: %s", request_id, error)
            text = "The store did not answer, so this was not accepted for certain. Try again."
            refusal = ApiError(refusals.UNAVAILABLE[service.protocol], text)
            return serialize_error(service, refusal, request_id, status=503)
        except CallerGone:
            raise
        except Exception:  # noqa: BLE001 - the one place where a bug of ours becomes an answer
            _log.exception("Request %s failed", request_id)
            text = f"thrice failed; its log has the reason under the request id {request_id}."
            refusal = ApiError(refusals.INTERNAL[service.protocol], text)
            return serialize_error(service, refusal, request_id, status=500)

    async def _steps(self, head: Head, service: Service, receive: Receive, request_id: str) -> Answer:
        caller = self._signatures.authenticate(head, service)
        head = with_headers_of_url(head)
        route = None if service.protocol == "query" else self._router.route(head, service, {})
        if route is not None and caller.pending is None:
            _implemented(route.operation)  # before gigabytes are taken in
        coming = Coming(receive, head, service, route, caller)
        if route is None or not is_spooled(route):
            return await self._perform(coming, await in_memory(coming), request_id)
        async with spooled(coming, self._uploads / f"upload-{request_id}", self._threads) as body:
            return await self._perform(coming, body, request_id)

    async def _perform(self, coming: Coming, body: Body, request_id: str) -> Answer:
        """The steps of which the body is one."""
        service = coming.service
        form = parse_form(coming.head, body.data) if service.protocol == "query" else {}
        route = coming.route or self._router.route(coming.head, service, form)
        operation = _implemented(route.operation)
        head = without_aws_chunked(coming.head)
        parameters = self._validator.check(operation, parse(route, head, body.data, form))
        request = _request(head, operation, coming.caller, body, request_id)
        result = await self._call(operation, request, parameters, coming.receive)
        if self._full_disk is not None and head.method not in {"GET", "HEAD"}:
            await self._full_disk.check()
        return serialize(operation, result, request_id)

    async def _call(self, operation: Operation, request: Request, parameters: Parameters, receive: Receive) -> Any:
        """Call the method, in a thread or on the loop."""
        if operation.method is None:
            raise _not_implemented(operation)
        if not operation.is_async:
            call = partial(operation.method, request, **parameters)
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        return await _while_the_caller_waits(operation.method(request, **parameters), receive)

    def _explain(self, unknown: UnknownService) -> ApiError:
        known = ", ".join(sorted({service.name for service in self._services}))
        text = (
            f"thrice has no service '{unknown.name}'; it has {known}. Point this client at AWS, or leave the call out."
        )
        return refusals.not_implemented(unknown.protocol, text)

    # --- the answer ---------------------------------------------------------------------------------------------

    async def _send(self, answer: Answer, body: bytes | FileRange, head: Head, request_id: str, send: Send) -> None:
        if isinstance(body, bytes):
            await _start(answer, len(body), head, request_id, send)
            has_body = head.method != "HEAD" and answer.status not in _BODILESS
            await send({"type": "http.response.body", "body": body if has_body else b""})
            return
        loop = asyncio.get_running_loop()
        try:
            file = await loop.run_in_executor(self._threads, _open_at, body)
        except FileNotFoundError:
            refusal = ApiError("ServiceUnavailable", "The object was replaced at this moment. Try again.", 503)
            refused = serialize_error("rest-xml", refusal, request_id)
            assert isinstance(refused.body, bytes), "a refusal is a text"
            await self._send(refused, refused.body, head, request_id, send)
            return
        with file:
            await _start(answer, body.length, head, request_id, send)
            await self._stream(file, body.length, head, send)

    async def _stream(self, file: IO[bytes], length: int, head: Head, send: Send) -> None:
        left = 0 if head.method == "HEAD" else length
        loop = asyncio.get_running_loop()
        while left:
            piece = await loop.run_in_executor(self._threads, file.read, min(left, _PIECE))
            if not piece:
                raise EOFError(f"{file.name} is {left} bytes shorter than its record says; the answer was cut off.")
            left -= len(piece)
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body"})

    # --- start and end ------------------------------------------------------------------------------------------

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self._change(self._on_startup, "lifespan.startup", send)
            elif message["type"] == "lifespan.shutdown":
                await self._change(self._on_shutdown, "lifespan.shutdown", send)
                self._threads.shutdown()
                return

    async def _change(self, hooks: Sequence[Hook], event: str, send: Send) -> None:
        """Run the hooks, and tell the server; a hook that fails keeps the server from starting."""
        try:
            for hook in hooks:
                result = hook()
                if inspect.isawaitable(result):
                    await result
        except Exception as error:
            await send({"type": f"{event}.failed", "message": str(error)})
            raise
        await send({"type": f"{event}.complete"})


def _implemented(operation: Operation) -> Operation:
    if operation.method is None:
        raise _not_implemented(operation)
    return operation


def _not_implemented(operation: Operation) -> ApiError:
    text = f"thrice does not implement {operation}. Nothing was changed."
    return refusals.not_implemented(operation.service.protocol, text)


def _request(head: Head, operation: Operation, caller: Caller, body: Body, request_id: str) -> Request:
    return Request(
        request_id=request_id,
        service=operation.service.name,
        operation=operation.name,
        base_url=head.base_url,
        source_ip=head.source_ip,
        access_key=caller.access_key,
        headers=head.headers,
        body=body.spooled,
    )


async def _while_the_caller_waits(work: Awaitable[T], receive: Receive) -> T:
    """Do `work`; a caller who hangs up takes it with him.

    Raises:
        CallerGone: he did.
    """
    watch = _Watch(receive)
    try:
        return await work
    except asyncio.CancelledError:
        if watch.saw_the_end():
            raise CallerGone from None
        raise
    finally:
        watch.stop()


class _Watch:
    """Cancels the task that makes it when the caller hangs up; but most work is done before anybody looks."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        task = asyncio.current_task()
        assert task is not None, "requests are answered in tasks"
        self._waiting = task
        self._watching: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(_UNWATCHED, self._begin)
        self._is_gone = False

    def _begin(self) -> None:
        self._watching = asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        await _hung_up(self._receive)
        self._is_gone = True
        self._waiting.cancel()

    def saw_the_end(self) -> bool:
        """Whether it was this that cancelled the task, and nobody else did."""
        return self._is_gone and self._waiting.uncancel() == 0

    def stop(self) -> None:
        """Look no more."""
        self._timer.cancel()
        if self._watching is not None:
            self._watching.cancel()


async def _send_parts(answer: Answer, parts: Parts, head: Head, request_id: str, receive: Receive, send: Send) -> None:
    """Send a body of unknown length, each part as soon as there is one."""

    async def forward() -> None:
        async for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})

    await _start(answer, None, head, request_id, send)
    async with contextlib.aclosing(parts):
        await _while_the_caller_waits(forward(), receive)
    await send({"type": "http.response.body"})


async def _hung_up(receive: Receive) -> None:
    """Return when the caller closes the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _start(answer: Answer, length: int | None, head: Head, request_id: str, send: Send) -> None:
    headers = {**answer.headers, "x-amzn-requestid": request_id}
    if "x-amz-request-id" in answer.headers:
        headers["x-amz-id-2"] = request_id
    if length is not None and head.method != "HEAD" and answer.status not in _BODILESS:
        headers["content-length"] = str(length)
    raw = [(name.encode("latin-1"), _header_bytes(value)) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})


def _header_bytes(value: str) -> bytes:
    """A header as it was received, or as UTF-8 where it has characters of its own."""
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode()


def _open_at(part: FileRange) -> IO[bytes]:
    file = part.path.open("rb")
    file.seek(part.offset)
    return file
