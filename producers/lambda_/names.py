"""Which function a caller means: by its name, a part of its ARN or all of it, with or without a qualifier. Pure.

`f`, `f:$LATEST`, `function:f`, `000000000000:function:f` and `arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST`
all name the same function. A qualifier may also come as a parameter of its own, and must then not contradict the name.
Whether there is such a version or alias is another question, which the function's document answers.
"""

import re
from dataclasses import dataclass

from config import limits
from producers.errors import ApiError
from producers.lambda_.errors import invalid_parameter, not_found, violated, violation
from worker.arn import function_arn
from worker.function import LATEST

#: Operations that need the permission InvokeFunction.
_INVOCATIONS = ("Invoke", "InvokeWithResponseStream")

#: Source: the shape NamespacedFunctionName of AWS's service model, with names for the parts.
_FORM = re.compile(
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?"
    r"((?P<region>(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}):)?"
    r"((?P<account>\d{12}):)?"
    r"(function:)?"
    r"(?P<name>[a-zA-Z0-9-_\.]+)"
    r"(:(?P<qualifier>\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
)


@dataclass(frozen=True, slots=True)
class Place:
    """The region and the account that all ARNs lie in."""

    region: str
    account: str


@dataclass(frozen=True, slots=True)
class FunctionName:
    """One function, as a caller named it."""

    name: str
    qualifier: str | None  # as the caller wrote it
    place: Place

    @property
    def arn(self) -> str:
        """The ARN of the function, unqualified."""
        return function_arn(self.place.region, self.place.account, self.name)

    @property
    def asked_arn(self) -> str:
        """The ARN, qualified if the caller's was: what a handler sees as `invoked_function_arn`."""
        return f"{self.arn}:{self.qualifier}" if self.qualifier else self.arn

    @property
    def qualified_arn(self) -> str:
        """The ARN with its qualifier, which is `$LATEST` if the caller gave none."""
        return f"{self.arn}:{self.qualifier or LATEST}"

    @property
    def is_latest(self) -> bool:
        """Whether the caller means neither a version nor an alias."""
        return self.qualifier in (None, LATEST)


def parse(text: str, qualifier: str | None, place: Place, operation: str) -> FunctionName:
    """Read a FunctionName and a Qualifier. `operation` is AWS's name of what the caller wants.

    Raises:
        ApiError: it is no function name, lies in another region or account, or contradicts `qualifier`.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise violated(text, "functionName", "Member must be the name or the ARN of a function")
    region, account, name = match["region"], match["account"], match["name"]
    if region is not None and region != place.region:
        raise not_found(f"Functions from '{region}' are not reachable in this region ('{place.region}')")
    if account is not None and account != place.account:
        raise _not_authorized(function_arn(place.region, account, name), place, operation)
    if len(name) > limits.MAX_FUNCTION_NAME:
        rule = f"Member must have length less than or equal to {limits.MAX_FUNCTION_NAME}"
        raise invalid_parameter(violation(name, "functionName", rule))
    if qualifier is not None and match["qualifier"] not in (None, qualifier):
        raise invalid_parameter("The derived qualifier from the function name does not match the specified qualifier.")
    return FunctionName(name, match["qualifier"] or qualifier, place)


def _not_authorized(arn: str, place: Place, operation: str) -> ApiError:
    action = "lambda:InvokeFunction" if operation in _INVOCATIONS else f"lambda:{operation}"
    return ApiError(
        "AccessDeniedException",
        f"User: arn:aws:iam::{place.account}:root is not authorized to perform: {action} on resource: {arn} "
        f"because no resource-based policy allows the {action} action",
        403,
    )
