"""Parameters that the service model forbids, and those that thrice does not implement."""

from typing import Any

import pytest

from producers.errors import ApiError
from producers.gateway.model import Operation, implemented_operations, load_services
from producers.gateway.validate import Validator

ROLE = "arn:aws:iam::000000000000:role/r"
ROLE_PATTERN = r"arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+"


class _Lambda:
    """Takes some of the fields."""

    def create_function(self, request: Any, FunctionName: str, Role: str, Code: Any, Timeout: int = 3) -> None: ...  # noqa: N803
    def put_function_event_invoke_config(self, request: Any, FunctionName: str) -> None: ...  # noqa: N803
    def invoke(self, request: Any, FunctionName: str) -> None: ...  # noqa: N803


class _S3:
    """Takes a bucket and a key."""

    def put_object(self, request: Any, Bucket: str, Key: str) -> None: ...  # noqa: N803
    def copy_object(self, request: Any, Bucket: str, Key: str, CopySource: str) -> None: ...  # noqa: N803


class _Misspelled:
    """Has a parameter that AWS does not have."""

    def get_object(self, request: Any, Buckett: str) -> None: ...  # noqa: N803


def operation(service: str, name: str) -> Operation:
    """One operation of services that implement little."""
    targets: dict[str, object] = {"lambda": _Lambda(), "s3": _S3(), "sqs": object(), "sns": object(), "logs": object()}
    targets["events"] = object()
    return next(known.operations[name] for known in load_services({service: targets[service]}))


def refusal(service: str, name: str, parameters: dict[str, Any]) -> tuple[str, str]:
    """Code and message of the refusal."""
    with pytest.raises(ApiError) as refused:
        Validator("000000000000").check(operation(service, name), parameters)
    return refused.value.code, refused.value.message


#: An ARN of 141 characters.
LONG_ARN = "arn:aws:lambda:us-east-1:000000000000:function:".ljust(141, "f")


def _create(**changes: Any) -> dict[str, Any]:
    return {"FunctionName": "f", "Role": ROLE, "Code": {"ZipFile": b"zip"}, **changes}


def _put(**changes: Any) -> dict[str, Any]:
    return {"FunctionName": "f", **changes}


