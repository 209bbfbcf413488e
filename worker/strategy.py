"""What Celery's consumer does with the message of an event: read it, and let it wait for a slot of our pool.

Celery asks each task for its strategy. The one of event tasks leaves out what only serves arguments, results and
chains, and so costs a fraction of the stock one; the rest of Celery sees the request all the same.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from celery import Task
from celery.worker import state

from worker.claim import Claimed, claimed_of
from worker.executor import Ended, Run
from worker.request import EventRequest


class EventTask(Task):  # type: ignore[misc]  # Celery is not typed
    """A task whose messages are events. It is never called: `begin` starts an attempt, `revoke` gives one up."""

    abstract = True
    Strategy = "worker.strategy:event_strategy"
    ignore_result = True

    def begin(self, claimed: Claimed, ended: Ended) -> Run | None:
        """Begin an attempt; `ended` is called when it runs no more. None: that has already happened."""
        raise NotImplementedError

    def revoke(self, claimed: Claimed) -> None:
        """Give the event up without another attempt."""
        raise NotImplementedError


def event_strategy(task: EventTask, _app: Any, consumer: Any, **_: Any) -> Callable[..., None]:
    """How the consumer handles each message of `task`."""
    pool, monotonic, hostname = consumer.pool, consumer.pool.clock.monotonic, consumer.hostname
    dispatcher = consumer.event_dispatcher
    revoked = state.revoked

    def on_message(message: Any, *_: Any, **__: Any) -> None:
        channel = message.channel
        pool.use(channel.qos)
        claimed = claimed_of(
            message.headers,
            message.body,
            context=message.context,
            lease=channel.lease.key,
            field=message.delivery_tag,
            forget=partial(_forget, message),
            redeliveries=message.redeliveries,
            is_refused=message.is_refused,
            received_at=monotonic(),
        )
        send = dispatcher.send if dispatcher and dispatcher.enabled else None
        request = EventRequest(task.name, claimed, hostname, task.begin, task.revoke, send)
        state.task_reserved(request)
        request.tell("task-received", name=task.name, args=repr((request.function,)), root_id=claimed.invocation.root)
        if request.id in revoked:
            state.task_ready(request)
            task.revoke(claimed)
        else:
            pool.submit(request)

    return on_message


def _forget(message: Any) -> None:
    """The message has been settled by a script of ours. Until then it is kept, by whoever keeps this function."""
    message.channel.qos.forget(message.delivery_tag)
