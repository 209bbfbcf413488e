"""What happens to an event after an attempt. Pure: no clock, no Redis, one table of cases.

A function's own failure uses up an attempt; the next one follows after the countdown of the schedule, until the
attempts are used up (`RetriesExhausted`). What is not the function's fault (throttled, worker lost, our own error) uses
up none and backs off 1 s, 2 s, 4 s … 300 s. Either way the event's age is looked at *ahead*: an event that would be too
old when its countdown ends is given up now (`EventAgeExceeded`), as on AWS.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from config import limits
from worker.function import FunctionConfiguration
from worker.invocation import FunctionError, Invocation, Lost, Outcome, Succeeded, Throttled

#: An event whose worker died this often under it is taken for the cause and is not run again.
MAX_WORKERS_LOST = 5


class Condition(StrEnum):
    """Why an event ended without success. The first three are AWS's; they stand in records of destinations."""

    RETRIES_EXHAUSTED = "RetriesExhausted"
    EVENT_AGE_EXCEEDED = "EventAgeExceeded"
    ZERO_RESERVED_CONCURRENCY = "ZeroReservedConcurrency"
    RECURSIVE_LOOP = "RecursiveLoop"  # its function has run too often in the chain of events that led to it
    WORKER_LOST = "WorkerLost"  # it took its worker down MAX_WORKERS_LOST times
    TARGET_MISSING = "TargetMissing"  # of a delivery: what it is for does not exist
    FUNCTION_DELETED = "FunctionDeleted"  # there is no function to run any more
    REVOKED = "Revoked"  # an operator gave it up: `celery control revoke`


@dataclass(frozen=True, slots=True)
class Succeed:
    """The event has ended well."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Another attempt is due after `delay`. `uses_attempt`: the one before counts."""

    delay: timedelta
    uses_attempt: bool


@dataclass(frozen=True, slots=True)
class Die:
    """The event is given up: to the dead-letter queue and the failure destination, where the function has them."""

    condition: Condition


Decision = Succeed | Retry | Die


@dataclass(frozen=True, slots=True)
class History:
    """What the record of an event tells about its past, besides the invocation itself."""

    backoffs: int = 0  # how often it was put back without using up an attempt, since its last real attempt
    workers_lost: int = 0  # how often its worker died under it


def decide_before(
    invocation: Invocation, function: FunctionConfiguration | None, history: History, now: datetime
) -> Die | None:
    """Whether the event must be given up before an attempt is made; None: run it."""
    if function is None:
        return Die(Condition.FUNCTION_DELETED)
    if history.workers_lost >= MAX_WORKERS_LOST:
        return Die(Condition.WORKER_LOST)
    if is_loop(invocation.runs_before, function):
        return Die(Condition.RECURSIVE_LOOP)
    if now - invocation.accepted_at > timedelta(seconds=function.maximum_event_age):
        return Die(Condition.EVENT_AGE_EXCEEDED)
    return None


def decide(
    invocation: Invocation,
    outcome: Outcome,
    function: FunctionConfiguration,
    history: History,
    countdowns: tuple[float, ...],
    now: datetime,
) -> Decision:
    """What follows from `outcome` of the attempt `invocation.attempt`.

    `countdowns` are the seconds before attempts 1, 2, 3; the function's MaximumRetryAttempts takes a prefix of them.
    """
    match outcome:
        case Succeeded():
            return Succeed()
        case FunctionError():
            if invocation.attempt >= _attempts_allowed(function, countdowns):
                return Die(Condition.RETRIES_EXHAUSTED)
            return _unless_too_old(
                Retry(timedelta(seconds=countdowns[invocation.attempt]), uses_attempt=True), invocation, function, now
            )
        case Throttled(reserved_concurrency=0):
            return Die(Condition.ZERO_RESERVED_CONCURRENCY)
        case Throttled() | Lost():
            return _unless_too_old(Retry(backoff(history.backoffs), uses_attempt=False), invocation, function, now)


def is_loop(runs_before: int, function: FunctionConfiguration) -> bool:
    """Whether an invocation is one too many, of a function that has run so often in the chain that led to it."""
    return runs_before >= limits.MAX_RUNS_IN_CHAIN and function.recursive_loop == "Terminate"


def backoff(times: int) -> timedelta:
    """How long an event waits that was already put back `times` times: 1 s, doubling, at most 300 s."""
    return timedelta(seconds=min(limits.MIN_BACKOFF * 2 ** min(times, 20), limits.MAX_BACKOFF))


def _attempts_allowed(function: FunctionConfiguration, countdowns: tuple[float, ...]) -> int:
    retries = function.maximum_retry_attempts
    return len(countdowns) if retries is None else min(len(countdowns), retries + 1)


def _unless_too_old(
    retry: Retry, invocation: Invocation, function: FunctionConfiguration, now: datetime
) -> Retry | Die:
    age_then = now + retry.delay - invocation.accepted_at
    if age_then > timedelta(seconds=function.maximum_event_age):
        return Die(Condition.EVENT_AGE_EXCEEDED)
    return retry
