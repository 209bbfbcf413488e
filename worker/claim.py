"""One attempt as a worker was given it: what the message and the claim say, with types. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from worker import event_message
from worker.clock import from_ms
from worker.function import FunctionConfiguration
from worker.invocation import FunctionError, Invocation, Throttled
from worker.lineage import NEVER, runs_of, with_root
from worker.qualifier import find, qualifier_of
from worker.retry import History


@dataclass(slots=True)
class Claimed:
    """One attempt, given to a worker until its lease ends."""

    invocation: Invocation
    function: FunctionConfiguration | None  # what its qualifier stands for; None: it was deleted while the event waited
    history: History
    last_error: FunctionError | None  # of the attempt before
    now_ms: float  # the scripts' time of the claim
    received_at: float  # the same moment on the worker's monotonic clock, in seconds
    lease: str  # key of the hash in which the worker's leases are
    field: str  # of that hash: proves that the event is ours
    forget: Callable[[], object]  # tells the transport that the message has been settled
    throttled: Throttled | None  # None: there is a place for it
    details: Mapping[str, Any]  # the headers of a delivery: attributes, cause, cause_function, counter

    @property
    def was_tried(self) -> bool:
        """Whether the event's history has an entry already."""
        return self.invocation.attempt > 1 or self.history.backoffs > 0


def claimed_of(
    headers: Mapping[str, Any],
    payload: bytes,
    *,
    context: bytes,
    lease: str,
    field: str,
    forget: Callable[[], object],
    redeliveries: int,
    is_refused: bool,
    received_at: float,
) -> Claimed:
    """Read the message of an event.

    Args:
        headers: of the message.
        payload: its body.
        context: what `journal.lua` gave with the lane: the scripts' time, a line feed, the function's configuration.
        lease: see `Claimed`.
        field: see `Claimed`.
        forget: see `Claimed`.
        redeliveries: how often its worker died under it since it went on the queue.
        is_refused: all of the function's reserved concurrency is in use, or all of the account's.
        received_at: see `Claimed`.
    """
    now, _, configuration = context.partition(b"\n")
    function = _function(configuration) if configuration else None
    trace, is_delivery = headers.get("trace"), headers["task"] == event_message.DELIVER
    if function is not None and not is_delivery:
        function = find(function, qualifier_of(headers["arn"]), headers["id"])
    runs = runs_of(trace, headers["function"]) if trace and not is_delivery else NEVER
    return Claimed(
        invocation=Invocation(
            request_id=headers["id"],
            function=headers["function"],
            invoked_arn=headers["arn"],
            payload=payload,
            accepted_at=from_ms(headers["accepted_at"]),
            attempt=headers.get("attempt", 1),
            source=headers["source"],
            trace_header=with_root(
                trace, headers["id"], headers["root_id"], None if is_delivery else headers["function"]
            ),
            client_context=headers.get("client_context"),
            is_synchronous=headers["task"] == event_message.CALL,
            wants_stream=bool(headers.get("stream")),
            root=headers["root_id"],
            runs_before=runs.times,
            was_stopped=runs.was_stopped,
        ),
        function=function,
        history=History(headers.get("backoffs", 0), headers.get("workers_lost", 0) + redeliveries),
        last_error=event_message.error_of(headers.get("last_error")),
        now_ms=float(now),
        received_at=received_at,
        lease=lease,
        field=field,
        forget=forget,
        throttled=Throttled(function.reserved_concurrency) if is_refused and function else None,
        details=headers,
    )


@lru_cache(maxsize=1024)
def _function(configuration: bytes) -> FunctionConfiguration:
    return FunctionConfiguration.model_validate_json(configuration)
