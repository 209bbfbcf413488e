"""What metrics are told of an attempt, for the scripts to add up (`metric_notes.lua`). Pure.

An attempt counts for the minute in which it began, as on AWS, and with the age that its event had then. Both are told
by the scripts' clock: the time of the claim, and what has passed since. Most of it is the same for many attempts, so it
goes as one text, which is taken apart once for all of them.

Lengths of time lie in buckets, eight to a doubling: bucket n has those from 2^(n/8) ms up to 2^((n+1)/8) ms. Its middle
is wrong by 4.4 % at the most.
"""

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from math import floor, log2
from typing import NamedTuple

import orjson

from worker.arn import Arn, MalformedArn
from worker.clock import to_ms
from worker.invocation import Attempt, FunctionError, Invocation, Outcome, Succeeded, Throttled

#: The condition of an event that was given up because it was part of a loop.
RECURSIVE_LOOP = "RecursiveLoop"

#: The bucket of all that is shorter than a microsecond.
LOWEST_BUCKET = -80


class Measured(NamedTuple):
    """What is told of one attempt."""

    group: str  # what is the same of many, as `metric_notes.lua` tells; empty: there was no attempt
    duration_us: int
    age_ms: int

    def line(self) -> str:
        """As `note_outcomes` in `metrics.lua` takes it."""
        return f"{self.group} {self.duration_us} {self.age_ms}" if self.group else ""


#: Of what is no attempt.
NOTHING_MEASURED = Measured("", 0, 0)


def batch_texts(attempts: Iterable[tuple[str, Measured]]) -> tuple[bytes, str]:
    """What is told of some attempts (function, what is told of each): together, and of each.

    As `note_batch` and `note_outcomes` in `metrics.lua` take them: the latter where not all of a batch count.
    """
    lines: list[str] = []
    batch: dict[str, dict[str, list[int]]] = {}
    for function, measured in attempts:
        group, duration, age = measured
        lines.append(f"{measured.line()}\n")
        if not group:
            continue
        groups = batch.setdefault(function, {})
        sums = groups.get(group)
        if sums is None:
            groups[group] = [1, duration, duration, duration, age, age, age]
            continue
        sums[0] += 1
        sums[1] += duration
        sums[2] = min(sums[2], duration)
        sums[3] = max(sums[3], duration)
        sums[4] += age
        sums[5] = min(sums[5], age)
        sums[6] = max(sums[6], age)
    return orjson.dumps(batch) if batch else b"", "".join(lines)


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
        return Measured(f"{kind} {_minute(now_ms)} - -{further}", 0, 0)
    accepted_ms = to_ms(invocation.accepted_at)
    began_ms = max(accepted_ms, round(now_ms - attempt.duration_ms - (attempt.init_duration_ms or 0.0)))
    age_ms = began_ms - accepted_ms
    letter = "w" if invocation.attempt == 1 else "a"
    age = "-" if invocation.is_synchronous else f"{letter}{bucket(age_ms)}"
    group = f"{kind} {_minute(began_ms)} d{bucket(attempt.duration_ms)} {age}{further}"
    return Measured(group, round(attempt.duration_ms * 1000), age_ms)


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
