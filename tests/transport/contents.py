"""What lies in a server of the tests' application."""

from tests.transport.processes import Server

QUEUE = "{test}:tasks"


def held(broker: Server) -> int:
    """How many messages lie under any lease."""
    return sum(int(broker.client.hlen(key)) for key in broker.client.keys("{test}:lease:*"))  # type: ignore[arg-type]


def is_empty(broker: Server) -> bool:
    """Whether no message is anywhere."""
    keys = [key for key in broker.client.keys("{test}:*") if not key.endswith((b":wake", b":consumers"))]
    return not keys
