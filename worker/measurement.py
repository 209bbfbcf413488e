"""What metrics are told of an attempt: a note for the scripts to put down and add up (`metric_notes.lua`). Pure.

An attempt counts for the minute in which it began, as on AWS, and with the age that its event had then. Both are told
by the scripts' clock: the time of the claim, and what has passed since. What is told of the attempts of a batch is put
together here, so that the script that settles them has nothing to do but to write it down.

Lengths of time lie in buckets, eight to a doubling: bucket n has those from 2^(n/8) ms up to 2^((n+1)/8) ms. Its middle
is wrong by 4.4 % at the most.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from math import floor, log2
from typing import NamedTuple

import orjson

from worker.arn import Arn, MalformedArn
from worker.clock import to_ms
from worker.function import INTERNAL_PREFIX
from worker.invocation import Attempt, FunctionError, Invocation, Lost, Outcome, Throttled

#: The condition of an event that was given up because it was part of a loop.
RECURSIVE_LOOP = "RecursiveLoop"

#: The bucket of all that is shorter than a microsecond.
LOWEST_BUCKET = -80

#: How the columns come together that are no sums.
_JOINED: Mapping[str, Callable[[int, int], int]] = {"dl": min, "al": min, "dh": max, "ah": max}


class Measured(NamedTuple):
    """What is told of one attempt."""

    record: str  # `<first second of its minute>:<function>`, and `:<qualifier>` if it was asked for
    columns: Mapping[str, int]  # as `metric_notes.lua` tells; none: nothing is told


#: Of what is no attempt, or none of a user's function.
NOTHING_MEASURED = Measured("", {})


def notes(attempts: Iterable[Measured]) -> tuple[bytes, bytes]:
    """The note of some attempts together, and those of each, in lines: for where not all of a batch count.

    Of what nothing is told there is an empty line; no note at all is empty.
    """
    lines: list[bytes] = []
    batch: dict[str, dict[str, int]] = {}
    for record, columns in attempts:
        lines.append(orjson.dumps({record: columns}) if columns else b"")
        lines.append(b"\n")
        if not columns:
            continue
        together = batch.get(record)
        if together is None:
            batch[record] = dict(columns)
            continue
        for column, value in columns.items():
            before = together.get(column)
            if before is None:
                together[column] = value
            else:
                join = _JOINED.get(column)
                together[column] = join(before, value) if join else before + value
    return orjson.dumps(batch) if batch else b"", b"".join(lines)


def bucket(length_ms: float) -> int:
    """The number of the bucket of a length of time."""
    return LOWEST_BUCKET if length_ms < 0.001 else floor(log2(length_ms) * 8)


def measured_of_event(
    invocation: Invocation, attempt: Attempt | None, condition: str | None, now: datetime
) -> Measured:
    """What is told of an attempt that has ended `now`, or of an event that was given up without one."""
    if attempt is not None:
        return _measured(invocation, attempt, attempt.outcome, now)
    return _told(invocation, to_ms(now), {"y": 1}) if condition == RECURSIVE_LOOP else NOTHING_MEASURED


def measured_of_call(invocation: Invocation, attempt: Attempt | None, outcome: Outcome, now: datetime) -> Measured:
    """The same of a synchronous invocation; without an attempt only a throttle is told."""
    if attempt is not None or isinstance(outcome, Throttled):
        return _measured(invocation, attempt, outcome, now)
    return NOTHING_MEASURED


def _measured(invocation: Invocation, attempt: Attempt | None, outcome: Outcome, now: datetime) -> Measured:
    now_ms, accepted_ms = to_ms(now), to_ms(invocation.accepted_at)
    if isinstance(outcome, Throttled):
        return _told(invocation, now_ms, {"t": 1})
    if attempt is None or isinstance(outcome, Lost):
        return _told(invocation, now_ms, {"o": 1})
    began_ms = max(accepted_ms, round(now_ms - attempt.duration_ms - (attempt.init_duration_ms or 0.0)))
    age, us = began_ms - accepted_ms, round(attempt.duration_ms * 1000)
    columns = {f"d{bucket(attempt.duration_ms)}": 1, "ds": us, "dl": us, "dh": us}
    if isinstance(outcome, FunctionError):
        columns["e"] = 1
    if not invocation.is_synchronous:
        letter = "w" if invocation.attempt == 1 else "a"
        columns |= {f"{letter}{bucket(age)}": 1, f"{letter}s": age, "al": age, "ah": age}
    return _told(invocation, began_ms, columns)


def _told(invocation: Invocation, ms: int, columns: Mapping[str, int]) -> Measured:
    if invocation.function.startswith(INTERNAL_PREFIX):
        return NOTHING_MEASURED
    return Measured(f"{ms // 60_000 * 60}:{invocation.function}{_further(invocation.invoked_arn)}", columns)


@lru_cache(maxsize=4096)
def _further(invoked_arn: str) -> str:
    """`:` and the version or alias that was asked for; empty if none was."""
    try:
        name, _, qualifier = Arn.parse(invoked_arn).resource.removeprefix("function:").partition(":")
    except MalformedArn:
        return ""
    return f":{qualifier}" if name and qualifier else ""
