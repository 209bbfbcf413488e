"""Lengths of time, as people write them."""

import pytest

from worker.duration import NoDuration, seconds, spelled


@pytest.mark.parametrize(
    ("text", "length"),
    [("90s", 90), ("2m", 120), ("1h30m", 5400), ("90", 90), ("1.5", 1.5), ("500ms", 0.5), (" 1d ", 86_400), ("0s", 0),
     ("1m500ms", 60.5)],
)  # fmt: skip
def test_length_is_read(text: str, length: float):
    """Units from the largest to the smallest, or plain seconds."""
    assert seconds(text) == length


@pytest.mark.parametrize("text", ["", "s", "-5s", "30m1h", "1 hour", "1h 30m", "5x", "1e9", "nan", "200000000000"])
def test_anything_else_is_no_length(text: str):
    """The error shows what was written."""
    with pytest.raises(NoDuration, match="'" + text):
        seconds(text)


@pytest.mark.parametrize(
    ("length", "text"),
    [(0, "0s"), (0.25, "0.25s"), (59, "59s"), (60, "1m"), (90, "1m30s"), (5400, "1h30m"), (90_061, "1d1h")],
)
def test_length_is_written(length: float, text: str):
    """In the two largest units that are needed."""
    assert spelled(length) == text
