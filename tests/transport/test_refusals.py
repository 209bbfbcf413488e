"""A server that answers, and refuses: a busy worker waits out each way, loses nothing and does not exit."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from celery import Celery

from tests.transport.app import note
from tests.transport.contents import is_empty
from tests.transport.processes import Server, worker
from tests.transport.refusals import REFUSALS
from tests.waiting import wait_until


@pytest.mark.parametrize(("refuse", "words"), REFUSALS, ids=[refuse.__name__ for refuse, _ in REFUSALS])
def test_a_server_that_refuses_is_waited_out(
    refuse: Callable[[Server, Path], AbstractContextManager[None]],
    words: str | None,
    broker: Server,
    folder: Path,
    producer: Celery,
) -> None:
    """The worker goes on when the server does: nothing is lost, nothing left over, and it can be controlled."""
    expected = {f"n{number}" for number in range(60)}
    for text in sorted(expected):
        note.delay(text, 0.02)
    with worker(broker, folder, "-P", "threads", "-c", "2") as consumer:
        wait_until(lambda: len(consumer.noted()) >= 5, "the worker is busy")
        with refuse(broker, folder):
            wait_until(lambda: words is None or words in consumer.log.read_text(), "the worker is refused")

        wait_until(lambda: set(consumer.noted()) == expected, "all tasks have run")
        wait_until(lambda: is_empty(broker), "every message is acknowledged")
        assert consumer.process.poll() is None
        assert consumer.is_controlled_by(producer)
        assert max(consumer.noted().values()) <= 2
