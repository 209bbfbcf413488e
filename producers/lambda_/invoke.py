"""Invoke: the way of a call from the API to the queue.

Name, qualifier and payload are checked, whatever the type of the call. Concurrency is not: that is for the worker to
see when the event runs; so it is with an event that belongs to a loop, too, while who waits for an answer is told now.
An `Event` is answered with 202 as soon as it is stored, a `RequestResponse` with what the handler returned, a `DryRun`
with 204. The id of the request is the id of the invocation, on every attempt.

`stream` answers a `RequestResponse` with an event stream: the result in parts, as the worker sends them, and at the end
how it went. What is known before the first part (a throttled call, a lost one) is still a refusal of the whole.
"""

import base64
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

from redis.asyncio import Redis as AsyncRedis
from redis.client import Pipeline
from redis.exceptions import RedisError

from producers.errors import ApiError
from producers.lambda_.errors import function_not_found, recursive_invocation, throttled
from producers.lambda_.names import FunctionName
from producers.lambda_.payload import EMPTY, check_client_context, check_content_type, check_payload
from producers.lambda_.version import version_named
from producers.seams import EventStream, Request, Response
from worker import qualifier
from worker.clock import Clock
from worker.errors import FunctionNotFound, StoreUnavailable
from worker.function import LATEST, FunctionConfiguration
from worker.invocation import FunctionError, Invocation, Lost, Succeeded, Throttled
from worker.keys import Keys
from worker.lineage import root_of, runs_of
from worker.reply import Reply
from worker.retry import is_loop


class InvocationQueue(Protocol):
    """Takes invocations; `worker.queue.EventQueue` is one."""

    def add(self, pipe: Pipeline, invocation: Invocation) -> None:
        """Add to `pipe` what stores the invocation."""
        ...

    async def enqueue(self, invocation: Invocation) -> None:
        """Store the invocation, or raise `FunctionNotFound` or `StoreUnavailable`."""
        ...

    async def call(self, invocation: Invocation, function: FunctionConfiguration) -> Reply:
        """Have it run at once, or raise `StoreUnavailable`."""
        ...

    def stream(self, invocation: Invocation, function: FunctionConfiguration) -> AsyncGenerator[bytes | Reply, None]:
        """The same, with the result in parts before the reply."""
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """One call of Invoke, as it was asked for."""

    name: FunctionName
    invocation_type: str  # "Event", "RequestResponse" or "DryRun"
    payload: bytes
    client_context: str | None
    wants_log: bool
    largest: int | None = None  # payload in bytes, where it is not what the type allows
    is_traced: bool = True  # the function gets the caller's trace


