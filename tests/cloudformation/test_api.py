"""Which functions belong to which stack, as SAM's commands ask it."""

from typing import Any

import pytest
from botocore import xform_name
from redis import Redis

from config.settings import Settings
from producers.cloudformation import tags
from producers.cloudformation.api import CloudFormation
from producers.errors import ApiError
from producers.seams import Seams
from tests.conftest import FakeClock
from tests.lambda_.conftest import deliver_nowhere
from tests.lambda_.system import check_answer, request
from tests.worker.conftest import function
from worker.keys import Keys
from worker.registry import FunctionRegistry

STACK_ID = "arn:aws:cloudformation:us-east-1:000000000000:stack/shop/"


class Stacks:
    """Calls operations of the service, and checks every answer against AWS's service model."""

    def __init__(self, service: CloudFormation) -> None:
        self._service = service

    def call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """The answer."""
        answer: dict[str, Any] = getattr(self._service, xform_name(operation))(
            request(operation, service="cloudformation"), **parameters
        )
        check_answer("cloudformation", operation, answer)
        return answer

    def refusal(self, operation: str, **parameters: Any) -> tuple[str, str]:
        """Code and message."""
        with pytest.raises(ApiError) as refused:
            self.call(operation, **parameters)
        return refused.value.code, refused.value.message


@pytest.fixture
def stacks(settings: Settings, redis: Redis, keys: Keys, clock: FakeClock) -> Stacks:
    """Two functions of one stack, and one of none."""
    registry = FunctionRegistry(redis, keys)
    orders = {tags.STACK: "shop", tags.LOGICAL_ID: "Orders"}
    registry.create(function("shop-orders", tags=orders), lambda _: None)
    registry.create(function("shop-bills", tags=orders | {tags.LOGICAL_ID: "Bills"}), lambda _: None)
    registry.create(function("alone"), lambda _: None)
    return Stacks(CloudFormation(Seams(settings, redis, keys, clock, deliver_nowhere)))


def test_function_is_found_by_its_name(stacks: Stacks) -> None:
    """Whether a template made it or not: `sam remote invoke NAME` asks so."""
    found = {
        name: [
            (resource["LogicalResourceId"], resource["PhysicalResourceId"], resource["StackName"])
            for resource in stacks.call("DescribeStackResources", PhysicalResourceId=name)["StackResources"]
            if resource["PhysicalResourceId"] == name
        ]
        for name in ("shop-orders", "alone")
    }

    assert found == {
        "shop-orders": [("Orders", "shop-orders", "shop")],
        "alone": [("alone", "alone", "thrice")],
    }
    assert stacks.refusal("DescribeStackResources", PhysicalResourceId="nobody") == (
        "ValidationError", "Stack for nobody does not exist",
    )  # fmt: skip


@pytest.mark.parametrize("stack", ["shop", STACK_ID])
def test_stack_has_its_functions(stacks: Stacks, stack: str) -> None:
    """By the stack's name or its id; one of them by its logical id."""
    listed = stacks.call("ListStackResources", StackName=stack)["StackResourceSummaries"]
    one = stacks.call("DescribeStackResource", StackName=stack, LogicalResourceId="Bills")["StackResourceDetail"]

    assert [(one["LogicalResourceId"], one["ResourceType"]) for one in listed] == [
        ("Bills", "AWS::Lambda::Function"), ("Orders", "AWS::Lambda::Function"),
    ]  # fmt: skip
    assert (one["PhysicalResourceId"], one["StackId"]) == ("shop-bills", STACK_ID)


def test_stacks_are_those_of_the_functions(stacks: Stacks) -> None:
    """Each once, with a state that SAM takes for a finished one."""
    names = [stack["StackName"] for stack in stacks.call("DescribeStacks")["Stacks"]]
    finished = stacks.call("ListStacks", StackStatusFilter=["UPDATE_COMPLETE"])["StackSummaries"]
    failed = stacks.call("ListStacks", StackStatusFilter=["CREATE_FAILED"])["StackSummaries"]

    assert (names, len(finished), failed) == (["shop", "thrice"], 2, [])


@pytest.mark.parametrize(
    ("operation", "parameters", "message"),
    [
        ("DescribeStacks", {"StackName": "none"}, "Stack with id none does not exist"),
        ("ListStackResources", {"StackName": "none"}, "Stack with id none does not exist"),
        (
            "DescribeStackResource",
            {"StackName": "shop", "LogicalResourceId": "X"},
            "Resource X does not exist for stack shop",
        ),
        ("DescribeStackResources", {}, "Exactly one of StackName and PhysicalResourceId must be specified"),
        (
            "ListStacks",
            {"NextToken": "x"},
            "The NextToken 'x' is none that this service has given: every answer is one page.",
        ),
    ],
)
def test_what_is_not_there_is_refused(stacks: Stacks, operation: str, parameters: dict[str, str], message: str) -> None:
    """As a ValidationError, by which SAM knows that there is no such stack."""
    assert stacks.refusal(operation, **parameters) == ("ValidationError", message)
