"""What a deployment does, one noun for each kind of step. Pure.

Nothing in here refers to another step by anything but its name or ARN, so a plan is a list. The order of `KINDS` is the
order of doing: a queue is there before the function whose dead letters it takes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Folder:
    """Code that lies in a folder, or as one file."""

    path: Path


@dataclass(frozen=True, slots=True)
class Zip:
    """Code that is a deployment package already."""

    path: Path


@dataclass(frozen=True, slots=True)
class Inline:
    """Code that is written in the template."""

    file: str
    text: str


@dataclass(frozen=True, slots=True)
class Object:
    """Code that lies in a bucket of this system."""

    bucket: str
    key: str


Code = Folder | Zip | Inline | Object


@dataclass(frozen=True, slots=True)
class Queue:
    """An SQS queue."""

    name: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Topic:
    """An SNS topic."""

    name: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bucket:
    """An S3 bucket."""

    name: str


@dataclass(frozen=True, slots=True)
class Layer:
    """A version of a layer, whose ARN is the outcome `<id>.Arn`."""

    id: str
    name: str
    code: Code
    members: Mapping[str, Any] = field(default_factory=dict)
    line: int = 0


@dataclass(frozen=True, slots=True)
class Function:
    """A function: CreateFunction's members but its name and code."""

    name: str
    code: Code
    members: Mapping[str, Any]
    tags: Mapping[str, str] = field(default_factory=dict)
    concurrency: int | None = None
    line: int = 0
    id: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """A published version, whose number and ARN are the outcomes `<id>.Version` and `<id>.Arn`."""

    id: str
    function: str
    description: str = ""

    @property
    def name(self) -> str:
        """How it is shown."""
        return self.function


@dataclass(frozen=True, slots=True)
class Alias:
    """An alias; `members` are those of CreateAlias, FunctionVersion perhaps an outcome."""

    function: str
    alias: str
    members: Mapping[str, Any]

    @property
    def name(self) -> str:
        """How it is shown."""
        return f"{self.function}:{self.alias}"


@dataclass(frozen=True, slots=True)
class EventInvoke:
    """How the events of a function are treated."""

    function: str
    qualifier: str | None
    members: Mapping[str, Any]

    @property
    def name(self) -> str:
        """How it is shown."""
        return f"{self.function}:{self.qualifier}" if self.qualifier else self.function


@dataclass(frozen=True, slots=True)
class Permission:
    """A statement of a function's policy."""

    function: str
    qualifier: str | None
    statement: str
    members: Mapping[str, Any]

    @property
    def name(self) -> str:
        """How it is shown."""
        return f"{self.function} {self.statement}"


@dataclass(frozen=True, slots=True)
class Subscription:
    """A function or a queue that a topic hands its messages on to."""

    topic_arn: str
    protocol: str
    endpoint: str
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """How it is shown."""
        endpoint = self.endpoint.rpartition(":function:" if self.protocol == "lambda" else ":")[2]
        return f"{self.topic_arn.rpartition(':')[2]} → {endpoint}"


@dataclass(frozen=True, slots=True)
class Notification:
    """The whole notification configuration of a bucket."""

    bucket: str
    configuration: Mapping[str, Any]

    @property
    def name(self) -> str:
        """How it is shown."""
        return self.bucket


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of the event bus: PutRule's members but its name, and its targets."""

    name: str
    members: Mapping[str, Any]
    targets: tuple[Mapping[str, Any], ...]
    line: int = 0


Step = (
    Queue | Topic | Bucket | Layer | Function | Version | Alias | EventInvoke | Permission | Subscription
    | Notification | Rule
)  # fmt: skip

#: The kinds in the order of doing, and what each is called.
KINDS: Mapping[type, str] = {
    Queue: "queue", Topic: "topic", Bucket: "bucket", Layer: "layer", Function: "function", Version: "version",
    Alias: "alias", EventInvoke: "event invoke", Permission: "permission", Subscription: "subscription",
    Notification: "notification", Rule: "rule",
}  # fmt: skip
