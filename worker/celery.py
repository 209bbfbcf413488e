"""The Celery application: `celery -A worker worker` runs attempts.

The pool is Celery's threads pool: a thread only waits for its handler's process, so one worker process runs
`THRICE_CONCURRENCY` invocations at a time whatever they do. What a worker process needs is built when it starts and
torn down when it stops; `tasks.py` finds it in `running()`.
"""

import logging
import sys
from typing import Any

from celery import Celery, signals

from config import settings as config_settings
from config.celery import celery_settings
from worker.keys import Keys
from worker.process import WorkerProcess

_settings = config_settings.load()
_keys = Keys()

app = Celery("thrice")
app.conf.update(celery_settings(_settings, invocations=_keys.invocations, calls=_keys.calls))
app.conf.worker_pool = "threads"
app.conf.worker_concurrency = _settings.concurrency

_running: WorkerProcess | None = None


def running() -> WorkerProcess:
    """What this worker process works with.

    Raises:
        RuntimeError: this process is no worker.
    """
    if _running is None:
        raise RuntimeError("attempts are made by worker processes only: start one with `celery -A worker worker`")
    return _running


@signals.setup_logging.connect
def _set_up_logging(loglevel: int | str | None = None, **_: Any) -> None:
    logging.basicConfig(
        stream=sys.stderr, level=loglevel or logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    # One line for each received and each finished task would cost more than the task.
    for name in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(name).setLevel(logging.WARNING)


@signals.worker_init.connect
def _start(**_: Any) -> None:
    global _running
    _running = WorkerProcess.start(_settings, _keys)


@signals.worker_shutdown.connect
def _stop(**_: Any) -> None:
    global _running
    if _running is not None:
        _running.stop()
        _running = None
