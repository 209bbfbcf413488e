"""kombu's hub as an event loop: a real hub, real descriptors."""

import os
import socket
import threading
import time
from pathlib import Path

import pytest
from kombu.asynchronous.hub import Hub

from worker.transport.hub_loop import HubLoop


def open_descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def hub():
    hub = Hub()
    yield hub
    hub.close()


@pytest.fixture
def loop(hub):
    loop = HubLoop(hub)
    yield loop
    loop.close()


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    yield ours, theirs
    ours.close()
    theirs.close()


@pytest.fixture
def turn(hub):
    """Let the hub turn until something is true."""

    def until(predicate, timeout=30.0):
        deadline = time.monotonic() + timeout
        while not predicate():
            assert time.monotonic() < deadline
            hub.run_once()

    return until


def test_reader_is_called_until_it_is_removed(loop, pair, turn):
    """Once for each turn in which there is something to read; afterwards not at all."""
    ours, theirs = pair
    read, later = [], []
    loop.add_reader(ours.fileno(), lambda: read.append(ours.recv(10)))

    theirs.send(b"a")
    turn(lambda: read)
    loop.remove_reader(ours.fileno())
    theirs.send(b"b")
    loop.call_later(0.02, lambda: later.append(True))
    turn(lambda: later)

    assert read == [b"a"]


def test_reader_is_told_of_the_end(loop, turn):
    """A pipe that loses its other end is readable, with nothing to read."""
    reading, writing = os.pipe()
    read = []
    loop.add_reader(reading, lambda: read.append(os.read(reading, 1)))

    os.close(writing)
    turn(lambda: read)
    loop.remove_reader(reading)
    os.close(reading)

    assert read[0] == b""


def test_reader_and_writer_of_one_descriptor(loop, pair, turn):
    """A descriptor may have both, in either order, and keeps the one when the other is removed."""
    ours, theirs = pair
    read, written = [], []
    for begin in (True, False):
        if begin:
            loop.add_reader(ours.fileno(), lambda: read.append(ours.recv(10)))
        loop.add_writer(ours.fileno(), lambda: written.append(True))

        turn(lambda: written)
        theirs.send(b"a")
        turn(lambda: read)
        loop.remove_writer(ours.fileno())
        written.clear()
        theirs.send(b"b")
        turn(lambda: len(read) == 2)

        assert (read, written) == ([b"a", b"b"], [])
        read.clear()
    loop.remove_reader(ours.fileno())


def test_removing_what_was_never_added(loop, pair):
    """It does nothing."""
    loop.remove_reader(pair[0].fileno())
    loop.remove_writer(pair[0].fileno())


def test_timers(loop, turn):
    """They go off in the order of their times, once; one that was cancelled does not."""
    fired = []
    loop.call_later(0.05, lambda: fired.append("second"))
    loop.call_later(0.01, lambda: fired.append("first"))
    loop.call_later(0.02, lambda: fired.append("never")).cancel()

    turn(lambda: len(fired) == 2)

    assert fired == ["first", "second"]


def test_cancelling_a_timer_that_went_off(loop, turn):
    """It does nothing."""
    fired = []
    timer = loop.call_later(0.001, lambda: fired.append(True))

    turn(lambda: fired)

    timer.cancel()


def test_calls_from_other_threads_keep_their_order(loop, turn):
    """They wake the hub, and run in its thread in the order in which each thread made them."""
    calls = []

    def call(name):
        for number in range(1000):
            loop.call_soon_threadsafe(lambda number=number: calls.append((name, number, threading.get_ident())))

    threads = [threading.Thread(target=call, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    turn(lambda: len(calls) == 2000)
    for thread in threads:
        thread.join()

    assert {ident for *_, ident in calls} == {threading.get_ident()}
    assert [[n for name, n, _ in calls if name == thread] for thread in "ab"] == [list(range(1000))] * 2


def test_call_from_a_call_comes_in_the_next_turn(loop, turn):
    """A call that calls for itself does not keep the hub from everything else."""
    turns = []

    def again():
        turns.append("call")
        if turns.count("call") < 5:
            loop.call_soon_threadsafe(again)

    loop.call_soon_threadsafe(again)
    loop.call_later(0, lambda: turns.append("timer"))
    turn(lambda: len(turns) >= 6)

    assert turns.index("timer") < 5


def test_call_that_raises_does_not_take_others_with_it(loop, hub, turn):
    """The exception comes out of the hub; what was to be called after it is called when the hub goes on."""
    calls = []
    loop.call_soon_threadsafe(lambda: {}["missing"])
    loop.call_soon_threadsafe(lambda: calls.append(True))

    with pytest.raises(KeyError):
        turn(lambda: calls)
    hub._loop = None  # as whoever runs the hub again makes a new generator
    turn(lambda: calls)

    assert calls == [True]


def test_hub_that_forgets_everything(loop, hub, pair, turn):
    """After a reset and a cleared timer, `resume` brings back readers, writers, timers and calls, each once."""
    ours, theirs = pair
    read, written, fired, called = [], [], [], []
    loop.add_reader(ours.fileno(), lambda: read.append(ours.recv(10)))
    loop.add_writer(theirs.fileno(), lambda: (written.append(True), loop.remove_writer(theirs.fileno())))
    loop.call_later(0.01, lambda: fired.append("lost"))

    hub.reset()
    hub.timer.clear()
    hub._loop = None
    loop.call_later(0.02, lambda: fired.append("not lost"))
    loop.resume()
    theirs.send(b"a")
    loop.call_soon_threadsafe(lambda: called.append(True))
    turn(lambda: read and written and called and len(fired) == 2)
    loop.call_later(0.02, lambda: fired.append("end"))
    turn(lambda: fired[-1] == "end")

    assert (read, written, called) == ([b"a"], [True], [True])
    assert fired == ["lost", "not lost", "end"]


def test_close_leaves_nothing_behind(hub):
    """The hub has no reader and no timer of ours any more, and no descriptor stays open."""
    before = open_descriptors()
    loop = HubLoop(hub)
    reading, writing = os.pipe()
    loop.add_reader(reading, lambda: None)
    loop.call_later(60, lambda: None)

    loop.close()
    loop.call_soon_threadsafe(lambda: None)
    os.close(reading)
    os.close(writing)

    assert (hub.readers, hub.writers) == ({}, {})
    assert all(scheduled.entry.canceled for scheduled in hub.timer.queue)
    assert open_descriptors() == before
