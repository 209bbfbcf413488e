"""A Celery task that is no event, as somebody may add one to the application."""

import os
import threading
from pathlib import Path

from worker.celery import app


@app.task
def write(path: str, text: str) -> None:
    """Write a text, the process and the kind of thread."""
    Path(path).write_text(f"{text} {os.getpid()} {threading.current_thread().name.partition('_')[0]}")
