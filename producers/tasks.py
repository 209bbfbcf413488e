"""The Celery task that sends what an event's end has to tell to a target outside our own SQS.

A delivery is as durable as an event: it has a record, a lease, and attempts of its own, which back off while the target
does not take it, up to six hours. A target that does not exist is not tried again, as on AWS.
"""

from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING

import orjson
from redis.exceptions import RedisError

from config import limits
from config import settings as config_settings
from producers.errors import ApiError
from producers.seams import TargetMissing
from worker import messages, telemetry
from worker.celery import app, running
from worker.claim import Claimed
from worker.clock import from_ms
from worker.queue import new_token
from worker.retry import Condition, Decision, Die, Retry, Succeed, backoff
from worker.settlement import settlement_of

if TYPE_CHECKING:
    from producers.services import Services


@cache
def _services() -> "Services":
    """The services of this worker process, loaded by the first delivery: most workers never make one."""
    from producers.services import build  # noqa: PLC0415

    return build(config_settings.load())


@app.task(name=messages.DELIVER)
def deliver(delivery_id: str) -> None:
    """Make the next attempt at the delivery `delivery_id`, if it is ready."""
    queue = running().queue
    claimed = queue.claim(delivery_id, new_token())
    if claimed is None:
        return
    decision = _attempt(claimed)
    queue.settle(settlement_of(claimed, None, decision, from_ms(claimed.now_ms)))


def _attempt(claimed: Claimed) -> Decision:
    delivery = claimed.invocation
    try:
        _services().send(delivery.invoked_arn, delivery.payload, orjson.loads(claimed.attributes))
    except TargetMissing as missing:
        telemetry.emit(_failed(claimed, f"the target does not exist: {missing}"))
        return Die(Condition.TARGET_MISSING)
    except (ApiError, RedisError) as error:
        pause = backoff(claimed.history.backoffs)
        if from_ms(claimed.now_ms) + pause - delivery.accepted_at > timedelta(seconds=limits.DEFAULT_EVENT_AGE):
            telemetry.emit(_failed(claimed, f"given up after {limits.DEFAULT_EVENT_AGE} s: {error}"))
            return Die(Condition.EVENT_AGE_EXCEEDED)
        return Retry(pause, uses_attempt=False)
    return Succeed()


def _failed(claimed: Claimed, reason: str) -> telemetry.DeliveryFailed:
    return telemetry.DeliveryFailed(claimed.cause, claimed.cause_function, claimed.invocation.invoked_arn, reason)
