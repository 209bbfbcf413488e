"""A bucket's notification configuration: read, checked, and asked which rules an event matches. Pure.

A configuration is refused as a whole. What can be said by looking at it alone is said here and first; whether its
targets exist is asked afterwards, in `api.py`. Two rules must not both match one event: for the same event type their
prefixes or their suffixes have to exclude each other.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from producers.errors import ApiError
from producers.s3 import errors
from worker.arn import Arn, MalformedArn

#: Event types that a bucket without versions and without form uploads can have; two of them never happen here, just
#: as they never happen to such a bucket of AWS: nothing is lost by a rule that waits for them.
EVENT_TYPES = frozenset(
    {
        "ObjectCreated:Put",
        "ObjectCreated:Post",
        "ObjectCreated:Copy",
        "ObjectCreated:CompleteMultipartUpload",
        "ObjectRemoved:Delete",
        "ObjectRemoved:DeleteMarkerCreated",
    }
)

#: Event types of AWS that come from features which thrice does not have.
_FOREIGN = (
    "ReducedRedundancyLostObject", "ObjectRestore:", "Replication:", "LifecycleExpiration:", "LifecycleTransition",
    "IntelligentTiering", "ObjectTagging:", "ObjectAcl:", "ObjectAnnotation:", "ObjectRetention:",
)  # fmt: skip

_OVERLAP = (
    "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are "
    "overlapping for the same event type."
)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of target, and what the API calls it."""

    configurations: str  # member of NotificationConfiguration
    arn: str  # member of the configuration
    argument: str  # name in errors: the element on the wire
    service: str  # in the ARN
    takes_test_event: bool


KINDS = (
    Kind("LambdaFunctionConfigurations", "LambdaFunctionArn", "CloudFunction", "lambda", takes_test_event=False),
    Kind("QueueConfigurations", "QueueArn", "Queue", "sqs", takes_test_event=True),
    Kind("TopicConfigurations", "TopicArn", "Topic", "sns", takes_test_event=True),
)


@dataclass(frozen=True, slots=True)
class Rule:
    """Which events go to one target."""

    id: str
    kind: Kind
    arn: str
    events: frozenset[str]  # without "s3:", wildcards resolved
    prefix: str = ""
    suffix: str = ""

    def matches(self, event: str, key: str) -> bool:
        """Whether this event (`ObjectCreated:Put`) of an object with this key goes to the target."""
        return event in self.events and key.startswith(self.prefix) and key.endswith(self.suffix)

    def overlaps(self, other: "Rule") -> bool:
        """Whether one event could match both."""
        return (
            not self.events.isdisjoint(other.events)
            and _one_begins_with_the_other(self.prefix, other.prefix)
            and _one_begins_with_the_other(self.suffix[::-1], other.suffix[::-1])
        )


@dataclass(frozen=True, slots=True)
class Configuration:
    """A whole configuration."""

    rules: tuple[Rule, ...] = ()
    is_event_bridge_on: bool = False

    def matching(self, event: str, key: str) -> list[Rule]:
        """The rules that this event goes to; by the overlap rule at most one."""
        return [rule for rule in self.rules if rule.matches(event, key)]


def normalize(configuration: Mapping[str, Any], new_id: Callable[[], str]) -> dict[str, Any]:
    """The configuration as it is stored and given back: every rule has an Id, filters say `Prefix` and `Suffix`.

    Raises:
        ApiError: InvalidArgument, a filter rule is neither of the two or names one of them twice; MalformedXML, a
            rule lacks its target or its events.
    """
    normal: dict[str, Any] = {}
    for kind in KINDS:
        rules = [_normalize_rule(rule, kind, new_id) for rule in configuration.get(kind.configurations) or ()]
        if rules:
            normal[kind.configurations] = rules
    if configuration.get("EventBridgeConfiguration") is not None:
        normal["EventBridgeConfiguration"] = {}
    return normal


