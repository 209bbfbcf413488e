"""The log of one function, as the workers wrote it: stream entries with the lines of attempts (`worker/log_entry.py`).

An event's id says where it stands: its time first, then the entry and its place in there. So ids are unique, never
change, and sort as the events do.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import cast

from redis import Redis

from worker import virtual_clock
from worker.keys import Keys
from worker.log_entry import lines_of

#: How many entries are fetched from Redis at a time.
_BATCH = 500

#: How far, in milliseconds, the clocks of two machines may differ. An entry is written after its events have happened,
#: so one that is older than the first event that is wanted, by more than this, need not be read.
_CLOCK_SKEW_MS = 60_000


@dataclass(frozen=True, slots=True, order=True)
class LogEvent:
    """One event of a log. Events are in order of their ids."""

    event_id: str  # 56 digits
    stream: str  # name of the log stream
    timestamp_ms: int
    message: str
    ingested_ms: int


@dataclass(frozen=True, slots=True)
class LogStream:
    """What is known of one log stream."""

    name: str
    first_event_ms: int
    last_event_ms: int
    created_ms: int
    last_ingested_ms: int


class FunctionLogs:
    """Reads the logs of the functions."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys

    def exists(self, function: str) -> bool:
        """Whether there is a log of the function, or a function that may get one."""
        is_function = self._redis.hexists(self._keys.functions, function)
        return bool(is_function or self._redis.exists(self._keys.log(function)))

    def forget(self, function: str) -> None:
        """Delete the log of the function. What it writes later begins a new one."""
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(self._keys.log(function), self._keys.log_marks(function))
            pipe.hdel(self._keys.log_counts, function)
            pipe.execute()

    def began_ms(self, function: str) -> int | None:
        """When the oldest entry that is kept was written; None if there is none."""
        oldest = self._read(function, "-", 1)
        return _parts(oldest[0][0])[0] if oldest else None

    def events(self, function: str, since_ms: int = 0) -> Iterator[LogEvent]:
        """The events from `since_ms` on, in no particular order."""
        for entry_id, fields in self._entries(function, since_ms):
            ingested_ms, sequence = _parts(entry_id)
            for index, (stream, timestamp_ms, message) in enumerate(lines_of(fields[b"attempts"])):
                if timestamp_ms >= since_ms:
                    event_id = f"{timestamp_ms:016d}{ingested_ms:016d}{sequence:012d}{index:012d}"
                    yield LogEvent(event_id, stream, timestamp_ms, message, ingested_ms)

    def streams(self, function: str) -> list[LogStream]:
        """The log streams, by name."""
        by_name: dict[str, list[LogEvent]] = {}
        for event in self.events(function):
            by_name.setdefault(event.stream, []).append(event)
        return [_stream(name, events) for name, events in sorted(by_name.items())]

    def _entries(self, function: str, since_ms: int) -> Iterator[tuple[bytes, dict[bytes, bytes]]]:
        # Entries carry the server's time and events that of the system, which a virtual clock may have moved ahead.
        ahead_ms = virtual_clock.read(self._redis, self._keys).offset_ms
        start = str(max(0, since_ms - ahead_ms - _CLOCK_SKEW_MS))
        while True:
            batch = self._read(function, start, _BATCH)
            yield from batch
            if len(batch) < _BATCH:
                return
            start = f"({batch[-1][0].decode()}"

    def _read(self, function: str, start: str, count: int) -> list[tuple[bytes, dict[bytes, bytes]]]:
        reply = self._redis.xrange(self._keys.log(function), min=start, count=count)
        return cast("list[tuple[bytes, dict[bytes, bytes]]]", reply)


def _stream(name: str, events: Iterable[LogEvent]) -> LogStream:
    happened = [event.timestamp_ms for event in events]
    ingested = [event.ingested_ms for event in events]
    return LogStream(name, min(happened), max(happened), min(ingested), max(ingested))


def _parts(entry_id: bytes) -> tuple[int, int]:
    """Milliseconds and sequence number of a stream entry's id."""
    milliseconds, _, sequence = entry_id.partition(b"-")
    return int(milliseconds), int(sequence)
