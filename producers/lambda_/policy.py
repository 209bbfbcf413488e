"""The resource policy of a function: statements that are added, shown and removed. Pure.

The policy is kept as one JSON document with a revision of its own. There is no IAM in thrice, so nobody is refused by
it; services may ask it whether the user has allowed them to invoke the function.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from producers.errors import ApiError
from producers.lambda_.errors import conflict, invalid_parameter, not_found, precondition_failed

#: Longest policy, in bytes. Source: AWS Lambda Developer Guide, "Lambda quotas".
MAX_POLICY = 20_480

Statement = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Policy:
    """The policy of one function."""

    revision_id: str
    statements: tuple[Statement, ...]

    @classmethod
    def loads(cls, stored: bytes) -> "Policy":
        """Read what `dumps` wrote."""
        document = orjson.loads(stored)
        return cls(document["revision_id"], tuple(document["statements"]))

    def dumps(self) -> bytes:
        """The form in which it is kept."""
        return orjson.dumps({"v": 1, "revision_id": self.revision_id, "statements": self.statements})

    def document(self) -> str:
        """The JSON text that GetPolicy answers."""
        return orjson.dumps({"Version": "2012-10-17", "Id": "default", "Statement": self.statements}).decode()

    def check_revision(self, expected: str | None) -> None:
        """See that the caller has seen the present revision, if it says which one it has seen.

        Raises:
            ApiError: it has seen another.
        """
        if expected is not None and expected != self.revision_id:
            raise precondition_failed("GetPolicy")


def statement(
    function_arn: str,
    *,
    statement_id: str,
    action: str,
    principal: str,
    source_arn: str | None,
    source_account: str | None,
    event_source_token: str | None,
    organisation: str | None,
) -> Statement:
    """One statement, with its members in AWS's order.

    Raises:
        ApiError: `principal` is neither a service, an account, an ARN nor `*`.
    """
    made: dict[str, Any] = {
        "Sid": statement_id,
        "Effect": "Allow",
        "Principal": _principal(principal),
        "Action": action,
        "Resource": function_arn,
    }
    equal = {
        "AWS:SourceAccount": source_account,
        "lambda:EventSourceToken": event_source_token,
        "aws:PrincipalOrgID": organisation,
    }
    conditions = {
        "StringEquals": {name: value for name, value in equal.items() if value is not None},
        "ArnLike": {} if source_arn is None else {"AWS:SourceArn": source_arn},
    }
    conditions = {operator: values for operator, values in conditions.items() if values}
    return made | {"Condition": conditions} if conditions else made


def text_of(made: Statement) -> str:
    """The JSON text that AddPermission answers."""
    return orjson.dumps(made).decode()


def added(policy: Policy | None, new: Statement, expected: str | None, revision_id: str) -> Policy:
    """`policy` with one more statement, as revision `revision_id`. `expected` is the revision that the caller has seen.

    Raises:
        ApiError: the statement's id is taken, or the policy would be too long, or the caller has seen another revision.
    """
    statements: Sequence[Statement] = policy.statements if policy else ()
    if policy:
        policy.check_revision(expected)
    elif expected is not None:
        raise precondition_failed("GetPolicy")
    if any(new["Sid"] == old["Sid"] for old in statements):
        raise conflict(
            f"The statement id ({new['Sid']}) provided already exists. "
            "Please provide a new statement id, or remove the existing statement."
        )
    longer = Policy(revision_id, (*statements, new))
    size = len(longer.document().encode())
    if size > MAX_POLICY:
        raise ApiError(
            "PolicyLengthExceededException",
            f"The final policy size ({size}) is bigger than the limit ({MAX_POLICY}).",
            members={"Type": "User"},
        )
    return longer


def removed(policy: Policy | None, statement_id: str, expected: str | None, revision_id: str) -> Policy | None:
    """`policy` without that statement, as revision `revision_id`; None if that was the last.

    Raises:
        ApiError: there is no such statement, or the caller has seen another revision.
    """
    if policy is None:
        raise not_found("No policy is associated with the given resource.")
    left = tuple(kept for kept in policy.statements if kept["Sid"] != statement_id)
    if len(left) == len(policy.statements):
        raise not_found(f"Statement {statement_id} is not found in resource policy.")
    policy.check_revision(expected)
    return Policy(revision_id, left) if left else None


def _principal(principal: str) -> str | dict[str, str]:
    if principal == "*":
        return "*"
    if principal.endswith((".amazonaws.com", ".amazonaws.com.cn")):
        return {"Service": principal}
    if len(principal) == 12 and principal.isascii() and principal.isdigit():
        return {"AWS": f"arn:aws:iam::{principal}:root"}
    if principal.startswith("arn:aws") and principal.count(":") >= 5:
        return {"AWS": principal}
    raise invalid_parameter("The provided principal was invalid. Please check the principal and try again.")
