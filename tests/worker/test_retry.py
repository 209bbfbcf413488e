"""`decide`: every outcome, at every attempt, by a table."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.worker.conftest import failure, function
from worker.function import EventInvokeConfig, FunctionConfiguration
from worker.invocation import Crashed, Invocation, Lost, Outcome, Succeeded, Throttled, TimedOut
from worker.retry import Condition, Decision, Die, History, Retry, Succeed, backoff, decide, decide_before

START = datetime(2026, 1, 2, tzinfo=UTC)
COUNTDOWNS = (0.0, 60.0, 120.0)


def config(retries: int | None = None, age: int | None = None) -> FunctionConfiguration:
    return function(event_invoke_config=EventInvokeConfig(maximum_retry_attempts=retries, maximum_event_age=age))


def again(seconds: float, *, uses_attempt: bool = True) -> Retry:
    return Retry(timedelta(seconds=seconds), uses_attempt=uses_attempt)


TIMED_OUT = TimedOut(b"{}", "Sandbox.Timedout", "Task timed out after 3.00 seconds")
CRASHED = Crashed(b"{}", "Runtime.ExitError", "exit status 1")


@pytest.mark.parity(
    "async.life.retries-configured",
    "async.function-errors.timeout",
    "async.function-errors.crash",
    "async.throttle.until-age",
    "age.exhausted-wins",
)
@pytest.mark.parametrize(
    ("outcome", "attempt", "age", "configuration", "backoffs", "expected"),
    [
        (Succeeded(b"1"), 1, 0, function(), 0, Succeed()),
        (Succeeded(b"1"), 3, 180, function(), 0, Succeed()),
        (failure(), 1, 0, function(), 0, again(60)),
        (failure(), 2, 60, function(), 0, again(120)),
        (failure(), 3, 180, function(), 0, Die(Condition.RETRIES_EXHAUSTED)),
        (TIMED_OUT, 1, 3, function(), 0, again(60)),
        (TIMED_OUT, 3, 200, function(), 0, Die(Condition.RETRIES_EXHAUSTED)),
        (CRASHED, 1, 0, function(), 0, again(60)),
        (failure(), 1, 0, config(retries=0), 0, Die(Condition.RETRIES_EXHAUSTED)),
        (failure(), 1, 0, config(retries=1), 0, again(60)),
        (failure(), 2, 60, config(retries=1), 0, Die(Condition.RETRIES_EXHAUSTED)),
        # The age is looked at ahead: 60 s of age leave no room for a countdown of 60 s that begins now.
        (failure(), 1, 0.1, config(age=60), 0, Die(Condition.EVENT_AGE_EXCEEDED)),
        (failure(), 1, 0.1, config(age=90), 0, again(60)),
        (failure(), 2, 60.1, config(age=90), 0, Die(Condition.EVENT_AGE_EXCEEDED)),
        # Both limits on the same attempt: the attempts count.
        (failure(), 3, 21_600, config(age=60), 0, Die(Condition.RETRIES_EXHAUSTED)),
        (Throttled(0), 1, 0, function(), 0, Die(Condition.ZERO_RESERVED_CONCURRENCY)),
        (Throttled(2), 1, 0, function(), 0, again(1, uses_attempt=False)),
        (Throttled(2), 3, 0, function(), 4, again(16, uses_attempt=False)),
        (Throttled(2), 1, 50, config(age=60), 5, Die(Condition.EVENT_AGE_EXCEEDED)),
        (Lost("no process"), 1, 0, function(), 9, again(300, uses_attempt=False)),
        (Lost("no process"), 2, 21_500, function(), 9, Die(Condition.EVENT_AGE_EXCEEDED)),
    ],
)
def test_what_follows_from_an_outcome(
    outcome: Outcome,
    attempt: int,
    age: float,
    configuration: FunctionConfiguration,
    backoffs: int,
    expected: Decision,
):
    """Function errors use up attempts at 60 s and 120 s; what is not the function's fault backs off."""
    invocation = Invocation("id", "f", "arn", b"{}", START, attempt=attempt)

    decision = decide(invocation, outcome, configuration, History(backoffs), COUNTDOWNS, START + timedelta(seconds=age))

    assert decision == expected


@pytest.mark.parity("limit.event-age.default")
@pytest.mark.parametrize(
    ("configuration", "history", "age", "expected"),
    [
        (function(), History(), 0, None),
        (function(), History(), 21_600, None),
        (function(), History(), 21_601, Die(Condition.EVENT_AGE_EXCEEDED)),
        (config(age=60), History(), 61, Die(Condition.EVENT_AGE_EXCEEDED)),
        (function(), History(workers_lost=4), 0, None),
        (function(), History(workers_lost=5), 0, Die(Condition.WORKER_LOST)),
        (None, History(), 0, Die(Condition.FUNCTION_DELETED)),
    ],
)
def test_what_is_given_up_before_it_runs(
    configuration: FunctionConfiguration | None, history: History, age: float, expected: Die | None
):
    """Too old, fatal to its workers, or without a function: no attempt is made."""
    invocation = Invocation("id", "f", "arn", b"{}", START)

    decision = decide_before(invocation, configuration, history, START + timedelta(seconds=age))

    assert decision == expected


@pytest.mark.parity("limit.backoff")
def test_backoff_doubles_up_to_five_minutes():
    """1 s, 2 s, 4 s … and never more than 300 s."""
    delays = [backoff(times).total_seconds() for times in (0, 1, 2, 7, 8, 9, 1_000)]

    assert delays == [1, 2, 4, 128, 256, 300, 300]


def test_fewer_countdowns_mean_fewer_attempts():
    """The one setting holds the schedule: two countdowns are two attempts, whatever the function would like."""
    invocation = Invocation("id", "f", "arn", b"{}", START, attempt=2)

    decision = decide(invocation, failure(), function(), History(), (0.0, 5.0), START)

    assert decision == Die(Condition.RETRIES_EXHAUSTED)
