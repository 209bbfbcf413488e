"""`thrice up`: what it says, what it refuses, and what it leaves behind: nothing."""

import json
import os
import socket
import stat
import subprocess
from collections.abc import Callable

import pytest

from tests.system.running import BIN, RunningSystem, environment, free_port
from tests.waiting import wait_until
from worker.keys import LAYOUT

SLOW = """
import time

def handler(event, context):
    with open({mark!r}, 'a') as mark:
        mark.write('x')
    time.sleep(500)
"""


def refused(folder, port: int, **variables: str) -> tuple[int, str]:
    """What a `thrice up` that must not start says: exit status and text."""
    done = subprocess.run(
        [BIN / "thrice", "up"], env=environment(folder, port, **variables), cwd=folder, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr + done.stdout


def test_ready_means_that_a_canary_went_round(up: RunningSystem):
    """The table names the parts, and health is 200."""
    status, health = up.get("/_thrice/health")

    assert (status, health["status"]) == (200, "ok")
    assert health["canary_round_trip_ms"] > 0
    for words in ("valkey", up.url, "workers", "scheduler", "left over from the last run: 0 queued"):
        assert words in up.printed


def test_credentials_are_the_owners_alone(up: RunningSystem):
    """The file that callers point AWS_SHARED_CREDENTIALS_FILE at is private."""
    path = up.folder / "data" / "credentials"

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().startswith("[default]\naws_access_key_id = AKIA")


def test_second_up_on_the_same_folder_is_refused(up: RunningSystem):
    """The message names the folder and the process that uses it."""
    code, text = refused(up.folder, free_port())

    assert code == 1
    assert f"{up.folder / 'data'} is in use by another `thrice up` (process {up.process.pid})" in text


def test_up_follows_a_killed_up_at_once(start_up: Callable[..., RunningSystem]):
    """A `thrice up` that comes right after a SIGKILL of the last one waits for what is still ending, then starts."""
    system = start_up(THRICE_WORKERS="1")
    os.kill(system.process.pid, 9)

    again = start_up(THRICE_WORKERS="1", THRICE_PORT=str(system.port))

    assert again.get("/_thrice/health")[0] == 200


def test_taken_port_is_refused(tmp_path):
    """The message names the port and the variable."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, text = refused(tmp_path, port)

    assert code == 1
    assert f"Cannot listen on 127.0.0.1:{port}" in text
    assert "THRICE_PORT" in text


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("THRICE_WORKERS", "many", "a valid integer"),
        ("THRICE_WORKERS", "0", "greater than or equal to 1"),
        ("THRICE_PORT", "70000", "less than or equal to 65535"),
        ("THRICE_RETRY_COUNTDOWNS", "0,soon", "comma-separated"),
        ("THRICE_RETRY_COUNTDOWNS", "0,1,2,3", "one to three"),
        ("THRICE_REGION", "Mars", "pattern"),
        ("THRICE_ACCOUNT_ID", "12", "12 digits"),
        ("THRICE_REDIS_URL", "http://x", "redis://"),
        ("THRICE_TYPO", "1", "THRICE_WORKERS"),
    ],
)
def test_wrong_setting_stops_the_start(tmp_path, variable: str, value: str, allowed: str):
    """The message names the variable, the value and what is allowed."""
    code, text = refused(tmp_path, free_port(), **{variable: value})

    assert code == 1
    assert variable in text
    assert allowed in text
    assert "Traceback" not in text


def test_foreign_redis_that_evicts_is_refused(
    start_up: Callable[..., RunningSystem], tmp_path_factory, redis, settings
):
    """A Redis of the user's whose eviction policy would lose events is refused, with the reason."""
    redis.config_set("maxmemory-policy", "allkeys-lru")
    password = (settings.folder / "redis.password").read_text()
    url = f"unix://:{password}@{settings.folder / 'redis.sock'}"
    try:
        code, text = refused(tmp_path_factory.mktemp("evicts"), free_port(), THRICE_REDIS_URL=url)
    finally:
        redis.config_set("maxmemory-policy", "noeviction")

    assert code == 1
    assert "allkeys-lru" in text
    assert "noeviction" in text


def test_foreign_redis_is_used(start_up: Callable[..., RunningSystem], redis, settings):
    """With THRICE_REDIS_URL no server is started, and events go round in yours."""
    password = (settings.folder / "redis.password").read_text()
    system = start_up(THRICE_REDIS_URL=f"unix://:{password}@{settings.folder / 'redis.sock'}", THRICE_WORKERS="1")

    assert "(yours)" in system.printed
    assert not any("valkey-server" in command for command in system.processes().values())
    assert redis.get("{thrice}:layout") == str(LAYOUT).encode()


def test_stop_leaves_no_process_behind(start_up: Callable[..., RunningSystem]):
    """SIGTERM stops everything in order; handlers' processes end as well."""
    system = start_up()
    system.create_function("f", "def handler(event, context): return 1")
    system.client("lambda").invoke(FunctionName="f", Payload=b"{}")
    assert len(system.processes()) >= 6

    system.stop()

    assert system.process.returncode == 0
    assert system.processes() == {}
    assert "Traceback" not in system.printed


def test_what_does_not_end_in_time_is_handed_back(start_up: Callable[..., RunningSystem]):
    """A handler that needs longer than the grace ends with its worker, whose event is ready again at once."""
    system = start_up(THRICE_SHUTDOWN_GRACE="0.5", THRICE_ISOLATION="off")
    mark = system.folder / "begun"
    system.create_function("slow", SLOW.format(mark=str(mark)), Timeout=600)
    answer = system.client("lambda").invoke(FunctionName="slow", InvocationType="Event")
    wait_until(lambda: mark.exists() and mark.read_text() == "x", "it runs")

    system.stop()
    again = start_up(THRICE_SHUTDOWN_GRACE="0.5", THRICE_ISOLATION="off")
    wait_until(lambda: mark.read_text() == "xx", "it runs again")

    request_id = answer["ResponseMetadata"]["RequestId"]
    event = again.get(f"/_thrice/events/{request_id}")[1]
    assert "still busy after 0.5 s; what it runs is handed back" in system.printed
    assert "is killed" not in system.printed
    assert (event["state"], event["attempts_made"], event.get("workers_lost", 0)) == ("running", 0, 0)


def test_parts_end_with_the_supervisor(start_up: Callable[..., RunningSystem]):
    """Even a SIGKILL of `thrice up` itself leaves nothing running."""
    system = start_up()
    assert len(system.processes()) >= 6

    os.kill(system.process.pid, 9)
    system.process.wait(10)

    wait_until(lambda: not system.processes(), "every part has ended")


@pytest.mark.parametrize("part", ["producers.gateway", "celery -A worker", "producers.scheduler", "valkey-server"])
def test_part_that_dies_is_started_again(up: RunningSystem, part: str):
    """One line says so, and the system is healthy again."""
    before = up.printed.count("is started again in")
    dead = up.kill(part)

    wait_until(lambda: up.printed.count("is started again in") > before, "a line says so")
    wait_until(lambda: any(part in c and pid != dead for pid, c in up.processes().items()), "the part is back")
    wait_until(lambda: up.is_healthy, "the system is healthy", 60)

    assert "killed by SIGKILL" in up.printed


def test_help_teaches():
    """`thrice --help` names the commands and the way in."""
    text = subprocess.run([BIN / "thrice", "--help"], capture_output=True, text=True, check=True).stdout

    for words in (
        "up",
        "deploy",
        "dev",
        "invoke",
        "logs",
        "demo",
        "ledger",
        "gateway",
        "scheduler",
        "THRICE_",
        "--endpoint-url",
    ):
        assert words in text


def test_ledger_command_prints_and_balances(up: RunningSystem):
    """`thrice ledger --json` is the ledger; its exit status says whether it balances."""
    done = subprocess.run(
        [BIN / "thrice", "ledger", "--json"], env=up.variables, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0
    assert json.loads(done.stdout)["balanced"] is True
