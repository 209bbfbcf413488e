"""A Celery application on the transport: `celery -A tests.transport.app worker`.

Its tasks note what they did in a file: `TRANSPORT_TEST_LOG`. Its server is `TRANSPORT_TEST_BROKER`; further
options of the transport are in `TRANSPORT_TEST_OPTIONS`, in JSON.
"""

import json
import os
import time
from pathlib import Path
from typing import Any

from celery import Celery, Task
from celery.exceptions import Reject

from worker.transport.urls import use_for_redis_urls

use_for_redis_urls()

app = Celery("transport-test", broker=os.environ.get("TRANSPORT_TEST_BROKER", "redis://"))
app.conf.update(
    result_backend=os.environ.get("TRANSPORT_TEST_BACKEND"),
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        "namespace": "{test}",
        "lease": 2.0,
        "heartbeat": 0.5,
        **json.loads(os.environ.get("TRANSPORT_TEST_OPTIONS", "{}")),
    },
    task_default_queue="{test}:tasks",
    task_acks_late=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=8,
    worker_cancel_long_running_tasks_on_connection_loss=False,
)


def _note(text: str) -> None:
    """One line in the file, whole even if the process is killed."""
    file = os.open(os.environ["TRANSPORT_TEST_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, f"{text}\n".encode())
    finally:
        os.close(file)


@app.task
def note(text: str, seconds: float = 0) -> None:
    """Take a while, then note a text."""
    if seconds:
        time.sleep(seconds)
    _note(text)


@app.task
def stand(text: str, end: str) -> None:
    """Note the beginning, wait until there is a file `end`, note the end."""
    _note(f"{text} begins")
    while not Path(end).exists():
        time.sleep(0.01)
    _note(f"{text} ends")


@app.task
def return_once(text: str) -> None:
    """Note a text, and give the message back the first time."""
    _note(text)
    if Path(os.environ["TRANSPORT_TEST_LOG"]).read_text().count(text) == 1:
        raise Reject("not yet", requeue=True)


def note_buried(queue: str, _envelope: bytes) -> None:
    """Note that a message was buried."""
    _note(f"buried of {queue}")


@app.task
def weigh(text: str) -> None:
    """Note the length of a text."""
    _note(str(len(text)))


@app.task(ignore_result=False)
def answer(text: str) -> str:
    """Return a text."""
    return text


@app.task(bind=True, max_retries=2)
def fail_once(self: Task, text: str) -> None:
    """Fail the first time."""
    if self.request.retries == 0:
        raise self.retry(countdown=0.2)
    _note(text)


@app.task
def gather(texts: list[str]) -> None:
    """Note what others have returned."""
    _note("+".join(sorted(texts)))


@app.task(bind=True)
def begin(self: Task, text: str, seconds: float) -> None:
    """Note the beginning, take a while, note the end."""
    _note(f"{text} begins")
    time.sleep(seconds)
    _note(f"{text} ends")


def send_stock(broker: str, task: str, *arguments: Any, **options: Any) -> None:
    """Send a task as a producer that knows nothing of the transport."""
    from kombu import Connection
    from kombu.transport.redis import Transport

    with Connection(broker, transport=Transport) as connection:
        app.send_task(task, arguments, connection=connection, **options)
