"""Invoke: the way of a call from the API to the queue.

Name, qualifier and payload are checked, whatever the type of the call. Concurrency is not: that is for the worker to
see when the event runs. An `Event` is answered with 202 as soon as it is stored, a `RequestResponse` with what the
handler returned, a `DryRun` with 204. The id of the request is the id of the invocation, on every attempt.
"""

import base64
from dataclasses import dataclass
from typing import Protocol

from redis.asyncio import Redis as AsyncRedis
from redis.client import Pipeline
from redis.exceptions import RedisError

from producers.errors import ApiError
from producers.lambda_.errors import function_not_found
from producers.lambda_.names import FunctionName
from producers.lambda_.payload import EMPTY, check_client_context, check_payload
from producers.lambda_.version import version_named
from producers.seams import Request, Response
from worker import qualifier
from worker.clock import Clock
from worker.errors import StoreUnavailable
from worker.function import LATEST, FunctionConfiguration
from worker.invocation import FunctionError, Invocation, Lost, Succeeded, Throttled
from worker.keys import Keys
from worker.lineage import root_of
from worker.reply import Reply


class InvocationQueue(Protocol):
    """Takes invocations; `worker.queue.EventQueue` is one."""

    def add(self, pipe: Pipeline, invocation: Invocation) -> None:
        """Add to `pipe` what stores the invocation."""
        ...

    async def enqueue(self, invocation: Invocation) -> None:
        """Store the invocation, or raise `StoreUnavailable`."""
        ...

    async def call(self, invocation: Invocation, function: FunctionConfiguration) -> Reply:
        """Have it run at once, or raise `StoreUnavailable`."""
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """One call of Invoke, as it was asked for."""

    name: FunctionName
    invocation_type: str  # "Event", "RequestResponse" or "DryRun"
    payload: bytes
    client_context: str | None
    wants_log: bool


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
        stored = await self._find(call.name)
        check_payload(call.payload or EMPTY, call.invocation_type)
        if call.client_context is not None:
            check_client_context(call.client_context)
        if call.invocation_type == "DryRun":
            return Response({"StatusCode": 204}, status=204)
        invocation = self._invocation(call, request)
        if call.invocation_type == "Event":
            await self._queue.enqueue(invocation)
            return Response({"StatusCode": 202}, status=202)
        reply = await self._queue.call(invocation, await self._version(stored, call.name, request.request_id))
        return _answer(reply, wants_log=call.wants_log)

    async def _find(self, name: FunctionName) -> bytes | str:
        """The function's stored configuration, not yet parsed: most calls need to know only that it is there."""
        stored = await self._read(self._keys.functions, name.name)
        if stored is not None and not name.is_latest:
            function = FunctionConfiguration.model_validate_json(stored)
            stored = stored if version_named(function, name.qualifier) is not None else None
        if stored is None:
            raise function_not_found(name.qualified_arn)
        return stored

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
            trace_header=request.trace_header,
            client_context=call.client_context if is_synchronous else None,
            is_synchronous=is_synchronous,
            root=root_of(request.trace_header) or "",
        )


def _answer(reply: Reply, *, wants_log: bool) -> Response:
    members: dict[str, object] = {"StatusCode": 200, "ExecutedVersion": reply.version}
    match reply.outcome:
        case Succeeded(response):
            members["Payload"] = response
        case FunctionError():
            members |= {"Payload": reply.outcome.response, "FunctionError": "Unhandled"}
        case Throttled():
            reason = "ReservedFunctionConcurrentInvocationLimitExceeded"
            raise ApiError(
                "TooManyRequestsException", "Rate Exceeded.", 429, members={"Type": "User", "Reason": reason}
            )
        case Lost(reason):
            raise ApiError(
                "ServiceException", f"The function was not run to its end: {reason}.", 500, members={"Type": "Service"}
            )
    if wants_log:
        members["LogResult"] = base64.b64encode(reply.log_tail).decode()
    return Response(members)
