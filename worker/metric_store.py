"""Metrics as they lie in Redis: reads the records of a name, and adds up those of minutes that are over.

What the scripts count is first a note, and gets into records when many have come together, or somebody is about to
read (`metric_notes.lua`). Whoever reads gets minutes where they are kept still, and records of five minutes before
that. A minute that nobody has added up yet (no scheduler runs, or the virtual clock has just jumped) is joined to its
five by the reader.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import cast

from redis import Redis

from worker.keys import Keys
from worker.metrics import MINUTE, MINUTES_KEPT, PERIOD, PERIODS_KEPT, Columns
from worker.scripts import LIBRARY
from worker.transport.script import Script

#: So many records are read, or added up, with one call.
BATCH = 500


class MetricStore:
    """The metrics of one system."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        self._roll = Script.of(LIBRARY, "roll_metrics")
        self._add_up_notes = Script.of(LIBRARY, "add_up_notes")
        self._totals = Script.of(LIBRARY, "metric_totals")
        self._clock = Script.of(LIBRARY, "read_clock")

    def now(self) -> int:
        """The scripts' time, in seconds."""
        return int(self._clock.run(self._redis, [self._keys.clock], [])[1]) // 1000

    def add_up_notes(self) -> None:
        """Get into records all that has been counted so far."""
        self._add_up_notes.run(self._redis, [self._keys.metrics_new], [str(self._keys)])

    def read(self, name: str, start: int, end: int, now: int) -> list[tuple[int, Columns]]:
        """What was counted of a name from `start` up to, and without, `end`: the second at which each record begins.

        Before `first_minute(now)` there are records of five minutes, and those that begin in the range are read. There
        may be several of one time.
        """
        self.add_up_notes()
        turn = first_minute(now)
        start, end = max(start, now - PERIODS_KEPT), min(end, now + PERIOD)
        found = self._read(5, name, range(_ceiling(start, PERIOD), min(end, turn), PERIOD))
        if start < turn:
            late = self._read(1, name, self._open(name, _ceiling(start, PERIOD), _ceiling(min(end, turn), PERIOD) - 1))
            found += [(at - at % PERIOD, columns) for at, columns in late if b"z" not in columns]
        return found + self._read(1, name, range(_ceiling(max(start, turn), MINUTE), end, MINUTE))

    def active(self, since: int = 0) -> list[str]:
        """The names of which anything was counted since a time (s), sorted."""
        self.add_up_notes()
        names = self._redis.zrangebyscore(self._keys.metrics_active, since, "+inf")
        return sorted(name.decode() for name in cast("list[bytes]", names))

    def totals(self) -> dict[str, Columns]:
        """What was ever counted, by name: lengths of time in buckets of a whole doubling, no lowest and highest."""
        return totals_of(
            self._totals.run(self._redis, [self._keys.metrics, self._keys.metrics_open], [str(self._keys)])
        )

    def roll(self) -> int:
        """Add up all minutes that are over, and note what runs now; return of how many records.

        Any number of processes may do so at the same time: each record is added up once.
        """
        keys, rolled = self._keys, 0
        names = [keys.metrics_open, keys.metrics_active, keys.clock, keys.concurrency, keys.account]
        while True:
            number = int(self._roll.run(self._redis, names, [str(keys), BATCH]))
            rolled += number
            if number < BATCH:
                return rolled

    def _open(self, name: str, first: int, last: int) -> list[int]:
        """The minutes of a name that have not been added up."""
        found = cast("list[bytes]", self._redis.zrangebyscore(self._keys.metrics_open, first, last))
        parts = [member.decode().partition(":") for member in found]
        return [int(start) for start, _, of in parts if of == name]

    def _read(self, minutes: int, name: str, starts: Iterable[int]) -> list[tuple[int, Columns]]:
        found: list[tuple[int, Columns]] = []
        for batch in _batches(starts):
            pipe = self._redis.pipeline(transaction=False)
            for start in batch:
                pipe.hgetall(self._keys.metrics_of(minutes, start, name))
            answers = cast("list[Columns]", pipe.execute())
            found += [(start, columns) for start, columns in zip(batch, answers, strict=True) if columns]
        return found


def totals_of(answer: Sequence[bytes]) -> dict[str, Columns]:
    """Read what `metric_totals.lua` returns."""
    found: dict[str, dict[bytes, bytes]] = {}
    for field, value in zip(answer[::2], answer[1::2], strict=True):
        name, _, column = field.partition(b"|")
        found.setdefault(name.decode(), {})[column] = value
    return dict(found)


def first_minute(now: int) -> int:
    """Since when minutes can be read one by one: the beginning of a period."""
    return now - MINUTES_KEPT - (now - MINUTES_KEPT) % PERIOD


def _batches(starts: Iterable[int]) -> Iterator[Sequence[int]]:
    iterator = iter(starts)
    while batch := list(islice(iterator, BATCH)):
        yield batch


def _ceiling(seconds: int, step: int) -> int:
    return seconds + -seconds % step
