"""Amazon Resource Names: how everything in the system is addressed.

`arn:aws:<service>:<region>:<account>:<resource>`; S3 buckets have neither region nor account.
"""

from collections.abc import Callable
from dataclasses import dataclass


class MalformedArn(ValueError):
    """Raised when a text is no ARN. Its text is the offending one."""


@dataclass(frozen=True, slots=True)
class Arn:
    """One ARN, taken apart."""

    service: str
    region: str
    account: str
    resource: str

    @classmethod
    def parse(cls, text: str) -> "Arn":
        """Take `text` apart.

        Raises:
            MalformedArn: it has not the six parts of an ARN.
        """
        parts = text.split(":", 5)
        if len(parts) != 6 or parts[0] != "arn" or not parts[1].startswith("aws") or not parts[2] or not parts[5]:
            raise MalformedArn(text)
        return cls(service=parts[2], region=parts[3], account=parts[4], resource=parts[5])

    @property
    def name(self) -> str:
        """The resource's own name: `f` of `function:f:live`, `q` of `q`, `bus` of `event-bus/bus`."""
        kind, _, rest = self.resource.partition(":")
        if self.service == "lambda" and kind == "function":
            return rest.partition(":")[0]
        return self.resource.rpartition("/")[2] if self.service == "events" else self.resource

    def __str__(self) -> str:
        return f"arn:aws:{self.service}:{self.region}:{self.account}:{self.resource}"


def name_if_ours(text: str, arn_of: Callable[[str], str]) -> str | None:
    """The name in an ARN, if the ARN is the one that `arn_of` gives that name; None if it names nothing of ours."""
    try:
        name = Arn.parse(text).name
    except MalformedArn:
        return None
    return name if text == arn_of(name) else None


def function_arn(region: str, account: str, name: str) -> str:
    """The unqualified ARN of a function."""
    return str(Arn("lambda", region, account, f"function:{name}"))
