"""Lambda as a whole: the operations of each subject, Invoke, and `deliver`, which is Invoke for the other services."""

from collections.abc import Mapping

from redis.asyncio import Redis as AsyncRedis
from redis.client import Pipeline

from config import limits
from producers.errors import ApiError
from producers.lambda_ import names
from producers.lambda_.invoke import Call, InvocationQueue, Invoker
from producers.lambda_.operations.account import Account
from producers.lambda_.operations.aliases import Aliases
from producers.lambda_.operations.concurrency import Concurrency
from producers.lambda_.operations.event_invoke_configs import EventInvokeConfigs
from producers.lambda_.operations.layers import Layers
from producers.lambda_.operations.permissions import Permissions
from producers.lambda_.operations.tags import Tags
from producers.lambda_.operations.versions import Versions
from producers.lambda_.payload import EMPTY
from producers.seams import Request, Response, Seams, TargetMissing
from worker.identity import new_request_id
from worker.invocation import Invocation
from worker.lineage import root_of


class Lambda(Versions, Aliases, EventInvokeConfigs, Concurrency, Permissions, Layers, Tags, Account):
    """AWS Lambda, as far as thrice has it. `Versions` brings the functions along."""

    def __init__(self, seams: Seams, queue: InvocationQueue, async_redis: "AsyncRedis") -> None:
        super().__init__(seams)
        self._queue = queue
        self._invoker = Invoker(queue, async_redis, seams.keys, seams.clock)

    async def invoke(
        self,
        request: Request,
        FunctionName: str,
        InvocationType: str = "RequestResponse",
        LogType: str = "None",
        ClientContext: str | None = None,
        Payload: bytes = b"",
        Qualifier: str | None = None,
    ) -> Response:
        """Run a function: later (`Event`), now (`RequestResponse`), or not at all (`DryRun`)."""
        name = self._name(request, FunctionName, Qualifier)
        call = Call(name, InvocationType, Payload, ClientContext, wants_log=LogType == "Tail")
        return await self._invoker.invoke(call, request)

    async def invoke_async(self, request: Request, FunctionName: str, InvokeArgs: bytes) -> Response:
        """Run a function later, as it was asked for before there was Invoke: less payload, and no trace."""
        name = self._name(request, FunctionName)
        call = Call(name, "Event", InvokeArgs, None, wants_log=False, largest=limits.MAX_INVOKE_ASYNC, is_traced=False)
        await self._invoker.invoke(call, request)
        return Response({"Status": 202}, status=202)

    async def invoke_with_response_stream(
        self,
        request: Request,
        FunctionName: str,
        InvocationType: str = "RequestResponse",
        LogType: str = "None",
        ClientContext: str | None = None,
        Payload: bytes = b"",
        Qualifier: str | None = None,
    ) -> Response:
        """Run a function now (`RequestResponse`) or not at all (`DryRun`); its result comes as an event stream."""
        name = self._name(request, FunctionName, Qualifier)
        call = Call(name, InvocationType, Payload, ClientContext, wants_log=LogType == "Tail")
        return await self._invoker.stream(call, request)

    def deliver(
        self,
        pipe: Pipeline,
        target_arn: str,
        payload: bytes,
        *,
        source: str,
        trace_header: str | None = None,
        attributes: Mapping[str, Mapping[str, str]] | None = None,  # noqa: ARG002 - for queues and topics
    ) -> None:
        """Add to `pipe` what makes `payload` an event of the function `target_arn`; see `producers.seams.Deliver`.

        Raises:
            TargetMissing: there is no such function, version or alias, or the payload is longer than an event may be.
        """
        if len(payload) > limits.MAX_ASYNC_PAYLOAD:
            raise TargetMissing(
                f"{target_arn} takes events of {limits.MAX_ASYNC_PAYLOAD} bytes; this one has {len(payload)}"
            )
        try:
            name = names.parse(target_arn, None, self._place, "Invoke")
        except ApiError:
            raise TargetMissing(target_arn) from None
        if not self._has(name):
            raise TargetMissing(target_arn)
        invocation = Invocation(
            request_id=new_request_id(),
            function=name.name,
            invoked_arn=name.asked_arn,
            payload=payload or EMPTY,
            accepted_at=self._clock.now(),
            source=source,
            trace_header=trace_header,
            root=root_of(trace_header) or "",
        )
        self._queue.add(pipe, invocation)
