"""What a finished attempt means for the record of its event. Pure; `WorkerQueue.settle` carries it out in one script.

The history of attempts, the last error and the counters are written with the move itself, and so is what is sent when
the event has ended.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import orjson

from worker.claim import Claimed
from worker.clock import iso_ms
from worker.destination import Delivery, deliveries
from worker.invocation import Attempt, FunctionError, Invocation, Lost, Succeeded, Throttled
from worker.retry import Condition, Decision, Die, Retry, Succeed

#: An error message is kept in the history of an event up to so many characters.
LONGEST_KEPT_MESSAGE = 1_024

#: The last error object is kept for a record that may follow later; one that is longer than so many bytes is replaced
#: by its type and message alone.
LONGEST_KEPT_RESPONSE = 65_536


@dataclass(frozen=True, slots=True)
class Settlement:
    """Where an event goes after an attempt, and what is written down and sent on the way."""

    claimed: Claimed
    to: str  # "waiting", "succeeded" or "given_up"
    attempt: Attempt | None = None  # None: nothing was run
    delay_ms: int = 0  # until the next attempt
    uses_attempt: bool = False
    condition: Condition | None = None  # why it was given up
    fields: dict[str, str | int] = field(default_factory=dict)  # of the record
    last_response: bytes = b""  # the error object, kept for a record that may follow later
    summary: dict[str, Any] | None = None  # of the attempt, for the event's history
    deliveries: tuple[Delivery, ...] = ()


def settlement_of(claimed: Claimed, attempt: Attempt | None, decision: Decision, now: datetime) -> Settlement:
    """Turn a decision about an event into what is to be written. `attempt` is None where nothing was run."""
    outcome = attempt.outcome if attempt else None
    is_real = isinstance(outcome, Succeeded | FunctionError)
    made = claimed.invocation.attempt - (0 if is_real else 1)
    fields: dict[str, str | int] = {"attempts_made": made, **_error_fields(outcome)}
    settlement = Settlement(
        claimed,
        to="",
        attempt=attempt,
        fields=fields,
        last_response=_kept_response(outcome) if isinstance(outcome, FunctionError) else b"",
        summary=_summary(claimed.invocation, attempt) if attempt else None,
    )
    match decision:
        case Retry(delay, uses_attempt):
            fields["backoffs"] = 0 if uses_attempt else claimed.history.backoffs + 1
            delay_ms = int(delay.total_seconds() * 1000)
            return replace(settlement, to="waiting", delay_ms=delay_ms, uses_attempt=uses_attempt)
        case Succeed():
            sent = deliveries(claimed.invocation, claimed.function, outcome, None, made, now)
            return replace(settlement, to="succeeded", deliveries=tuple(sent))
        case Die(condition):
            last = outcome if is_real else claimed.last_error
            sent = deliveries(claimed.invocation, claimed.function, last, condition, made, now)
            return replace(settlement, to="given_up", condition=condition, deliveries=tuple(sent))


def _error_fields(outcome: object) -> dict[str, str | int]:
    if not isinstance(outcome, FunctionError):
        return {}
    return {
        "last_error_type": outcome.error_type,
        "last_error_message": outcome.error_message[:LONGEST_KEPT_MESSAGE],
    }


def _kept_response(error: FunctionError) -> bytes:
    if len(error.response) <= LONGEST_KEPT_RESPONSE:
        return error.response
    return orjson.dumps({"errorMessage": error.error_message[:LONGEST_KEPT_MESSAGE], "errorType": error.error_type})


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
