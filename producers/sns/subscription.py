"""One subscription: who gets the messages of a topic, and how. Pure."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from producers.errors import ApiError
from producers.sns import filter_policy
from producers.sns.filter_rule import InvalidRule
from worker.arn import Arn, MalformedArn
from worker.message_document import Attributes

#: The protocols that can be subscribed with, and how AWS spells each: services that events can be delivered to.
PROTOCOLS = {"lambda": "Lambda", "sqs": "SQS"}

#: Attributes of a subscription that are obeyed.
SETTABLE = ("FilterPolicy", "FilterPolicyScope", "RawMessageDelivery", "RedrivePolicy")

_SUBSCRIPTIONS = uuid.UUID("9f5b8a52-6a0e-4c53-9c4c-0c7ad4f0d0a5")


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription, as it is kept."""

    arn: str
    protocol: str
    endpoint: str
    attributes: Mapping[str, str]

    @classmethod
    def from_json(cls, arn: str, record: bytes | str) -> "Subscription":
        """Read a record of `Keys.subscriptions`."""
        fields: dict[str, Any] = orjson.loads(record)
        return cls(arn, fields["protocol"], fields["endpoint"], fields["attributes"])

    def to_json(self) -> bytes:
        """The record of `Keys.subscriptions`."""
        return orjson.dumps(
            {"v": 1, "protocol": self.protocol, "endpoint": self.endpoint, "attributes": dict(self.attributes)}
        )

    @property
    def topic_arn(self) -> str:
        """The topic whose messages it gets."""
        return self.arn.rpartition(":")[0]

    @property
    def is_raw(self) -> bool:
        """The message itself is delivered, without the envelope."""
        return self.attributes.get("RawMessageDelivery") == "true"

    @property
    def dead_letter_arn(self) -> str | None:
        """The queue for what cannot be delivered."""
        policy = self.attributes.get("RedrivePolicy")
        return orjson.loads(policy)["deadLetterTargetArn"] if policy else None

    def wants(self, text: str, attributes: Attributes) -> bool:
        """Whether a message passes its filter."""
        policy = self.attributes.get("FilterPolicy")
        if policy is None:
            return True
        scope = self.attributes.get("FilterPolicyScope", filter_policy.ATTRIBUTES)
        return filter_policy.parse(policy, scope).passes(text, attributes)

    def listed(self, owner: str) -> dict[str, str]:
        """As lists show it."""
        return {
            "SubscriptionArn": self.arn,
            "Owner": owner,
            "Protocol": self.protocol,
            "Endpoint": self.endpoint,
            "TopicArn": self.topic_arn,
        }

    def shown(self, owner: str) -> dict[str, str]:
        """All that GetSubscriptionAttributes can tell."""
        attributes = {"RawMessageDelivery": "false", **self.attributes}
        if "FilterPolicy" in attributes:
            attributes.setdefault("FilterPolicyScope", filter_policy.ATTRIBUTES)
        return {
            **self.listed(owner),
            "PendingConfirmation": "false",
            "ConfirmationWasAuthenticated": "true",
            **attributes,
        }


def subscription_arn(topic_arn: str, protocol: str, endpoint: str) -> str:
    """The ARN of a subscription: the same for the same parties, so that subscribing twice is subscribing once."""
    return f"{topic_arn}:{uuid.uuid5(_SUBSCRIPTIONS, f'{topic_arn} {protocol} {endpoint}')}"


def check_endpoint(protocol: str, endpoint: str | None, region: str, account: str) -> str:
    """See that messages can be delivered to an endpoint; whether it is there shows when they are.

    Raises:
        ApiError: they cannot.
    """
    if protocol not in PROTOCOLS:
        raise ApiError(
            "InvalidParameter",
            f"Invalid parameter: Protocol Reason: '{protocol}' is not supported here; the protocols are "
            f"{' and '.join(PROTOCOLS)}.",
        )
    if not endpoint:
        raise ApiError("InvalidParameter", "Invalid parameter: Endpoint")
    if protocol == "sqs" and endpoint.endswith(".fifo"):
        raise ApiError(
            "InvalidParameter",
            "Invalid parameter: Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard "
            "SNS topics",
        )
    try:
        arn = Arn.parse(endpoint)
    except MalformedArn:
        arn = None
    if arn is None or arn.service != protocol:
        raise ApiError("InvalidParameter", f"Invalid parameter: {PROTOCOLS[protocol]} endpoint ARN")
    if (arn.region, arn.account) != (region, account):
        raise ApiError(
            "InvalidParameter",
            f"Invalid parameter: Endpoint Reason: {endpoint} is outside of {region} and account {account}, which are "
            "all that there is here.",
        )
    return endpoint


def check_attributes(
    protocol: str, given: Mapping[str, str], existing: Mapping[str, str], *, prefix: str
) -> dict[str, str | None]:
    """See that attributes can be obeyed, and bring them into one form. None stands for one that is to be removed.

    `existing` are those that stay as they are; `prefix` is what AWS's words of refusal begin with.

    Raises:
        ApiError: one is unknown, or has a value that is not allowed.
    """
    changes = {name: _check(protocol, name, value, prefix) for name, value in given.items()}
    merged = {**existing, **changes}
    policy = merged.get("FilterPolicy")
    if policy is not None:
        try:
            filter_policy.parse(policy, merged.get("FilterPolicyScope") or filter_policy.ATTRIBUTES)
        except InvalidRule as error:
            raise ApiError("InvalidParameter", f"{prefix}FilterPolicy: {error}") from None
    return changes


def _check(protocol: str, name: str, value: str, prefix: str) -> str | None:
    if name not in SETTABLE:
        raise ApiError(
            "InvalidParameter",
            f"Invalid parameter: AttributeName Reason: '{name}' is not supported here; the attributes are "
            f"{', '.join(SETTABLE)}.",
        )
    match name:
        case "FilterPolicy":
            return value if value not in ("", "{}") else None
        case "FilterPolicyScope":
            if value not in (filter_policy.ATTRIBUTES, filter_policy.BODY):
                raise ApiError(
                    "InvalidParameter",
                    f"{prefix}FilterPolicyScope: Invalid value [{value}]. Please use either MessageBody or "
                    "MessageAttributes",
                )
            return value
        case "RawMessageDelivery":
            return _check_raw(protocol, value, prefix)
        case _:
            return _check_redrive_policy(value, prefix) if value else None


def _check_raw(protocol: str, value: str, prefix: str) -> str:
    if value.lower() not in ("true", "false"):
        raise ApiError(
            "InvalidParameter", f"{prefix}RawMessageDelivery: Invalid value [{value}]. Must be true or false."
        )
    if value.lower() == "true" and protocol == "lambda":
        raise ApiError(
            "InvalidParameter",
            f"{prefix}RawMessageDelivery: Delivery protocol [lambda] does not support raw message delivery.",
        )
    return value.lower()


def _check_redrive_policy(value: str, prefix: str) -> str:
    try:
        policy = orjson.loads(value)
    except orjson.JSONDecodeError:
        policy = None
    if not isinstance(policy, dict) or set(policy) != {"deadLetterTargetArn"}:
        raise ApiError("InvalidParameter", f"{prefix}RedrivePolicy: failed to parse JSON.")
    try:
        arn = Arn.parse(str(policy["deadLetterTargetArn"]))
    except MalformedArn:
        arn = None
    if arn is None or arn.service != "sqs" or arn.name.endswith(".fifo"):
        raise ApiError("InvalidParameter", f"{prefix}RedrivePolicy: deadLetterTargetArn is an invalid arn")
    return value
