"""`thrice logs`: what functions have logged, and what they log from now on.

A log event does not say which invocation it belongs to, but an environment runs one at a time: what stands in its
stream between START and REPORT is of that request.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.text import Text

from config.settings import Settings
from console.clients import Clients
from console.deploying import away
from worker.clock import SystemClock
from worker.duration import NoDuration, seconds

#: How long nobody asks again when following, in seconds.
PAUSE = 0.3

#: What may still come in with an older time than what was read last, in milliseconds.
_LATE_MS = 10_000


@dataclass(slots=True)
class Tail:
    """The log of one function, read on from where it was read to. It need not have one yet."""

    logs: Any
    function: str
    since_ms: int
    pattern: str = ""
    request_id: str | None = None
    _seen: dict[str, int] = field(default_factory=dict)
    _running: dict[str, str] = field(default_factory=dict)
    _read_of_request: set[str] = field(default_factory=set)

    def more(self) -> list[Mapping[str, Any]]:
        """The events that have come since the last time, by their time.

        Raises:
            ClientError: the pattern is none, or the log cannot be read.
        """
        events = [event for event in self._events(self.pattern) if event["eventId"] not in self._seen]
        if self.request_id is not None:
            self._note_requests(self._events("") if self.pattern else events)
            events = [event for event in events if event["eventId"] in self._read_of_request]
        for event in events:
            self._seen[event["eventId"]] = event["timestamp"]
        if self._seen:
            self.since_ms = max(self.since_ms, max(self._seen.values()) - _LATE_MS)
            self._seen = {name: at for name, at in self._seen.items() if at >= self.since_ms}
        return events

    def _events(self, pattern: str) -> list[Mapping[str, Any]]:
        pages = self.logs.get_paginator("filter_log_events").paginate(
            logGroupName=f"/aws/lambda/{self.function}", startTime=self.since_ms,
            **({"filterPattern": pattern} if pattern else {}),
        )  # fmt: skip
        try:
            return [event for page in pages for event in page["events"]]
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                return []
            raise

    def _note_requests(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Note which events belong to the request that is asked for."""
        for event in events:
            stream, message = event["logStreamName"], event["message"]
            if message.startswith("START RequestId: "):
                self._running[stream] = message.split()[2]
            if self._running.get(stream) == self.request_id or f"RequestId: {self.request_id}" in message:
                self._read_of_request.add(event["eventId"])
            if message.startswith("REPORT RequestId: "):
                self._running.pop(stream, None)


def show(settings: Settings, function: str, *, follows: bool, since: str, request_id: str | None, pattern: str) -> int:
    """Print the log of a function, and go on until Ctrl-C if `follows`; return the exit status."""
    try:
        ago = seconds(since)
    except NoDuration as error:
        print(f"thrice: {error}", file=sys.stderr)
        return 2
    clients = Clients(settings)
    console = Console(highlight=False, soft_wrap=True)
    tail = Tail(clients.logs, function, int((SystemClock().now().timestamp() - ago) * 1_000), pattern, request_id)
    try:
        problem = missing(clients, function)
        if problem is not None:
            print(f"thrice: {problem}", file=sys.stderr)
            return 1
        for _ in _turns(follows=follows):
            for event in tail.more():
                emit(console, line(event))
    except (BotoCoreError, ClientError) as error:
        print(f"thrice: {away(settings, error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


def _turns(*, follows: bool) -> Iterator[None]:
    """One turn, or turns without end and a pause after each."""
    yield
    pause = Event()
    while follows:
        pause.wait(PAUSE)
        yield


def missing(clients: Clients, function: str) -> str | None:
    """What is to be said if there is no such function; None if there is."""
    try:
        clients.lambda_.get_function_configuration(FunctionName=function)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
    else:
        return None
    pages = clients.lambda_.get_paginator("list_functions").paginate()
    names = [each["FunctionName"] for page in pages for each in page["Functions"]]
    near = [name for name in names if function.lower() in name.lower()] or names
    there_are = ", ".join(near[:10]) or "none; deploy one: thrice deploy DIR"
    return f"There is no function '{function}'. There are: {there_are}"


def line(event: Mapping[str, Any], function: str = "") -> Text:
    """A log event as a line: its time, then what it says. The platform's own lines are dim, errors red."""
    at = datetime.fromtimestamp(event["timestamp"] / 1_000, UTC).astimezone()
    text = Text(at.strftime("%H:%M:%S.") + f"{at.microsecond // 1_000:03d} ", style="cyan")
    if function:
        text.append(f"{function} ", style="magenta")
    return text.append(event["message"].rstrip("\n").replace("\r", "\n"), style=_style(event["message"]))


def emit(console: Console, text: Text) -> None:
    """Print a line; without a terminal as it is, with its tabs."""
    if console.is_terminal:
        console.print(text)
    else:
        print(text.plain, flush=True)


def _style(message: str) -> str:
    if message.startswith(("START RequestId", "END RequestId", "REPORT RequestId", "INIT_START")):
        return "dim"
    if message.startswith("[ERROR]") or "Task timed out" in message or '"errorType"' in message:
        return "red"
    return "yellow" if message.startswith("[WARNING]") else ""
