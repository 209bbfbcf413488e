"""Blocking work beside the loop, and the timer that looks after what runs."""

import threading
import time

import pytest

from worker.runtime.chores import Chores
from worker.runtime.watch import Watch


@pytest.fixture
def chores(driver):
    chores = Chores(driver.loop, threads=2)
    yield chores
    chores.close()


def test_work_is_done_elsewhere_and_followed_here(chores, driver):
    """The work has a thread of its own; what follows gets its result, in the loop, after `do` has returned."""
    here = threading.get_ident()
    seen = []

    chores.do(threading.get_ident, lambda there: seen.append((there != here, threading.get_ident() == here)))
    assert seen == []
    driver.until(lambda: seen, "it is followed")

    assert seen == [(True, True)]


def test_what_work_raises_comes_out_of_the_loop(chores, driver):
    """It is a mistake, and nobody hides it."""
    chores.do(lambda: {}["missing"], lambda _: None)

    with pytest.raises(KeyError, match="missing"):
        driver.until(lambda: False, "the loop has failed")


def test_finish_takes_the_place_of_the_loop(chores, driver):
    """What follows may ask for more; all of it is done, once, without a turn of the loop."""
    seen = []

    def follow(number):
        seen.append(number)
        if number < 5:
            chores.do(lambda: number + 1, follow)

    chores.do(lambda: 0, follow)

    assert chores.finish(60)
    driver.until(lambda: True, "the loop turns")
    assert seen == [0, 1, 2, 3, 4, 5]


def test_finish_does_not_wait_for_ever(chores, driver):
    """Work that hangs is left alone, and nothing follows it after the end."""
    goes_on = threading.Event()
    seen = []
    chores.do(goes_on.wait, seen.append)

    assert not chores.finish(0.01)
    chores.close()
    goes_on.set()
    chores._threads.shutdown(wait=True)
    driver.until(lambda: True, "the loop turns")

    assert seen == []


class Looked:
    """Something to look at, every `every` seconds, so many times."""

    def __init__(self, watch, every, times=1) -> None:
        self.next_look = time.monotonic() + every
        self.seen = []
        self._watch = watch
        self._every = every
        self._times = times

    def look(self, now):
        """It is time."""
        assert now >= self.next_look
        self.seen.append(now)
        self.next_look = now + self._every
        if len(self.seen) == self._times:
            self._watch.discard(self)


def test_watch_looks_when_it_is_time(driver):
    """Each has its own times; one that comes later with an earlier time is not late; what is discarded is not seen."""
    watch = Watch(driver.loop)
    never, slow = Looked(watch, 0.02), Looked(watch, 0.3)
    for looked in (never, slow):
        watch.add(looked)
    quick = Looked(watch, 0.01, times=3)
    watch.add(quick)
    watch.discard(never)

    driver.until(lambda: slow.seen, "the slow one is seen")

    assert (len(quick.seen), len(slow.seen), never.seen) == (3, 1, [])
    assert quick.seen[-1] < slow.seen[0]


def test_watch_stands_still_while_there_is_nothing_to_see(driver):
    """No timer is left when the last one is gone."""
    watch = Watch(driver.loop)
    looked = Looked(watch, 0.01)
    watch.add(looked)

    driver.until(lambda: looked.seen, "it is seen")

    assert watch._timer is None


def test_watched_thing_may_end_another(driver):
    """What is discarded by its neighbour's look, in the same round, is not looked at."""
    watch = Watch(driver.loop)
    seen = []

    class Jealous(Looked):
        def look(self, now):
            seen.append(now)
            for one in both:
                watch.discard(one)

    both = [Jealous(watch, 0.01), Jealous(watch, 0.01)]
    for one in both:
        watch.add(one)
    driver.until(lambda: seen and watch._timer is None, "a round is over")

    assert len(seen) == 1
