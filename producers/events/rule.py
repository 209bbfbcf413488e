"""The nouns of EventBridge: a `Rule` of the default event bus, and its `Target`s."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from producers.events import pattern, schedule
from worker.arn import Arn
from worker.clock import from_ms, to_ms


class Target(BaseModel):
    """Where a rule hands its events, and in which form."""

    model_config = ConfigDict(frozen=True)

    id: str
    arn: str
    role_arn: str | None = None  # shown again; no permission is asked for here
    input: str | None = None  # constant JSON
    input_path: str | None = None
    input_paths: dict[str, str] | None = None
    input_template: str | None = None

    @classmethod
    def from_api(cls, members: dict[str, Any]) -> "Target":
        """The target that PutTargets names by AWS's members."""
        transformer = members.get("InputTransformer") or {}
        return cls(
            id=members["Id"],
            arn=members["Arn"],
            role_arn=members.get("RoleArn"),
            input=members.get("Input"),
            input_path=members.get("InputPath"),
            input_paths=transformer.get("InputPathsMap"),
            input_template=transformer.get("InputTemplate"),
        )

    def to_api(self) -> dict[str, Any]:
        """The same by AWS's members, as ListTargetsByRule shows it."""
        transformer = {"InputPathsMap": self.input_paths, "InputTemplate": self.input_template}
        members = {
            "Id": self.id,
            "Arn": self.arn,
            "RoleArn": self.role_arn,
            "Input": self.input,
            "InputPath": self.input_path,
            "InputTransformer": given(transformer) if self.input_template is not None else None,
        }
        return given(members)


class Rule(BaseModel):
    """One rule, as stored below `Keys.rules` under its name."""

    model_config = ConfigDict(frozen=True)

    v: int = 1
    name: str
    state: Literal["ENABLED", "DISABLED"] = "ENABLED"
    event_pattern: str | None = None
    schedule_expression: str | None = None
    schedule_start_ms: int = 0  # when the rule got this expression: what a rate counts from
    description: str | None = None
    role_arn: str | None = None  # shown again; no permission is asked for here
    targets: tuple[Target, ...] = ()

    def arn(self, region: str, account: str) -> str:
        """The rule's ARN on the default event bus, which the ARN does not name."""
        return str(Arn("events", region, account, f"rule/{self.name}"))

    def matches(self, prepared_event: Any) -> bool:
        """Say whether an event, as `pattern.prepare` returns it, is for this rule."""
        if self.state == "DISABLED" or self.event_pattern is None:
            return False
        return pattern.compile_pattern(self.event_pattern).matches(prepared_event)

    def next_due_ms(self, now: datetime) -> int | None:
        """When the schedule fires next after `now`; None if never, or if there is none, or the rule is disabled."""
        if self.state == "DISABLED" or self.schedule_expression is None:
            return None
        due = schedule.parse(self.schedule_expression, from_ms(self.schedule_start_ms)).next_after(now)
        return None if due is None else to_ms(due)

    def has_schedule_of(self, other: "Rule") -> bool:
        """Say whether both fire at the same moments, so that a due time of the one holds for the other."""
        return (self.state, self.schedule_expression, self.schedule_start_ms) == (
            other.state,
            other.schedule_expression,
            other.schedule_start_ms,
        )


def given(members: dict[str, Any]) -> dict[str, Any]:
    """The members that have a value: AWS leaves the others out."""
    return {name: value for name, value in members.items() if value is not None}
