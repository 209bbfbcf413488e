"""What the resources of SQS, SNS, S3 and EventBridge come to. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from console.deploy.draft import Draft, path_of, tags_of, texts
from console.deploy.steps import Bucket, Queue, Rule, Subscription, Topic
from console.deploy.template import Resource
from console.deploy.triggers import json_text, key_rules, subscription_attributes

_QUEUE_NUMBERS = (
    "DelaySeconds", "MaximumMessageSize", "MessageRetentionPeriod", "ReceiveMessageWaitTimeSeconds",
    "VisibilityTimeout",
)  # fmt: skip
_QUEUE_POLICIES = ("RedrivePolicy", "RedriveAllowPolicy")

#: Members of a notification in a template -> its member in the API, its target's member in both, ARN's member.
_NOTIFICATIONS = {
    "LambdaConfigurations": ("LambdaFunctionConfigurations", "Function", "LambdaFunctionArn"),
    "QueueConfigurations": ("QueueConfigurations", "Queue", "QueueArn"),
    "TopicConfigurations": ("TopicConfigurations", "Topic", "TopicArn"),
}

_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")

#: Properties of a bucket that change nothing for one who may do everything and sees no bill.
_BUCKET_UNASKED = frozenset({"PublicAccessBlockConfiguration", "OwnershipControls", "AccessControl", "Tags"})


def queue(draft: Draft, resource: Resource) -> None:
    """AWS::SQS::Queue."""
    properties, path = resource.properties, (*resource.path, "Properties")
    known = {"QueueName", "Tags", "SqsManagedSseEnabled", *_QUEUE_NUMBERS, *_QUEUE_POLICIES}
    draft.check_members(properties, known, path, "queues")
    if properties.get("SqsManagedSseEnabled"):
        draft.note("Queues are not encrypted here: SqsManagedSseEnabled of the template is not obeyed.")
    attributes = texts({name: properties[name] for name in _QUEUE_NUMBERS if name in properties})
    attributes |= {name: json_text(properties[name]) for name in _QUEUE_POLICIES if name in properties}
    draft.steps.append(Queue(resource.name, attributes, tags_of(properties.get("Tags"))))


def topic(draft: Draft, resource: Resource) -> None:
    """AWS::SNS::Topic, with the subscriptions that are written in it."""
    properties, path = resource.properties, (*resource.path, "Properties")
    draft.check_members(properties, {"TopicName", "DisplayName", "Subscription", "Tags"}, path, "topics")
    attributes = texts({name: properties[name] for name in ("DisplayName",) if name in properties})
    draft.steps.append(Topic(resource.name, attributes, tags_of(properties.get("Tags"))))
    for index, each in enumerate(draft.listed(properties.get("Subscription"), (*path, "Subscription"))):
        where = (*path, "Subscription", index)
        _subscription(draft, draft.place.arn("sns", resource.name), each, where)


def subscription(draft: Draft, resource: Resource) -> None:
    """AWS::SNS::Subscription."""
    properties, path = resource.properties, (*resource.path, "Properties")
    known = {"TopicArn", "Protocol", "Endpoint", "FilterPolicy", "FilterPolicyScope", "RedrivePolicy", "Region"}
    draft.check_members(properties, known | {"RawMessageDelivery"}, path, "subscriptions")
    _subscription(draft, str(draft.required(properties, "TopicArn", path)), properties, path)


def _subscription(draft: Draft, topic_arn: str, members: Mapping[str, Any], path: tuple[str | int, ...]) -> None:
    protocol = str(draft.required(members, "Protocol", path))
    if protocol not in ("lambda", "sqs"):
        draft.leave_out(path, f"topics hand on to 'lambda' and 'sqs', not to '{protocol}'")
        return
    endpoint = str(draft.required(members, "Endpoint", path))
    draft.steps.append(Subscription(topic_arn, protocol, endpoint, subscription_attributes(members)))


def bucket(draft: Draft, resource: Resource) -> None:
    """AWS::S3::Bucket, with what it notifies of."""
    properties, path = resource.properties, (*resource.path, "Properties")
    if not _BUCKET_NAME.fullmatch(resource.name):
        draft.blame(path_of(resource, "BucketName"), f"'{resource.name}' is no name of a bucket: a-z, 0-9, '-' and '.'")
    known = {"BucketName", "NotificationConfiguration", *_BUCKET_UNASKED}
    draft.check_members(properties, known, path, "buckets")
    ignored = sorted(_BUCKET_UNASKED & properties.keys())
    if ignored:
        draft.note(f"Of buckets, {', '.join(ignored)} changes nothing here.")
    draft.steps.append(Bucket(resource.name))
    where = path_of(resource, "NotificationConfiguration")
    configuration = properties.get("NotificationConfiguration") or {}
    draft.check_members(configuration, [*_NOTIFICATIONS, "EventBridgeConfiguration"], where, "notifications")
    if configuration.get("EventBridgeConfiguration"):
        draft.notifications.setdefault(resource.name, {})["EventBridgeConfiguration"] = {}
    for kind, (member, target, arn) in _NOTIFICATIONS.items():
        for index, each in enumerate(draft.listed(configuration.get(kind), (*where, kind))):
            at = (*where, kind, index)
            rules = key_rules(draft, each.get("Filter"), at)
            draft.add_notification(
                resource.name,
                member,
                {
                    "Id": f"{resource.id}{target}{index}",
                    arn: str(draft.required(each, target, at)),
                    "Events": [str(draft.required(each, "Event", at))],
                    **({"Filter": rules} if rules else {}),
                },
            )


def rule(draft: Draft, resource: Resource) -> None:
    """AWS::Events::Rule."""
    properties, path = resource.properties, (*resource.path, "Properties")
    known = {"Name", "Description", "EventBusName", "EventPattern", "ScheduleExpression", "State", "Targets"}
    draft.check_members(properties, known, path, "rules")
    if properties.get("EventBusName", "default") != "default":
        draft.leave_out(resource.path, f"there is one event bus, default, not '{properties['EventBusName']}'")
        return
    members = {name: str(properties[name]) for name in ("Description", "ScheduleExpression") if name in properties}
    members["State"] = str(properties.get("State", "ENABLED"))
    if "EventPattern" in properties:
        members["EventPattern"] = json_text(properties["EventPattern"])
    targets = []
    for index, target in enumerate(draft.listed(properties.get("Targets"), (*path, "Targets"))):
        at = (*path, "Targets", index)
        draft.check_members(target, {"Id", "Arn", "Input", "InputPath", "InputTransformer"}, at, "targets")
        targets.append({name: value for name, value in target.items() if name != "RoleArn"})
    line = draft.template.source.line(resource.path)
    draft.steps.append(Rule(resource.name, members, tuple(targets), line))
