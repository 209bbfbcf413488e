"""A caller of the gateway in a process of its own: signed asynchronous invokes over many keep-alive connections.

`python -m benchmarks.accept_client URL FUNCTION COUNT CONNECTIONS [RATE]`, with the caller's keys in the environment as
every SDK reads them, prints one JSON document. Every event has a payload and a signature of its own, both made before
the clock runs: signing is the caller's work. It reads no more of an answer than its status, unlike the clients of
`thrice bench`, because it shares two cores with what it measures.

Without RATE each connection sends its next request when the one before has been answered; with it, requests have their
moments beforehand, and latency counts from those.
"""

import asyncio
import json
import os
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit

import uvloop

from benchmarks.event import payload
from console.bench.signing import Caller, invoke_request

#: How often it is looked whether a request is due, in seconds: the shortest sleep that the loop does not make none.
_LOOK = 0.001

#: How long all of it may take, in seconds.
_PATIENCE = 120.0


@dataclass(slots=True)
class _Run:
    """What is to be sent, and what came back."""

    requests: Sequence[bytes]
    due: Sequence[float] | None  # by time.monotonic; None: as soon as a connection is free
    idle: "deque[_Connection]" = field(default_factory=deque)
    latencies: list[float] = field(default_factory=list)  # in seconds
    statuses: "Counter[int]" = field(default_factory=Counter)
    sent: int = 0
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def free(self, connection: "_Connection") -> None:
        """Give a connection its next request, if there is one that is due."""
        number = self.sent
        if number == len(self.requests):
            return
        now = time.monotonic()
        if self.due is not None and self.due[number] > now:
            self.idle.append(connection)
            return
        self.sent = number + 1
        connection.send(self.requests[number], now if self.due is None else self.due[number])

    def answered(self, connection: "_Connection", status: int, latency: float) -> None:
        """Note an answer."""
        self.latencies.append(latency)
        self.statuses[status] += 1
        if len(self.latencies) == len(self.requests):
            self.done.set()
        else:
            self.free(connection)

    async def keep_time(self) -> None:
        """Send what has become due over connections that are idle."""
        while self.due is not None and self.sent < len(self.requests):
            while self.idle and self.sent < len(self.requests) and self.due[self.sent] <= time.monotonic():
                self.free(self.idle.popleft())
            await asyncio.sleep(_LOOK)


class _Connection(asyncio.Protocol):
    """One connection with at most one request under way. A 202 has no body, so its head is all of it."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._transport: asyncio.Transport | None = None
        self._since = 0.0
        self._answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass of it

    def send(self, request: bytes, since: float) -> None:
        assert self._transport is not None
        self._since = since
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if b"\r\n\r\n" in self._answer:
            status = int(self._answer[9:12])
            self._answer = b""
            self._run.answered(self, status, time.monotonic() - self._since)


async def _call(url: str, function: str, count: int, connections: int, rate: float | None) -> dict[str, Any]:
    address = urlsplit(url)
    caller = Caller(
        os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"], os.environ["AWS_REGION"], address.netloc
    )
    timestamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    requests = [invoke_request(caller, function, "Event", payload(number), timestamp) for number in range(count)]
    loop = asyncio.get_running_loop()
    run = _Run(requests, None)
    opened = [
        (await loop.create_connection(lambda: _Connection(run), address.hostname or "", address.port or 80))[1]
        for _ in range(connections)
    ]
    since, cpu = time.monotonic(), time.process_time()
    if rate is not None:
        run.due = [since + number / rate for number in range(count)]
    for connection in opened:
        run.free(connection)
    pace = asyncio.create_task(run.keep_time())
    async with asyncio.timeout(_PATIENCE):
        await run.done.wait()
    seconds, used = time.monotonic() - since, time.process_time() - cpu
    await pace
    latencies = sorted(run.latencies)
    return {
        "rate": count / seconds,
        "p50_ms": latencies[count // 2] * 1e3,
        "p99_ms": latencies[int(count * 0.99)] * 1e3,
        "max_ms": latencies[-1] * 1e3,
        "client_us": used / count * 1e6,
        "accepted": run.statuses[202],
    }


def main(url: str, function: str, count: str, connections: str, rate: str | None = None) -> None:
    """Call, and print what it was like."""
    pace = None if rate is None else float(rate)
    print(json.dumps(uvloop.run(_call(url, function, int(count), int(connections), pace))))


if __name__ == "__main__":
    main(*sys.argv[1:])
