"""How the asynchronous events of a function are to be treated: reading, merging and showing the event-invoke config.

PUT replaces everything and POST keeps what is not sent; an empty destination removes that side. Pure: whether a
destination is there is asked through a function that is handed in.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from producers.errors import ApiError
from producers.lambda_.errors import invalid_parameter, not_found
from worker.arn import Arn, MalformedArn
from worker.clock import from_ms
from worker.function import EventInvokeConfig

#: What may be told of a success, and of a failure. Source: Lambda Developer Guide, "Adding a destination".
_SERVICES = {
    "OnSuccess": ("sqs", "sns", "lambda", "events"),
    "OnFailure": ("sqs", "sns", "lambda", "events", "s3"),
}

Destinations = Mapping[str, Mapping[str, str]]


def replaced(
    retry_attempts: int | None, event_age: int | None, destinations: Destinations | None, now: datetime
) -> EventInvokeConfig:
    """The config that a PUT makes: what is not sent is not set.

    Raises:
        ApiError: nothing was sent.
    """
    if retry_attempts is None and event_age is None and destinations is None:
        raise invalid_parameter("You must specify at least one of error handling or destination setting.")
    return merged(EventInvokeConfig(), retry_attempts, event_age, destinations, now)


def merged(
    config: EventInvokeConfig,
    retry_attempts: int | None,
    event_age: int | None,
    destinations: Destinations | None,
    now: datetime,
) -> EventInvokeConfig:
    """The config that a POST makes of `config`: what is not sent stays, of the destinations each side for itself."""
    changes: dict[str, Any] = {"last_modified": now.timestamp()}
    if retry_attempts is not None:
        changes["maximum_retry_attempts"] = retry_attempts
    if event_age is not None:
        changes["maximum_event_age"] = event_age
    for side, field in (("OnSuccess", "on_success"), ("OnFailure", "on_failure")):
        destination = _destination(destinations, side)
        if destination is not None:
            changes[field] = destination or None
    return config.model_copy(update=changes)


def check_destinations(function_arn: str, destinations: Destinations | None, exists: Callable[[str], bool]) -> None:
    """See that every destination that is sent can be used by the function of that (unqualified) ARN.

    Raises:
        ApiError: one is the function itself, is of a service that cannot be a destination, or does not exist.
    """
    for side in ("OnSuccess", "OnFailure"):
        destination = _destination(destinations, side)
        if destination:
            _check(side, destination, function_arn, _written(destinations), exists)


def described(qualified_arn: str, config: EventInvokeConfig) -> dict[str, Any]:
    """The config of that ARN as AWS shows it: numbers only where they are set, both destinations always."""
    description: dict[str, Any] = {
        "LastModified": from_ms(config.last_modified * 1000),
        "FunctionArn": qualified_arn,
        "DestinationConfig": {"OnSuccess": _shown(config.on_success), "OnFailure": _shown(config.on_failure)},
    }
    if config.maximum_retry_attempts is not None:
        description["MaximumRetryAttempts"] = config.maximum_retry_attempts
    if config.maximum_event_age is not None:
        description["MaximumEventAgeInSeconds"] = config.maximum_event_age
    return description


def no_function() -> ApiError:
    """The config was to be set for a function, version or alias that is not there."""
    return not_found("The function doesn't exist.")


def no_config(qualified_arn: str) -> ApiError:
    """Nothing is set."""
    return not_found(f"The function {qualified_arn} doesn't have an EventInvokeConfig")


def _shown(arn: str | None) -> dict[str, str]:
    return {"Destination": arn} if arn else {}


def _destination(destinations: Destinations | None, side: str) -> str | None:
    """The ARN that was sent for one side; empty to remove it, None if none was sent."""
    return ((destinations or {}).get(side) or {}).get("Destination")


def _written(destinations: Destinations | None) -> str:
    """The destinations as AWS's messages write them."""
    written = []
    for side, field in (("OnSuccess", "onSuccess"), ("OnFailure", "onFailure")):
        destination = _destination(destinations, side)
        written.append(f"{field}={side}(destination={destination})" if destination else f"{field}=null")
    return f"DestinationConfig({', '.join(written)})"


def _check(side: str, destination: str, function_arn: str, written: str, exists: Callable[[str], bool]) -> None:
    if destination == function_arn or destination.startswith(f"{function_arn}:"):
        raise invalid_parameter("You can't specify the function as a destination for itself.")
    if _service_of(destination) not in _SERVICES[side]:
        raise invalid_parameter(f"The provided destination config {written} is invalid.")
    if destination.endswith(".fifo") or not exists(destination):
        raise invalid_parameter(f"The destination ARN {destination} is invalid.")


def _service_of(destination: str) -> str | None:
    try:
        return Arn.parse(destination).service
    except MalformedArn:
        return None
