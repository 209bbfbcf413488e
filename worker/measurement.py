"""What metrics are told of an attempt, for `metrics.lua` to add up. Pure.

An attempt counts for the minute in which it began, as on AWS, and with the age that its event had then. Both are told by
the scripts' clock: the time of the claim, and what has passed since. Most of it is the same for many attempts, so it
goes as one text that the script takes apart once for all of them.

Lengths of time lie in buckets, eight to a doubling: bucket n has those from 2^(n/8) ms up to 2^((n+1)/8) ms. Its middle
is wrong by 4.4 % at the most.
"""

from datetime import datetime
from functools import lru_cache
from math import floor, log2
from typing import NamedTuple

from worker.arn import Arn, MalformedArn
from worker.clock import to_ms
from worker.invocation import Attempt, FunctionError, Invocation, Outcome, Succeeded, Throttled

#: The condition of an event that was given up because it was part of a loop.
RECURSIVE_LOOP = "RecursiveLoop"

#: The bucket of all that is shorter than a microsecond.
LOWEST_BUCKET = -80


class Measured(NamedTuple):
    """The last three arguments of `note_outcome` in `metrics.lua`."""

    group: str
    duration_us: str
    age_ms: str


#: Of what is no attempt.
NOTHING_MEASURED = Measured("", "0", "0")


def bucket(length_ms: float) -> int:
    """The number of the bucket of a length of time."""
    return LOWEST_BUCKET if length_ms < 0.001 else floor(log2(length_ms) * 8)


def measured_of_event(
    invocation: Invocation, attempt: Attempt | None, condition: str | None, now: datetime
) -> Measured:
    """What is told of an attempt that has ended `now`, or of an event that was given up without one."""
    if attempt is not None:
        return _measured(_kind(attempt.outcome), invocation, attempt, now)
    return _measured("R", invocation, None, now) if condition == RECURSIVE_LOOP else NOTHING_MEASURED


def measured_of_call(invocation: Invocation, attempt: Attempt | None, outcome: Outcome, now: datetime) -> Measured:
    """The same of a synchronous invocation; without an attempt only a throttle is told."""
    if attempt is not None or isinstance(outcome, Throttled):
        return _measured(_kind(outcome), invocation, attempt, now)
    return NOTHING_MEASURED


def _kind(outcome: Outcome) -> str:
    """Succeeded, an Error, Throttled, or Lost by us."""
    if isinstance(outcome, Succeeded):
        return "S"
    if isinstance(outcome, FunctionError):
        return "E"
    return "T" if isinstance(outcome, Throttled) else "L"


def _measured(kind: str, invocation: Invocation, attempt: Attempt | None, now: datetime) -> Measured:
    now_ms, further = to_ms(now), _further(invocation.invoked_arn)
    if attempt is None or kind not in "SE":
        return Measured(f"{kind} {_minute(now_ms)} - -{further}", "0", "0")
    accepted_ms = to_ms(invocation.accepted_at)
    began_ms = max(accepted_ms, round(now_ms - attempt.duration_ms - (attempt.init_duration_ms or 0.0)))
    age_ms = began_ms - accepted_ms
    letter = "w" if invocation.attempt == 1 else "a"
    age = "-" if invocation.is_synchronous else f"{letter}{bucket(age_ms)}"
    group = f"{kind} {_minute(began_ms)} d{bucket(attempt.duration_ms)} {age}{further}"
    return Measured(group, str(round(attempt.duration_ms * 1000)), str(age_ms))


def _minute(ms: int) -> int:
    """The second at which the minute of a time begins."""
    return ms // 60_000 * 60


@lru_cache(maxsize=4096)
def _further(invoked_arn: str) -> str:
    """`:` and the version or alias that was asked for; empty if none was."""
    try:
        name, _, qualifier = Arn.parse(invoked_arn).resource.removeprefix("function:").partition(":")
    except MalformedArn:
        return ""
    return f":{qualifier}" if name and qualifier else ""
