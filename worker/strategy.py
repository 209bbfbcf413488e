"""What Celery's consumer does with the message of an event: read it, and let it wait for a slot of our pool.

Celery asks each task for its strategy. The one of event tasks leaves out what only serves arguments, results and
chains, and so costs a fraction of the stock one; the rest of Celery sees the request all the same.
"""

from collections.abc import Callable, Collection
from functools import partial
from typing import Any

from celery import Task
from celery.worker.consumer import Consumer

from worker import activity
from worker.claim import Claimed, claimed_of
from worker.executor import Ended, Run
from worker.request import EventRequest


def _refused(reason: str) -> property:
    """An attribute that is None. Who sets it, as Celery's remote control does, is told the reason."""

    def refuse(task: Any, value: object) -> None:
        raise ValueError(f"'{task.name}' takes no such limit as {value}: {reason}")

    return property(lambda _: None, refuse)


class EventTask(Task):  # type: ignore[misc]  # Celery is not typed
    """A task whose messages are events. It is never called: `begin` starts an attempt, `revoke` gives one up."""

    abstract = True
    Strategy = "worker.strategy:event_strategy"
    ignore_result = True
    acks_late = True

    rate_limit = _refused("it would hold for all functions together. Set a function's ReservedConcurrentExecutions.")
    time_limit = _refused("how long an event may run is for its function to say. Set the function's Timeout.")
    soft_time_limit = time_limit

    def needs_slot(self, claimed: Claimed) -> bool:  # noqa: ARG002 - others see by it that nothing is to run
        """Whether `begin` will run something, for which it needs one of the worker's slots."""
        return True

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

    def on_message(
        message: Any,
        _payload: Any = None,
        _ack: Any = None,
        _reject: Any = None,
        callbacks: Collection[Callable[[EventRequest], object]] = (),
    ) -> None:
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
        request = EventRequest(task, claimed, hostname, _listener(dispatcher))
        activity.reserved(request)
        if request.send is not None:
            request.tell_of_arrival()
        for callback in callbacks:  # the autoscaler's
            callback(request)
        if activity.is_revoked(request.id):
            activity.ended(request)
            request.give_up()
        else:
            pool.submit(request)

    return on_message


def _listener(dispatcher: Any) -> Callable[..., object] | None:
    """What sends Celery's task events, if anybody wants them."""
    if dispatcher is None or not dispatcher.enabled or (dispatcher.groups and "task" not in dispatcher.groups):
        return None
    send: Callable[..., object] = dispatcher.send
    return send


class EventConsumer(Consumer):  # type: ignore[misc]  # Celery is not typed
    """Celery's consumer, which hands the messages of lanes to their strategy at once."""

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], object]:
        """What is called with each message."""
        stock: Callable[[Any], object] = super().create_task_handler(*args, **kwargs)
        strategies = self.strategies

        def on_message(message: Any) -> object:
            if message.lane is None:
                return stock(message)
            strategy = strategies.get(message.headers.get("task"))
            return stock(message) if strategy is None else strategy(message, callbacks=self.on_task_message)

        return on_message


def _forget(message: Any) -> None:
    """The message has been settled by a script of ours. Until then it is kept, by whoever keeps this function."""
    message.channel.qos.forget(message.delivery_tag)
