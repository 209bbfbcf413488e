"""The nouns of one event: the `Invocation` that was asked for, and the `Outcome` of each attempt at it.

Nothing here does anything; `retry.decide` turns an outcome into a decision, and `queue.py` carries it out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime


@dataclass(slots=True)
class Invocation:
    """One request to run one function with one payload.

    The request id is the same on every attempt. `payload` is JSON in UTF-8 and is carried as bytes, never re-encoded.
    """

    request_id: str
    function: str  # name
    invoked_arn: str  # as the caller named the function; what the handler sees as context.invoked_function_arn
    payload: bytes
    accepted_at: datetime
    attempt: int = 1  # the one that is about to run, from 1
    source: str = "lambda:Invoke"  # what made the event: "lambda:Invoke", "aws:s3", "aws:sns", "aws.events"
    trace_header: str | None = None  # when it runs, with its lineage: see lineage.py
    client_context: str | None = None  # base64 JSON; only synchronous invocations have one
    is_synchronous: bool = False
    wants_stream: bool = False  # the response goes to whoever runs it in parts, as they come, and is not kept
    root: str = ""  # request id of the event that caused it all; empty: itself
    runs_before: int = 0  # of this function, in the chain of events that led to this one
    was_stopped: bool = False  # an event of that chain was not run, because there had been too many


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The handler returned. `response` is its result as JSON."""

    response: bytes


@dataclass(frozen=True, slots=True)
class FunctionError:
    """The handler raised, could not be imported, or returned what is not JSON; the process may live on."""

    response: bytes  # AWS's error object as JSON: errorMessage, errorType, requestId, stackTrace
    error_type: str
    error_message: str


@dataclass(frozen=True, slots=True)
class TimedOut(FunctionError):
    """The function's timeout passed and its process was killed."""


@dataclass(frozen=True, slots=True)
class Crashed(FunctionError):
    """The process ended in the middle: exit, signal, out of memory."""


@dataclass(frozen=True, slots=True)
class Throttled:
    """Nothing ran: the concurrency that the function has is in use. Uses up no attempt."""

    reserved_concurrency: int | None  # None: the function has none of its own, and the account's is in use


@dataclass(frozen=True, slots=True)
class Lost:
    """Nothing can be said: we failed, not the function. Uses up no attempt. `reason` is for the operator."""

    reason: str


Outcome = Succeeded | FunctionError | Throttled | Lost


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One line of a function's log."""

    timestamp_ms: int
    message: str


@dataclass(slots=True)
class Attempt:
    """How one attempt went: the outcome, and what the log and the record say of it."""

    outcome: Outcome
    started_at: datetime
    duration_ms: float
    log_stream: str = ""
    log: tuple[LogEvent, ...] = ()  # what has not been handed on while it ran
    init_duration_ms: float | None = None  # only when this attempt started the environment
    max_memory_mb: int = 0
    log_tail: bytes = b""  # the last 4 KB of the whole log, for a caller who waits


#: Is handed the parts of a streamed response, as they come.
OnChunk = Callable[[bytes], object]


def no_chunk(_: bytes) -> None:
    """Nobody wants the response in parts."""
