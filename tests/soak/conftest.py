"""The short night's seed, and its place: never beside another test of a whole system."""

import os
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

#: What happens when follows from it.
SEED = int(os.environ.get("SOAK_SEED", random.randrange(2**32)))


def pytest_report_header() -> str:
    """How to repeat this very run."""
    return f"soak: SOAK_SEED={SEED}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Only the whole night is long; the rest may run anywhere."""
    for item in items:
        if item.path.name == "test_night.py":
            item.add_marker(pytest.mark.xdist_group("system"))


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder for all of it; its path is short enough for the sockets in it."""
    with tempfile.TemporaryDirectory(prefix="soak-test-", ignore_cleanup_errors=True) as path:
        yield Path(path)
