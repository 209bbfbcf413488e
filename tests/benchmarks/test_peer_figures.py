"""From the records of a comparison to its tables: what counts for a rate, what a kill cost, and who is first."""

import base64
import json
import zlib

import pytest

from benchmarks.peers import figures, leftovers, page, plan, summary
from benchmarks.peers.plan import Step
from benchmarks.records import Execution


def at(milliseconds: float, *, number: int = 0, process: int = 1) -> Execution:
    """An execution at a moment."""
    return Execution(number, process, int(milliseconds * 1e6))


def test_a_drain_counts_from_when_all_workers_have_begun():
    """Four jobs in 4 ms after the second worker's first; the two before it, and one before the drain, do not count."""
    executions = [at(0), at(10), at(11), at(20, process=2), at(21), at(22), at(23, process=2), at(24)]

    assert figures.drain_rate(executions, since=int(10e6)) == pytest.approx(1000)


def test_a_worker_that_comes_when_half_is_done_does_not_shorten_the_drain():
    """What the others did alone counts, or a single job of a latecomer would be the whole drain."""
    executions = [at(0), at(1), at(2), at(3), at(4, process=2)]

    assert figures.drain_rate(executions, since=0) == pytest.approx(1000)


def test_the_account_of_a_kill_tells_lost_from_stuck():
    """Of what was never done, what the server still has is stuck, the rest is lost; the warm-up is not asked for."""
    executions = [at(0, number=1), at(5, number=10), at(6, number=11), at(7, number=11), at(1500, number=12)]

    account = figures.Account.of(executions, range(10, 15), killed=int(500e6))

    assert account.missing == {13, 14}
    assert account.numbers(stuck={14}) == {"lost": 1, "stuck": 1, "twice": 1, "last_done_s": 1.0}


def test_an_event_that_was_repeated_does_not_stand_for_one_that_is_missing():
    """Else a run would be over before the last event, when as many were repeated as are still to come."""
    executions = [at(1, number=1), at(2, number=1), at(3, number=2)]

    assert figures.missing(executions, range(1, 4)) == {3}


def test_an_event_that_is_early_is_off():
    """300 ms too early is worse than 20 ms too late."""
    assert figures.lateness([-300.0, 0.0, 20.0]) == {"off_p50_ms": 20.0, "off_p99_ms": 300.0, "early_ms": 300.0}


@pytest.mark.parametrize(
    "value",
    [
        b'{"number": "000000042", "note": "xx"}',
        b"\x80\x04pickle\x8c\x06number\x94\x8c\t000000042\x94",
        zlib.compress(b'{"number": "000000042"}'),
        json.dumps({"body": base64.b64encode(b'[[{"number": "000000042"}], {}, {}]').decode(), "headers": {}}).encode(),
        json.dumps([json.dumps({"body": base64.b64encode(b'[[{"number": "000000042"}]]').decode()})]).encode(),
    ],
)
def test_an_event_is_found_in_the_form_that_a_library_gives_it(value: bytes):
    """Plain, pickled, compressed, and in base64 in a message, which Celery keeps as a list while it is held."""
    assert leftovers.in_value(value) == {42}


def test_what_a_server_still_has_is_found_whatever_holds_it(redis):
    """In values of every type; numbers that were not asked for are not told."""
    redis.set("a", b'"000000001"')
    redis.hset("b", "field", b'"000000002"')
    redis.rpush("c", b'"000000003"')
    redis.sadd("d", b'"000000004"')
    redis.zadd("e", {b'"000000005"': 1})
    redis.xadd("f", {"field": b'"000000006"'})

    assert leftovers.kept(redis, {2, 3, 4, 5, 6, 7} | {1}) == {1, 2, 3, 4, 5, 6}
    assert leftovers.kept(redis, {2, 9}) == {2}


def test_each_repetition_begins_with_another_system():
    """All systems one directly after the other; what is done once comes in the first repetition."""
    steps = plan.steps(["a", "b", "c"], ["a"], repetitions=3)

    drains = [step for step in steps if step.measurement == plan.THROUGHPUT]
    assert "".join(step.system for step in drains) == "abcbcacab"
    assert {step.repetition for step in steps if step.measurement == plan.CRASH} == {0}


