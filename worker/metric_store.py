"""Metrics as they lie in Redis: reads the periods of a function, and adds up minutes that are over.

Whoever reads gets minutes where they are kept still, and periods of five minutes before that; a period that nobody has
added up yet (no scheduler ran, or the virtual clock has jumped) is read from its minutes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, cast

from redis import Redis

from worker.keys import Keys
from worker.metrics import MINUTE, MINUTES_KEPT, PERIOD, PERIODS_KEPT
from worker.scripts import LIBRARY
from worker.transport.script import Script

#: So many periods are read, or added up, with one call.
BATCH = 500

#: The columns of a period, as Redis holds them.
Columns = Mapping[bytes, bytes]


class MetricStore:
    """The metrics of one system."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        self._roll = Script.of(LIBRARY, "roll_metrics")
        self._clock = Script.of(LIBRARY, "read_clock")

    def now(self) -> int:
        """The scripts' time, in seconds."""
        return int(self._clock.run(self._redis, [self._keys.clock], [])[1]) // 1000

    def first_minute(self, now: int) -> int:
        """Since when minutes can be read one by one, in seconds: the beginning of a period."""
        return _floor(now - MINUTES_KEPT, PERIOD)

    def read(self, name: str, start: int, end: int, now: int) -> dict[int, Columns]:
        """What was counted of a name from `start` up to, and without, `end` (s): {start of a period: columns}.

        Before `first_minute` the periods are of five minutes, and those that begin in the range are read.
        """
        start, end = max(start, now - PERIODS_KEPT), min(end, now + MINUTE)
        turn = self.first_minute(now)
        found = self._read(5, name, range(_ceiling(start, PERIOD), min(end, turn), PERIOD))
        missing = [at for at in range(_ceiling(start, PERIOD), min(end, turn), PERIOD) if at not in found]
        late = self._read(1, name, (minute for at in missing for minute in range(at, at + PERIOD, MINUTE)))
        return found | late | self._read(1, name, range(_ceiling(max(start, turn), MINUTE), end, MINUTE))

    def active(self, since: int = 0) -> list[str]:
        """The names of which anything was counted since a time (s), sorted."""
        names = self._redis.zrangebyscore(self._keys.metrics_active, since, "+inf")
        return sorted(name.decode() for name in cast("list[bytes]", names))

    def roll(self) -> int:
        """Add up all periods that are over, and note what runs now; return how many there were.

        Any number of processes may do so at the same time: a period is added up from its minutes, not added to.
        """
        keys, rolled = self._keys, 0
        names = [keys.metrics_pending, keys.metrics_active, keys.clock, keys.concurrency]
        while True:
            number = int(self._roll.run(self._redis, names, [str(keys), BATCH, PERIODS_KEPT * 1000]))
            rolled += number
            if number < BATCH:
                return rolled

    def _read(self, minutes: int, name: str, starts: Iterable[int]) -> dict[int, Columns]:
        found: dict[int, Columns] = {}
        for batch in _batches(starts):
            pipe = self._redis.pipeline(transaction=False)
            for start in batch:
                pipe.hgetall(self._keys.metrics_of(minutes, start, name))
            answers = cast("list[Any]", pipe.execute())
            found |= {start: columns for start, columns in zip(batch, answers, strict=True) if columns}
        return found


def _batches(starts: Iterable[int]) -> Iterator[Sequence[int]]:
    iterator = iter(starts)
    while batch := list(islice(iterator, BATCH)):
        yield batch


def _floor(seconds: int, step: int) -> int:
    return seconds - seconds % step


def _ceiling(seconds: int, step: int) -> int:
    return seconds + -seconds % step
