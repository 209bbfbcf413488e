"""What an entry of a function's log looks like in Redis. Pure.

An entry holds the lines of several attempts that were settled together. The lines that the platform itself writes for
each attempt say little that is not said elsewhere, and are most of a log: they are kept as a number and what differs.

An entry's JSON is a list of attempts; an attempt is `[log stream, request id, lines]`; a line is `[ms, text]`, or
`[ms, 0]` for START, `[ms, 1]` for END, `[ms, 2, rest]` for REPORT.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from worker.invocation import LogEvent

_START, _END, _REPORT = 0, 1, 2


def start_line(request_id: str) -> str:
    """The platform's line before an invocation."""
    return f"START RequestId: {request_id} Version: $LATEST"


def end_line(request_id: str) -> str:
    """The platform's line after an invocation."""
    return f"END RequestId: {request_id}"


def report_head(request_id: str) -> str:
    """How the platform's line begins that says what an invocation took."""
    return f"REPORT RequestId: {request_id}\t"


def attempt_json(stream: str, request_id: str, events: Sequence[LogEvent]) -> bytes:
    """One attempt of an entry. Without a request id (lines that belong to none) every line is kept as it is."""
    return orjson.dumps([stream, request_id, [_line(event, request_id) for event in events]])


def lines_of(entry: bytes) -> Iterator[tuple[str, int, str]]:
    """The lines of an entry: log stream, time in ms, text."""
    for stream, request_id, lines in orjson.loads(entry):
        for line in lines:
            yield stream, line[0], _text(line, request_id)


def _line(event: LogEvent, request_id: str) -> list[Any]:
    text = event.message
    if text == start_line(request_id):
        return [event.timestamp_ms, _START]
    if text == end_line(request_id):
        return [event.timestamp_ms, _END]
    report = report_head(request_id)
    if text.startswith(report):
        return [event.timestamp_ms, _REPORT, text[len(report) :]]
    return [event.timestamp_ms, text]


def _text(line: list[Any], request_id: str) -> str:
    match line[1]:
        case int(kind) if kind == _START:
            return start_line(request_id)
        case int(kind) if kind == _END:
            return end_line(request_id)
        case int(kind) if kind == _REPORT:
            return report_head(request_id) + str(line[2])
        case text:
            return str(text)
