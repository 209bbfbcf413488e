"""How what is there differs from what is wanted. The clients are only read from.

A step is new (`+`), differs in something (`~`), or is as it is to be (`=`). A member that the template does not say is
not looked at: what somebody set by hand stays.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from console.clients import Clients
from console.deploy.build import key_of
from console.deploy.intrinsics import filled_in
from console.deploy.steps import (
    Alias,
    Bucket,
    EventInvoke,
    Function,
    Layer,
    Notification,
    Permission,
    Queue,
    Rule,
    Step,
    Subscription,
    Topic,
    Version,
)

MISSING = frozenset(
    {
        "ResourceNotFoundException", "NotFoundException", "NotFound", "404", "NoSuchBucket", "QueueDoesNotExist",
        "AWS.SimpleQueueService.NonExistentQueue", "NotFoundExceptionFault",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Difference:
    """What a step is to do: "+" make, "~" change what `what` names, "=" nothing."""

    sign: str
    what: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)  # of what changes: `3 → 10`, where that is short

    @property
    def shown(self) -> str:
        """What changes, as a person reads it."""
        return ", ".join(f"{name} {self.values[name]}" if name in self.values else name for name in self.what)


NEW, SAME = Difference("+"), Difference("=")


class Look:
    """Looks at what is there. `outcomes` are those of layers and versions that need not be published again."""

    def __init__(self, clients: Clients, packages: Mapping[str, bytes], place_arn: Callable[[str, str], str]) -> None:
        self._clients = clients
        self._packages = packages
        self._arn = place_arn
        self.outcomes: dict[str, str] = {}
        self._functions: dict[str, Difference] = {}

    def at(self, step: Step) -> Difference:
        """How the step differs from what is there."""
        found: Difference = _LOOKS[type(step)](self, step)
        return found

    def _queue(self, step: Queue) -> Difference:
        sqs = self._clients.sqs
        url = found(lambda: sqs.get_queue_url(QueueName=step.name)["QueueUrl"])
        if url is None:
            return NEW
        current = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"]).get("Attributes", {})
        tags = sqs.list_queue_tags(QueueUrl=url).get("Tags", {}) if step.tags else {}
        what = _differing(step.attributes, current)
        return _changed(what + _tags(step.tags, tags), _values(step.attributes, current, what))

    def _topic(self, step: Topic) -> Difference:
        sns, arn = self._clients.sns, self._arn("sns", step.name)
        current = found(lambda: sns.get_topic_attributes(TopicArn=arn)["Attributes"])
        if current is None:
            return NEW
        tags = {}
        if step.tags:
            tags = {tag["Key"]: tag["Value"] for tag in sns.list_tags_for_resource(ResourceArn=arn)["Tags"]}
        return _changed(_differing(step.attributes, current) + _tags(step.tags, tags))

    def _bucket(self, step: Bucket) -> Difference:
        return NEW if found(lambda: self._clients.s3.head_bucket(Bucket=step.name)) is None else SAME

    def _layer(self, step: Layer) -> Difference:
        """A layer is the same if its newest version has the same package and the same members."""
        versions = self._clients.lambda_.list_layer_versions(LayerName=step.name, MaxItems=1)["LayerVersions"]
        if not versions:
            return NEW
        newest = self._clients.lambda_.get_layer_version(LayerName=step.name, VersionNumber=versions[0]["Version"])
        what = _differing(step.members, newest)
        if newest["Content"]["CodeSha256"] != _sha256(self._packages[key_of(step)]):
            what = ["content", *what]
        if not what:
            self.outcomes[f"{step.id}.Arn"] = newest["LayerVersionArn"]
        return _changed(what)

    def _function(self, step: Function) -> Difference:
        difference = self._compared(step)
        self._functions[step.name] = difference
        return difference

    def _compared(self, step: Function) -> Difference:
        current = found(lambda: self._clients.lambda_.get_function(FunctionName=step.name))
        if current is None:
            return NEW
        configuration = current["Configuration"]
        what = []
        if configuration["CodeSha256"] != _sha256(self._packages[key_of(step)]):
            what.append("code")
        wanted = filled_in(step.members, self.outcomes)
        configuration["Layers"] = [layer["Arn"] for layer in configuration.get("Layers", [])]
        what += _differing(wanted, configuration)
        if step.concurrency is not None:
            reserved = current.get("Concurrency", {}).get("ReservedConcurrentExecutions")
            what += [] if reserved == step.concurrency else ["ReservedConcurrentExecutions"]
        values = _values(wanted, configuration, what)
        return _changed(what + _tags(step.tags, current.get("Tags", {})), values)

    def _version(self, step: Version) -> Difference:
        """Publishing what has not changed since answers with the version that there is."""
        if self._functions.get(step.function, SAME) != SAME:
            return NEW
        versions = found(
            lambda: self._clients.lambda_.list_versions_by_function(FunctionName=step.function)["Versions"]
        )
        latest = next((each for each in versions or [] if each["Version"] == "$LATEST"), None)
        published = [each for each in versions or [] if each["Version"] != "$LATEST"]
        if latest is None or not published:
            return NEW
        last = max(published, key=lambda each: int(each["Version"]))
        if last["CodeSha256"] != latest["CodeSha256"]:
            return NEW
        self.outcomes[f"{step.id}.Version"] = last["Version"]
        self.outcomes[f"{step.id}.Arn"] = last["FunctionArn"]
        return SAME

    def _alias(self, step: Alias) -> Difference:
        alias = found(lambda: self._clients.lambda_.get_alias(FunctionName=step.function, Name=step.alias))
        return NEW if alias is None else _changed(_differing(filled_in(step.members, self.outcomes), alias))

    def _event_invoke(self, step: EventInvoke) -> Difference:
        qualifier = {"Qualifier": step.qualifier} if step.qualifier else {}
        current = found(
            lambda: self._clients.lambda_.get_function_event_invoke_config(FunctionName=step.function, **qualifier)
        )
        if current is None:
            return NEW
        names = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")
        what = [name for name in names if _plain(step.members.get(name)) != _plain(current.get(name))]
        return _changed(what, _values(step.members, current, what))

    def _permission(self, step: Permission) -> Difference:
        qualifier = {"Qualifier": step.qualifier} if step.qualifier else {}
        policy = found(lambda: self._clients.lambda_.get_policy(FunctionName=step.function, **qualifier)["Policy"])
        statements = {each["Sid"]: each for each in json.loads(policy)["Statement"]} if policy else {}
        if step.statement not in statements:
            return NEW
        text = json.dumps(statements[step.statement])
        return _changed([name for name, value in step.members.items() if json.dumps(value) not in text])

    def _subscription(self, step: Subscription) -> Difference:
        arn = subscription_arn(self._clients, step)
        if arn is None:
            return NEW
        current = self._clients.sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
        names = ("FilterPolicy", "FilterPolicyScope", "RedrivePolicy", "RawMessageDelivery")
        defaults = {"FilterPolicyScope": "MessageAttributes", "RawMessageDelivery": "false"}
        return _changed(
            [
                name
                for name in names
                if _json(step.attributes.get(name, defaults.get(name))) != _json(current.get(name, defaults.get(name)))
                and not (name == "FilterPolicyScope" and name not in step.attributes)
            ]
        )

    def _notification(self, step: Notification) -> Difference:
        current = found(lambda: self._clients.s3.get_bucket_notification_configuration(Bucket=step.bucket))
        if current is None:
            return NEW
        had = {name: value for name, value in current.items() if name != "ResponseMetadata"}
        if not had:
            return NEW
        return SAME if _spelled(had) == _spelled(step.configuration) else Difference("~", ("configuration",))

    def _rule(self, step: Rule) -> Difference:
        events = self._clients.events
        current = found(lambda: events.describe_rule(Name=step.name))
        if current is None:
            return NEW
        targets = events.list_targets_by_rule(Rule=step.name)["Targets"]
        names = ("ScheduleExpression", "EventPattern", "State", "Description")
        what = [name for name in names if _json(step.members.get(name)) != _json(current.get(name))]
        same = sorted(map(_plain, targets)) == sorted(_plain(dict(target)) for target in step.targets)
        return _changed(what + ([] if same else ["Targets"]), _values(step.members, current, what))


_LOOKS: Mapping[type, Callable[[Look, Any], Difference]] = {
    Queue: Look._queue,  # noqa: SLF001 - this class's own
    Topic: Look._topic,  # noqa: SLF001
    Bucket: Look._bucket,  # noqa: SLF001
    Layer: Look._layer,  # noqa: SLF001
    Function: Look._function,  # noqa: SLF001
    Version: Look._version,  # noqa: SLF001
    Alias: Look._alias,  # noqa: SLF001
    EventInvoke: Look._event_invoke,  # noqa: SLF001
    Permission: Look._permission,  # noqa: SLF001
    Subscription: Look._subscription,  # noqa: SLF001
    Notification: Look._notification,  # noqa: SLF001
    Rule: Look._rule,  # noqa: SLF001
}


def found(read: Callable[[], Any]) -> Any:
    """What `read` gives; None if what it reads is not there."""
    try:
        return read()
    except ClientError as error:
        if error.response["Error"]["Code"] in MISSING:
            return None
        raise


def subscription_arn(clients: Clients, step: Subscription) -> str | None:
    """The ARN of a subscription that is there already."""
    listed = found(lambda: _subscriptions(clients, step.topic_arn))
    for each in listed or []:
        if each["Protocol"] == step.protocol and each["Endpoint"] == step.endpoint:
            return str(each["SubscriptionArn"])
    return None


def _subscriptions(clients: Clients, topic_arn: str) -> list[dict[str, Any]]:
    pages = clients.sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic_arn)
    return [each for page in pages for each in page["Subscriptions"]]


def _differing(wanted: Mapping[str, Any], current: Mapping[str, Any]) -> list[str]:
    return [name for name, value in wanted.items() if not _holds(name, value, current.get(name))]


def _holds(name: str, wanted: Any, current: Any) -> bool:
    if name in ("Environment", "Layers"):  # as a whole: what the template says no more is taken away
        return (wanted or None) == (current or None) or (wanted == {"Variables": {}} and current is None)
    if isinstance(wanted, Mapping) and isinstance(current, Mapping):
        return all(_holds("", value, current.get(key)) for key, value in wanted.items())
    if wanted in ("", {}, []) and not current:
        return True
    return bool(_json(wanted) == _json(current))


def _changed(what: list[str], values: Mapping[str, str] | None = None) -> Difference:
    return Difference("~", tuple(what), values or {}) if what else SAME


def _values(wanted: Mapping[str, Any], current: Mapping[str, Any], what: list[str]) -> dict[str, str]:
    """From what to what the members change whose values are short."""
    found = {}
    for name in what:
        old, new = current.get(name), wanted.get(name)
        if all(isinstance(value, str | int | None) and len(str(value)) <= 40 for value in (old, new)):
            found[name] = f"{'(none)' if old is None else old} → {'(none)' if new is None else new}"
    return found


def _tags(wanted: Mapping[str, str], current: Mapping[str, str]) -> list[str]:
    return ["Tags"] if any(current.get(name) != value for name, value in wanted.items()) else []


def _sha256(package: bytes) -> str:
    return base64.b64encode(hashlib.sha256(package).digest()).decode()


def _json(value: Any) -> Any:
    """A text that holds JSON as what it holds, so that spaces make no difference; numbers as texts."""
    if isinstance(value, str):
        try:
            return _json_value(json.loads(value))
        except json.JSONDecodeError:
            return value
    return _json_value(value)


def _json_value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _json_value(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(item) for item in value]
    return value if isinstance(value, str | bool) or value is None else str(value)


def _plain(value: Any) -> str:
    """Something to compare: without empty members, and in one order."""
    if isinstance(value, Mapping):
        value = {name: item for name, item in value.items() if item not in ({}, None)}
    return json.dumps(value or None, sort_keys=True)


def _spelled(configuration: Mapping[str, Any]) -> str:
    """A notification configuration in one spelling: S3 gives `Prefix` back for `prefix`."""
    return json.dumps(configuration, sort_keys=True).replace('"Prefix"', '"prefix"').replace('"Suffix"', '"suffix"')
