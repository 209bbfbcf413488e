"""The Celery task that sends what an event's end has to tell to a target outside our own SQS.

A delivery is as durable as an event: it has a record, a lease, and attempts of its own, which back off while the target
does not take it, up to six hours. A target that does not exist is not tried again, as on AWS.
"""

import logging
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from config import limits
from config import settings as config_settings
from producers.errors import ApiError
from producers.seams import TargetMissing
from worker import event_message, telemetry
from worker.celery import app, running
from worker.claim import Claimed
from worker.clock import from_ms
from worker.executor import Ended
from worker.retry import Condition, Decision, Die, Retry, Succeed, backoff
from worker.strategy import EventTask

if TYPE_CHECKING:
    from producers.services import Services


@cache
def _services() -> "Services":
    """The services of this worker process, loaded by the first delivery: most workers never make one."""
    from producers.services import build  # noqa: PLC0415

    return build(config_settings.load())


class Deliver(EventTask):
    """The next attempt at a delivery. It talks to services and may wait for them: it runs in a thread."""

    name = event_message.DELIVER

    def begin(self, claimed: Claimed, ended: Ended) -> None:
        """Make the attempt."""
        running().in_thread(lambda: _attempt(claimed), lambda result: self._conclude(claimed, result, ended))

    def revoke(self, claimed: Claimed) -> None:
        """Give the delivery up."""
        running().executor.conclude(claimed, Die(Condition.REVOKED))

    def _conclude(self, claimed: Claimed, result: Decision | Exception, ended: Ended) -> None:
        if isinstance(result, Exception):  # a fault of ours: it may work the next time, and the log has the traceback
            logging.getLogger(__name__).error("A delivery failed unexpectedly", exc_info=result)
            result = _again(claimed, str(result))
        running().executor.conclude(claimed, result)
        ended(None)


app.register_task(Deliver())


def _attempt(claimed: Claimed) -> Decision:
    delivery = claimed.invocation
    try:
        _services().send(delivery.invoked_arn, delivery.payload, claimed.details["attributes"], delivery.trace_header)
    except TargetMissing as missing:
        telemetry.emit(_failed(claimed, f"the target does not exist: {missing}"))
        return Die(Condition.TARGET_MISSING)
    except (ApiError, RedisError) as error:
        return _again(claimed, str(error))
    return Succeed()


def _again(claimed: Claimed, error: str) -> Decision:
    """Another attempt after a pause, if the delivery is not too old then."""
    pause = backoff(claimed.history.backoffs)
    if from_ms(claimed.now_ms) + pause - claimed.invocation.accepted_at > timedelta(seconds=limits.DEFAULT_EVENT_AGE):
        telemetry.emit(_failed(claimed, f"given up after {limits.DEFAULT_EVENT_AGE} s: {error}"))
        return Die(Condition.EVENT_AGE_EXCEEDED)
    return Retry(pause, uses_attempt=False)


def _failed(claimed: Claimed, reason: str) -> telemetry.DeliveryFailed:
    details = claimed.details
    return telemetry.DeliveryFailed(details["cause"], details["cause_function"], claimed.invocation.invoked_arn, reason)
