"""The suite as a user runs it, with sizes that mean nothing."""

import json
import signal

import pytest

from benchmarks.measurements import ALL
from tests.benchmarks.suite import start, systems_in
from tests.waiting import wait_until


def test_a_run_ends_with_the_table_and_the_promised_json(short_folder):
    """Each figure of the chosen measurements has a number and says whether its goal is met; every run is there."""
    names = ["warm-handler", "producer"]
    figures = [figure for measurement in ALL if measurement.name in names for figure in measurement.figures]

    with start(short_folder, "--only", ",".join(names)) as process:
        status = process.wait(100)

    output = (short_folder / "output.txt").read_text()
    assert status == 0, output
    assert all(figure.name in output for figure in figures)
    document = json.loads((short_folder / "bench.json").read_text())
    assert [(target["name"], target["goal"]) for target in document["targets"]] == [
        (figure.name, figure.goal) for figure in figures
    ]
    assert all(set(target) == {"name", "value", "goal", "met"} for target in document["targets"])
    assert all(target["value"] is not None for target in document["targets"])
    assert {name: [sorted(runs) for runs in document["runs"][name]] for name in names} == {
        name: [["stock", "thrice"]] for name in names
    }
    assert (short_folder / "bench.md").read_text().count("\n") == 2 + len(figures)
    assert systems_in(short_folder) == []


@pytest.mark.parametrize("name", ["backlog", "waiting", "parts"])
def test_what_runs_only_when_it_is_named_gives_all_its_figures(short_folder, name):
    """Each figure has a number, and nothing is left running."""
    figures = [figure.name for measurement in ALL if measurement.name == name for figure in measurement.figures]

    with start(short_folder, "--only", name) as process:
        status = process.wait(110)

    assert status == 0, (short_folder / "output.txt").read_text()
    targets = json.loads((short_folder / "bench.json").read_text())["targets"]
    assert [target["name"] for target in targets if target["value"] is not None] == figures
    assert systems_in(short_folder) == []


@pytest.mark.parametrize("measurement", ["idle", "no-op"])
def test_an_interrupted_run_leaves_no_process_behind(short_folder, measurement):
    """Ctrl-C in the middle of a measurement ends the systems under test first, whichever they are."""
    with start(short_folder, "--only", measurement) as process:
        # Its server, and not one of the short programs that the suite asks for versions before it listens to signals.
        serves = "unixsocket:"
        wait_until(lambda: any(serves in command for command in systems_in(short_folder)), "a server has started")
        process.send_signal(signal.SIGINT)
        status = process.wait(100)

    assert status == 128 + signal.SIGINT
    assert systems_in(short_folder) == []
