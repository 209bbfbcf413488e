"""What the Events of a SAM function come to: notifications, subscriptions, rules, and the permissions of each. Pure."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from console.deploy.draft import Draft, Skip, path_of
from console.deploy.references import name_of
from console.deploy.source import Path
from console.deploy.steps import Permission, Rule, Subscription
from console.deploy.template import Resource


@dataclass(frozen=True, slots=True)
class Trigger:
    """One event of a function."""

    draft: Draft
    resource: Resource
    name: str
    members: Mapping[str, Any]
    path: Path
    alias: str | None

    @property
    def arn(self) -> str:
        """What is invoked: the alias where one is published, else the function."""
        arn = self.draft.place.function(self.resource.name)
        return f"{arn}:{self.alias}" if self.alias else arn

    @property
    def id(self) -> str:
        """Its name among all of the template."""
        return f"{self.resource.id}{self.name}"

    def check(self, *known: str) -> None:
        """Blame the members that cannot be obeyed."""
        self.draft.check_members(self.members, known, (*self.path, "Properties"), "this trigger")

    def required(self, name: str) -> Any:
        """A member that must be there, else Skip."""
        return self.draft.required(self.members, name, (*self.path, "Properties"))

    def permit(self, principal: str, **source: str) -> None:
        """Let a service invoke the function."""
        members = {"Action": "lambda:InvokeFunction", "Principal": principal, **source}
        self.draft.steps.append(Permission(self.resource.name, self.alias, f"{self.id}Permission", members))


def add(draft: Draft, resource: Resource, name: str, event: Any, path: Path, alias: str | None) -> None:
    """Add what one event comes to.

    Raises:
        Skip: it lacks something, which was blamed.
    """
    if not isinstance(event, Mapping) or not isinstance(event.get("Type"), str):
        draft.blame(path, "an event is a mapping with the member Type")
        raise Skip
    kind = event["Type"]
    members = draft.mapping(event.get("Properties"), (*path, "Properties"))
    trigger = Trigger(draft, resource, name, members, path, alias)
    if kind in _TRIGGERS:
        _TRIGGERS[kind](trigger)
    else:
        draft.leave_out(path, f"thrice has no triggers of type {kind}; there are {', '.join(_TRIGGERS)}")


def _s3(trigger: Trigger) -> None:
    trigger.check("Bucket", "Events", "Filter")
    bucket, events = str(trigger.required("Bucket")), trigger.required("Events")
    configuration: dict[str, Any] = {
        "Id": trigger.id,
        "LambdaFunctionArn": trigger.arn,
        "Events": [events] if isinstance(events, str) else list(events),
    }
    rules = key_rules(trigger.draft, trigger.members.get("Filter"), (*trigger.path, "Properties", "Filter"))
    if rules:
        configuration["Filter"] = rules
    trigger.permit("s3.amazonaws.com", SourceArn=f"arn:aws:s3:::{bucket}", SourceAccount=trigger.draft.place.account)
    trigger.draft.add_notification(bucket, "LambdaFunctionConfigurations", configuration)


def key_rules(draft: Draft, given: Any, path: Path) -> dict[str, Any]:
    """A filter as the API takes it, of one as templates write it.

    Raises:
        Skip: it has another form, which was blamed.
    """
    rules = draft.listed(draft.mapping(draft.mapping(given, path).get("S3Key"), path).get("Rules"), path)
    if not rules:
        return {}
    filters = [{name: str(draft.required(rule, name, path)) for name in ("Name", "Value")} for rule in rules]
    return {"Key": {"FilterRules": filters}}


def _sns(trigger: Trigger) -> None:
    trigger.check("Topic", "FilterPolicy", "FilterPolicyScope", "RedrivePolicy", "Region", "SqsSubscription")
    topic = str(trigger.required("Topic"))
    if trigger.members.get("SqsSubscription"):
        trigger.draft.leave_out(
            (*trigger.path, "Properties", "SqsSubscription"),
            "thrice does not read queues for functions; subscribe the function to the topic itself",
        )
        return
    trigger.permit("sns.amazonaws.com", SourceArn=topic)
    attributes = subscription_attributes(trigger.members)
    trigger.draft.steps.append(Subscription(topic, "lambda", trigger.arn, attributes))


def subscription_attributes(members: Mapping[str, Any]) -> dict[str, str]:
    """The attributes of a subscription, each a text."""
    names = ("FilterPolicy", "FilterPolicyScope", "RedrivePolicy", "RawMessageDelivery")
    return {name: json_text(members[name]) for name in names if members.get(name) is not None}


def json_text(value: Any) -> str:
    """A text as it is; anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _schedule(trigger: Trigger) -> None:
    trigger.check("Schedule", "Input", "Enabled", "State", "Name", "Description")
    expression = str(trigger.required("Schedule"))
    _rule(trigger, {"ScheduleExpression": expression}, trigger.members.get("Name"))


def _pattern(trigger: Trigger) -> None:
    trigger.check(
        "Pattern", "EventBusName", "Input", "InputPath", "InputTransformer", "Enabled", "State", "RuleName", "Target"
    )
    pattern = json_text(trigger.required("Pattern"))
    bus = str(trigger.members.get("EventBusName", "default"))
    if bus not in ("default", trigger.draft.place.arn("events", "event-bus/default")):
        trigger.draft.leave_out(path_of(trigger.resource, "Events"), f"there is one event bus, default, not '{bus}'")
        return
    _rule(trigger, {"EventPattern": pattern}, trigger.members.get("RuleName"))


def _rule(trigger: Trigger, members: dict[str, Any], own_name: Any) -> None:
    given = trigger.members
    name = str(own_name or name_of(trigger.draft.template.stack, trigger.id, "AWS::Events::Rule"))
    members["State"] = "DISABLED" if given.get("Enabled") is False else str(given.get("State", "ENABLED"))
    if "Description" in given:
        members["Description"] = str(given["Description"])
    target_of = trigger.draft.mapping(given.get("Target"), (*trigger.path, "Properties", "Target"))
    target_id = str(target_of.get("Id", f"{trigger.id}LambdaTarget"))
    target: dict[str, Any] = {"Id": target_id, "Arn": trigger.arn}
    target |= {each: given[each] for each in ("InputPath", "InputTransformer") if each in given}
    if "Input" in given:
        target["Input"] = json_text(given["Input"])
    trigger.permit("events.amazonaws.com", SourceArn=trigger.draft.place.arn("events", f"rule/{name}"))
    trigger.draft.steps.append(Rule(name, members, (target,), trigger.draft.template.source.line(trigger.path)))


_TRIGGERS: Mapping[str, Callable[[Trigger], None]] = {
    "S3": _s3,
    "SNS": _sns,
    "Schedule": _schedule,
    "EventBridgeRule": _pattern,
    "CloudWatchEvent": _pattern,
}
