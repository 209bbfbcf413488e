"""What is run in which order, and how long the rest of it will take, roughly. Pure.

In each repetition all systems run one directly after the other, so that a slow minute of the machine does not hit one
of them alone, and each repetition begins with another one.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

#: The measurements in their order, whether they are repeated, and how long one takes at full size, in seconds: a guess
#: for as long as none has ended.
THROUGHPUT, LATENESS, CRASH, HTTP, HTTP_CRASH = "throughput", "lateness", "crash", "http", "http crash"
_IS_REPEATED = {THROUGHPUT: True, HTTP: True, LATENESS: False, CRASH: False, HTTP_CRASH: False}
_GUESS = {THROUGHPUT: 22.0, HTTP: 15.0, LATENESS: 12.0, CRASH: 30.0, HTTP_CRASH: 30.0}
_OF_HTTP = {HTTP, HTTP_CRASH}


@dataclass(frozen=True, slots=True)
class Step:
    """One system is measured once."""

    measurement: str
    system: str
    repetition: int


def steps(systems: Sequence[str], http_systems: Sequence[str], repetitions: int) -> list[Step]:
    """All there is to do."""
    found = []
    for repetition in range(repetitions):
        for measurement, is_repeated in _IS_REPEATED.items():
            if repetition == 0 or is_repeated:
                those = http_systems if measurement in _OF_HTTP else systems
                found += [Step(measurement, system, repetition) for system in _rotated(those, repetition, repetitions)]
    return found


def seconds_left(rest: Sequence[Step], took: Sequence[tuple[Step, float]]) -> float:
    """How long `rest` will take: as the same did, else as others did in the same measurement, else a guess."""
    return sum(_expected(step, took) for step in rest)


def _expected(step: Step, took: Sequence[tuple[Step, float]]) -> float:
    alike = [(done, seconds) for done, seconds in took if done.measurement == step.measurement]
    same = [seconds for done, seconds in alike if done.system == step.system]
    return statistics.mean(same or [seconds for _, seconds in alike] or [_GUESS[step.measurement]])


def _rotated(systems: Sequence[str], repetition: int, repetitions: int) -> list[str]:
    begin = len(systems) * repetition // repetitions
    return [*systems[begin:], *systems[:begin]]
