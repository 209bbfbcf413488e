"""EventBridge, as far as a client may call it: rules of the default event bus, their targets, and events.

An event that is put is matched with all enabled rules and handed to all their targets in one transaction of Redis:
once the call has answered, no matching target has missed it. There is one event bus, `default`.
"""

# ruff: noqa: ARG002 — every operation is handed the request; Force and source make no difference here

import base64
import binascii
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from redis.client import Pipeline

from config import limits
from producers.errors import ApiError
from producers.events import pattern, schedule, target_input
from producers.events.dispatch import hand_over
from producers.events.event import Event, MalformedEvent, completed_event, put_event
from producers.events.operators import InvalidPattern
from producers.events.rule import Rule, Target, given
from producers.events.rules import Rules
from producers.seams import Request, Seams, TargetMissing
from worker.arn import Arn, MalformedArn
from worker.lineage import inherited

#: Targets of one rule. Source: EventBridge quotas.
MAX_TARGETS = 5

#: Bytes that the time of an entry counts in the size of a PutEvents call. Source: EventBridge User Guide, "Calculating
#: PutEvents event entry size".
TIME_SIZE = 14

#: Entries of one page of a list, unless the caller wants fewer. Source: the operations' Limit.
PAGE = 100

_TARGET_MEMBERS = {"Id", "Arn", "RoleArn", "Input", "InputPath", "InputTransformer"}
_TARGET_SERVICES = {"lambda", "sqs", "sns"}
_EVENT_FIELDS = {"id", "account", "source", "time", "region", "detail-type"}


