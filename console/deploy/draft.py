"""A plan while it is being made: steps, what is said beside them, and what is wrong. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from console.deploy.intrinsics import text_of
from console.deploy.references import Place
from console.deploy.source import Path
from console.deploy.steps import Step
from console.deploy.template import UNASKED, Resource, Template, where_of

NO_IAM = "There is no IAM here: roles, policies and permissions boundaries of the template are not obeyed."


class Skip(Exception):
    """Raised for what cannot be planned, after it was blamed."""


@dataclass(slots=True)
class Draft:
    """What the resources have come to so far."""

    template: Template
    skips: bool
    steps: list[Step] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)
    notifications: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def place(self) -> Place:
        """Where everything is made."""
        return self.template.place

    def note(self, text: str) -> None:
        """Say something once."""
        self.notes[text] = None

    def blame(self, path: Path, text: str) -> None:
        """Note what is wrong."""
        self.template.blame(path, text)

    def leave_out(self, path: Path, text: str) -> None:
        """A resource or trigger that is not to be had: a problem, or with --skip a remark."""
        if self.skips:
            self.note(f"Left out: {where_of(path)}: {text}.")
        else:
            self.template.blame(path, text, can_be_left_out=True)

    def check_members(self, members: Mapping[str, Any], known: Iterable[str], path: Path, whose: str) -> None:
        """Blame every member that cannot be obeyed; what only IAM would look at is noted.

        Raises:
            Skip: `members` is no mapping.
        """
        for name in self.mapping(members, path):
            if name in UNASKED or name in ("Role", "RoleArn"):
                self.note(NO_IAM)
            elif name not in known:
                self.blame((*path, name), f"thrice cannot obey it; of {whose} there are {', '.join(sorted(known))}")

    def mapping(self, value: Any, path: Path) -> Mapping[str, Any]:
        """A value that must be a mapping; nothing stands for an empty one.

        Raises:
            Skip: it is none, which was blamed.
        """
        if value is None or isinstance(value, Mapping):
            return value or {}
        self.blame(path, "this is a mapping")
        raise Skip

    def listed(self, value: Any, path: Path) -> list[Any]:
        """A value that must be a list of mappings; nothing stands for an empty one.

        Raises:
            Skip: it is none, which was blamed.
        """
        if value is None or (isinstance(value, list) and all(isinstance(each, Mapping) for each in value)):
            return value or []
        self.blame(path, "this is a list of mappings")
        raise Skip

    def required(self, members: Mapping[str, Any], name: str, path: Path) -> Any:
        """A member that must be there.

        Raises:
            Skip: it is not; that was blamed, unless it is there and could not be resolved.
        """
        if name not in members:
            if not self._is_blamed((*path, name)):
                self.blame(path, f"the member {name} is missing")
            raise Skip
        return members[name]

    def _is_blamed(self, path: Path) -> bool:
        where = where_of(path)
        return any(problem.where.startswith(where) for problem in self.template.problems)

    def add_notification(self, bucket: str, kind: str, configuration: Mapping[str, Any]) -> None:
        """Add to what a bucket notifies of; `kind` is the member of NotificationConfiguration."""
        self.notifications.setdefault(bucket, {}).setdefault(kind, []).append(dict(configuration))


def path_of(resource: Resource, name: str) -> Path:
    """Where a property was written."""
    return resource.paths.get(name, (*resource.path, "Properties", name))


def tags_of(value: Any) -> dict[str, str]:
    """Tags, which are a list of Key and Value in CloudFormation and a mapping in SAM."""
    if isinstance(value, Mapping):
        return {str(name): text_of(text) for name, text in value.items()}
    return {str(tag["Key"]): text_of(tag["Value"]) for tag in value or [] if isinstance(tag, Mapping) and "Key" in tag}


def texts(value: Any) -> Any:
    """`value` with every scalar as a text, as attributes and variables are."""
    return {str(name): text_of(item) for name, item in value.items()} if isinstance(value, Mapping) else {}


def number(value: Any) -> Any:
    """A number that may have been written as a text, as a parameter's default is; anything else is left as it is."""
    return int(value) if isinstance(value, str) and value.strip().isdigit() else value
