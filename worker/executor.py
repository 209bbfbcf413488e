"""One attempt, from the message to the settlement: claim, run, decide, settle.

If this process dies at any instruction, the event is still under its lease; the lease ends, and a sweep makes the event
ready again. If Redis is away when the attempt has ended, the result is kept and settled when it is back.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol, TypeVar

from redis.exceptions import RedisError

from worker import telemetry
from worker.claim import Claimed
from worker.clock import Clock, from_ms
from worker.function import FunctionConfiguration
from worker.invocation import Attempt, Invocation, Lost, Throttled
from worker.queue import WorkerQueue, new_token
from worker.reply import Reply
from worker.retry import Condition, Decision, Die, Retry, decide, decide_before
from worker.settlement import Settlement, settlement_of

T = TypeVar("T")


class Environments(Protocol):
    """Runs handlers: the pool of warm execution environments, or a scripted one in tests."""

    def run(self, function: FunctionConfiguration, invocation: Invocation) -> Attempt:
        """Run `invocation` in an environment of `function`. Never raises for what the function does."""
        ...


class Executor:
    """Runs attempts. Any number of threads may call it at once.

    `wait` is called between two tries to reach Redis, with seconds; it returns True when the worker is to stop.
    """

    def __init__(
        self,
        queue: WorkerQueue,
        environments: Environments,
        countdowns: tuple[float, ...],
        clock: Clock,
        wait: Callable[[float], bool],
    ) -> None:
        self._queue = queue
        self._environments = environments
        self._countdowns = countdowns
        self._clock = clock
        self._wait = wait

    def attempt(self, request_id: str) -> None:
        """Make the attempt that the message of `request_id` stands for, if it is still to be made."""
        token = new_token()
        claimed = self._patiently("claiming an event", lambda: self._queue.claim(request_id, token))
        if claimed is None:
            return
        attempt, decision = self._run(claimed)
        settlement = settlement_of(claimed, attempt, decision, self._now(claimed, attempt))
        is_ours = self._patiently("settling an attempt", lambda: self._queue.settle(settlement))
        _tell(claimed, attempt, decision, settlement, is_ours)

    def call(self, request_id: str) -> None:
        """Run a synchronous invocation and answer its caller. There is no second attempt."""
        token = new_token()
        claimed = self._patiently("claiming a call", lambda: self._queue.claim_call(request_id, token))
        if claimed is None:
            return
        function = claimed.function
        if function is None:
            reply = Reply(Lost("the function was deleted meanwhile"))
        elif claimed.throttled_at is not None:
            reply = Reply(Throttled(claimed.throttled_at))
        else:
            attempt = self._environments.run(function, claimed.invocation)
            reply = Reply.of(attempt)
            self._patiently(
                "writing a log", lambda: self._queue.write_log(function.name, attempt.log_stream, attempt.log)
            )
        self._patiently("answering a call", lambda: self._queue.settle_call(claimed, reply))

    def _run(self, claimed: Claimed) -> tuple[Attempt | None, Decision]:
        """The attempt, None where there was nothing to run, and what follows from it."""
        invocation, function = claimed.invocation, claimed.function
        given_up = decide_before(invocation, function, claimed.history, from_ms(claimed.now_ms))
        if given_up is not None or function is None:
            return None, given_up or Die(Condition.FUNCTION_DELETED)
        if claimed.throttled_at is not None:
            attempt = self._without_running(Throttled(claimed.throttled_at))
        else:
            attempt = self._environments.run(function, invocation)
        decision = decide(
            invocation, attempt.outcome, function, claimed.history, self._countdowns, self._now(claimed, attempt)
        )
        return attempt, decision

    def _without_running(self, outcome: Throttled) -> Attempt:
        return Attempt(outcome, started_at=self._clock.now(), duration_ms=0.0)

    def _now(self, claimed: Claimed, attempt: Attempt | None) -> datetime:
        """The scripts' time at the end of the attempt: the claim's, and what the attempt took."""
        return from_ms(claimed.now_ms + (attempt.duration_ms if attempt else 0))

    def _patiently(self, doing: str, act: Callable[[], T]) -> T | None:
        """Do `act`, again and again while Redis is away; None if the worker is stopped meanwhile."""
        pause = 0.05
        while True:
            try:
                return act()
            except RedisError as error:
                telemetry.emit(telemetry.StoreAway(doing, str(error)))
                if self._wait(pause):
                    return None
                pause = min(pause * 2, 2.0)


def _tell(
    claimed: Claimed, attempt: Attempt | None, decision: Decision, settlement: Settlement, is_ours: bool | None
) -> None:
    invocation = claimed.invocation
    who = (invocation.request_id, invocation.function, invocation.attempt)
    if not is_ours:
        telemetry.emit(telemetry.LeaseLost(*who))
        return
    if attempt is not None:
        telemetry.emit(_finished(who, attempt, decision))
    if isinstance(decision, Die):
        targets = tuple(delivery.target_arn for delivery in settlement.deliveries)
        telemetry.emit(telemetry.EventDied(*who, decision.condition, targets))


def _finished(
    who: tuple[str, str, int], attempt: Attempt, decision: Decision
) -> telemetry.AttemptSucceeded | telemetry.AttemptFinished:
    outcome = attempt.outcome
    kind = type(outcome).__name__
    if kind == "Succeeded":
        return telemetry.AttemptSucceeded(*who, attempt.duration_ms)
    return telemetry.AttemptFinished(
        *who,
        outcome=kind,
        error=getattr(outcome, "error_message", None) or getattr(outcome, "reason", None),
        duration_ms=round(attempt.duration_ms, 2),
        decision=type(decision).__name__,
        next_in=decision.delay.total_seconds() if isinstance(decision, Retry) else None,
    )
