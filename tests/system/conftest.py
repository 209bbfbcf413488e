"""Systems that tests start, use and stop."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.system.running import RunningSystem

#: All tests with whole systems run in one test process, one after the other: two cores are soon full.
GROUP = pytest.mark.xdist_group("system")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put every test of this folder into the group."""
    for item in items:
        if "tests/system/" in item.path.as_posix():
            item.add_marker(GROUP)


@pytest.fixture(scope="session")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """A system that tests share: they leave it running and use names of their own."""
    system = RunningSystem.start(tmp_path_factory.mktemp("up"))
    yield system
    system.stop()


@pytest.fixture
def start_up(tmp_path: Path) -> Iterator[Callable[..., RunningSystem]]:
    """Starts systems of the test's own, in one data folder; what still runs at the end is stopped."""
    started: list[RunningSystem] = []

    def start(**variables: str) -> RunningSystem:
        started.append(RunningSystem.start(tmp_path, **variables))
        return started[-1]

    yield start
    for system in started:
        system.stop()


@pytest.fixture(scope="session")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """A shared system whose attempts follow each other at once, so that dead letters are quick to come."""
    system = RunningSystem.start(tmp_path_factory.mktemp("quick"), THRICE_RETRY_COUNTDOWNS="0,0,0", THRICE_WORKERS="1")
    yield system
    system.stop()
