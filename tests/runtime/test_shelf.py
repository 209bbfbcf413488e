"""What is reused and what is closed: decisions without I/O."""

import pytest

from worker.runtime.shelf import Shelf


def shelf_with(*idle, max_idle=3):
    """A shelf on which environments are put: (item, function, revision, is_warm), one a second."""
    shelf = Shelf(max_idle, max_age=300)
    closed = []
    for now, (item, function, revision, is_warm) in enumerate(idle):
        closed += shelf.put(item, function=function, revision=revision, is_warm=is_warm, now=float(now))
    return shelf, closed


A1, A2 = ("a1", "f", "r1", True), ("a2", "f", "r1", True)
COLD = ("cold", "f", "r1", False)
OLD = ("old", "f", "r0", True)
OTHER = ("other", "g", "r1", True)

TAKING = {
    "nothing idle": ([], (None, []), {}),
    "another function's": ([OTHER], (None, []), {"g": 1}),
    "the latest used": ([A1, A2], ("a2", []), {"f": 1}),
    "a warm one before a cold one": ([A1, COLD], ("a1", []), {"f": 1}),
    "a cold one if there is no other": ([COLD], ("cold", []), {}),
    "older revisions are closed": ([OLD, A1], ("a1", ["old"]), {}),
    "also if nothing fits": ([OLD, OTHER], (None, ["old"]), {"g": 1}),
}


@pytest.mark.parametrize("case", TAKING)
def test_taking(case):
    """Which one is used for revision r1 of f, which are closed, and what stays."""
    idle, expected, left = TAKING[case]
    shelf, _ = shelf_with(*idle)

    taken = shelf.take("f", "r1")

    assert (taken, repr(shelf), len(shelf)) == (expected, repr(left), sum(left.values()))


def test_least_recently_used_goes_first():
    """Beyond the limit, the one that has been idle for longest is closed, of whatever function."""
    shelf, closed = shelf_with(OTHER, A1, A2, COLD, max_idle=2)

    assert (closed, repr(shelf), len(shelf)) == (["other", "a1"], "{'f': 2}", 2)


def test_expiry():
    """What has been idle for 300 s goes, and nothing else."""
    shelf, _ = shelf_with(OTHER, A1, A2)

    assert shelf.expire(now=301.0) == ["other", "a1"]
    assert repr(shelf) == "{'f': 1}"
    assert shelf.clear() == ["a2"]
    assert len(shelf) == 0
