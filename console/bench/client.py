"""A client process of the load test: `python -m console.bench.client`. One event loop, some connections, one clock.

It reads what it is to do from its standard input, a line of JSON, connects, says that it is ready, and begins at the
moment that the next line names. While it sends it reports every tenth of a second what was answered; at the end, how
punctual it was itself. It stops sending when its standard input ends, and stays until then, so that the time that it
used can be read: it never outlives who started it.
"""

import asyncio
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any

import orjson
import uvloop

from console.bench.arrivals import arrivals, share_of_number
from console.bench.connection import Answer, Connection
from console.bench.histogram import Histogram
from console.bench.plan import Plan
from console.bench.signing import Caller, invoke_request
from worker.clock import Clock, SystemClock

#: How often it reports, in seconds.
REPORTS = 0.1

#: How long an answer to an asynchronous request is waited for, in seconds; and how long answers are waited for at the
#: end if it was told to stop.
PATIENCE = 30.0
PATIENCE_WHEN_STOPPED = 5.0

#: After so many requests without any answer in between, nobody is there any more.
HOPELESS = 100

#: The pause of a connection whose request was not answered, in a closed loop, in seconds.
BREATH = 0.2

#: How an answer is told: accepted, or a function's result; a function error; refused or not answered.
ACCEPTED, FUNCTION_ERROR, REFUSED = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Task:
    """What one client process is to do."""

    plan: Plan
    client: int  # from 0
    clients: int
    caller: Caller
    address: str
    port: int
    patience: float  # for an answer, in seconds

    def encode(self) -> bytes:
        """As a line of JSON."""
        document = asdict(self)
        document["plan"]["payload"] = self.plan.payload.decode()
        return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)

    @classmethod
    def decode(cls, line: bytes) -> "Task":
        """From that line."""
        document = orjson.loads(line)
        plan = document["plan"] | {"payload": document["plan"]["payload"].encode()}
        own = {field.name: document[field.name] for field in fields(cls)}
        return cls(**own | {"plan": Plan(**plan), "caller": Caller(**document["caller"])})


