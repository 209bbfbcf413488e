"""`thrice bench` against a whole system: what it says is what happened."""

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.system.running import BIN, RunningSystem
from tests.waiting import wait_until

ECHO = "def handler(event, context):\n    return event\n"


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """A system whose clock can be moved, so that nobody waits for retries."""
    system = RunningSystem.start(tmp_path_factory.mktemp("bench"), THRICE_CLOCK="virtual", THRICE_WORKERS="1")
    yield system
    system.stop()


def bench(system: RunningSystem, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The command, with the variables of the system."""
    return subprocess.run(
        [BIN / "thrice", "bench", *arguments], env=system.variables, cwd=system.folder, capture_output=True, text=True,
        timeout=110, check=False,
    )  # fmt: skip


def test_every_event_is_accounted_for_and_retries_are_not_waited_for(system: RunningSystem, tmp_path: Path):
    """500 events of which a tenth of the attempts fails: all end, in 1 to 3 attempts, as the system's ledger says."""
    found, report = tmp_path / "found.json", tmp_path / "found.html"

    done = bench(
        system, "--self-contained", "-n", "500", "--rate", "250", "--fail", "10%", "--json", str(found), "--html",
        str(report), "--threshold", "accept_max<100s,errors==0,failed<10%",
    )  # fmt: skip
    document = json.loads(found.read_text())
    counts = document["counts"]
    account = system.ledger()["functions"]["thrice-bench"]

    assert done.returncode == 0, done.stdout + done.stderr
    assert (counts["sent"], counts["accepted"], counts["in_hand"], counts["lost"]) == (500, 500, 0, 0)
    assert account["accepted"] == 500
    assert account["succeeded"] == counts["succeeded"] == 500 - counts["dropped"]
    assert account["dropped"] == ({"RetriesExhausted": counts["dropped"]} if counts["dropped"] else {})
    attempts = {int(number): events for number, events in document["attempts"].items()}
    assert sum(attempts.values()) == 500
    assert account["retried"] == sum((number - 1) * events for number, events in attempts.items()) > 0
    assert document["histograms"]["run"]["total"] == sum(number * events for number, events in attempts.items())
    assert document["percentiles_ms"]["max"] < 60_000  # the countdowns of one and two minutes are not in it
    assert document["load"]["parts"].keys() >= {"gateway", "workers", "environments", "redis", "clients"}
    assert ET.fromstring(report.read_text().removeprefix("<!DOCTYPE html>")).tag == "html"
    assert system.client("lambda").list_functions()["Functions"] == []


def test_thresholds_that_do_not_hold_are_the_exit_status(system: RunningSystem, tmp_path: Path):
    """Of a function of the user's, synchronously, and compared with an earlier run; the status is 1, and says why."""
    system.create_function("echo", ECHO)
    first = bench(system, "echo", "-n", "50", "-c", "2", "--sync", "--json", str(tmp_path / "first.json"))

    done = bench(
        system, "echo:$LATEST", "-n", "50", "-c", "2", "--sync", "--compare", str(tmp_path / "first.json"),
        "--threshold", "p50<1ms", "--threshold", "errors==0", "--payload", '{"a": 1}',
    )  # fmt: skip
    system.client("lambda").delete_function(FunctionName="echo")

    assert first.returncode == 0, first.stdout + first.stderr
    assert done.returncode == 1, done.stdout + done.stderr
    assert "p50<1ms ✘" in done.stdout
    assert "errors==0 ✔" in done.stdout
    assert "×" in done.stdout


def test_what_cannot_be_run_says_so_and_leaves_nothing(system: RunningSystem):
    """No such function; no such metric; the status is 2."""
    missing = bench(system, "nobody")
    unknown = bench(system, "--self-contained", "--threshold", "p98<1s")

    assert (missing.returncode, unknown.returncode) == (2, 2)
    assert "Function not found" in missing.stderr
    assert "accept_p99" in unknown.stderr


def test_an_interrupted_run_tells_what_is_known_and_deletes_its_function(system: RunningSystem, tmp_path: Path):
    """Ctrl-C ends the sending; what was accepted is accounted for, and the status is 130."""
    found = tmp_path / "found.json"
    command = [BIN / "thrice", "bench", "--self-contained", "--rate", "50", "--duration", "100s", "--json", str(found)]
    with subprocess.Popen(
        command, env=system.variables, cwd=system.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as running:
        before = system.ledger()["functions"].get("thrice-bench", {}).get("accepted", 0)
        wait_until(
            lambda: system.ledger()["functions"].get("thrice-bench", {}).get("accepted", 0) > before, "it sends", 60
        )
        running.send_signal(signal.SIGINT)
        output, _ = running.communicate(timeout=60)

    counts = json.loads(found.read_text())["counts"]
    assert running.returncode == 130, output
    assert 0 < counts["accepted"] < 5_000
    assert counts["accepted"] == counts["succeeded"] + counts["in_hand"]
    assert "interrupted" in output
    assert system.client("lambda").list_functions()["Functions"] == []
