"""A server and workers of a test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.transport.processes import Server, server


@pytest.fixture
def broker(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that the test may kill, named to the application in this process."""
    with server(folder) as started:
        monkeypatch.setenv("TRANSPORT_TEST_LOG", str(folder / "notes"))
        yield started
