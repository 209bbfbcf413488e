"""Keeps account of every request of the load test: what was answered, and what became of each accepted event.

The events' records are read from Redis in large batches, past the gateway, and not while the load is on: reading must
not be part of what is measured. Only in a run so long that records would expire, or so large that they would fill the
memory, the oldest are read while it goes on. For how long records are kept is asked of one of them: an event whose
record had expired would look as if it had been lost.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, cast

from redis import Redis

from console.bench.client import FUNCTION_ERROR, REFUSED
from console.bench.histogram import Histogram
from console.bench.records import FIELDS, Fate, Moves
from worker import virtual_clock
from worker.keys import Keys

#: So many records are asked for at once.
BATCH = 500

#: So many batches are read in a row while the load is on: some 80 ms, in which no answers are counted.
_BATCHES_AT_ONCE = 8

#: So many of the oldest events are asked for how long their record is kept.
_ASKED = 20

#: Of a long run, records are read when they are so many seconds old, or a third of the time for which they are kept.
OLD = 300.0

#: So many different reasons of refusals are kept.
_REASONS = 20


@dataclass(slots=True)
class Second:
    """What was answered in one second of the run."""

    accepted: int = 0
    errors: int = 0
    accept: Histogram = field(default_factory=Histogram)


@dataclass(slots=True)
class Account:
    """The numbers and lengths of time of the whole run."""

    sent: int = 0
    accepted: int = 0
    errors: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    function_errors: int = 0  # of synchronous requests
    last_answered: float = 0.0  # seconds of the monotonic clock
    ends: Counter[str] = field(default_factory=Counter)  # state -> events
    dropped: Counter[str] = field(default_factory=Counter)  # condition -> events
    attempts: Counter[int] = field(default_factory=Counter)  # number of attempts -> events that have ended
    workers_lost: int = 0
    throttled: int = 0  # events that have ended, and were put back for the reserved concurrency before
    last_ended_ms: float = 0.0
    accept: Histogram = field(default_factory=Histogram)
    end_to_end: Histogram = field(default_factory=Histogram)
    queue_wait: Histogram = field(default_factory=Histogram)
    run: Histogram = field(default_factory=Histogram)
    seconds: dict[int, Second] = field(default_factory=dict)

    @property
    def ended(self) -> int:
        """Events that have ended, as far as their records have been read."""
        return sum(self.ends.values())


class Collector:
    """Takes the answers as they come, and reads the records of the events that were accepted."""

    def __init__(self, redis: Redis, keys: Keys, *, start: float, epoch_ms: float, is_synchronous: bool) -> None:
        """Count from `start`, a moment of the monotonic clock at which the machine's clock showed `epoch_ms`."""
        self._redis = redis
        self._keys = keys
        self._start = start
        self._epoch_ms = epoch_ms
        self._is_synchronous = is_synchronous
        self._kept: float | None = None  # for how many seconds a record is, after the end of its event
        self._open: dict[bytes, float] = {}  # request ids of accepted events -> when each was to be sent
        self.account = Account()
        self.moves = Moves()

    def take(self, answers: Sequence[Sequence[Any]], errors: dict[str, int]) -> None:
        """Count answers as a client process reports them."""
        account = self.account
        for request_id, intended, answered, kind in answers:
            account.sent += 1
            account.last_answered = max(account.last_answered, answered)
            second = account.seconds.setdefault(max(0, int(answered - self._start)), Second())
            if kind == REFUSED:
                account.errors += 1
                second.errors += 1
                continue
            account.accepted += 1
            account.function_errors += kind == FUNCTION_ERROR
            second.accepted += 1
            length = (answered - intended) * 1000
            account.accept.add(length)
            second.accept.add(length)
            if self._is_synchronous:
                account.end_to_end.add(length)
            else:
                self._open[request_id.encode()] = intended
        for reason, count in errors.items():
            known = reason in account.reasons or len(account.reasons) < _REASONS
            account.reasons[reason if known else "other reasons"] += count

    @property
    def open(self) -> int:
        """How many accepted events are not known to have ended."""
        return len(self._open)

    def read_old(self, now: float) -> None:
        """Read some of the events that were sent long before `now`, a moment of the monotonic clock."""
        if self._kept is None:
            self._kept = self._how_long_kept()
        edge = now - min(OLD, self._kept / 3 if self._kept is not None else OLD)
        for _ in range(_BATCHES_AT_ONCE):
            if not self._read_old_batch(edge):
                return

    def _how_long_kept(self) -> float | None:
        """What the records of the oldest events say; None if none of those has ended yet."""
        pipe = self._redis.pipeline(transaction=False)
        for request_id in islice(self._open, _ASKED):
            key = self._keys.event(request_id.decode())
            pipe.hget(key, "ended_at")
            pipe.pttl(key)
        answers = pipe.execute()
        for ended_at, left_ms in zip(answers[::2], answers[1::2], strict=True):
            if ended_at is not None and left_ms > 0:
                since_ms = virtual_clock.read(self._redis, self._keys).now_ms - float(ended_at)
                return (float(left_ms) + since_ms) / 1000
        return None

    def _read_old_batch(self, edge: float) -> bool:
        """Read of those that were to be sent before `edge`; whether there may be more."""
        old = [request_id for request_id, intended in islice(self._open.items(), BATCH) if intended < edge]
        # Those that have not ended go to the end of the line, so that they are not in the way of the others.
        for request_id, fate in zip(old, self._read(old), strict=True):
            intended = self._open.pop(request_id)
            if fate is None or not fate.has_ended:
                self._open[request_id] = intended
            else:
                self._count(intended, fate)
        return len(old) == BATCH

    def read(self) -> "Left":
        """Read all events that are not known to have ended; what is left of them."""
        left = Left(now_ms=virtual_clock.read(self._redis, self._keys).now_ms)
        ids = list(self._open)
        for first in range(0, len(ids), BATCH):
            batch = ids[first : first + BATCH]
            for request_id, fate in zip(batch, self._read(batch), strict=True):
                if fate is None:
                    left.lost += 1
                elif fate.has_ended:
                    self._count(self._open.pop(request_id), fate)
                else:
                    left.add(fate)
        return left

    def accepted_a_second(self) -> float:
        """From the start to the last answer."""
        return round(self.account.accepted / max(1e-3, self.account.last_answered - self._start), 1)

    def ended_a_second(self) -> float:
        """From the start to the last end that is known; of synchronous requests, to the last answer."""
        if self._is_synchronous:
            return self.accepted_a_second()
        length = max(1e-3, (self.account.last_ended_ms - self._epoch_ms) / 1000)
        return round(self.account.ended / length, 1) if self.account.ended else 0.0

    def _read(self, ids: Sequence[bytes]) -> list[Fate | None]:
        """The fates of events; None: there is no record."""
        if not ids:
            return []
        pipe = self._redis.pipeline(transaction=False)
        for request_id in ids:
            pipe.hmget(self._keys.event(request_id.decode()), FIELDS)
        found = cast("list[list[bytes | None]]", pipe.execute())
        records = [dict(zip(FIELDS, values, strict=True)) for values in found]
        return [Fate.of(record, self.moves) if record["state"] is not None else None for record in records]

    def _count(self, intended: float, fate: Fate) -> None:
        account = self.account
        account.ends[fate.state] += 1
        account.attempts[fate.attempts] += 1
        account.workers_lost += fate.workers_lost
        account.throttled += fate.throttles > 0
        if fate.state == "dropped":
            account.dropped[fate.condition] += 1
        if fate.wait_ms is not None:
            account.queue_wait.add(fate.wait_ms)
        for length in fate.runs_ms:
            account.run.add(length)
        if fate.ended_ms is not None:
            account.last_ended_ms = max(account.last_ended_ms, fate.ended_ms)
            sent_ms = self._epoch_ms + (intended - self._start) * 1000
            account.end_to_end.add(fate.ended_ms - sent_ms - fate.between_ms)


@dataclass(slots=True)
class Left:
    """Accepted events that have not ended."""

    now_ms: float  # by the scripts' clock
    lost: int = 0  # there is no record of them
    waiting: int = 0  # for their next attempt
    at_work: int = 0  # ready, or running
    retried: int = 0  # that have had more than one attempt
    throttled: int = 0  # that were put back for the reserved concurrency
    first_due_ms: float | None = None  # by the scripts' clock
    last_due_ms: float | None = None

    def add(self, fate: Fate) -> None:
        """Count one that is known."""
        self.retried += fate.attempts > 1
        self.throttled += fate.throttles > 0
        if fate.due_ms is None or fate.due_ms <= self.now_ms:
            self.at_work += 1
            return
        self.waiting += 1
        self.first_due_ms = fate.due_ms if self.first_due_ms is None else min(self.first_due_ms, fate.due_ms)
        self.last_due_ms = fate.due_ms if self.last_due_ms is None else max(self.last_due_ms, fate.due_ms)

    @property
    def in_hand(self) -> int:
        """All that are known."""
        return self.waiting + self.at_work
