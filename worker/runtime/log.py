"""The log of one environment, between the bytes that a handler prints and the events that are stored.

Output becomes one event a line; the platform adds its own lines in between. While an invocation runs, events are handed
to the sink after a second or 64 KiB, whichever is first; what is left at its end goes with the answer, so that a short
invocation costs no round trip for its log. A line without end is cut at 256 KiB.

The sink may block, so it is called among the chores, once at a time. A handler that prints faster than the sink takes
is not listened to meanwhile (`is_full`), and waits as for any slow reader.

While Redis is away the handler runs on: its log is kept and tried again every second. Beyond 4 MiB the oldest events
are dropped, and the log says how many.
"""

import time
from collections import deque
from collections.abc import Callable
from datetime import datetime

from redis.exceptions import RedisError

from config import limits
from worker.clock import Clock, to_ms
from worker.invocation import LogEvent
from worker.runtime.chores import Do

#: Is handed a function's name, the name of a log stream, and the next events of it, in any thread. If it raises
#: RedisError, it is asked again later; part of the log may then be there twice.
LogSink = Callable[[str, str, list[LogEvent]], None]

#: A longer line is cut into several events. Source: the size of a CloudWatch Logs event.
MAX_LINE = 262_144

#: What an event counts for beside its text. Source: how CloudWatch Logs counts.
EVENT_SIZE = 26

#: So much is kept before it is handed on while the invocation runs: bytes, and seconds.
FLUSH_SIZE = 65_536
FLUSH_AFTER = 1.0

#: So much is kept at most, in bytes, while the sink takes nothing.
MAX_KEPT = 4_194_304


