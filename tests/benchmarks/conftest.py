"""A place for the suites to work in."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder for all that a suite makes; its path is short enough for the sockets in it."""
    with tempfile.TemporaryDirectory(prefix="bench-test-", ignore_cleanup_errors=True) as path:
        yield Path(path)
