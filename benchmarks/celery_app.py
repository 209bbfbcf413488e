"""The peer's application: plain Celery with three tasks. Everything but the transport is the same for both transports.

The tasks are told by variables where to leave their traces: `BENCH_COUNT` is a file to which each completed task
appends one byte, so that its size is the number of completions and Redis has nothing to do with it; `BENCH_RECORDS` is
that of `handler.py`.
"""

import os
from functools import cache
from typing import Any

from celery import Celery

from benchmarks.transports import Transport
from benchmarks.warm_process import WarmProcess

NOTHING = "nothing"
CALL = "call"
STAMP = "stamp"


def celery_app(transport: Transport, url: str) -> Celery:
    """An application that can publish and run the tasks below, over `transport` to the server at `url`."""
    app = Celery("benchmark", set_as_current=False)
    app.conf.update(
        **transport.settings(url),
        broker_connection_retry_on_startup=True,
        task_acks_late=True,
        worker_prefetch_multiplier=64,
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        task_publish_retry=False,
        worker_send_task_events=False,
    )
    app.task(name=NOTHING)(nothing)
    app.task(name=CALL)(call)
    app.task(name=STAMP)(stamp)
    return app


def nothing(_event: dict[str, Any]) -> None:
    """Do nothing, and be counted."""
    os.write(_count(), b".")


def call(handler: str, payload: str) -> None:
    """Have a warm process of this pool process's own run `handler`, and be counted."""
    _warm(handler).call(payload.encode())
    os.write(_count(), b".")


def stamp(number: int) -> None:
    """Write down when this task began."""
    _stamp()({"number": number}, None)


@cache
def _count() -> int:
    return os.open(os.environ["BENCH_COUNT"], os.O_APPEND | os.O_WRONLY)


@cache
def _warm(handler: str) -> WarmProcess:
    return WarmProcess(handler)


@cache
def _stamp() -> Any:
    from benchmarks import handler  # noqa: PLC0415 - it opens its file when it is imported, which only workers have

    return handler.stamp
