"""From printed bytes to log events, and when they are handed on."""

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from worker.clock import SystemClock
from worker.runtime import log as logs
from worker.runtime.log import Log

MIB = 1 << 20

OUTPUTS = {
    "lines": ([b"a\nb\n"], ["a", "b"]),
    "a line in pieces": ([b"a", b"b\nc", b"\n"], ["ab", "c"]),
    "no end": ([b"a\nb"], ["a", "b"]),
    "empty lines are no events": ([b"\n\na\n\n"], ["a"]),
    "carriage returns keep lines together": ([b"a\rb\r\nc\n"], ["a\nb", "c"]),
    "not UTF-8": ([b"\xff\n"], ["\ufffd"]),
    "long line": ([b"x" * 300_000 + b"\n"], ["x" * 262_144, "x" * 37_856]),
    "long line in pieces": ([b"x" * 200_000, b"x" * 100_000], ["x" * 262_144, "x" * 37_856]),
    "no character is torn": ([b"x" * 262_143 + "ü".encode() + b"\n"], ["x" * 262_143, "ü"]),
}


class Sink:
    """Takes events, or is away."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.is_away = False

    def __call__(self, _function, _stream, events) -> None:
        """Take the next events."""
        if self.is_away:
            raise RedisConnectionError("away")
        self.taken += [event.message for event in events]


@pytest.fixture
def sink():
    return Sink()


@pytest.fixture
def log(sink):
    return Log("f", "stream", SystemClock(), sink, lambda work, then: then(work()))


@pytest.mark.parametrize("case", OUTPUTS)
def test_output_becomes_events(log, sink, case):
    """One event a line, whatever pieces it comes in."""
    pieces, expected = OUTPUTS[case]

    for piece in pieces:
        log.write(piece)

    assert sink.taken + [event.message for event in log.take()] == expected


def test_platform_line_ends_an_unfinished_one(log):
    """What the handler printed without an end does not run into the platform's words."""
    log.write(b"half")

    log.say("END")

    assert [event.message for event in log.take()] == ["half", "END"]


def test_64_kib_are_handed_on_at_once(log, sink):
    """Much output does not pile up until the end."""
    log.write(b"x" * 40_000 + b"\n")
    assert sink.taken == []

    log.write(b"y" * 40_000 + b"\n")

    assert [text[0] for text in sink.taken] == ["x", "y"]
    assert log.take() == ()


def test_nothing_is_lost_while_the_sink_is_away_for_a_moment(log, sink):
    """What the sink did not take stays, and goes with the answer."""
    sink.is_away = True

    log.write(b"x" * 70_000 + b"\n")
    log.write(b"y" * 70_000 + b"\n")

    assert [event.message[0] for event in log.take()] == ["x", "y"]


def test_a_bounded_part_is_kept_while_the_sink_is_away(log, sink):
    """A log without end keeps its newest part, and says how much is missing."""
    sink.is_away = True
    lines = 12 * 16

    for number in range(lines):
        log.write(f"{number}{'x' * 65_536}\n".encode())

    notice, *kept = [event.message for event in log.take()]
    assert int(notice.split()[0]) + len(kept) == lines
    assert [int(text.rstrip("x")) for text in kept] == list(range(lines - len(kept), lines))
    assert sum(map(len, kept)) <= logs.MAX_KEPT


@pytest.mark.parity("limit.log-tail")
def test_tail_is_the_last_4_kb_whatever_was_handed_on(log, sink):
    """Exactly 4,096 bytes of all that was said since the last answer, also where the sink has most of it."""
    log.write(b"".join(b"%d%s\n" % (number, b"x" * 9_000) for number in range(9)))
    log.say("END", "REPORT\n")
    assert len(sink.taken) > 7

    tail = log.tail()
    log.take()
    log.write(b"next\n")

    assert tail == b"x" * (4_096 - len("\nEND\nREPORT\n")) + b"\nEND\nREPORT\n"
    assert log.tail() == b"next\n"


def test_tail_counts_bytes(log):
    """Of characters that have several, the first may be torn."""
    log.write("ü".encode() * 5_000 + b"\n")

    assert log.tail() == ("ü".encode() * 5_000 + b"\n")[-4_096:]
