"""What a load test reads, and what it makes of it: fates of events, a document, a page."""

import re
from xml.etree import ElementTree as ET

import orjson
import pytest

from console.bench.chart import Line, lines_chart
from console.bench.histogram import Histogram
from console.bench.page import page
from console.bench.records import Fate, Moves
from console.bench.result import NoResult, Result
from worker.clock import from_ms, iso_ms

START = 1_800_000_000_000  # ms


def attempt(at_ms: float, took_ms: float, outcome: str) -> bytes:
    started = iso_ms(from_ms(START + at_ms))
    return orjson.dumps({"attempt": 1, "started_at": started, "duration_ms": took_ms, "outcome": outcome})


def record(**fields: object) -> dict[str, bytes | None]:
    names = ("state", "accepted_at", "ended_at", "due_at", "attempts_made", "workers_lost", "condition", "attempts")
    return {name: str(fields[name]).encode() if name in fields else None for name in names}


def test_times_of_an_event_whose_clock_was_moved():
    """Accepted before a move of a minute and ended after it: wait, runs and the time between are the real ones."""
    moves = Moves()
    moves.note(0.0, 5_000.0)
    moves.note(START + 65_500, 65_000.0)
    attempts = b",".join(
        [attempt(3, 0, "Throttled"), attempt(20, 4, "FunctionError"), attempt(510, 6, "Succeeded")]
    ).decode()

    fate = Fate.of(
        record(
            state="succeeded", accepted_at=START + 5_000, ended_at=START + 65_520, attempts_made=2, attempts=attempts
        ),
        moves,
    )

    assert (fate.wait_ms, fate.runs_ms, fate.between_ms, fate.ended_ms) == (20, (4, 6), 486, START + 520)
    assert (fate.attempts, fate.throttles) == (2, 1)
    assert fate.has_ended


def test_an_event_that_waits_says_until_when():
    """It has not ended; one that was never tried has no wait yet."""
    waiting = Fate.of(record(state="waiting", accepted_at=START, due_at=START + 60_000), Moves())

    assert (waiting.has_ended, waiting.due_ms, waiting.wait_ms, waiting.attempts) == (False, START + 60_000, None, 0)


def result(**fields: object) -> Result:
    histogram = Histogram()
    for length in (0.0, 0.4, 3.0, 12.0, 12.5, 950.0, 70_000.0):
        histogram.add(length)
    counts = {
        "sent": 7, "accepted": 7, "errors": 0, "unsent": 0, "succeeded": 6, "dead_lettered": 0, "dropped": 1,
        "failed": 1, "waiting": 0, "at_work": 0, "in_hand": 0, "lost": 0, "retried": 1, "workers_lost": 0,
    }  # fmt: skip
    usual: dict[str, object] = {
        "at": "2026-01-02T03:04:05.678Z", "version": "0.1.0", "is_virtual": True, "is_interrupted": False,
        "machine": {
            "cores": 2, "system": "Linux", "python": "3.11", "workers": 2, "concurrency": 16, "clients": 2,
        },
        "plan": {
            "function": "a<b>&c", "rate": 10.0, "arrivals": "even", "connections": 2, "payload_bytes": 2,
            "is_synchronous": False, "is_own": False,
        },
        "counts": counts, "rates": {"rate": 10.0, "throughput": 9.5},
        "histograms": dict.fromkeys(("end_to_end", "accept", "wait", "run"), histogram),
        "attempts": {1: 6, 3: 1}, "reasons": {"500 <oops>": 1}, "dropped": {"RetriesExhausted": 1},
        "load": {"cores": 2, "machine": 1.0, "parts": {"gateway": 0.5}},
        "bottleneck": {"part": "none", "why": "nothing was busy", "is_client": False},
        "verdicts": [{"threshold": "p99<2s", "found": 70_000.0, "held": False, "found_text": "1.2 min"}],
        "seconds": [{"second": 0, "accepted": 7, "errors": 1, "p50_ms": 3.0, "p99_ms": 950.0}],
        "samples": [
            {"at": at / 4, "ready": at, "waiting": 0, "running": 1, "ended": at} for at in range(12)
        ],
        "usages": [{"at": 1.0, "cores": {"gateway": 0.5}}, {"at": 2.0, "cores": {"gateway": 0.25}}],
    }  # fmt: skip
    return Result(**usual | fields)  # type: ignore[arg-type]


def test_a_result_is_what_its_document_says():
    """Written and read again it is the same, so that a later run is compared with what this one found."""
    document = orjson.loads(orjson.dumps(result().document()))

    assert Result.of(document).document() == document
    assert document["percentiles_ms"]["max"] == 70_000.0


@pytest.mark.parametrize("document", [[], {}, {"format": "other"}, {"format": "thrice bench 1", "at": "now"}])
def test_what_is_no_result_is_not_taken_for_one(document: object):
    """A file of something else, or a part of a result, is refused."""
    with pytest.raises(NoResult):
        Result.of(document)


@pytest.mark.parametrize("earlier", [None, result()])
@pytest.mark.parametrize("is_empty", [False, True])
def test_the_page_is_well_formed_and_needs_nothing_else(earlier: Result | None, is_empty: bool):
    """With much to show, with an earlier run, and with nothing at all; names and messages are text, never markup."""
    shown = result(histograms={}, samples=[], seconds=[], usages=[], attempts={}) if is_empty else result()

    text = page(shown, earlier)
    tree = ET.fromstring(text.removeprefix("<!DOCTYPE html>"))

    assert "thrice bench a<b>&c" in "".join(tree.itertext())
    assert len(list(tree.iter("svg"))) == (0 if is_empty else 8)
    assert {element.tag for element in tree.iter()} & {"script", "link", "img", "iframe"} == set()
    assert re.search(r"https?:|url\(|@import", text) is None
    assert ("×1.00" in text) == (earlier is not None)


def test_a_chart_keeps_its_peaks_when_it_is_thinned():
    """Of an hour of samples one that stands out is still to be seen, and the drawing stays small."""
    points = [(float(second), 1.0) for second in range(14_400)]
    points[7_777] = (7_777.0, 500.0)

    drawn = lines_chart([Line("depth", 0, points)], str, "depth")

    assert "at most 500.0" in drawn
    assert len(drawn) < 12_000
