"""A server and workers of a test's own."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from kombu import pools

from tests.transport.app import app
from tests.transport.processes import Server, server


@pytest.fixture
def broker(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that the test may kill, named to the application in this process."""
    with server(folder) as started:
        monkeypatch.setenv("TRANSPORT_TEST_LOG", str(folder / "notes"))
        yield started


@contextmanager
def sending_to(url: str, **options: Any) -> Iterator[Celery]:
    """The application, sending to a server, with nothing left of another test's. `options` are the transport's."""
    usual = app.conf.broker_transport_options
    app.conf.update(broker_url=url, broker_read_url=url, broker_write_url=url, result_backend=None)
    app.conf.broker_transport_options = {**usual, **options}
    app._local = threading.local()
    app._backend_cache = None
    app.amqp.__dict__.pop("_producer_pool", None)
    try:
        yield app
    finally:
        app.conf.broker_transport_options = usual
        pools.reset()
        app._after_fork()


@pytest.fixture
def producer(broker: Server) -> Iterator[Celery]:
    """The application, sending to the broker of the test."""
    with sending_to(broker.url) as started:
        yield started


@pytest.fixture
def send_to() -> Iterator[Callable[..., Celery]]:
    """Lets the application send to a server that the test has started: its URL, and options of the transport."""
    with ExitStack() as stack:
        yield lambda url, **options: stack.enter_context(sending_to(url, **options))
