"""The Celery application: `celery -A worker worker` runs attempts.

Broker and pool are ours (`worker/transport`, `worker/pool.py`). What a worker process needs besides is built when its
event loop begins and torn down when it ends; the tasks find it in `running()`.
"""

import logging
import sys
from typing import Any

from celery import Celery, signals

from config import settings as config_settings
from config.celery import celery_settings
from worker import activity
from worker.clock import SystemClock
from worker.collector import spare_the_collector
from worker.keys import Keys
from worker.pool import TaskPool, loop_ready
from worker.process import WorkerProcess
from worker.transport.hub_loop import HubLoop
from worker.transport.urls import use_for_redis_urls

_settings = config_settings.load()
_keys = Keys()

#: The clock of this process.
clock = SystemClock()

use_for_redis_urls()

app = Celery("thrice")
app.conf.update(celery_settings(_settings, f"{{{_keys.namespace}}}", invocations=_keys.invocations, calls=_keys.calls))

_running: WorkerProcess | None = None


def running() -> WorkerProcess:
    """What this worker process works with.

    Raises:
        RuntimeError: this process is no worker.
    """
    if _running is None:
        raise RuntimeError("attempts are made by worker processes only: start one with `celery -A worker worker`")
    return _running


@signals.setup_logging.connect  # type: ignore[untyped-decorator]
def _set_up_logging(loglevel: int | str | None = None, **_: Any) -> None:
    logging.basicConfig(
        stream=sys.stderr, level=loglevel or logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    # One line for each received and each finished task would cost more than the task.
    for name in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(name).setLevel(logging.WARNING)


@loop_ready.connect  # type: ignore[untyped-decorator]
def _start(sender: TaskPool, loop: HubLoop, **_: Any) -> None:
    global _running
    spare_the_collector()
    _running = process = WorkerProcess.start(
        _settings, _keys, clock, loop, is_revoked=activity.is_revoked, is_busy=lambda: sender.is_busy
    )
    sender.is_settled = lambda: process.settler.is_idle
    sender.on_resize = process.account.announce
    process.account.announce(sender.limit)


@signals.worker_shutdown.connect  # type: ignore[untyped-decorator]
def _stop(**_: Any) -> None:
    global _running
    if _running is not None:
        _running.stop()
        _running = None