class Events:
    """The service `events`. Its methods are the operations."""

    def __init__(self, seams: Seams) -> None:
        self._seams = seams
        self._rules = Rules(seams)
        self._bus_arn = str(Arn("events", seams.settings.region, seams.settings.account_id, "event-bus/default"))

    # --- rules ------------------------------------------------------------------------------------------------------

    def put_rule(
        self,
        request: Request,
        Name: str,
        ScheduleExpression: str | None = None,
        EventPattern: str | None = None,
        State: str = "ENABLED",
        Description: str | None = None,
        RoleArn: str | None = None,
        EventBusName: str = "default",
    ) -> dict[str, Any]:
        """Create a rule, or replace all of it but its targets."""
        self._require_default_bus(EventBusName)
        event_pattern, expression = EventPattern or None, ScheduleExpression or None
        _check_rule(event_pattern, expression, State)

        def decide(old: Rule | None, now_ms: int) -> Rule:
            # A rule that is put again with the same rate keeps its rhythm.
            keeps_rhythm = old is not None and old.schedule_expression == expression
            return Rule.model_validate(
                {
                    "name": Name,
                    "state": State,
                    "event_pattern": event_pattern,
                    "schedule_expression": expression,
                    "schedule_start_ms": old.schedule_start_ms if old and keeps_rhythm else now_ms,
                    "description": Description,
                    "role_arn": RoleArn,
                    "targets": old.targets if old else (),
                }
            )

        self._rules.change(Name, decide)
        return {"RuleArn": self._rule_arn(Name)}

    def describe_rule(self, request: Request, Name: str, EventBusName: str = "default") -> dict[str, Any]:
        """Show one rule."""
        return self._shown(self._rule(Name, EventBusName)) | {"CreatedBy": self._seams.settings.account_id}

    def list_rules(
        self,
        request: Request,
        NamePrefix: str = "",
        EventBusName: str = "default",
        NextToken: str | None = None,
        Limit: int = PAGE,
    ) -> dict[str, Any]:
        """Show the rules, by name."""
        self._require_default_bus(EventBusName)
        rules = {rule.name: rule for rule in self._rules.all() if rule.name.startswith(NamePrefix)}
        names, token = _page(list(rules), NextToken, Limit)
        return {"Rules": [self._shown(rules[name]) for name in names]} | token

    def delete_rule(
        self, request: Request, Name: str, EventBusName: str = "default", Force: bool = False
    ) -> dict[str, Any]:
        """Delete a rule without targets; there may be none of this name.

        `Force` is for rules that AWS services manage. There are none here, so it makes no difference.
        """
        self._require_default_bus(EventBusName)

        def decide(old: Rule | None, _: int) -> None:
            if old is not None and old.targets:
                raise ApiError("ValidationException", "Rule can't be deleted since it has targets.")

        self._rules.change(Name, decide)
        return {}

    def enable_rule(self, request: Request, Name: str, EventBusName: str = "default") -> dict[str, Any]:
        """Let a rule match and fire again. A rate goes on in its old rhythm."""
        self._change(Name, EventBusName, lambda rule: rule.model_copy(update={"state": "ENABLED"}))
        return {}

    def disable_rule(self, request: Request, Name: str, EventBusName: str = "default") -> dict[str, Any]:
        """Let a rule neither match nor fire."""
        self._change(Name, EventBusName, lambda rule: rule.model_copy(update={"state": "DISABLED"}))
        return {}

    # --- targets ----------------------------------------------------------------------------------------------------

    def put_targets(
        self, request: Request, Rule: str, Targets: list[dict[str, Any]], EventBusName: str = "default"
    ) -> dict[str, Any]:
        """Add targets to a rule, or replace those of the same id."""
        new = {members["Id"]: _checked_target(members) for members in Targets}

        def decide(rule: _Rule) -> _Rule:
            targets = {target.id: target for target in rule.targets} | new
            if len(targets) > MAX_TARGETS:
                raise ApiError("LimitExceededException", "The requested resource exceeds the maximum number allowed.")
            return rule.model_copy(update={"targets": tuple(targets.values())})

        self._change(Rule, EventBusName, decide)
        return {"FailedEntryCount": 0, "FailedEntries": []}

    def list_targets_by_rule(
        self,
        request: Request,
        Rule: str,
        EventBusName: str = "default",
        NextToken: str | None = None,
        Limit: int = PAGE,
    ) -> dict[str, Any]:
        """Show the targets of a rule, by id."""
        targets = {target.id: target for target in self._rule(Rule, EventBusName).targets}
        ids, token = _page(sorted(targets), NextToken, Limit)
        return {"Targets": [targets[name].to_api() for name in ids]} | token

    def list_rule_names_by_target(
        self,
        request: Request,
        TargetArn: str,
        EventBusName: str = "default",
        NextToken: str | None = None,
        Limit: int = PAGE,
    ) -> dict[str, Any]:
        """Show the names of the rules that have a target with this ARN."""
        self._require_default_bus(EventBusName)
        names = [rule.name for rule in self._rules.all() if any(target.arn == TargetArn for target in rule.targets)]
        page, token = _page(names, NextToken, Limit)
        return {"RuleNames": page} | token

    def remove_targets(
        self, request: Request, Rule: str, Ids: list[str], EventBusName: str = "default", Force: bool = False
    ) -> dict[str, Any]:
        """Take targets away from a rule. `Force` makes no difference, as in `delete_rule`."""
        unknown: list[str] = []

        def decide(rule: _Rule) -> _Rule:
            known = {target.id for target in rule.targets}
            unknown[:] = [name for name in Ids if name not in known]
            return rule.model_copy(update={"targets": tuple(t for t in rule.targets if t.id not in Ids)})

        self._change(Rule, EventBusName, decide)
        failed = [
            {
                "TargetId": name,
                "ErrorCode": "ResourceNotFoundException",
                "ErrorMessage": f"Rule '{Rule}' does not have a target with the Id '{name}'.",
            }
            for name in unknown
        ]
        return {"FailedEntryCount": len(failed), "FailedEntries": failed}

    # --- events -----------------------------------------------------------------------------------------------------

    def put_events(self, request: Request, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        """Hand events to the targets of the rules that they match. An entry that is wrong does not fail the others."""
        if sum(map(_size, Entries)) > limits.MAX_PUT_EVENTS:
            raise ApiError("ValidationException", "Total size of the entries in the request is over the limit.")
        rules = self._rules.all()
        answers = []
        with self._seams.redis.pipeline(transaction=True) as pipe:
            for entry in Entries:
                try:
                    event = self._event(entry)
                except ApiError as refusal:
                    answers.append({"ErrorCode": refusal.code, "ErrorMessage": refusal.message})
                    continue
                answers.append({"EventId": event.fields["id"]})
                # As on AWS, an event for a bus that does not exist is accepted, and nobody gets it.
                if self._is_default_bus(entry.get("EventBusName", "default")):
                    trace_header = inherited(entry.get("TraceHeader"), request.trace_header)
                    self._hand_to_matching(pipe, rules, event, trace_header)
            pipe.execute()
        failed = sum("ErrorCode" in answer for answer in answers)
        return {"FailedEntryCount": failed, "Entries": answers}

    def test_event_pattern(self, request: Request, EventPattern: str, Event: str) -> dict[str, Any]:
        """Say whether a pattern matches an event; both are JSON."""
        _check_pattern(EventPattern)
        try:
            event = orjson.loads(Event)
        except orjson.JSONDecodeError:
            event = None
        if not isinstance(event, dict) or not event.keys() >= _EVENT_FIELDS:
            raise ApiError("ValidationException", "Parameter Event is not valid.")
        return {"Result": pattern.compile_pattern(EventPattern).matches(pattern.prepare(event))}

    def deliver(
        self,
        pipe: Pipeline,
        target_arn: str,
        payload: bytes,
        *,
        source: str,
        trace_header: str | None = None,
        attributes: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        """Hand an event of another service to the targets of the rules that it matches; see `producers.seams.Deliver`.

        `payload` is the event's JSON, with `detail-type`, `source`, `resources` and `detail`; id, time, account,
        region and version are filled in where they are not there. Events have no place for message attributes.

        Raises:
            TargetMissing: `target_arn` is not the default event bus, or the event is longer than PutEvents takes.
            MalformedEvent: `payload` is not a JSON object.
        """
        if target_arn != self._bus_arn:
            raise TargetMissing(target_arn)
        if len(payload) > limits.MAX_PUT_EVENTS:
            raise TargetMissing(
                f"{target_arn} takes events of {limits.MAX_PUT_EVENTS} bytes; this one has {len(payload)}"
            )
        event = completed_event(
            payload,
            event_id=str(uuid.uuid4()),
            account=self._seams.settings.account_id,
            time=self._seams.clock.now(),
            region=self._seams.settings.region,
        )
        self._hand_to_matching(pipe, self._rules.all(), event, trace_header)

    # --- steps ------------------------------------------------------------------------------------------------------

    def _hand_to_matching(self, pipe: Pipeline, rules: list[Rule], event: Event, trace_header: str | None) -> None:
        prepared = pattern.prepare(event.fields)
        for rule in rules:
            if rule.matches(prepared):
                hand_over(self._seams, pipe, rule, event, trace_header=trace_header)

    def _event(self, entry: dict[str, Any]) -> Event:
        """The event of an entry. ApiError here is the refusal of this entry alone."""
        for member in ("Source", "DetailType", "Detail"):
            if not entry.get(member):
                raise ApiError(
                    "InvalidArgument", f"Parameter {member} is not valid. Reason: {member} is a required argument."
                )
        if entry["Source"].startswith("aws."):
            raise ApiError("NotAuthorizedForSourceException", "Not authorized for the source.")
        try:
            return put_event(
                event_id=str(uuid.uuid4()),
                detail_type=entry["DetailType"],
                source=entry["Source"],
                account=self._seams.settings.account_id,
                time=entry.get("Time") or self._seams.clock.now(),
                region=self._seams.settings.region,
                resources=entry.get("Resources", []),
                detail=entry["Detail"],
            )
        except MalformedEvent:
            raise ApiError("MalformedDetail", "Detail is malformed.") from None

    def _change(self, name: str, bus: str, decide: Callable[[Rule], Rule]) -> None:
        self._require_default_bus(bus)
        self._rules.change(name, lambda old, _: decide(_existing(old, name)))

    def _rule(self, name: str, bus: str) -> Rule:
        self._require_default_bus(bus)
        return _existing(self._rules.get(name), name)

    def _shown(self, rule: Rule) -> dict[str, Any]:
        return given(
            {
                "Name": rule.name,
                "Arn": self._rule_arn(rule.name),
                "EventPattern": rule.event_pattern,
                "ScheduleExpression": rule.schedule_expression,
                "State": rule.state,
                "Description": rule.description,
                "RoleArn": rule.role_arn,
                "EventBusName": "default",
            }
        )

    def _rule_arn(self, name: str) -> str:
        return str(Arn("events", self._seams.settings.region, self._seams.settings.account_id, f"rule/{name}"))

    def _is_default_bus(self, name_or_arn: str) -> bool:
        return name_or_arn in {"default", self._bus_arn}

    def _require_default_bus(self, name_or_arn: str) -> None:
        if not self._is_default_bus(name_or_arn):
            name = name_or_arn.rpartition("event-bus/")[2]
            raise ApiError("ResourceNotFoundException", f"Event bus {name} does not exist.")


#: The noun, where a parameter of AWS's has its name.
_Rule = Rule


def _existing(rule: Rule | None, name: str) -> Rule:
    if rule is None:
        raise ApiError("ResourceNotFoundException", f"Rule {name} does not exist on EventBus default.")
    return rule


def _check_pattern(text: str) -> None:
    try:
        pattern.compile_pattern(text)
    except InvalidPattern as error:
        raise ApiError("InvalidEventPatternException", f"Event pattern is not valid. Reason: {error}") from None


def _check_rule(event_pattern: str | None, expression: str | None, state: str) -> None:
    if event_pattern is None and expression is None:
        raise ApiError("ValidationException", "Parameter(s) EventPattern or ScheduleExpression must be specified.")
    if state not in {"ENABLED", "DISABLED"}:
        raise ApiError(
            "ValidationException",
            f"State {state} is not supported: there are no management events here. Use ENABLED or DISABLED.",
        )
    if event_pattern is not None:
        _check_pattern(event_pattern)
    if expression is not None:
        try:
            schedule.check(expression)
        except schedule.InvalidSchedule:
            raise ApiError("ValidationException", "Parameter ScheduleExpression is not valid.") from None


def _checked_target(members: dict[str, Any]) -> Target:
    unknown = sorted(members.keys() - _TARGET_MEMBERS)
    if unknown:
        raise ApiError(
            "ValidationException",
            f"Target {members['Id']} has {', '.join(unknown)}, which is not supported here. "
            f"Supported are {', '.join(sorted(_TARGET_MEMBERS))}.",
        )
    target = Target.from_api(members)
    try:
        service = Arn.parse(target.arn).service
    except MalformedArn:
        raise ApiError(
            "ValidationException",
            f"Parameter {target.arn} is not valid. Reason: Provided Arn is not in correct format.",
        ) from None
    if service not in _TARGET_SERVICES:
        raise ApiError("ValidationException", f"{service} is not a supported service for a target.")
    try:
        target_input.check(target)
    except target_input.InvalidInput as error:
        raise ApiError("ValidationException", str(error)) from None
    return target


def _size(entry: dict[str, Any]) -> int:
    texts = [entry.get("Source", ""), entry.get("DetailType", ""), entry.get("Detail", ""), *entry.get("Resources", [])]
    return sum(len(text.encode()) for text in texts) + (TIME_SIZE if "Time" in entry else 0)


def _page(names: list[str], token: str | None, limit: int) -> tuple[list[str], dict[str, str]]:
    """The names after the one that the token stands for, and the token of the next page, if there is one."""
    start = 0
    if token is not None:
        try:
            last = base64.b64decode(token, altchars=b"-_", validate=True).decode()
        except (binascii.Error, ValueError):
            raise ApiError("ValidationException", "Invalid NextToken.") from None
        start = sum(name <= last for name in names)
    page = names[start : start + limit]
    if start + limit >= len(names):
        return page, {}
    return page, {"NextToken": base64.urlsafe_b64encode(page[-1].encode()).decode()}
