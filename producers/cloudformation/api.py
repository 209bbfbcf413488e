"""What a client may ask of CloudFormation: the stacks that there are, and their functions.

`sam remote invoke` and `sam logs` look a function up here by its name, or by its stack and logical id, before they call
Lambda and CloudWatch Logs. A stack is what the tags of functions say; `thrice deploy` sets them as CloudFormation does,
and functions without them are together in the stack `thrice`, with their names for logical ids. Nothing can be changed
here: a template is deployed with `thrice deploy`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from producers.cloudformation import tags
from producers.errors import ApiError
from producers.seams import Request, Seams
from worker.arn import Arn
from worker.function import FunctionConfiguration
from worker.registry import FunctionRegistry

#: The stack of the functions that belong to none.
NO_STACK = "thrice"

#: What a stack is, as long as it is there.
_STATUS = "UPDATE_COMPLETE"

_TYPE = "AWS::Lambda::Function"

Answer = dict[str, Any]


class CloudFormation:
    """CloudFormation, for reading."""

    def __init__(self, seams: Seams) -> None:
        self._region = seams.settings.region
        self._account = seams.settings.account_id
        self._registry = FunctionRegistry(seams.redis, seams.keys)

    def describe_stacks(
        self,
        request: Request,  # noqa: ARG002 - every method is handed its request
        StackName: str | None = None,
        NextToken: str | None = None,
    ) -> Answer:
        """One stack, or all of them, on one page."""
        _refuse_token(NextToken)
        stacks = self._stacks()
        names = sorted(stacks) if StackName is None else [self._name_in(stacks, StackName)]
        return {
            "Stacks": [
                {
                    "StackName": name,
                    "StackId": self._stack_id(name),
                    "CreationTime": min(map(_changed_at, stacks[name])),
                    "StackStatus": _STATUS,
                }
                for name in names
            ]
        }

    def list_stacks(
        self,
        request: Request,
        NextToken: str | None = None,
        StackStatusFilter: Sequence[str] | None = None,
    ) -> Answer:
        """All stacks that have one of these states, on one page."""
        _refuse_token(NextToken)
        if StackStatusFilter and _STATUS not in StackStatusFilter:
            return {"StackSummaries": []}
        return {"StackSummaries": self.describe_stacks(request)["Stacks"]}

    def describe_stack_resources(
        self,
        request: Request,  # noqa: ARG002 - every method is handed its request
        StackName: str | None = None,
        LogicalResourceId: str | None = None,
        PhysicalResourceId: str | None = None,
    ) -> Answer:
        """The functions of a stack, or of the stack that a function of that name belongs to."""
        if (StackName is None) == (PhysicalResourceId is None):
            raise _invalid("Exactly one of StackName and PhysicalResourceId must be specified")
        stacks = self._stacks()
        if PhysicalResourceId is not None:
            found = [stack for stack, functions in stacks.items() if PhysicalResourceId in _names(functions)]
            if not found:
                raise _missing(PhysicalResourceId)
            stack = found[0]
        else:
            stack = self._name_in(stacks, StackName or "")
        described = [self._described(stack, function) for function in stacks[stack]]
        wanted = [one for one in described if LogicalResourceId in (None, one["LogicalResourceId"])]
        return {"StackResources": wanted}

    def describe_stack_resource(
        self,
        request: Request,
        StackName: str,
        LogicalResourceId: str,
    ) -> Answer:
        """One function of a stack."""
        found = self.describe_stack_resources(request, StackName, LogicalResourceId)["StackResources"]
        if not found:
            raise _invalid(f"Resource {LogicalResourceId} does not exist for stack {StackName}")
        detail = dict(found[0])
        return {"StackResourceDetail": detail | {"LastUpdatedTimestamp": detail.pop("Timestamp")}}

    def list_stack_resources(
        self,
        request: Request,
        StackName: str,
        NextToken: str | None = None,
    ) -> Answer:
        """The functions of a stack, on one page."""
        _refuse_token(NextToken)
        summaries = []
        for resource in self.describe_stack_resources(request, StackName)["StackResources"]:
            summary = {name: value for name, value in resource.items() if name not in ("StackName", "StackId")}
            summaries.append(summary | {"LastUpdatedTimestamp": summary.pop("Timestamp")})
        return {"StackResourceSummaries": summaries}

    def _stacks(self) -> Mapping[str, Sequence[FunctionConfiguration]]:
        """The functions by the names of their stacks."""
        stacks: dict[str, list[FunctionConfiguration]] = {}
        for function in self._registry.list():
            stacks.setdefault(function.tags.get(tags.STACK, NO_STACK), []).append(function)
        return stacks

    def _name_in(self, stacks: Mapping[str, object], name_or_id: str) -> str:
        name = name_or_id.removeprefix(self._stack_id("").removesuffix("/")).partition("/")[0]
        if name not in stacks:
            raise _invalid(f"Stack with id {name_or_id} does not exist")
        return name

    def _stack_id(self, name: str) -> str:
        return f"{Arn('cloudformation', self._region, self._account, f'stack/{name}')}/"

    def _described(self, stack: str, function: FunctionConfiguration) -> Answer:
        return {
            "StackName": stack,
            "StackId": self._stack_id(stack),
            "LogicalResourceId": function.tags.get(tags.LOGICAL_ID, function.name),
            "PhysicalResourceId": function.name,
            "ResourceType": _TYPE,
            "Timestamp": _changed_at(function),
            "ResourceStatus": _STATUS,
        }


def _names(functions: Sequence[FunctionConfiguration]) -> set[str]:
    return {function.name for function in functions}


def _changed_at(function: FunctionConfiguration) -> datetime:
    return datetime.strptime(function.last_modified, "%Y-%m-%dT%H:%M:%S.%f%z")


def _refuse_token(token: str | None) -> None:
    if token is not None:
        raise _invalid(f"The NextToken '{token}' is none that this service has given: every answer is one page.")


def _missing(physical_id: str) -> ApiError:
    return _invalid(f"Stack for {physical_id} does not exist")


def _invalid(message: str) -> ApiError:
    return ApiError("ValidationError", message, 400)