def _normalize_rule(rule: Mapping[str, Any], kind: Kind, new_id: Callable[[], str]) -> dict[str, Any]:
    if not rule.get(kind.arn) or not rule.get("Events"):
        message = "The XML you provided was not well-formed or did not validate against our published schema"
        raise ApiError("MalformedXML", message)
    normal = {"Id": rule.get("Id") or new_id(), kind.arn: rule[kind.arn], "Events": list(dict.fromkeys(rule["Events"]))}
    given = ((rule.get("Filter") or {}).get("Key") or {}).get("FilterRules") or ()
    filters: dict[str, str] = {}
    for filter_rule in given:
        name = str(filter_rule.get("Name"))
        if name.lower() not in ("prefix", "suffix"):
            raise errors.invalid_argument("filter rule name must be either prefix or suffix", "FilterRule.Name", name)
        if name.capitalize() in filters:
            message = f"Cannot specify more than one {name.lower()} rule in a filter."
            raise errors.invalid_argument(message, "FilterRule.Name", name)
        filters[name.capitalize()] = filter_rule.get("Value") or ""
    if filters:
        rules = [{"Name": name, "Value": value} for name, value in filters.items()]
        normal["Filter"] = {"Key": {"FilterRules": rules}}
    return normal


def parse(normal: Mapping[str, Any]) -> Configuration:
    """Read what `normalize` made.

    Raises:
        ApiError: InvalidArgument, an ARN or an event type is none, or two rules are ambiguous; NotImplemented, an
            event type never happens here.
    """
    rules = tuple(_parse_rule(rule, kind) for kind in KINDS for rule in normal.get(kind.configurations, ()))
    ids = [rule.id for rule in rules]
    if len(set(ids)) < len(ids):
        raise ApiError("InvalidArgument", "Same ID used for multiple configurations. IDs must be unique")
    if any(one.overlaps(other) for one, other in combinations(rules, 2)):
        raise ApiError("InvalidArgument", _OVERLAP)
    return Configuration(rules, is_event_bridge_on="EventBridgeConfiguration" in normal)


def _parse_rule(rule: Mapping[str, Any], kind: Kind) -> Rule:
    arn = rule[kind.arn]
    if not _is_arn_of(kind.service, arn):
        raise errors.invalid_argument("The ARN could not be parsed", kind.argument, arn)
    events = frozenset(name for event in rule["Events"] for name in _event_types(event))
    filters = {each["Name"]: each["Value"] for each in rule.get("Filter", {}).get("Key", {}).get("FilterRules", ())}
    return Rule(rule["Id"], kind, arn, events, filters.get("Prefix", ""), filters.get("Suffix", ""))


def _is_arn_of(service: str, text: str) -> bool:
    try:
        return Arn.parse(text).service == service
    except MalformedArn:
        return False


def _event_types(event: str) -> Iterator[str]:
    """What `s3:ObjectCreated:*` and its like stand for."""
    name = event.removeprefix("s3:")
    if event.startswith("s3:") and name.startswith(_FOREIGN):
        raise errors.not_implemented(
            f"thrice never has events of type '{event}', so a rule that waits for them would be silent for ever. "
            f"Use s3:ObjectCreated:* or s3:ObjectRemoved:*, or one of their kinds."
        )
    matching = [each for each in sorted(EVENT_TYPES) if each == name or name == each.partition(":")[0] + ":*"]
    if not matching or not event.startswith("s3:"):
        raise errors.invalid_argument("The event is not supported for notifications", "Event", event)
    yield from matching


def _one_begins_with_the_other(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def missing_targets(rules: list[Rule]) -> ApiError:
    """The refusal of a configuration whose targets do not exist."""
    members: dict[str, str] = {}
    for number, rule in enumerate(rules, start=1):
        if rule.kind.service == "lambda":
            members[f"ArgumentName{number}"] = f"{rule.arn}, null"
            members[f"ArgumentValue{number}"] = f"Not authorized to invoke function [{rule.arn}]"
        else:
            members[f"ArgumentName{number}"] = rule.arn
            members[f"ArgumentValue{number}"] = f"The destination {rule.kind.argument.lower()} does not exist"
    message = "Unable to validate the following destination configurations"
    return ApiError("InvalidArgument", message, 400, members=members)
