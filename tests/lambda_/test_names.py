"""Which function a FunctionName means."""

import pytest

from producers.errors import ApiError
from producers.lambda_.names import FunctionName, Place, parse

PLACE = Place("us-east-1", "000000000000")
ARN = "arn:aws:lambda:us-east-1:000000000000:function:f"


@pytest.mark.parity("invoke.name.forms")
@pytest.mark.parametrize(
    ("text", "qualifier", "expected"),
    [
        ("f", None, ("f", None)),
        ("f", "$LATEST", ("f", "$LATEST")),
        ("f:$LATEST", None, ("f", "$LATEST")),
        ("f:live", "live", ("f", "live")),
        ("f:1", None, ("f", "1")),
        ("function:f", None, ("f", None)),
        ("000000000000:function:f", None, ("f", None)),
        ("000000000000:function:f:live", None, ("f", "live")),
        ("us-east-1:000000000000:function:f", None, ("f", None)),
        (ARN, None, ("f", None)),
        (f"{ARN}:$LATEST", "$LATEST", ("f", "$LATEST")),
        ("thrice:canary", None, ("thrice", "canary")),
        ("a_b-C9", None, ("a_b-C9", None)),
        ("x" * 64, None, ("x" * 64, None)),
    ],
)
def test_every_form_of_a_name_is_understood(text: str, qualifier: str | None, expected: tuple[str, str | None]) -> None:
    """Name and qualifier come out of each of AWS's forms; no form leads to an internal function."""
    assert FunctionName(*expected, PLACE) == parse(text, qualifier, PLACE, "GetFunction")


@pytest.mark.parity("limit.function-name", "control.name.pattern", "control.name.length")
@pytest.mark.parametrize(
    ("text", "qualifier", "code", "status", "message"),
    [
        (
            ARN.replace("us-east-1", "eu-west-1"), None, "ResourceNotFoundException", 404,
            "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')",
        ),
        (
            ARN.replace("000000000000", "123456789012"), None, "AccessDeniedException", 403,
            ("User: arn:aws:iam::000000000000:root is not authorized to perform: lambda:GetFunction on resource: "
            "arn:aws:lambda:us-east-1:123456789012:function:f because no resource-based policy allows the "
            "lambda:GetFunction action"),
        ),
        (
            "f:1", "2", "InvalidParameterValueException", 400,
            "The derived qualifier from the function name does not match the specified qualifier.",
        ),
        (
            "x" * 65, None, "InvalidParameterValueException", 400,
            (f"1 validation error detected: Value '{'x' * 65}' at 'functionName' failed to satisfy constraint: "
            "Member must have length less than or equal to 64"),
        ),
        (
            "a:b:c", None, "ValidationException", 400,
            ("1 validation error detected: Value 'a:b:c' at 'functionName' failed to satisfy constraint: "
            "Member must be the name or the ARN of a function"),
        ),
    ],
)  # fmt: skip
def test_other_names_are_refused_in_awss_words(
    text: str, qualifier: str | None, code: str, status: int, message: str
) -> None:
    """Wrong region 404, wrong account 403, contradiction and length 400."""
    with pytest.raises(ApiError) as refused:
        parse(text, qualifier, PLACE, "GetFunction")

    assert (code, status, message) == (refused.value.code, refused.value.status, refused.value.message)


def test_the_three_arns_of_a_name() -> None:
    """Unqualified, as asked, and always qualified."""
    plain, latest = FunctionName("f", None, PLACE), FunctionName("f", "$LATEST", PLACE)

    assert (ARN, ARN, f"{ARN}:$LATEST") == (plain.arn, plain.asked_arn, plain.qualified_arn)
    assert (ARN, f"{ARN}:$LATEST", f"{ARN}:$LATEST") == (latest.arn, latest.asked_arn, latest.qualified_arn)
