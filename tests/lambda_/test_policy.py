"""The resource policy of a function, statement by statement."""

import json
from typing import Any

import pytest

from tests.lambda_.system import ARN, System

USER = {"Type": "User"}
S3: dict[str, Any] = {"StatementId": "s3", "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"}


@pytest.fixture
def world(system: System) -> System:
    """The function f."""
    system.create()
    return system


def statement(**changes: Any) -> dict[str, Any]:
    """The statement that `S3` makes."""
    return {
        "Sid": "s3",
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "lambda:InvokeFunction",
        "Resource": ARN,
    } | changes


@pytest.mark.parity("permission.statement")
def test_a_statement_is_written_as_aws_writes_it(world: System) -> None:
    """Members in AWS's order; conditions only where they are asked for."""
    answer = world.call("AddPermission", FunctionName="f", SourceArn="arn:aws:s3:::b", **S3)

    assert {
        "Statement": '{"Sid":"s3","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},'
        f'"Action":"lambda:InvokeFunction","Resource":"{ARN}",'
        '"Condition":{"ArnLike":{"AWS:SourceArn":"arn:aws:s3:::b"}}}'
    } == answer


@pytest.mark.parity("permission.conditions")
@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, {}),
        ({"Principal": "123456789012"}, {"Principal": {"AWS": "arn:aws:iam::123456789012:root"}}),
        ({"Principal": "*"}, {"Principal": "*"}),
        (
            {"Principal": "arn:aws:iam::123456789012:role/r"},
            {"Principal": {"AWS": "arn:aws:iam::123456789012:role/r"}},
        ),
        (
            {"SourceAccount": "123456789012", "SourceArn": "arn:aws:s3:::b"},
            {
                "Condition": {
                    "StringEquals": {"AWS:SourceAccount": "123456789012"},
                    "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::b"},
                }
            },
        ),
        (
            {"EventSourceToken": "t", "PrincipalOrgID": "o-a1b2c3d4e5"},
            {"Condition": {"StringEquals": {"lambda:EventSourceToken": "t", "aws:PrincipalOrgID": "o-a1b2c3d4e5"}}},
        ),
    ],
)
def test_principals_and_conditions(world: System, parameters: dict[str, Any], expected: dict[str, Any]) -> None:
    """Services, accounts, roles and everybody, on whatever conditions."""
    answer = world.call("AddPermission", FunctionName="f", **(S3 | parameters))

    assert statement(**expected) == json.loads(answer["Statement"])


@pytest.mark.parity("permission.policy", "permission.none")
def test_statements_come_and_go(world: System) -> None:
    """The policy has them in the order in which they came, and is gone with the last."""
    world.call("AddPermission", FunctionName="f", **S3)
    world.call("AddPermission", FunctionName="f", **(S3 | {"StatementId": "other"}))
    both = world.call("GetPolicy", FunctionName="f")

    world.call("RemovePermission", FunctionName="f", StatementId="s3")
    one = world.call("GetPolicy", FunctionName="f")
    world.call("RemovePermission", FunctionName="f", StatementId="other")

    document = {"Version": "2012-10-17", "Id": "default"}
    assert document | {"Statement": [statement(), statement(Sid="other")]} == json.loads(both["Policy"])
    assert document | {"Statement": [statement(Sid="other")]} == json.loads(one["Policy"])
    assert both["RevisionId"] != one["RevisionId"]
    message = "The resource you requested does not exist."
    assert ("ResourceNotFoundException", 404, message, USER) == world.refusal("GetPolicy", FunctionName="f")


@pytest.mark.parity("permission.duplicate")
def test_a_statement_id_is_taken_once(world: System) -> None:
    """409; the first statement stays."""
    world.call("AddPermission", FunctionName="f", **S3)

    refusal = world.refusal("AddPermission", FunctionName="f", **(S3 | {"Principal": "*"}))

    message = (
        "The statement id (s3) provided already exists. Please provide a new statement id, or remove the existing "
        "statement."
    )
    assert ("ResourceConflictException", 409, message, USER) == refusal
    assert [statement()] == json.loads(world.call("GetPolicy", FunctionName="f")["Policy"])["Statement"]


