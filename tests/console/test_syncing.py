"""What Redis has answered outlives its SIGKILL, also while the disk is slow, and reaches the disk within a second."""

import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.settings import Settings, load
from console.syncing import Syncing
from tests.embedded import server
from tests.waiting import wait_until

#: A disk on which every fsync takes 1.5 s.
SLOW_DISK = """
#include <time.h>
static int wait(int fd) { struct timespec t = {1, 500000000}; nanosleep(&t, 0); return fd < 0; }
int fsync(int fd) { return wait(fd); }
int fdatasync(int fd) { return wait(fd); }
"""


@pytest.fixture
def settings() -> Iterator[Settings]:
    """Settings in a new folder, on the machine's disk."""
    with tempfile.TemporaryDirectory(prefix="syncing-", ignore_cleanup_errors=True) as folder:
        yield load(data_dir=Path(folder))


@pytest.mark.skipif(shutil.which("cc") is None, reason="a slow disk is made with a C compiler, and there is none")
def test_what_was_answered_outlives_a_sigkill_while_the_disk_is_slow(settings: Settings, tmp_path: Path):
    """Writes of some seconds, in which the disk is always busy; then SIGKILL: the next start has each of them."""
    source, library = tmp_path / "slow.c", tmp_path / "slow.so"
    source.write_text(SLOW_DISK)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    pause = threading.Event()
    with server(settings, LD_PRELOAD=str(library)) as (process, client):
        for number in range(600):
            client.set(f"k{number}", "x")
            pause.wait(0.005)
        process.kill()
        process.wait()

    with server(settings) as (_, client):
        kept = client.dbsize()

    assert kept == 600


def test_what_was_written_is_brought_to_the_disk(settings: Settings):
    """Each round syncs the files that have changed since the last one, of which there are others after a rewrite."""
    synced: list[str] = []
    said: list[str] = []
    syncing = Syncing(
        settings.folder / "redis", said.append, lambda fd: synced.append(Path(f"/proc/self/fd/{fd}").readlink().name)
    )

    def round() -> set[str]:  # noqa: A001 - what it is called
        synced.clear()
        syncing.round()
        return set(synced)

    def is_rewritten() -> bool:
        return client.info("persistence")["aof_rewrite_in_progress"] == 0 and len(_growing(settings)) == 1

    with server(settings) as (_, client):
        client.set("a", 1)
        first = _growing(settings)
        rounds = [round(), round()]
        client.set("a", 2)
        rounds.append(round())
        client.bgrewriteaof()
        wait_until(is_rewritten, "the file is written anew")
        wait_until(lambda: _growing(settings) != first, "there is another file")
        client.set("a", 3)
        rounds.append(round())
        second = _growing(settings)

    assert (rounds[0], rounds[1], rounds[2]) == (first, set(), first)
    assert second <= rounds[3]
    assert said == []


def test_disk_that_fails_is_told_once(settings: Settings):
    """A person reads it, and the next rounds are made all the same."""
    said: list[str] = []
    tries: list[int] = []

    def fail(descriptor: int) -> None:
        tries.append(descriptor)
        raise OSError(5, "Input/output error")

    syncing = Syncing(settings.folder / "redis", said.append, fail)
    with server(settings) as (_, client):
        client.set("a", 1)
        for _ in range(3):
            syncing.round()

    assert len(tries) == 3
    assert len(said) == 1
    assert "Input/output error" in said[0]


def _growing(settings: Settings) -> set[str]:
    """The names of the files that the server appends to: those of a name with "incr", or the only one."""
    names = {path.name for path in (settings.folder / "redis").glob("**/*.aof")}
    return {name for name in names if "incr" in name} or names
