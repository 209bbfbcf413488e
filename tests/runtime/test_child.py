"""Processes and their numbers: who may be killed, and until when."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runtime.conftest import is_gone
from tests.waiting import wait_until
from worker.runtime.child import Child, Executed, Lines
from worker.runtime.forking import CAN_FORK, ForkServer


@pytest.fixture
def lines():
    """Ends that lead nowhere."""
    control, theirs = socket.socketpair()
    theirs.close()
    reading, writing = os.pipe()
    lines = Lines(control, writing, reading)
    yield lines
    lines.close()


def start(command, **options):
    return subprocess.Popen(["sh", "-c", command], **options)


def test_end_waits_for_who_ends_by_himself(lines):
    """The exit code is his own."""
    process = start("exit 7", start_new_session=True)

    assert Child(process.pid, lines, Executed(process)).end(linger=60) == 7


def test_end_does_not_wait_for_ever(lines):
    """Who does not end in time is killed."""
    process = start("sleep 600", start_new_session=True)

    assert Child(process.pid, lines, Executed(process)).end(linger=0.01) == -signal.SIGKILL


def test_end_takes_along_what_was_left_behind(lines):
    """The group is killed although its leader has ended by himself, and his exit code stands."""
    process = start("sleep 600 & echo $!; exit 3", start_new_session=True, stdout=subprocess.PIPE)
    left_behind = int(process.stdout.readline())
    process.stdout.close()

    assert Child(process.pid, lines, Executed(process)).end(linger=60) == 3

    wait_until(lambda: is_gone(left_behind), "what was left behind has ended")


def test_process_that_leads_no_group_yet(lines):
    """A kill reaches it nevertheless."""
    process = start("sleep 600")
    child = Child(process.pid, lines, Executed(process))

    child.kill()

    assert child.end(linger=60) == -signal.SIGKILL


def test_kill_after_the_end_reaches_nobody(lines):
    """The number may be somebody else's by then: a stand-in for him lives on."""
    process = start("exit 0", start_new_session=True)
    child = Child(process.pid, lines, Executed(process))
    child.end(linger=60)
    other = start("sleep 600", start_new_session=True)
    child.pid = other.pid

    child.kill()

    assert other.poll() is None
    other.kill()
    other.wait()


@pytest.mark.skipif(not CAN_FORK, reason="This system has no descriptors of processes.")
def test_number_without_a_parent(folder, lines):
    """When the fork server is dead, a number is certain only as long as the process lives."""
    server = ForkServer(sys._base_executable, {"PATH": "/usr/bin:/bin"})
    control, theirs = socket.socketpair()
    lifeline, our_lifeline = os.pipe()
    with Path(os.devnull).open("wb") as output:
        pid, keeper = server.fork(folder, {}, [theirs.fileno(), lifeline, output.fileno()])
    theirs.close()
    os.close(lifeline)
    assert keeper.is_certain()

    server.close()
    os.close(our_lifeline)
    assert keeper.wait(60)

    assert not keeper.is_certain()
    assert Child(pid, lines, keeper).end() == -signal.SIGKILL
    control.close()
