"""What a load test must hold: `p99<2s,lost==0`. Pure.

A threshold is a metric, a comparison and a value. The metrics are those of `METRICS`; lengths of time are written as
`250ms` or `2s`, counts as numbers or as a share of the accepted events, `failed<1%`, rates as numbers a second.
"""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from worker.duration import NoDuration, seconds

#: The percentiles that are told, by their names in metrics; `max` is the greatest.
PERCENTILES: Mapping[str, float] = {"p50": 50, "p90": 90, "p95": 95, "p99": 99, "p999": 99.9, "max": 100}

#: The lengths of time that are measured: what a metric's name begins with -> what it is.
LENGTHS: Mapping[str, str] = {
    "": "end to end, from the moment it was to be sent",
    "accept_": "until the 202",
    "wait_": "in the queue before the first attempt",
    "run_": "of the handler, each attempt",
}

COUNTS: Mapping[str, str] = {
    "lost": "accepted, and nobody knows of it",
    "failed": "events that were dead-lettered or dropped; of synchronous requests, function errors",
    "errors": "requests that were refused or not answered",
    "retried": "events with more than one attempt",
    "in_hand": "events that had not ended when the load test did",
    "unsent": "requests whose time had come and that were not sent",
}

RATES: Mapping[str, str] = {
    "rate": "accepted a second",
    "throughput": "ended a second",
}

#: Every metric -> what it is.
METRICS: Mapping[str, str] = {
    **{f"{prefix}{name}": f"{name} {what}" for prefix, what in LENGTHS.items() for name in PERCENTILES},
    **COUNTS,
    **RATES,
}

_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}
_FORM = re.compile(r"^\s*([a-z0-9_]+)\s*(<=|>=|==|!=|<|>)\s*(\S+)\s*$")


class NoThreshold(ValueError):
    """Raised when a text is no threshold. The text says what is one."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """One condition. `value` is in ms, a count, a share (0.01 of 1%), or a number a second."""

    text: str
    metric: str
    comparison: str
    value: float
    is_share: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one threshold went: what was found, None if there was nothing to measure."""

    threshold: Threshold
    found: float | None
    is_held: bool

    def document(self) -> dict[str, Any]:
        """As JSON keeps it."""
        return {"threshold": self.threshold.text, "found": self.found, "held": self.is_held}


#: Holds always: that is what an accepted event is.
NOTHING_LOST = Threshold("lost==0", "lost", "==", 0.0)


def thresholds_of(text: str) -> list[Threshold]:
    """All thresholds of a text, in which commas are between them; one for `lost` is always among them.

    Raises:
        NoThreshold: one is none.
    """
    found = [_threshold(part) for part in text.split(",") if part.strip()]
    return found if any(threshold.metric == "lost" for threshold in found) else [*found, NOTHING_LOST]


def judge(thresholds: list[Threshold], measured: Mapping[str, float | None], accepted: int) -> list[Verdict]:
    """How each threshold went. What could not be measured does not hold."""
    return [_judged(threshold, measured.get(threshold.metric), accepted) for threshold in thresholds]


def _judged(threshold: Threshold, found: float | None, accepted: int) -> Verdict:
    if found is not None and threshold.is_share:
        found = found / accepted if accepted else None
    is_held = found is not None and _COMPARISONS[threshold.comparison](found, threshold.value)
    return Verdict(threshold, found, is_held)


def _threshold(text: str) -> Threshold:
    match = _FORM.match(text)
    if match is None:
        raise NoThreshold(
            f"{text.strip()!r} is no threshold. Write a metric, <, <=, >, >=, == or !=, and a value: p99<2s."
        )
    metric, comparison, written = match.groups()
    if metric not in METRICS:
        raise NoThreshold(f"There is no metric {metric!r}. The metrics are: {', '.join(METRICS)}.")
    value, is_share = _value(metric, written)
    return Threshold(f"{metric}{comparison}{written}", metric, comparison, value, is_share)


def _value(metric: str, written: str) -> tuple[float, bool]:
    try:
        if metric not in COUNTS and metric not in RATES:
            return seconds(written) * 1000, False
        if metric in COUNTS and written.endswith("%"):
            return float(written[:-1]) / 100, True
        return float(written), False
    except NoDuration as problem:
        raise NoThreshold(f"{metric} is a length of time: {problem}") from None
    except ValueError:
        kind = "a number, or a share such as 1%" if metric in COUNTS else "a number a second"
        raise NoThreshold(f"{metric} is compared with {kind}, not with {written!r}.") from None