@pytest.mark.parity(
    "limit.retries.range", "limit.environment.name", "invoke.name.pattern", "control.create.role",
    "control.create.architectures", "event-invoke.range", "limit.function-arn", "limit.handler",
    "limit.ephemeral-storage", "control.list.versions",
)  # fmt: skip
@pytest.mark.parametrize(
    ("name", "parameters", "detected"),
    [
        (
            "CreateFunction",
            _create(Role="r1"),
            (
                "Value 'r1' at 'role' failed to satisfy constraint: "
                f"Member must satisfy regular expression pattern: {ROLE_PATTERN}"
            ),
        ),
        (
            "CreateFunction",
            _create(Architectures=["x86_64", "arm64"]),
            (
                "Value '[x86_64, arm64]' at 'architectures' failed to satisfy constraint: "
                "Member must have length less than or equal to 1"
            ),
        ),
        (
            "CreateFunction",
            _create(Timeout=0),
            "Value '0' at 'timeout' failed to satisfy constraint: Member must have value greater than or equal to 1",
        ),
        (
            "CreateFunction",
            _create(Timeout=901),
            "Value '901' at 'timeout' failed to satisfy constraint: Member must have value less than or equal to 900",
        ),
        (
            "CreateFunction",
            _create(FunctionName=LONG_ARN),
            (
                f"Value '{LONG_ARN}' at 'functionName' failed to satisfy constraint: "
                "Member must have length less than or equal to 140"
            ),
        ),
        (
            "CreateFunction",
            _create(Handler="a" * 129),
            (
                f"Value '{'a' * 129}' at 'handler' failed to satisfy constraint: "
                "Member must have length less than or equal to 128"
            ),
        ),
        (
            "CreateFunction",
            _create(Handler="app. handler"),
            (
                "Value 'app. handler' at 'handler' failed to satisfy constraint: "
                r"Member must satisfy regular expression pattern: [^\s]+"
            ),
        ),
        (
            "CreateFunction",
            _create(EphemeralStorage={"Size": 511}),
            (
                "Value '511' at 'ephemeralStorage.size' failed to satisfy constraint: "
                "Member must have value greater than or equal to 512"
            ),
        ),
        (
            "ListFunctions",
            {"FunctionVersion": "invalid"},
            (
                "Value 'invalid' at 'functionVersion' failed to satisfy constraint: "
                "Member must satisfy enum value set: [ALL]"
            ),
        ),
        (
            "CreateFunction",
            _create(PackageType="Tar"),
            (
                "Value 'Tar' at 'packageType' failed to satisfy constraint: "
                "Member must satisfy enum value set: [Zip, Image]"
            ),
        ),
        (
            "CreateFunction",
            {"FunctionName": "f", "Code": {}},
            "Value null at 'role' failed to satisfy constraint: Member must not be null",
        ),
        (
            "CreateFunction",
            _create(Environment={"Variables": {"1": "x"}}),
            (
                "Value at 'environment.variables' failed to satisfy constraint: Map keys must satisfy constraint: "
                "[Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]"
            ),
        ),
        (
            "CreateFunction",
            _create(FileSystemConfigs=[{"LocalMountPath": "/mnt/a"}]),
            "Value null at 'fileSystemConfigs.1.member.arn' failed to satisfy constraint: Member must not be null",
        ),
        (
            "PutFunctionEventInvokeConfig",
            _put(MaximumRetryAttempts=3),
            (
                "Value '3' at 'maximumRetryAttempts' failed to satisfy constraint: "
                "Member must have value less than or equal to 2"
            ),
        ),
        (
            "Invoke",
            {"FunctionName": "a:b:c"},
            (
                "Value 'a:b:c' at 'functionName' failed to satisfy constraint: "
                "Member must satisfy regular expression pattern: "
                r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?"
                r"(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
            ),
        ),
    ],
)
def test_lambdas_words(name: str, parameters: dict[str, Any], detected: str) -> None:
    """AWS's sentence for each kind of rule."""
    assert refusal("lambda", name, parameters) == ("ValidationException", f"1 validation error detected: {detected}")


def test_a_nested_member_is_named_by_its_path() -> None:
    """With dots, in lower camel case."""
    config = {"OnFailure": {"Destination": "nowhere"}}
    code, message = refusal("lambda", "PutFunctionEventInvokeConfig", _put(DestinationConfig=config))

    assert code == "ValidationException"
    assert message.startswith(
        "1 validation error detected: Value 'nowhere' at 'destinationConfig.onFailure.destination' failed to satisfy "
        "constraint: Member must satisfy regular expression pattern: "
    )


def test_several_errors_are_told_at_once() -> None:
    """Joined, and counted."""
    assert refusal(
        "lambda", "PutFunctionEventInvokeConfig", _put(MaximumRetryAttempts=-1, MaximumEventAgeInSeconds=1)
    ) == (
        "ValidationException",
        (
            "2 validation errors detected: Value '-1' at 'maximumRetryAttempts' failed to satisfy constraint: Member "
            "must have value greater than or equal to 0; Value '1' at 'maximumEventAgeInSeconds' failed to satisfy "
            "constraint: Member must have value greater than or equal to 60"
        ),
    )