class Log:
    """What one environment has to say. Used by the loop's thread."""

    def __init__(self, function: str, stream: str, clock: Clock, sink: LogSink, do: Do[bool]) -> None:
        """Begin a log stream. `do` does what blocks, as `Chores.do`."""
        self.stream = stream
        self.on_handed_on: Callable[[], object] = lambda: None  # is called whenever the sink has answered
        self._function = function
        self._clock = clock
        self._sink = sink
        self._do = do
        self._unfinished = bytearray()
        self._events: list[LogEvent] = []
        self._size = 0
        self._latest: deque[str] = deque()  # as many as make up the tail, whether they were handed on or not
        self._latest_size = 0
        self._due = 0.0  # when the sink is asked next, on time.monotonic
        self._not_before = 0.0  # when it may be asked again after a failure
        self._dropped = 0
        self._is_handing_on = False
        self._is_closed = False

    @property
    def is_handing_on(self) -> bool:
        """Whether the sink has been asked and has not answered."""
        return self._is_handing_on

    @property
    def is_full(self) -> bool:
        """Whether it should take in no more until the sink has answered."""
        return self._is_handing_on and self._size >= FLUSH_SIZE

    def write(self, data: bytes) -> None:
        """Take in output of the handler's process."""
        *lines, rest = data.split(b"\n")
        if lines:
            lines[0] = bytes(self._unfinished) + lines[0]
            self._unfinished.clear()
        self._unfinished += rest
        now = to_ms(self._clock.now())
        for line in lines:
            self._add_line(line, now)
        while len(self._unfinished) > MAX_LINE:
            cut = _cut(self._unfinished)
            self._add(bytes(self._unfinished[:cut]), now)
            del self._unfinished[:cut]
        if self._size >= FLUSH_SIZE:
            self.flush()

    def say(self, *said: str, now: datetime | None = None) -> None:
        """Add lines of the platform's; `now` saves asking the clock once more."""
        if self._unfinished:
            self._finish_line()
        milliseconds = to_ms(now or self._clock.now())
        for line in said:
            self._append(LogEvent(milliseconds, line))

    def flush_if_due(self) -> None:
        """Hand on what has waited for a second."""
        if self._events and time.monotonic() >= self._due:
            self.flush()

    def flush(self) -> None:
        """Hand on every finished line, and keep them for later if the sink does not take them."""
        if not self._is_handing_on and time.monotonic() >= self._not_before:
            self._is_handing_on = True
            dropped = self._dropped
            events = self._take_events()
            self._do(lambda: self._is_taken(events), lambda is_taken: self._go_on(events, dropped, is_taken=is_taken))
        if self._size > MAX_KEPT:
            self._drop_oldest()

    def close(self) -> None:
        """Hand on all that is left, now or never."""
        self._finish_line()
        self._is_closed = True
        if self._events:
            self._not_before = 0.0
            self.flush()

    def tail(self) -> bytes:
        """The last 4 KB of what was said since the latest `take`, of which a part may have been handed on."""
        text = "".join(line if line.endswith("\n") else f"{line}\n" for line in self._latest)
        return text.encode("utf-8", "replace")[-limits.MAX_LOG_TAIL :]

    def take(self) -> tuple[LogEvent, ...]:
        """What was not handed on, for the answer; a line that has no end yet ends here."""
        if self._unfinished:
            self._finish_line()
        self._latest.clear()
        self._latest_size = 0
        return tuple(self._take_events())

    def _is_taken(self, events: list[LogEvent]) -> bool:
        try:
            self._sink(self._function, self.stream, events)
        except RedisError:
            return False
        return True

    def _go_on(self, events: list[LogEvent], dropped: int, *, is_taken: bool) -> None:
        self._is_handing_on = False
        if is_taken:
            if self._size >= FLUSH_SIZE or (self._is_closed and self._events):
                self.flush()
        else:
            self._due = self._not_before = time.monotonic() + FLUSH_AFTER
            self._events[:0] = events
            self._size += sum(len(event.message) + EVENT_SIZE for event in events)
            self._dropped = dropped
            if self._size > MAX_KEPT:
                self._drop_oldest()
        self.on_handed_on()

    def _finish_line(self) -> None:
        if self._unfinished:
            self.write(b"\n")

    def _take_events(self) -> list[LogEvent]:
        events, self._events, self._size, self._dropped = self._events, [], 0, 0
        return events

    def _add_line(self, line: bytes, now: int) -> None:
        while len(line) > MAX_LINE:
            cut = _cut(line)
            self._add(line[:cut], now)
            line = line[cut:]
        self._add(line, now)

    def _add(self, line: bytes, now: int) -> None:
        # A carriage return stands between the lines of one event: a traceback, a record of several lines.
        text = line.decode("utf-8", "replace").rstrip("\r").replace("\r", "\n")
        if text:  # CloudWatch Logs knows no empty event
            self._append(LogEvent(now, text))

    def _append(self, event: LogEvent) -> None:
        if not self._events:
            self._due = time.monotonic() + FLUSH_AFTER
        self._events.append(event)
        self._size += len(event.message) + EVENT_SIZE
        self._latest.append(event.message)
        self._latest_size += len(event.message)
        while self._latest_size - len(self._latest[0]) >= limits.MAX_LOG_TAIL:
            self._latest_size -= len(self._latest.popleft())

    def _drop_oldest(self) -> None:
        """Make room: half of what may be kept stays, after an event that says what is missing."""
        count = 0
        while self._size > MAX_KEPT // 2:
            self._size -= len(self._events[count].message) + EVENT_SIZE
            count += 1
        self._dropped += count - 1 if self._dropped else count  # the first event may be the notice of the last time
        notice = f"{self._dropped} events of this log were dropped: Redis was away while the function wrote them."
        self._events[:count] = [LogEvent(self._events[count - 1].timestamp_ms, notice)]
        self._size += len(notice) + EVENT_SIZE


def _cut(line: bytes | bytearray) -> int:
    """Where to cut a line that is too long, so that no character is torn."""
    cut = MAX_LINE
    while cut > MAX_LINE - 4 and line[cut : cut + 1] and line[cut] & 0xC0 == 0x80:
        cut -= 1
    return cut
