"""One topic, and how topics are addressed. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from producers.errors import ApiError
from worker.arn import Arn, name_if_ours

#: Attributes of a topic that are kept and shown. There is no IAM here: a Policy forbids nothing. Nobody reads a
#: DisplayName, since no message leaves by mail or SMS.
SETTABLE = ("DisplayName", "Policy")

_NAME = re.compile(r"[\w-]{1,256}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic, as it is kept."""

    attributes: Mapping[str, str]
    tags: Mapping[str, str]

    @classmethod
    def from_json(cls, record: bytes | str) -> "Topic":
        """Read a record of `Keys.topics`."""
        fields: dict[str, Any] = orjson.loads(record)
        return cls(fields["attributes"], fields["tags"])

    def to_json(self) -> bytes:
        """The record of `Keys.topics`."""
        return orjson.dumps({"v": 1, "attributes": dict(self.attributes), "tags": dict(self.tags)})


def check_name(name: str) -> None:
    """Refuse a name that no topic here can have.

    Raises:
        ApiError: it is a FIFO topic's, or has characters or a length that are not allowed.
    """
    if name.endswith(".fifo"):
        raise ApiError(
            "InvalidParameter",
            f"Invalid parameter: Topic Name Reason: '{name}' would be a FIFO topic; here are only standard topics. "
            "Choose a name without '.fifo'.",
        )
    if not _NAME.fullmatch(name):
        raise ApiError("InvalidParameter", "Invalid parameter: Topic Name")


def check_attributes(attributes: Mapping[str, str]) -> dict[str, str]:
    """See that the attributes of a topic can be obeyed.

    Raises:
        ApiError: one cannot.
    """
    checked = {}
    for name, value in attributes.items():
        if name == "FifoTopic" and value.lower() == "false":
            continue  # that is what every topic is
        if name not in SETTABLE:
            raise ApiError(
                "InvalidParameter",
                f"Invalid parameter: Attributes Reason: '{name}' is not supported here; the attributes are "
                f"{' and '.join(SETTABLE)}.",
            )
        if name == "Policy":
            _check_policy(value)
        checked[name] = value
    return checked


def _check_policy(value: str) -> None:
    try:
        policy = orjson.loads(value)
    except orjson.JSONDecodeError:
        policy = None
    if not isinstance(policy, dict):
        raise ApiError("InvalidParameter", "Invalid parameter: Policy Error: null")


@dataclass(frozen=True, slots=True)
class Topics:
    """The addresses of the topics of one account in one region."""

    region: str
    account: str

    def arn(self, name: str) -> str:
        """The ARN of a topic."""
        return str(Arn("sns", self.region, self.account, name))

    def name_in_arn(self, text: str) -> str | None:
        """The name of our topic that an ARN names; None if it names none of ours."""
        return name_if_ours(text, self.arn)

    def name_in(self, text: str, parameter: str = "TopicArn") -> str:
        """The name of the topic that a parameter of a request names.

        Raises:
            ApiError: it is no ARN, or not of a topic that can be here.
        """
        parts = text.split(":", 5)
        if len(parts) < 6:
            raise ApiError(
                "InvalidParameter",
                f"Invalid parameter: {parameter} Reason: An ARN must have at least 6 elements, not {len(parts)}",
            )
        name = self.name_in_arn(text)
        if name is None:
            raise missing()
        return name


def missing() -> ApiError:
    """The refusal of a topic that is not there."""
    return ApiError("NotFound", "Topic does not exist", 404)
