"""The comparison as a user runs it, with sizes that mean nothing, and with what our own environment has."""

import json
import signal

from benchmarks.peers import measure, plan
from benchmarks.peers.sizes import TINY
from benchmarks.peers.summary import COLUMNS
from benchmarks.peers.thrice_peer import Thrice
from tests.benchmarks.suite import start, systems_in
from tests.waiting import wait_until

_ALWAYS = {column.key for column in COLUMNS} - {"not_done"}


def test_a_run_measures_everything_and_writes_it_down(short_folder):
    """Each figure of the table was measured of a peer that has them all; nothing is left running."""
    with start(short_folder, "--only", "celery tuned", module="benchmarks.peers") as process:
        status = process.wait(110)

    output = (short_folder / "output.txt").read_text()
    assert status == 0, output
    document = json.loads((short_folder / "bench.json").read_text())
    assert set(document["runs"]) == {plan.THROUGHPUT, plan.LATENESS, plan.CRASH}
    measured = {name for systems in document["runs"].values() for (run,) in systems.values() for name in run}
    assert measured >= _ALWAYS
    assert "| celery tuned |" in (short_folder / "bench.md").read_text()
    assert systems_in(short_folder) == []


def test_an_interrupted_run_leaves_no_process_behind(short_folder):
    """Ctrl-C ends server, workers and the process that publishes."""
    with start(short_folder, "--only", "celery tuned", module="benchmarks.peers") as process:
        publishes = "programs.producing"
        wait_until(lambda: any(publishes in command for command in systems_in(short_folder)), "a system has started")
        process.send_signal(signal.SIGINT)
        status = process.wait(100)

    assert status == 128 + signal.SIGINT
    assert systems_in(short_folder) == []


def test_thrice_can_do_what_is_asked_of_a_system(short_folder):
    """It is published to in both ways, drained and looked at, by the very code that measures the others."""
    numbers = measure.throughput(Thrice(), TINY, 1.0, short_folder)

    assert all(number > 0 for number in numbers.values())
    assert numbers.keys() >= {"drain_rate", "publish_rate", "batch_rate", "latency_p99_ms", "memory_drained_mb"}
    assert systems_in(short_folder) == []
