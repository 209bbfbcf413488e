"""What is kept of a log is what was logged."""

import orjson

from worker.invocation import LogEvent
from worker.log_entry import attempt_json, lines_of

PLAIN = (
    LogEvent(1, "START RequestId: RID Version: $LATEST"),
    LogEvent(2, "a line of the handler"),
    LogEvent(3, "END RequestId: RID"),
    LogEvent(4, "REPORT RequestId: RID\tDuration: 0.12 ms\tBilled Duration: 1 ms\t"),
)


def entry(*attempts: bytes) -> bytes:
    """An entry as the scripts put it together."""
    return b"[" + b",".join(attempts) + b"]"


def test_lines_come_back_as_they_were():
    """Of several attempts in one entry, in their order."""
    kept = entry(attempt_json("s1", "RID", PLAIN), attempt_json("s2", "", PLAIN))

    found = list(lines_of(kept))

    assert found == [(stream, event.timestamp_ms, event.message) for stream in ("s1", "s2") for event in PLAIN]


def test_lines_of_the_platform_take_little_room():
    """They are kept as numbers, and REPORT as what differs."""
    assert orjson.loads(attempt_json("s", "RID", PLAIN)) == [
        "s",
        "RID",
        [[1, 0], [2, "a line of the handler"], [3, 1], [4, 2, "Duration: 0.12 ms\tBilled Duration: 1 ms\t"]],
    ]


def test_handler_that_imitates_the_platform_is_kept_word_for_word():
    """A line of another request's, a number, an empty REPORT: all of it comes back."""
    events = (
        LogEvent(1, "START RequestId: other Version: $LATEST"),
        LogEvent(2, "0"),
        LogEvent(3, "REPORT RequestId: RID"),
    )

    assert [text for _, _, text in lines_of(entry(attempt_json("s", "RID", events)))] == [
        event.message for event in events
    ]
