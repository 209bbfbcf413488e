"""What Celery's remote control looks at: which requests this worker holds, which of them run, which ids are revoked.

The sets are Celery's own (`celery.worker.state`), so that `inspect active` and `inspect stats` see events among tasks.
They are kept here directly, because Celery's functions do more than events need, for each of thousands a second.
"""

from typing import Any

from celery.worker import state


def reserved(request: Any) -> None:
    """The worker holds it."""
    state.requests[request.id] = request
    state.reserved_requests.add(request)


def begun(request: Any) -> None:
    """It runs."""
    state.active_requests.add(request)
    state.total_count[request.name] += 1
    state.all_total_count[0] += 1


def ended(request: Any) -> None:
    """It is held no more."""
    if state.requests.get(request.id) is request:  # after a lost lease the event may be here a second time
        del state.requests[request.id]
    state.active_requests.discard(request)
    state.reserved_requests.discard(request)


def active() -> list[Any]:
    """What runs."""
    return list(state.active_requests)


def is_revoked(request_id: str) -> bool:
    """Whether an operator has given it up."""
    return request_id in state.revoked


def is_to_end_at_once() -> bool:
    """Whether the worker was told not to wait for what runs: Celery's cold shutdown."""
    return state.should_terminate is not None and state.should_terminate is not False
