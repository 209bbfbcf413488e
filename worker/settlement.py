"""What a finished attempt means for its event. Pure; `settle.lua` carries it out.

The history of attempts, the last error and the counters are written with the move itself, and so is what is sent when
the event has ended. An event that is tried again goes back as a message that holds all the next attempt needs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import orjson

from worker import event_message
from worker.claim import Claimed
from worker.clock import iso_ms
from worker.destination import Delivery, deliveries
from worker.invocation import Attempt, FunctionError, Invocation, Lost, Succeeded, Throttled
from worker.measurement import NOTHING_MEASURED, Measured
from worker.reply import Reply
from worker.retry import Condition, Decision, Die, Retry, Succeed

#: An error message is kept in the history of an event up to so many characters.
LONGEST_KEPT_MESSAGE = 1_024

#: The last error object is kept for a record that may follow later; one that is longer than so many bytes is replaced
#: by its type and message alone.
LONGEST_KEPT_RESPONSE = 65_536


@dataclass(slots=True)
class Settlement:
    """Where an event goes after an attempt, and what is written down and sent on the way."""

    claimed: Claimed
    to: str  # "waiting", "succeeded", "given_up"; "answered" for a synchronous invocation
    attempt: Attempt | None = None  # None: nothing was run
    attempts_made: int = 0
    summary: dict[str, Any] | None = None  # of the attempt, for the event's history
    delay_ms: int = 0  # until the next attempt
    uses_attempt: bool = False
    next_message: bytes = b""  # of "waiting": the envelope
    condition: Condition | None = None  # why it was given up
    fields: Mapping[str, str | int] = field(default_factory=dict)  # of the record
    deliveries: tuple[Delivery, ...] = ()
    reply: bytes = b""  # of "answered"
    measured: Measured = NOTHING_MEASURED  # what metrics are told of the attempt


def settlement_of(claimed: Claimed, attempt: Attempt | None, decision: Decision, now: datetime) -> Settlement:
    """Turn a decision about an event into what is to be written. `attempt` is None where nothing was run."""
    outcome = attempt.outcome if attempt else None
    is_real = isinstance(outcome, Succeeded | FunctionError)
    made = claimed.invocation.attempt - (0 if is_real else 1)
    summary = _summary(claimed.invocation, attempt) if attempt else None
    match decision:
        case Succeed():
            sent = deliveries(claimed.invocation, claimed.function, outcome, None, made, now)
            return Settlement(claimed, "succeeded", attempt, made, summary, deliveries=tuple(sent))
        case Retry(delay, uses_attempt):
            backoffs = 0 if uses_attempt else claimed.history.backoffs + 1
            return Settlement(
                claimed,
                "waiting",
                attempt,
                made,
                summary,
                delay_ms=int(delay.total_seconds() * 1000),
                uses_attempt=uses_attempt,
                fields=_error_fields(outcome) | {"backoffs": backoffs},
                next_message=_next_message(claimed, outcome, made + 1, backoffs),
            )
        case Die(condition):
            last = outcome if is_real else claimed.last_error
            sent = deliveries(claimed.invocation, claimed.function, last, condition, made, now)
            return Settlement(
                claimed,
                "given_up",
                attempt,
                made,
                summary,
                condition=condition,
                fields=_error_fields(outcome),
                deliveries=tuple(sent),
            )


def answer_of(claimed: Claimed, attempt: Attempt | None, reply: Reply) -> Settlement:
    """What ends a synchronous invocation. `attempt` is None where nothing was run."""
    return Settlement(claimed, to="answered", attempt=attempt, reply=reply.encode())


def _next_message(claimed: Claimed, outcome: object, attempt: int, backoffs: int) -> bytes:
    """The event as it goes back to the queue."""
    more: dict[str, Any] = {
        name: claimed.details[name]
        for name in ("attributes", "cause", "cause_function", "counter")
        if name in claimed.details
    }
    if backoffs:
        more["backoffs"] = backoffs
    if claimed.history.workers_lost:
        more["workers_lost"] = claimed.history.workers_lost
    last_error = _kept(outcome) if isinstance(outcome, FunctionError) else claimed.last_error
    if last_error:
        more["last_error"] = event_message.error_header(last_error)
    # With the trace that it came with: the function runs once in its chain, however many attempts it takes.
    invocation = replace(claimed.invocation, attempt=attempt, trace_header=claimed.details.get("trace"))
    head = event_message.head(invocation, claimed.details["task"], **more)
    return event_message.envelope(head, claimed.details["accepted_at"])


def _error_fields(outcome: object) -> dict[str, str | int]:
    if not isinstance(outcome, FunctionError):
        return {}
    kept = _kept(outcome)
    return {
        "last_error_type": kept.error_type,
        "last_error_message": kept.error_message[:LONGEST_KEPT_MESSAGE],
        "last_response": kept.response.decode("utf-8", "replace"),
    }


def _kept(error: FunctionError) -> FunctionError:
    """The error, shortened where it is too long to be kept until the next attempt."""
    if len(error.response) <= LONGEST_KEPT_RESPONSE:
        return error
    message = error.error_message[:LONGEST_KEPT_MESSAGE]
    response = orjson.dumps({"errorMessage": message, "errorType": error.error_type})
    return FunctionError(response, error.error_type, message)


def _summary(invocation: Invocation, attempt: Attempt) -> dict[str, Any]:
    """One line of an event's history: what a person wants to see of an attempt."""
    summary: dict[str, Any] = {
        "attempt": invocation.attempt,
        "started_at": iso_ms(attempt.started_at),
        "duration_ms": round(attempt.duration_ms, 2),
        "outcome": type(attempt.outcome).__name__,
        "log_stream": attempt.log_stream,
    }
    match attempt.outcome:
        case FunctionError(_, error_type, error_message):
            summary |= {"error_type": error_type, "error_message": error_message[:LONGEST_KEPT_MESSAGE]}
        case Throttled(reserved):
            summary["reserved_concurrency"] = reserved
        case Lost(reason):
            summary["reason"] = reason
    return summary