def test_the_time_left_is_what_the_same_took_before():
    """The same system if it was there, else the others in the same measurement."""
    took = [(Step(plan.CRASH, "a", 0), 40.0), (Step(plan.CRASH, "b", 0), 10.0)]

    assert plan.seconds_left([Step(plan.CRASH, "a", 1), Step(plan.CRASH, "c", 0)], took) == 40.0 + 25.0


def run(**numbers: float) -> dict[str, float]:
    """A run that was well."""
    return {**numbers, "foreign_percent": 3, "took_s": 1.0}


def test_figures_are_medians_of_the_runs_that_were_well():
    """A run that failed does not count, and the note about the machine is no figure."""
    runs = {
        plan.THROUGHPUT: {"celery": [run(drain_rate=1), run(drain_rate=9), {"error": "it ended"}, run(drain_rate=2)]},
        plan.CRASH: {"celery": [run(lost=1, stuck=4)]},
    }

    assert summary.figures(runs, summary.MAIN) == {"celery": {"drain_rate": 2, "lost": 1, "stuck": 4, "not_done": 5}}


def test_the_verdict_says_where_thrice_is_first_and_where_not():
    """Only beside those that are comparable, but the drain beside all; a figure that nobody else has is no contest."""
    of_all = {
        "thrice": {"drain_rate": 6000.0, "latency_p50_ms": 2.0, "not_done": 0.0, "batch_rate": 1.0},
        "celery": {"drain_rate": 1000.0, "latency_p50_ms": 3.0, "not_done": 0.0},
        "stream": {"drain_rate": 4000.0, "latency_p50_ms": 1.5, "not_done": 50.0},
        "huey": {"drain_rate": 8000.0, "latency_p50_ms": 1.0},
    }

    first = "First or equal among those that isolate handlers or keep events through a kill"

    lines = summary.verdicts(of_all, "thrice", ["thrice", "celery", "stream"])

    assert lines == [
        f"{first}: drain /s: 6,000 (best other: stream, 4,000); not done after kill: 0 (best other: celery, 0).",
        "Not first among them: idle p50 ms: 2.00 (best other: stream, 1.50).",
        "Drain: 1.5 × the best other of those (stream), and 0.8 × the best other of all (huey).",
    ]


def document() -> dict[str, object]:
    """A run as `build/peers.json` has it."""
    return {
        "machine": {"date": "2026-11-24", "cores": 2, "cpu": "any", "memory_gb": 24, "kernel": "6", "python": "3.11",
                    "server": "valkey 9"},
        "sizes": {"repetitions": 3, "jobs": 10_000},
        "absent": {"serverless-offline": "there is no npm on the PATH"},
        "runs": {
            plan.THROUGHPUT: {
                "thrice": [run(drain_rate=6000.0, publish_rate=10.0, latency_p50_ms=1.0)],
                "arq": [run(drain_rate=200.4, publish_rate=20.0), {"error": "E: it ended", "foreign_percent": 40}],
            },
        },
    }  # fmt: skip


def test_the_page_has_a_line_for_each_system_and_says_what_is_missing():
    """What was not measured is a dash; who is left out and what failed is said with its reason."""
    text = page.markdown(document())

    lines = text.splitlines()
    assert [line.split(" | ")[0] for line in lines if line.startswith("| ")] == [
        "| system",
        "| ---",
        "| **thrice**",
        "| arq",
    ]
    assert "| arq | 200 | 20 | – |" in text
    assert "- serverless-offline was left out: there is no npm on the PATH" in lines
    assert "- throughput of arq failed 1 of 2 times: E: it ended" in lines
    assert "40 % in the worst" in text


def test_figures_go_between_the_marks_of_a_page_and_nowhere_else():
    """What stood there before goes; writing twice changes nothing; a page without marks is refused by name."""
    before = f"# Title\n\n{page.BEGIN}\n\nold\n\n{page.END}\n\nrest\n"

    once = page.filled(before, page.short_markdown(document()), "README.md")

    assert once.startswith(f"# Title\n\n{page.BEGIN}\n\n| system | drain /s |")
    assert once.endswith(f"in the worst.\n\n{page.END}\n\nrest\n")
    assert page.filled(once, page.short_markdown(document()), "README.md") == once
    with pytest.raises(page.NoMarks, match=r"README\.md has no place"):
        page.filled("# Title\n", "text", "README.md")
