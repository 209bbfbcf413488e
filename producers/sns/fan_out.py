"""What becomes of one published message: everything that its subscribers get, in one transaction.

A subscriber that is not there any more, or cannot take the message, does not stop the others: it is logged, and the
message goes to the subscription's own dead-letter queue if it has one. Since a delivery is only a few more commands in
the same transaction, there is nothing that would have to be tried again.
"""

import logging
from collections.abc import Iterable
from datetime import datetime

from redis.client import Pipeline

from producers.seams import Deliver, TargetMissing
from producers.sns.event import Notification, envelope, lambda_event
from producers.sns.message import Message
from producers.sns.subscription import Subscription
from worker.message_document import Attributes

_log = logging.getLogger("thrice.sns")

#: What made the event, as functions and queues are told.
SOURCE = "aws:sns"


def add(
    pipe: Pipeline,
    deliver: Deliver,
    subscriptions: Iterable[Subscription],
    message: Message,
    *,
    message_id: str,
    published_at: datetime,
    trace_header: str | None,
) -> None:
    """Add to `pipe` what each subscription gets of `message`."""
    for subscription in subscriptions:
        text = message.text_for(subscription.protocol)
        if not subscription.wants(text, message.attributes):
            continue
        notification = Notification(
            message_id, subscription.topic_arn, text, message.subject, message.attributes, published_at
        )
        payload, attributes = _content(notification, subscription)
        try:
            deliver(
                pipe,
                subscription.endpoint,
                payload,
                source=SOURCE,
                trace_header=trace_header,
                attributes=attributes,
            )
        except TargetMissing as problem:
            _bury(pipe, deliver, notification, subscription, str(problem), trace_header)


def _content(notification: Notification, subscription: Subscription) -> tuple[bytes, Attributes | None]:
    if subscription.protocol == "lambda":
        return lambda_event(notification, subscription.arn), None
    return _content_in_queue(notification, subscription)


def _content_in_queue(notification: Notification, subscription: Subscription) -> tuple[bytes, Attributes | None]:
    if subscription.is_raw:
        return notification.message.encode(), notification.attributes
    return envelope(notification, subscription.arn), None


def _bury(
    pipe: Pipeline,
    deliver: Deliver,
    notification: Notification,
    subscription: Subscription,
    problem: str,
    trace_header: str | None,
) -> None:
    queue = subscription.dead_letter_arn
    if queue is None:
        _log.warning(
            "Message %s was not delivered to %s: %s. It is lost to this subscription; the other ones got it. Give the "
            "subscription %s a RedrivePolicy to keep such messages.",
            notification.message_id,
            subscription.endpoint,
            problem,
            subscription.arn,
        )
        return
    payload, attributes = _content_in_queue(notification, subscription)
    try:
        deliver(pipe, queue, payload, source=SOURCE, trace_header=trace_header, attributes=attributes)
    except TargetMissing as second_problem:
        _log.warning(
            "Message %s was neither delivered to %s (%s) nor to the dead-letter queue of the subscription (%s). It is "
            "lost to the subscription %s. Create the queue that its RedrivePolicy names.",
            notification.message_id,
            subscription.endpoint,
            problem,
            second_problem,
            subscription.arn,
        )
        return
    _log.warning(
        "Message %s was not delivered to %s: %s. It is in %s.",
        notification.message_id,
        subscription.endpoint,
        problem,
        queue,
    )