class Invoker:
    """Checks calls and hands them to the queue. Lives on the event loop."""

    def __init__(self, queue: InvocationQueue, async_redis: "AsyncRedis", keys: Keys, clock: Clock) -> None:
        self._queue = queue
        self._redis = async_redis
        self._keys = keys
        self._clock = clock

    async def invoke(self, call: Call, request: Request) -> Response:
        """Do what `call` asks for.

        Raises:
            ApiError: it is refused, or could not be run.
            StoreUnavailable: Redis does not answer. Nothing was accepted.
        """
        if call.invocation_type == "Event":
            await self._take_in(call, request)
            return Response({"StatusCode": 202}, status=202)
        stored = await self._admit(call, request)
        if call.invocation_type == "DryRun":
            return Response({"StatusCode": 204}, status=204)
        function = await self._runnable(stored, call, request)
        reply = await self._queue.call(self._invocation(call, request), function)
        return _answer(reply, wants_log=call.wants_log)

    async def stream(self, call: Call, request: Request) -> Response:
        """Do what `call` asks for, and answer with an event stream.

        Raises:
            ApiError: it is refused, or could not be run.
            StoreUnavailable: Redis does not answer. Nothing was accepted.
        """
        stored = await self._admit(call, request)
        if call.invocation_type == "DryRun":
            return Response({"StatusCode": 204}, status=204)
        function = await self._runnable(stored, call, request)
        parts = self._queue.stream(self._invocation(call, request), function)
        first = await anext(parts)
        if isinstance(first, Reply) and (refusal := _refusal(first)) is not None:
            await parts.aclose()
            raise refusal
        members: dict[str, object] = {
            "StatusCode": 200,
            "ExecutedVersion": function.version,
            "EventStream": _events(first, parts, wants_log=call.wants_log),
        }
        return Response(members)

    async def _take_in(self, call: Call, request: Request) -> None:
        """Store an event, if `call` may be made. That the function exists is seen where the event is stored.

        Only a version or an alias is looked up before, and a call that will be refused: a function that does not exist
        is the first thing that a caller is told.
        """
        try:
            _check(call, request)
        except ApiError:
            await self._find(call.name)
            raise
        if not call.name.is_latest:
            await self._find(call.name)
        try:
            await self._queue.enqueue(self._invocation(call, request))
        except FunctionNotFound:
            raise function_not_found(call.name.qualified_arn) from None

    async def _admit(self, call: Call, request: Request) -> bytes | str:
        """See that `call` may be made; give the function's stored configuration."""
        stored = await self._find(call.name)
        _check(call, request)
        return stored

    async def _find(self, name: FunctionName) -> bytes | str:
        """The function's stored configuration, not yet parsed: most calls need to know only that it is there."""
        stored = await self._read(self._keys.functions, name.name)
        if stored is not None and not name.is_latest:
            function = FunctionConfiguration.model_validate_json(stored)
            stored = stored if version_named(function, name.qualifier) is not None else None
        if stored is None:
            raise function_not_found(name.qualified_arn)
        return stored

    async def _runnable(self, stored: bytes | str, call: Call, request: Request) -> FunctionConfiguration:
        """What will run at once, if it does not belong to a loop: who waits for an answer is told so now."""
        function = await self._version(stored, call.name, request.request_id)
        if is_loop(runs_of(request.trace_header, function.name).times, function):
            raise recursive_invocation()
        return function

    async def _version(self, stored: bytes | str, name: FunctionName, request_id: str) -> FunctionConfiguration:
        """What will run, of which the caller waits for so long as it may take."""
        function = FunctionConfiguration.model_validate_json(stored)
        found = qualifier.find(function, name.qualifier, request_id)
        if found is None:
            raise function_not_found(name.qualified_arn)
        if found.version == LATEST:
            return found
        version = await self._read(self._keys.versions, found.label)
        if version is None:
            raise function_not_found(name.qualified_arn)
        # Whether loops are allowed is said of the function as a whole; the version's document does not have it.
        own = {"recursive_loop": function.recursive_loop}
        return FunctionConfiguration.model_validate_json(version).model_copy(update=own)

    async def _read(self, table: str, field: str) -> bytes | str | None:
        try:
            found: bytes | str | None = await self._redis.hget(table, field)
        except RedisError as error:
            raise StoreUnavailable(str(error)) from error
        return found

    def _invocation(self, call: Call, request: Request) -> Invocation:
        is_synchronous = call.invocation_type == "RequestResponse"
        return Invocation(
            request_id=request.request_id,
            function=call.name.name,
            invoked_arn=call.name.asked_arn,
            payload=call.payload or EMPTY,
            accepted_at=self._clock.now(),
            trace_header=request.trace_header if call.is_traced else None,
            client_context=call.client_context if is_synchronous else None,
            is_synchronous=is_synchronous,
            root=root_of(request.trace_header) or "",
        )


def _check(call: Call, request: Request) -> None:
    """See that what `call` carries may be carried."""
    check_content_type(request.headers.get("content-type"))
    check_payload(call.payload or EMPTY, call.invocation_type, call.largest)
    if call.client_context is not None:
        check_client_context(call.client_context)


def _answer(reply: Reply, *, wants_log: bool) -> Response:
    members: dict[str, object] = {"StatusCode": 200, "ExecutedVersion": reply.version}
    if (refusal := _refusal(reply)) is not None:
        raise refusal
    match reply.outcome:
        case Succeeded(response):
            members["Payload"] = response
        case FunctionError():
            members |= {"Payload": reply.outcome.response, "FunctionError": "Unhandled"}
    return Response(members | _log_result(reply, wants_log=wants_log))


def _refusal(reply: Reply) -> ApiError | None:
    """What a caller is told whose invocation has no result; None: it has one."""
    match reply.outcome:
        case Throttled(reserved_concurrency):
            return throttled(is_reserved=reserved_concurrency is not None)
        case Lost(reason):
            text = f"The function was not run to its end: {reason}."
            return ApiError("ServiceException", text, 500, members={"Type": "Service"})
    return None


def _log_result(reply: Reply, *, wants_log: bool) -> dict[str, str]:
    return {"LogResult": base64.b64encode(reply.log_tail).decode()} if wants_log else {}


async def _events(first: bytes | Reply, rest: AsyncGenerator[bytes | Reply, None], *, wants_log: bool) -> EventStream:
    """The parts of a result and how it ended, by AWS's names."""
    async with aclosing(rest):
        part = first
        while not isinstance(part, Reply):
            yield {"PayloadChunk": {"Payload": part}}
            part = await anext(rest)
        if isinstance(part.outcome, Succeeded) and part.outcome.response:
            yield {"PayloadChunk": {"Payload": part.outcome.response}}
        yield {"InvokeComplete": _completion(part) | _log_result(part, wants_log=wants_log)}


def _completion(reply: Reply) -> dict[str, Any]:
    if isinstance(reply.outcome, FunctionError):
        return {"ErrorCode": "Unhandled", "ErrorDetails": reply.outcome.response.decode("utf-8", "replace")}
    refusal = _refusal(reply)  # what went wrong after the first part, too late for a status of its own
    return {"ErrorCode": refusal.code, "ErrorDetails": refusal.message} if refusal is not None else {}
