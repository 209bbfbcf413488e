"""Waiting for an event itself, never for a length of time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(predicate: Callable[[], T], description: str, timeout: float = 30.0) -> T:
    """Ask `predicate` every 10 ms until its answer is true, and return it.

    Raises:
        AssertionError: it was not within `timeout` seconds; the text says what was waited for.
    """
    deadline = time.monotonic() + timeout
    while True:
        answer = predicate()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"waited {timeout:g} s in vain until {description}"
        time.sleep(0.01)
