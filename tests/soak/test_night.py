"""The short form of `make soak`: every kind of disturbance once, in about a minute."""

from pathlib import Path

import pytest

from tests.soak import report
from tests.soak.conftest import SEED
from tests.soak.night import Night
from tests.soak.schedule import SHORT, Kind
from tests.soak.verdict import judge

#: A restart under load has tests of its own, in tests/system/test_restart.py.
KINDS = frozenset(Kind) - {Kind.RESTART}


@pytest.mark.timeout(400)
def test_short_night_keeps_every_promise(request: pytest.FixtureRequest, short_folder: Path):
    """Parts die and stand still, disk and Redis are full, dead letters find no queue: all that was accepted is kept."""
    request.node.add_report_section("setup", "seed", f"SOAK_SEED={SEED}")
    told: list[str] = []

    books = Night(seed=SEED, seconds=60.0, rate=15.0, pace=SHORT, kinds=KINDS).spend(short_folder, told.append)
    judged = judge(books)
    request.node.add_report_section("call", "night", "\n".join([*told, report.text(books, judged)]))

    assert {promise: complaints for promise, complaints in judged.items() if complaints} == {}
    assert all(one.runs for one in books.functions if one.function.share)
