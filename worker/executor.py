"""One attempt, from the claim to the settlement: decide whether to run, run, decide what follows, settle.

Nothing here waits: an attempt is begun, and goes on when the event loop says so. If this process dies at any
instruction, the event is still under its lease; the lease ends, and the event is ready again.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from worker import telemetry
from worker.claim import Claimed
from worker.clock import Clock, from_ms
from worker.function import FunctionConfiguration
from worker.invocation import Attempt, Invocation, Lost, OnChunk, Outcome
from worker.measurement import measured_of_call, measured_of_event
from worker.reply import Reply
from worker.retry import Condition, Decision, Die, Retry, Succeed, decide, decide_before
from worker.settlement import Settlement, answer_of, settlement_of


class Run(Protocol):
    """An invocation that runs."""

    @property
    def pid(self) -> int | None:
        """The process that it runs in, once there is one."""
        ...

    def kill(self) -> None:
        """End it now; the function is not to blame."""
        ...

    def pause_response(self) -> None:
        """Take in nothing more of a streamed response, for now."""
        ...

    def resume_response(self) -> None:
        """Take in again what the handler sends of its response."""
        ...


class Stream(Protocol):
    """Carries a streamed response to the caller who waits: a `worker.reply_stream.ReplyStream`."""

    @property
    def is_full(self) -> bool:
        """Whether the handler should wait before it writes more."""
        ...

    @property
    def is_too_long(self) -> bool:
        """Whether more was written than a streamed response may have."""
        ...

    def write(self, data: bytes) -> None:
        """Send what the handler wrote next."""
        ...

    def finish(self, finished: Callable[[], object]) -> None:
        """Call `finished` when all is there, or nobody waits for it."""
        ...

    def ending(self, reply: Reply) -> Reply:
        """What ends the response, of an attempt that ended with `reply`."""
        ...


#: Opens the stream to the caller with that request id; the function is called when it is not full any more.
OpenStream = Callable[[str, Callable[[], object]], Stream]


def opens_none(request_id: str, _on_room: Callable[[], object]) -> Stream:
    """For workers that nobody asks for a stream."""
    raise AssertionError(f"this worker was not told how to stream the response to {request_id}")


class Environments(Protocol):
    """Runs handlers: the pool of warm execution environments, or a scripted one in tests."""

    def run(
        self,
        function: FunctionConfiguration,
        invocation: Invocation,
        done: Callable[[Attempt], None],
        on_chunk: OnChunk = ...,
    ) -> Run:
        """Run `invocation` in an environment of `function`; `done` is called once, later.

        Before that `on_chunk` is called with each part of the response, if the invocation wants a stream.
        """
        ...


class Settle(Protocol):
    """Settles outcomes: `Settler.add`."""

    def __call__(self, settlement: Settlement, settled: Callable[[bool | None], object], *, at_once: bool) -> None:
        """Settle an outcome, soon or at once."""
        ...


#: Is called when an attempt runs no more, with its outcome; None where nothing was run.
Ended = Callable[[Outcome | None], None]


class Executor:
    """Runs attempts."""

    def __init__(
        self,
        environments: Environments,
        settle: Settle,
        countdowns: tuple[float, ...],
        clock: Clock,
        is_revoked: Callable[[str], bool] = lambda _: False,
        *,
        open_stream: OpenStream = opens_none,
    ) -> None:
        """Run attempts in `environments`.

        Args:
            environments: where handlers run.
            settle: takes what an attempt came to.
            countdowns: the seconds before attempts 1, 2, 3.
            clock: the worker's.
            is_revoked: whether an operator has given up the event with a request id.
            open_stream: carries streamed responses.
        """
        self._open_stream = open_stream
        self._environments = environments
        self._settle = settle
        self._countdowns = countdowns
        self._clock = clock
        self._is_revoked = is_revoked

    def will_run(self, claimed: Claimed) -> bool:
        """Whether an attempt at the event would run its handler now; else the event goes on without one."""
        return claimed.throttled is None and self._given_up(claimed) is None

    def will_answer(self, claimed: Claimed) -> bool:
        """Whether a synchronous invocation would run its handler now; else its caller is told why not."""
        return claimed.function is not None and self._refusal(claimed) is None

    def attempt(self, claimed: Claimed, ended: Ended) -> Run | None:
        """Make an attempt at an event. `ended` is called when it runs no more; None: it has already been."""
        given_up = self._given_up(claimed)
        if given_up is not None or claimed.function is None:
            self.conclude(claimed, given_up or Die(Condition.FUNCTION_DELETED))
            ended(None)
            return None
        if claimed.throttled is not None:
            throttled = Attempt(claimed.throttled, started_at=self._clock.now(), duration_ms=0.0)
            self._decide(claimed, claimed.function, throttled)
            ended(throttled.outcome)
            return None
        return self._run_event(claimed, claimed.function, ended)

    def call(self, claimed: Claimed, ended: Ended) -> Run | None:
        """Make the one attempt at a synchronous invocation, and answer its caller. `ended` as for `attempt`."""
        function = claimed.function
        refused = self._refusal(claimed) if function else Reply(Lost("the function was deleted meanwhile"))
        if refused is None and function is not None:
            return self._run_call(claimed, function, ended)
        if refused is not None:
            self._answer(claimed, None, refused)
        ended(None)
        return None

    def conclude(self, claimed: Claimed, decision: Decision, attempt: Attempt | None = None) -> None:
        """Settle an event. `attempt` is None where nothing was run, or not here: a delivery."""
        now = self._now(claimed)
        settlement = settlement_of(claimed, attempt, decision, now)
        settlement.measured = measured_of_event(claimed.invocation, attempt, settlement.condition, now)

        def settled(is_ours: bool | None) -> None:
            claimed.forget()
            _tell(settlement, decision, is_ours)

        self._settle(settlement, settled, at_once=False)

    def refuse(self, claimed: Claimed, reason: str) -> None:
        """Answer the caller of a synchronous invocation that nothing ran."""
        self._answer(claimed, None, Reply(Lost(reason)))

    def _given_up(self, claimed: Claimed) -> Die | None:
        return decide_before(claimed.invocation, claimed.function, claimed.history, self._now(claimed))

    def _run_event(self, claimed: Claimed, function: FunctionConfiguration, ended: Ended) -> Run:
        def done(attempt: Attempt) -> None:
            self._decide(claimed, function, attempt)
            ended(attempt.outcome)

        return self._environments.run(function, claimed.invocation, done)

    def _run_stream(self, claimed: Claimed, function: FunctionConfiguration, ended: Ended) -> Run:
        """Run a call whose caller reads the response while the handler writes it."""
        is_paused = False

        def take(part: bytes) -> None:
            nonlocal is_paused
            stream.write(part)
            if stream.is_too_long:
                run.kill()
            elif stream.is_full:
                is_paused = True
                run.pause_response()

        def done(attempt: Attempt) -> None:
            reply = stream.ending(Reply.of(attempt, function.version))
            stream.finish(lambda: self._answer(claimed, attempt, reply))
            ended(attempt.outcome)

        def go_on() -> None:
            nonlocal is_paused
            if is_paused:
                is_paused = False
                run.resume_response()

        stream = self._open_stream(claimed.invocation.request_id, go_on)
        run = self._environments.run(function, claimed.invocation, done, take)
        return run

    def _run_call(self, claimed: Claimed, function: FunctionConfiguration, ended: Ended) -> Run:
        if claimed.invocation.wants_stream:
            return self._run_stream(claimed, function, ended)

        def done(attempt: Attempt) -> None:
            self._answer(claimed, attempt, Reply.of(attempt, function.version))
            ended(attempt.outcome)

        return self._environments.run(function, claimed.invocation, done)

    def _refusal(self, claimed: Claimed) -> Reply | None:
        """What a synchronous caller is told at once, if his invocation is not to run."""
        if claimed.history.workers_lost:
            return Reply(Lost("the worker died while the function ran; nothing is known of what it did"))
        if self._waited_ms(claimed) > claimed.details["patience_ms"]:
            return Reply(Lost("all workers were busy for longer than the caller waits"))
        if claimed.throttled is not None:
            return Reply(claimed.throttled)
        return None

    def _waited_ms(self, claimed: Claimed) -> float:
        return (self._now(claimed) - claimed.invocation.accepted_at).total_seconds() * 1000

    def _decide(self, claimed: Claimed, function: FunctionConfiguration, attempt: Attempt) -> None:
        invocation, history = claimed.invocation, claimed.history
        decision = decide(invocation, attempt.outcome, function, history, self._countdowns, self._now(claimed))
        if not isinstance(decision, Succeed) and self._is_revoked(invocation.request_id):
            decision = Die(Condition.REVOKED)
        self.conclude(claimed, decision, attempt)

    def _answer(self, claimed: Claimed, attempt: Attempt | None, reply: Reply) -> None:
        settlement = answer_of(claimed, attempt, reply)
        settlement.measured = measured_of_call(claimed.invocation, attempt, reply.outcome, self._now(claimed))
        self._settle(settlement, lambda _: claimed.forget(), at_once=True)

    def _now(self, claimed: Claimed) -> datetime:
        """The scripts' time: the claim's, and what has passed since on the worker's own clock."""
        return from_ms(claimed.now_ms + (self._clock.monotonic() - claimed.received_at) * 1000)


def _tell(settlement: Settlement, decision: Decision, is_ours: bool | None) -> None:
    invocation = settlement.claimed.invocation
    who = (invocation.request_id, invocation.function, invocation.attempt)
    if is_ours is False:
        telemetry.emit(telemetry.LeaseLost(*who))
        return
    if settlement.attempt is not None:
        telemetry.emit(_finished(who, settlement.attempt, decision))
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