@pytest.mark.parity("permission.latest", "permission.principal", "permission.qualifier-unknown")
@pytest.mark.parametrize(
    ("name", "parameters", "code", "status", "message"),
    [
        (
            "f:$LATEST", {}, "InvalidParameterValueException", 400,
            "We currently do not support adding policies for $LATEST.",
        ),
        ("f:live", {}, "ResourceNotFoundException", 404, f"Cannot find alias arn: {ARN}:live"),
        ("f:42", {}, "ResourceNotFoundException", 404, f"Function not found: {ARN}:42"),
        (
            "f", {"Principal": "invalid.nowhere"}, "InvalidParameterValueException", 400,
            "The provided principal was invalid. Please check the principal and try again.",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_allowed_is_refused(
    world: System, name: str, parameters: dict[str, Any], code: str, status: int, message: str
) -> None:
    """Qualifiers and unknown principals, in AWS's words."""
    assert (code, status, message, USER) == world.refusal("AddPermission", FunctionName=name, **(S3 | parameters))


@pytest.mark.parity("permission.remove")
def test_what_is_not_there_cannot_be_removed(world: System) -> None:
    """No policy, no statement and no function are three different answers."""
    refusals = [world.refusal("RemovePermission", FunctionName="f", StatementId="x")]
    world.call("AddPermission", FunctionName="f", **S3)
    refusals += [world.refusal("RemovePermission", FunctionName=name, StatementId="x") for name in ("f", "u")]

    assert [
        ("ResourceNotFoundException", 404, message, USER)
        for message in (
            "No policy is associated with the given resource.",
            "Statement x is not found in resource policy.",
            f"No policy found for: {ARN[:-1]}u",
        )
    ] == refusals


@pytest.mark.parity("permission.revision")
@pytest.mark.parametrize("operation", ["AddPermission", "RemovePermission"])
def test_a_revision_is_a_precondition(world: System, operation: str) -> None:
    """A change with the latest revision is made, one with an older is 412."""
    world.call("AddPermission", FunctionName="f", **S3)
    revision = world.call("GetPolicy", FunctionName="f")["RevisionId"]
    world.call("AddPermission", FunctionName="f", RevisionId=revision, **(S3 | {"StatementId": "other"}))
    parameters = S3 | {"StatementId": "third"} if operation == "AddPermission" else {"StatementId": "other"}

    refusal = world.refusal(operation, FunctionName="f", RevisionId=revision, **parameters)

    message = (
        "The Revision Id provided does not match the latest Revision Id. Call the GetPolicy API to retrieve the latest "
        "Revision Id"
    )
    assert ("PreconditionFailedException", 412, message, USER) == refusal


@pytest.mark.parity("limit.policy")
def test_a_policy_ends_at_20_kb(world: System) -> None:
    """The statement that would make it longer is refused, and the policy is as before."""
    for number in range(5):
        token = {"StatementId": f"s{number}", "SourceArn": f"arn:aws:s3:::{'b' * 3800}"}
        world.call("AddPermission", FunctionName="f", **(S3 | token))
    before = world.call("GetPolicy", FunctionName="f")

    code, status, message, _ = world.refusal(
        "AddPermission", FunctionName="f", **(S3 | token | {"StatementId": "last"})
    )

    assert (code, status) == ("PolicyLengthExceededException", 400)
    assert message.endswith("is bigger than the limit (20480).")
    assert before == world.call("GetPolicy", FunctionName="f")


def test_a_policy_ends_with_its_function(world: System) -> None:
    """A new function of the same name has none."""
    world.call("AddPermission", FunctionName="f", **S3)
    world.call("DeleteFunction", FunctionName="f")

    world.create()

    assert world.refusal("GetPolicy", FunctionName="f")[1] == 404