class LoadClient:
    """Sends what is due, and reports."""

    def __init__(self, task: Task, clock: Clock, report: Callable[[dict[str, Any]], None]) -> None:
        self._task = task
        self._clock = clock
        self._report = report
        number = max(1, share_of_number(task.plan.connections, task.client, task.clients))
        self._connections = [Connection(task.address, task.port, self._answered) for _ in range(number)]
        self._free = list(self._connections)  # the last used is used next: the others may close
        self._due: deque[float] = deque()  # arrivals whose moment has come, and that wait for a free connection
        self._arrivals: Iterator[float] | None = None
        self._next: float | None = None
        self._start = 0.0
        self._left = _own_number(task)
        self._answers: list[tuple[str, float, float, int]] = []
        self._errors: dict[str, int] = {}
        self._lateness = Histogram()  # how much too late a moment was noticed: our own doing
        self._held_up = 0  # arrivals that found no free connection
        self._unanswered = 0  # in a row
        self._is_stopped = False
        self._finished = asyncio.Event()
        self._second = -1
        self._request = b""

    async def open(self) -> None:
        """Open all connections.

        Raises:
            OSError, TimeoutError: the gateway does not take one.
        """
        for connection in self._connections:
            await connection.open()

    async def run(self, start: float) -> None:
        """Send everything from the moment `start` on; return when all is answered, or was waited for long enough."""
        self._start = start
        reports = asyncio.create_task(self._report_regularly())
        if self._task.plan.is_open:
            self._begin_open()
        else:
            asyncio.get_running_loop().call_at(start, self._begin_closed)
        await self._finished.wait()
        reports.cancel()
        for connection in self._connections:
            connection.close()
        self._flush()
        self._report({"done": self._summary()})

    def stop(self) -> None:
        """Send nothing more, and wait a little for what is under way."""
        self._is_stopped = True
        self._finish_if_idle()

    # --- an open loop: a timer for the next moment, and a queue of moments that have come

    def _begin_open(self) -> None:
        self._arrivals = arrivals(self._task.plan, self._task.client, self._task.clients)
        # The loop's own timers are good to a millisecond, which is what an answer takes; this one to a microsecond.
        asyncio.get_running_loop().add_signal_handler(signal.SIGALRM, self._take_arrivals)
        self._next = next(self._arrivals, None)
        self._take_arrivals()

    def _take_arrivals(self) -> None:
        """Take all moments that have come, and set the timer for the next."""
        assert self._arrivals is not None
        now = time.monotonic()
        while self._next is not None and self._start + self._next <= now and not self._is_stopped:
            moment = self._start + self._next
            self._lateness.add((now - moment) * 1000)
            self._held_up += not self._free
            self._due.append(moment)
            self._next = next(self._arrivals, None)
        if self._next is not None and not self._is_stopped:
            signal.setitimer(signal.ITIMER_REAL, max(1e-5, self._start + self._next - time.monotonic()))
        self._send_due()

    def _send_due(self) -> None:
        while self._due and self._free and not self._is_stopped:
            self._send(self._free.pop(), self._due.popleft())
        self._finish_if_idle()

    # --- a closed loop: an answer sends the next request

    def _begin_closed(self) -> None:
        for connection in list(self._free):
            self._send_next(connection)
        self._finish_if_idle()

    def _send_next(self, connection: Connection) -> None:
        now = time.monotonic()
        duration = self._task.plan.duration
        is_over = duration is not None and now >= self._start + duration
        if self._is_stopped or is_over or self._left == 0:
            self._left = 0
            return
        if self._left is not None:
            self._left -= 1
        self._free.remove(connection)
        self._send(connection, now)

    # --- both

    def _send(self, connection: Connection, intended: float) -> None:
        second = int(self._clock.now().timestamp())
        if second != self._second:
            self._second, self._request = second, self._signed()
        connection.send(self._request, intended)

    def _signed(self) -> bytes:
        plan = self._task.plan
        kind = "RequestResponse" if plan.is_synchronous else "Event"
        timestamp = self._clock.now().strftime("%Y%m%dT%H%M%SZ")
        return invoke_request(self._task.caller, plan.function, kind, plan.payload, timestamp)

    def _answered(self, connection: Connection, answer: Answer) -> None:
        now = time.monotonic()
        kind = _kind(answer, is_synchronous=self._task.plan.is_synchronous)
        self._answers.append((answer.request_id, connection.intended, now, kind))
        if kind == REFUSED:
            reason = f"{answer.status} {answer.reason}" if answer.status else answer.reason
            self._errors[reason] = self._errors.get(reason, 0) + 1
        self._unanswered = 0 if answer.status else self._unanswered + 1
        if self._unanswered >= HOPELESS:
            self._is_stopped = True
        self._free.append(connection)
        if self._task.plan.is_open:
            self._send_due()
        elif answer.status:
            self._send_next(connection)
            self._finish_if_idle()
        else:
            asyncio.get_running_loop().call_later(BREATH, self._send_next_and_look, connection)

    def _send_next_and_look(self, connection: Connection) -> None:
        self._send_next(connection)
        self._finish_if_idle()

    def _finish_if_idle(self) -> None:
        is_all_sent = self._is_stopped or (
            self._next is None and not self._due if self._task.plan.is_open else self._left == 0
        )
        if is_all_sent and len(self._free) == len(self._connections):
            self._finished.set()

    # --- reports

    async def _report_regularly(self) -> None:
        stopped_at: float | None = None
        while True:
            await asyncio.sleep(REPORTS)
            now = time.monotonic()
            if self._is_stopped and stopped_at is None:
                stopped_at = now
            for connection in self._connections:
                since_stop = now - stopped_at if stopped_at is not None else 0.0
                is_too_long = now - connection.sent > self._task.patience or since_stop > PATIENCE_WHEN_STOPPED
                if connection.is_waiting and is_too_long:
                    connection.give_up(f"no answer within {now - connection.sent:.0f} s")
            self._flush()
            if not self._task.plan.is_open and self._is_over(now):
                self._left = 0
                self._finish_if_idle()

    def _is_over(self, now: float) -> bool:
        duration = self._task.plan.duration
        return duration is not None and now >= self._start + duration

    def _flush(self) -> None:
        if self._answers or self._errors:
            answers, self._answers = self._answers, []
            errors, self._errors = self._errors, {}
            self._report({"answers": answers, "errors": errors})

    def _summary(self) -> dict[str, Any]:
        """What it says of itself at the end."""
        unsent = len(self._due)
        if self._is_stopped and self._next is not None and self._unanswered >= HOPELESS:
            unsent += 1 + sum(1 for _ in self._arrivals or ())
        return {
            "lateness": self._lateness.document(),
            "held_up": self._held_up,
            "unsent": unsent,
            "gave_up": self._unanswered >= HOPELESS,
        }


def _own_number(task: Task) -> int | None:
    number = task.plan.number
    return None if number is None else share_of_number(number, task.client, task.clients)


def _kind(answer: Answer, *, is_synchronous: bool) -> int:
    if answer.status != (200 if is_synchronous else 202):
        return REFUSED
    return FUNCTION_ERROR if answer.is_function_error else ACCEPTED


async def _serve() -> None:
    commands = asyncio.StreamReader(limit=2**26)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    client = LoadClient(Task.decode(await commands.readline()), SystemClock(), _print)
    try:
        await client.open()
    except (OSError, TimeoutError) as problem:
        _print({"failed": str(problem) or "no answer"})
        return
    _print({"ready": True})
    line = await commands.readline()
    if not line:
        return
    work = asyncio.create_task(client.run(float(line)))
    stopped = asyncio.create_task(commands.read())
    await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
    if not work.done():
        client.stop()
    await work
    await stopped


def _print(document: dict[str, Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()


def main() -> None:
    """Be one client process."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve())


if __name__ == "__main__":
    main()
