"""`thrice backup` of a system that works, and `thrice restore` of it somewhere else."""

import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.system.running import BIN, RunningSystem, environment, free_port
from tests.waiting import wait_until

SOURCE = """
def handler(event, context):
    if event.get('fails'):
        raise ValueError('as asked')
    return event
"""


def thrice(folder: Path, *words: str, **variables: str) -> tuple[int, str]:
    """Run a command on the data in `folder`/data; its exit status and what it prints."""
    done = subprocess.run(
        [BIN / "thrice", *words], env=environment(folder, free_port(), **variables), cwd=folder, capture_output=True,
        text=True, timeout=120, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr + done.stdout


def keep_busy(system: RunningSystem, stop: threading.Event) -> None:
    """Put and remove objects and invoke, until told to stop."""
    s3, lambda_ = system.client("s3"), system.client("lambda")
    number = 0
    while not stop.is_set():
        number += 1
        s3.put_object(Bucket="bucket", Key=f"k{number % 7}", Body=b"x" * number)
        s3.delete_object(Bucket="bucket", Key=f"k{(number + 3) % 7}")
        lambda_.invoke(FunctionName="f", InvocationType="Event", Payload=b"{}")


@pytest.fixture
def busy(start_up: Callable[..., RunningSystem]) -> RunningSystem:
    """A system with a function, an object, and events that wait for their next attempt."""
    system = start_up(THRICE_WORKERS="1", THRICE_RETRY_COUNTDOWNS="0,600")
    system.create_function("f", SOURCE)
    system.client("s3").create_bucket(Bucket="bucket")
    system.client("s3").put_object(Bucket="bucket", Key="stays", Body=b"the same bytes")
    for _ in range(5):
        system.client("lambda").invoke(FunctionName="f", InvocationType="Event", Payload=b'{"fails": true}')
    wait_until(lambda: system.get("/_thrice/ledger")[1]["in_hand"]["waiting"] == 5, "they wait")
    return system


def test_backup_of_a_working_system_is_restored_elsewhere(
    busy: RunningSystem, tmp_path: Path, start_up: Callable[..., RunningSystem]
):
    """It is of one moment: objects have their bytes, events are where they were, the ledger balances, the rest runs."""
    stop = threading.Event()
    load = threading.Thread(target=keep_busy, args=(busy, stop))
    load.start()
    try:
        status, text = thrice(tmp_path, "backup", "b.tar.gz")
    finally:
        stop.set()
        load.join()
    assert (status, "the ledger balances" in text) == (0, True), text
    assert (tmp_path / "b.tar.gz").stat().st_mode & 0o777 == 0o600
    assert not list((tmp_path / "data").glob("backup-*"))
    busy.stop()

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    status, text = thrice(elsewhere, "restore", str(tmp_path / "b.tar.gz"))
    assert (status, "restored as it was at" in text) == (0, True), text
    system = RunningSystem.start(elsewhere, THRICE_WORKERS="1", THRICE_RETRY_COUNTDOWNS="0,600")
    try:
        stays = system.client("s3").get_object(Bucket="bucket", Key="stays")["Body"].read()
        objects = system.client("s3").list_objects_v2(Bucket="bucket")["Contents"]
        sizes = {
            found["Key"]: len(system.client("s3").get_object(Bucket="bucket", Key=found["Key"])["Body"].read())
            for found in objects
        }
        wait_until(lambda: system.get("/_thrice/ledger")[1]["in_hand"]["ready"] == 0, "what was ready has run")
        ledger = system.get("/_thrice/ledger")[1]
        answer = system.client("lambda").invoke(FunctionName="f", Payload=b'{"n": 1}')
    finally:
        system.stop()

    assert stays == b"the same bytes"
    assert sizes == {found["Key"]: found["Size"] for found in objects}
    assert (ledger["balanced"], ledger["in_hand"]["waiting"]) == (True, 5)
    assert answer["Payload"].read() == b'{"n": 1}'


def test_backup_of_a_stopped_system(busy: RunningSystem, tmp_path: Path):
    """A server is started for it; the next start finds everything as it was."""
    busy.stop()

    status, text = thrice(tmp_path, "backup", "b.tar.gz")

    assert (status, "5 events in hand" in text, "1 objects" in text) == (0, True, True), text


def test_what_would_lose_something_is_refused(busy: RunningSystem, tmp_path: Path):
    """A file that exists, a folder that is not empty, a backup that is not whole or none, a server that is not ours."""
    backup = tmp_path / "b.tar.gz"
    assert thrice(tmp_path, "backup", str(backup))[0] == 0
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "half.tar.gz").write_bytes(backup.read_bytes()[: backup.stat().st_size // 2])
    (elsewhere / "none.tar.gz").write_bytes(os.urandom(100))

    refusals = {
        "exists already": thrice(tmp_path, "backup", str(backup)),
        "There is no data in": thrice(elsewhere, "backup", "b.tar.gz"),
        "is not empty": thrice(tmp_path, "restore", str(backup)),
        "is no whole backup": thrice(elsewhere, "restore", "half.tar.gz"),
        "is no whole backup: not a gzip file": thrice(elsewhere, "restore", "none.tar.gz"),
        "a server of yours": thrice(tmp_path, "backup", "c.tar.gz", THRICE_REDIS_URL="redis://127.0.0.1:1"),
    }

    assert {words: (status, words in text) for words, (status, text) in refusals.items()} == dict.fromkeys(
        refusals, (1, True)
    )
    assert not (elsewhere / "data").exists()
