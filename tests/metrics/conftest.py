"""A gateway in a thread, and a worker that is moved by hand: the fixtures of tests/internal."""

from tests.internal.conftest import gateway, start, system

__all__ = ["gateway", "start", "system"]
