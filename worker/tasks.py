"""The Celery tasks of the worker: one for an attempt at an event, one for a synchronous invocation."""

from worker import messages
from worker.celery import app, running


@app.task(name=messages.ATTEMPT)
def attempt(request_id: str) -> None:
    """Make the next attempt at the event `request_id`, if it is ready."""
    running().executor.attempt(request_id)


@app.task(name=messages.CALL)
def call(request_id: str) -> None:
    """Run the synchronous invocation `request_id` and answer its caller."""
    running().executor.call(request_id)
