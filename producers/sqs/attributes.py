"""What a queue may be told about itself, and what it is when nothing is said. Pure.

Every attribute that is accepted is obeyed, with one exception that is no secret: there is no IAM here, so a `Policy` is
kept and shown, and forbids nothing.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from config import limits
from producers.errors import ApiError
from worker.arn import Arn, MalformedArn

#: Smallest value, largest value and default. Source: Amazon SQS API Reference, SetQueueAttributes.
_NUMBERS: Mapping[str, tuple[int, int, int]] = {
    "DelaySeconds": (0, 900, 0),
    "MaximumMessageSize": (1_024, limits.MAX_SQS_MESSAGE, limits.MAX_SQS_MESSAGE),
    "MessageRetentionPeriod": (60, 1_209_600, 345_600),
    "ReceiveMessageWaitTimeSeconds": (0, 20, 0),
    "VisibilityTimeout": (0, 43_200, 30),
}

#: What a queue has that was told nothing.
DEFAULTS: Mapping[str, str] = {name: str(default) for name, (_, _, default) in _NUMBERS.items()}

#: What can be asked for and not be told.
READ_ONLY = (
    "QueueArn",
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
)

#: Everything that GetQueueAttributes can be asked for.
READABLE = frozenset((*_NUMBERS, *READ_ONLY, "Policy", "RedrivePolicy", "RedriveAllowPolicy", "SqsManagedSseEnabled"))

_FIFO = {"FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"}
_ENCRYPTION = {"KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds"}

#: Most queues that a RedriveAllowPolicy may name. Source: SetQueueAttributes.
MAX_SOURCE_QUEUES = 10


def check(attributes: Mapping[str, str]) -> dict[str, str | None]:
    """See that `attributes` can be obeyed, and bring them into one form. None stands for one that is to be removed.

    Raises:
        ApiError: one is unknown, has a value that is not allowed, or cannot be obeyed.
    """
    return {name: _check(name, value) for name, value in attributes.items()}


def _check(name: str, value: str) -> str | None:
    if name in _NUMBERS:
        return _check_number(name, value)
    match name:
        case "RedrivePolicy":
            return _check_redrive_policy(value) if value else None
        case "RedriveAllowPolicy":
            return _check_redrive_allow_policy(value) if value else None
        case "Policy":
            return _check_policy(value) if value else None
        case "SqsManagedSseEnabled":
            if value.lower() != "false":
                raise ApiError(
                    "InvalidAttributeValue",
                    f"SqsManagedSseEnabled '{value}' cannot be obeyed: queues are not encrypted here. Leave it out.",
                )
            return "false"
    if name in _FIFO:
        raise ApiError("InvalidAttributeName", f"{name} cannot be obeyed: there are only standard queues here.")
    if name in _ENCRYPTION:
        raise ApiError("InvalidAttributeName", f"{name} cannot be obeyed: queues are not encrypted here. Leave it out.")
    raise ApiError("InvalidAttributeName", f"Unknown Attribute {name}.")


def _check_number(name: str, value: str) -> str:
    smallest, largest, _ = _NUMBERS[name]
    if not (value.isascii() and value.isdigit() and smallest <= int(value) <= largest):
        raise ApiError("InvalidAttributeValue", f"Invalid value for the parameter {name}.")
    return str(int(value))


def _check_policy(value: str) -> str:
    try:
        policy = orjson.loads(value)
    except orjson.JSONDecodeError:
        policy = None
    if not isinstance(policy, dict):
        raise ApiError("InvalidAttributeValue", "Invalid value for the parameter Policy.")
    return value


def _check_redrive_policy(value: str) -> str:
    policy = _read_map("RedrivePolicy", value)
    for name in ("maxReceiveCount", "deadLetterTargetArn"):
        if name not in policy:
            raise _invalid("RedrivePolicy", value, f"Redrive policy does not contain mandatory attribute: {name}.")
    _refuse_others("RedrivePolicy", value, policy, {"maxReceiveCount", "deadLetterTargetArn"})
    count = str(policy["maxReceiveCount"])
    if not (count.isascii() and count.isdigit() and 1 <= int(count) <= 1_000):
        raise _invalid(
            "RedrivePolicy",
            value,
            f"Invalid value for maxReceiveCount: {count}, valid values are from 1 to 1000 both inclusive.",
        )
    arn = policy["deadLetterTargetArn"]
    if not _is_queue_arn(arn):
        raise _invalid("RedrivePolicy", value, "Invalid value for deadLetterTargetArn.")
    return orjson.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": int(count)}).decode()


def _check_redrive_allow_policy(value: str) -> str:
    policy = _read_map("RedriveAllowPolicy", value)
    _refuse_others("RedriveAllowPolicy", value, policy, {"redrivePermission", "sourceQueueArns"})
    permission, sources = policy.get("redrivePermission"), policy.get("sourceQueueArns")
    if permission not in ("allowAll", "denyAll", "byQueue"):
        raise _invalid("RedriveAllowPolicy", value, "redrivePermission must be allowAll, denyAll or byQueue.")
    if permission != "byQueue":
        if sources is not None:
            raise _invalid("RedriveAllowPolicy", value, "sourceQueueArns goes with redrivePermission byQueue only.")
        return orjson.dumps({"redrivePermission": permission}).decode()
    if not isinstance(sources, list) or not 1 <= len(sources) <= MAX_SOURCE_QUEUES:
        raise _invalid("RedriveAllowPolicy", value, f"sourceQueueArns must list 1 to {MAX_SOURCE_QUEUES} queues.")
    if not all(_is_queue_arn(source) for source in sources):
        raise _invalid("RedriveAllowPolicy", value, "sourceQueueArns must be ARNs of queues.")
    return orjson.dumps({"redrivePermission": permission, "sourceQueueArns": sources}).decode()


def allows(redrive_allow_policy: str | None, source_arn: str) -> bool:
    """Whether a queue with this policy may be the dead-letter queue of `source_arn`."""
    if redrive_allow_policy is None:
        return True
    policy = orjson.loads(redrive_allow_policy)
    return policy["redrivePermission"] == "allowAll" or source_arn in policy.get("sourceQueueArns", ())


def dead_letter_arn(redrive_policy: str | None) -> str | None:
    """The dead-letter queue that a checked policy names."""
    return orjson.loads(redrive_policy)["deadLetterTargetArn"] if redrive_policy else None


def _read_map(name: str, value: str) -> dict[str, Any]:
    try:
        read = orjson.loads(value)
    except orjson.JSONDecodeError:
        read = None
    if not isinstance(read, dict):
        raise _invalid(name, value, "Redrive policy is not a valid JSON map.")
    return read


def _refuse_others(name: str, value: str, policy: Mapping[str, Any], known: set[str]) -> None:
    others = sorted(set(policy) - known)
    if others:
        raise _invalid(name, value, f"Only following attributes are supported: {sorted(known)}, not {others}.")


def _is_queue_arn(text: Any) -> bool:
    try:
        return isinstance(text, str) and Arn.parse(text).service == "sqs"
    except MalformedArn:
        return False


def _invalid(name: str, value: str, reason: str) -> ApiError:
    return ApiError("InvalidParameterValue", f"Value {value} for parameter {name} is invalid. Reason: {reason}")
