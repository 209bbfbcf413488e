"""What metrics are told of an attempt: one line of text for `metrics.lua`, which adds it up. Pure.

An attempt counts for the minute in which it began, as on AWS, and with the age that its event had then. Both are told by
the scripts' clock: the time of the claim, and what has passed since.
"""

from datetime import datetime
from functools import lru_cache

from worker.arn import Arn, MalformedArn
from worker.clock import to_ms
from worker.invocation import Attempt, FunctionError, Invocation, Lost, Outcome, Succeeded, Throttled

#: The condition of an event that was given up because it was part of a loop.
RECURSIVE_LOOP = "RecursiveLoop"


def measured_of_event(invocation: Invocation, attempt: Attempt | None, condition: str | None, now: datetime) -> str:
    """What is told of an attempt that has ended `now`, or of an event that was given up without one."""
    if attempt is not None:
        return _line(_kind(attempt.outcome), invocation, attempt, now)
    return _line("R", invocation, None, now) if condition == RECURSIVE_LOOP else ""


def measured_of_call(invocation: Invocation, attempt: Attempt | None, outcome: Outcome, now: datetime) -> str:
    """The same of a synchronous invocation; without an attempt only a throttle is told."""
    if attempt is not None or isinstance(outcome, Throttled):
        return _line(_kind(outcome), invocation, attempt, now)
    return ""


def _kind(outcome: Outcome) -> str:
    match outcome:
        case Succeeded():
            return "S"
        case FunctionError():
            return "E"
        case Throttled():
            return "T"
        case Lost():
            return "L"


def _line(kind: str, invocation: Invocation, attempt: Attempt | None, now: datetime) -> str:
    took_ms = attempt.duration_ms if attempt else 0.0
    init_ms = (attempt.init_duration_ms or 0.0) if attempt else 0.0
    accepted_ms = to_ms(invocation.accepted_at)
    began_ms = max(accepted_ms, round(to_ms(now) - took_ms - init_ms))
    age_ms = "" if invocation.is_synchronous else began_ms - accepted_ms
    is_first = "1" if invocation.attempt == 1 else ""
    qualifier = _qualifier(invocation.invoked_arn)
    return f"{kind} {began_ms} {round(took_ms * 1000)} {age_ms} {is_first} {qualifier}"


@lru_cache(maxsize=4096)
def _qualifier(invoked_arn: str) -> str:
    """The version or alias that was asked for; empty if none was."""
    try:
        return Arn.parse(invoked_arn).resource.partition(":")[2].partition(":")[2]
    except MalformedArn:
        return ""
