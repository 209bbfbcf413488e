"""The peer's application: stock Celery on the stock Redis transport, tuned, with a task that only counts.

The settings are the best that were found for a stock worker that is to lose as little as it can. `BENCH_BROKER` is the
broker's URL. Each run of the task appends one byte to the file `BENCH_COUNT`: the size of the file is the number of
completions, and Redis has nothing to do with it.
"""

import os
from typing import Any

from celery import Celery

app = Celery("stock")
app.conf.update(
    broker_url=os.environ["BENCH_BROKER"],
    broker_transport_options={
        # Sweep for messages of dead workers every second, so that one is noticed soon.
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
        "health_check_interval": 30,
        # A Unix socket has no keepalive; redis-py refuses the option there.
        **({} if "socket://" in os.environ["BENCH_BROKER"] else {"socket_keepalive": True}),
    },
    broker_connection_retry_on_startup=True,
    task_acks_late=True,
    worker_prefetch_multiplier=64,
    task_ignore_result=True,
    task_store_errors_even_if_ignored=False,
    task_publish_retry=False,
    worker_send_task_events=False,
)

_count = os.open(os.environ["BENCH_COUNT"], os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)


@app.task(name="nothing")
def nothing(_event: dict[str, Any]) -> None:
    """Do nothing, and be counted."""
    os.write(_count, b".")
