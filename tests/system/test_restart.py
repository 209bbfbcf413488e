"""`thrice restart`: all processes are replaced under load, and nobody notices."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from tests.system.running import BIN, RunningSystem
from tests.waiting import wait_until

#: Appends to a file, which is the test's: the handler must not be walled in.
SOURCE = """
import os, time

def handler(event, context):
    time.sleep(0.01)
    with open(os.environ['RECORD'], 'a') as file:
        file.write(f"{context.aws_request_id}\\n")
    return event
"""


def thrice_restart(system: RunningSystem) -> tuple[int, str]:
    """Run the command beside the system; its exit status and what it prints."""
    done = subprocess.run(
        [BIN / "thrice", "restart"], env=system.variables, capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode, done.stdout + done.stderr


def parts(system: RunningSystem) -> dict[str, int]:
    """The processes of the system, by the names of the parts."""
    found: dict[str, int] = orjson.loads((system.folder / "data" / "logs" / "parts.json").read_bytes())["processes"]
    return found


# A kept connection that the old gateway closes under a request: boto3 sends it again, and leaves the socket to the GC.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_restart_under_load_refuses_nobody_and_runs_nothing_twice(
    start_up: Callable[..., RunningSystem], tmp_path: Path
):
    """Each invoke of unmodified clients is accepted, every event runs once, and all processes are others."""
    record = tmp_path / "record"
    system = start_up(THRICE_WORKERS="2", THRICE_ISOLATION="off")
    system.create_function("f", SOURCE, Environment={"Variables": {"RECORD": str(record)}})
    before = parts(system)
    stop = threading.Event()
    accepted: list[int] = []

    def invoke_all_the_time() -> None:
        client = system.client("lambda")
        while not stop.is_set():
            answer = client.invoke(FunctionName="f", InvocationType="Event", Payload=b"{}")
            accepted.append(answer["StatusCode"])
        client.close()

    callers = [threading.Thread(target=invoke_all_the_time) for _ in range(4)]
    for caller in callers:
        caller.start()
    try:
        status, text = thrice_restart(system)
    finally:
        stop.set()
        for caller in callers:
            caller.join()
    after = parts(system)
    wait_until(lambda: system.ledger()["functions"]["f"]["succeeded"] == len(accepted), "all have run")

    assert (status, set(accepted)) == (0, {202}), text + system.printed
    assert {name for name in before if before[name] == after[name]} == {"redis"}
    assert all(
        f"{name}: process {after[name]} in place of {before[name]}" in text for name in before if name != "redis"
    )
    assert system.ledger()["functions"]["f"]["accepted"] == len(accepted)
    ran = record.read_text().split()
    assert (len(ran), len(set(ran))) == (len(accepted), len(accepted))
    assert set(system.processes()) >= set(after.values())
    assert system.processes().keys().isdisjoint({before[name] for name in before if name != "redis"})


def test_gateway_that_does_not_begin_to_work_leaves_the_old_one(start_up: Callable[..., RunningSystem]):
    """What cannot start takes nobody's place, and the command says so."""
    system = start_up(THRICE_WORKERS="1", THRICE_GATEWAYS="1")
    credentials = system.folder / "data" / "credentials"
    good = credentials.read_bytes()
    before = parts(system)

    credentials.write_text("broken")
    status, text = thrice_restart(system)
    credentials.write_bytes(good)

    assert (status, "gateway-1" in text.splitlines()[-1]) == (1, True), text
    assert parts(system)["gateway-1"] == before["gateway-1"]
    assert "gateway-1 is not renewed: the new process did not begin to work" in system.printed
    wait_until(lambda: system.is_healthy, "the system is healthy", 60)


def test_gateway_that_is_away_keeps_callers_waiting_and_refuses_none(start_up: Callable[..., RunningSystem]):
    """The port belongs to `thrice up`: who connects while the gateway is dead is answered by the next one."""
    system = start_up(THRICE_WORKERS="1", THRICE_GATEWAYS="1")
    system.create_function("f", SOURCE)
    os.kill(parts(system)["gateway-1"], signal.SIGKILL)

    client = system.client("lambda", retries={"total_max_attempts": 1}, read_timeout=60)
    answer = client.invoke(FunctionName="f", InvocationType="Event", Payload=b"{}")
    client.close()

    assert answer["StatusCode"] == 202


def test_restart_of_nothing_says_so(tmp_path: Path):
    """Where no system runs, the command names the data folder."""
    variables = os.environ | {"THRICE_DATA_DIR": str(tmp_path / "none")}
    done = subprocess.run([BIN / "thrice", "restart"], env=variables, capture_output=True, text=True, check=False)

    assert (done.returncode, str(tmp_path / "none") in done.stdout) == (1, True)