@pytest.mark.parametrize(
    ("service", "name", "parameters", "expected"),
    [
        (
            "sqs",
            "SendMessage",
            {"QueueUrl": "u"},
            ("MissingParameter", "The request must contain the parameter MessageBody."),
        ),
        (
            "sqs",
            "CreateQueue",
            {"QueueName": "q", "Attributes": {"Colour": "red"}},
            ("InvalidAttributeName", "Unknown Attribute Colour."),
        ),
        (
            "sqs",
            "GetQueueAttributes",
            {"QueueUrl": "u", "AttributeNames": ["Colour"]},
            ("InvalidAttributeName", "Unknown Attribute Colour."),
        ),
        (
            "sns",
            "Publish",
            {"TopicArn": "t"},
            (
                "InvalidParameter",
                (
                    "1 validation error detected: Value null at 'message' failed to satisfy constraint: "
                    "Member must not be null"
                ),
            ),
        ),
        (
            "events",
            "PutRule",
            {"Name": "r" * 65},
            (
                "ValidationException",
                (
                    f"1 validation error detected: Value '{'r' * 65}' at 'name' failed to satisfy constraint: "
                    "Member must have length less than or equal to 64"
                ),
            ),
        ),
        (
            "logs",
            "FilterLogEvents",
            {"logGroupName": ""},
            (
                "InvalidParameterException",
                (
                    "2 validation errors detected: Value '' at 'logGroupName' failed to satisfy constraint: Member "
                    "must have length greater than or equal to 1; Value '' at 'logGroupName' failed to satisfy "
                    r"constraint: Member must satisfy regular expression pattern: [\.\-_/#A-Za-z0-9]+"
                ),
            ),
        ),
        (
            "s3",
            "PutObject",
            {"Bucket": "b", "Key": "k", "StorageClass": "HOT"},
            ("InvalidArgument", None),
        ),
        ("s3", "DeleteObjects", {"Bucket": "b", "Delete": {"Objects": [{}]}}, ("MalformedXML", None)),
    ],
)
def test_the_words_of_the_other_services(
    service: str, name: str, parameters: dict[str, Any], expected: tuple[str, str | None]
) -> None:
    """Each has its own codes for the same thing."""
    code, message = refusal(service, name, parameters)

    assert (code, message if expected[1] else None) == expected


def test_what_lambda_says_itself_is_left_to_it() -> None:
    """An unknown runtime has another code, so the gateway lets it pass to the method, which does not take it here."""
    code, message = refusal("lambda", "CreateFunction", _create(Runtime="python2.6"))

    assert (code, message) == (
        "NotImplemented",
        (
            "thrice does not implement the field 'Runtime' of CreateFunction, so it refused the request and changed "
            "nothing. Leave the field out."
        ),
    )


def test_what_the_gateway_obeys_itself_does_not_reach_the_method() -> None:
    """Lengths, checksums and the owner need no parameter; another owner is refused."""
    put = operation("s3", "PutObject")
    given = {"Bucket": "b", "Key": "k", "ContentLength": 3, "ChecksumCRC32": "AAAAAA==", "ChecksumAlgorithm": "CRC32"}

    allowed = Validator("000000000000").check(put, {**given, "ExpectedBucketOwner": "000000000000"})

    assert allowed == {"Bucket": "b", "Key": "k"}
    assert refusal("s3", "PutObject", {**given, "ExpectedBucketOwner": "111111111111"}) == (
        "AccessDenied",
        "Access Denied",
    )


def test_a_field_that_is_not_obeyed_is_refused_by_name() -> None:
    """Nothing is accepted and ignored."""
    assert refusal("s3", "PutObject", {"Bucket": "b", "Key": "k", "ServerSideEncryption": "AES256"}) == (
        "NotImplemented",
        (
            "thrice does not implement the field 'ServerSideEncryption' of PutObject, so it refused the request and "
            "changed nothing. Leave the field out."
        ),
    )


def test_a_checksum_that_is_not_of_the_body_is_the_methods_business() -> None:
    """CopyObject's algorithm is for the copy: the gateway has nothing to compare, so it does not take it silently."""
    code, message = refusal(
        "s3", "CopyObject", {"Bucket": "b", "Key": "k", "CopySource": "o/k", "ChecksumAlgorithm": "SHA1"}
    )

    assert (code, "'ChecksumAlgorithm'" in message) == ("NotImplemented", True)


def test_a_parameter_that_aws_does_not_have_is_found_at_start() -> None:
    """A misspelled one would never be given a value."""
    with pytest.raises(TypeError, match=r"_Misspelled.get_object has a parameter 'Buckett', which GetObject has not"):
        load_services({"s3": _Misspelled()})


def test_implemented_operations_are_told_by_the_methods() -> None:
    """For objects and for classes: what the coverage page is made of."""
    expected = {
        "lambda": ["CreateFunction", "Invoke", "PutFunctionEventInvokeConfig"],
        "s3": ["CopyObject", "PutObject"],
    }

    assert implemented_operations({"lambda": _Lambda(), "s3": _S3()}) == expected
    assert implemented_operations({"lambda": _Lambda, "s3": _S3}) == expected
