"""Functions: made, shown, listed, changed and deleted, with AWS's answers and AWS's refusals."""

import base64
import hashlib
import zipfile
from io import BytesIO
from typing import Any

import pytest
from redis import Redis

from config import limits
from tests.conftest import FakeClock
from tests.lambda_.system import ARN, ROLE, System, package
from worker.keys import Keys
from worker.runtime.runtimes import RUNTIMES

QUEUE, TOPIC = "arn:aws:sqs:us-east-1:000000000000:q", "arn:aws:sns:us-east-1:000000000000:t"
USER = {"Type": "User"}


def described(**changes: Any) -> dict[str, Any]:
    """What AWS answers for the function `f` as `System.create` makes it; `...` stands for what is new each time."""
    code = package()
    return {
        "FunctionName": "f",
        "FunctionArn": ARN,
        "Runtime": "python3.12",
        "Role": ROLE,
        "Handler": "app.handler",
        "CodeSize": len(code),
        "Description": "",
        "Timeout": 3,
        "MemorySize": 128,
        "LastModified": ...,
        "CodeSha256": base64.b64encode(hashlib.sha256(code).digest()).decode(),
        "Version": "$LATEST",
        "TracingConfig": {"Mode": "PassThrough"},
        "RevisionId": ...,
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "PackageType": "Zip",
        "Architectures": ["x86_64"],
        "EphemeralStorage": {"Size": 512},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "RuntimeVersionConfig": {"RuntimeVersionArn": ...},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/f"},
    } | changes


def without_what_is_new(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer with `...` for its moment, its revision and the runtime's version."""
    new = {"LastModified": ..., "RevisionId": ..., "RuntimeVersionConfig": {"RuntimeVersionArn": ...}}
    return answer | {name: value for name, value in new.items() if name in answer}


@pytest.mark.parity(
    "limit.timeout.default", "limit.memory.default", "dlq.absent", "control.create.members", "invoke.pending",
    "error.409.pending", "control.create.state",
)  # fmt: skip
def test_a_new_function_is_answered_as_aws_answers_it(system: System) -> None:
    """Exactly AWS's members; those that were not sent and have no default are absent."""
    answer = system.create()

    assert described() == without_what_is_new(answer)
    assert answer == system.call("GetFunctionConfiguration", FunctionName="f")


@pytest.mark.parity("control.create.optional", "control.create.empty-environment")
def test_a_new_function_with_everything_is_answered_with_it(system: System, redis: Redis, keys: Keys) -> None:
    """What is sent comes back: also empty variables, and a dead-letter target that is there."""
    redis.hset(keys.queues, "q", "{}")

    answer = system.create(
        Description="d", Timeout=900, MemorySize=10_240, Environment={"Variables": {}},
        DeadLetterConfig={"TargetArn": QUEUE}, Architectures=["arm64"], Tags={"a": "b"}, PackageType="Zip",
        TracingConfig={"Mode": "PassThrough"}, EphemeralStorage={"Size": 1024}, SnapStart={"ApplyOn": "None"},
        LoggingConfig={"LogFormat": "Text", "LogGroup": "/aws/lambda/f"}, Publish=False, Layers=[],
        VpcConfig={"SubnetIds": [], "SecurityGroupIds": []}, KMSKeyArn="", FileSystemConfigs=[], ImageConfig={},
    )  # fmt: skip

    expected = described(
        Description="d", Timeout=900, MemorySize=10_240, Environment={"Variables": {}},
        DeadLetterConfig={"TargetArn": QUEUE}, Architectures=["arm64"], EphemeralStorage={"Size": 1024},
    )  # fmt: skip
    assert expected == without_what_is_new(answer)
    assert system.call("ListTags", Resource=ARN)["Tags"] == {"a": "b"}


@pytest.mark.parity("control.get.arn", "control.get.optional")
def test_get_function_tells_all_that_is_set(system: System) -> None:
    """Tags and concurrency are there if they are set; the ARN is qualified if the question was."""
    created = system.create()
    code = {
        "RepositoryType": "S3",
        "Location": f"http://127.0.0.1:4566/_thrice/code/{hashlib.sha256(package()).hexdigest()}",
    }
    bare = system.call("GetFunction", FunctionName="f")

    system.call("TagResource", Resource=ARN, Tags={"team": "blue"})
    system.call("PutFunctionConcurrency", FunctionName="f", ReservedConcurrentExecutions=0)
    full = system.call("GetFunction", FunctionName=ARN, Qualifier="$LATEST")

    assert {"Configuration": created, "Code": code} == bare
    assert {
        "Configuration": created | {"FunctionArn": f"{ARN}:$LATEST"},
        "Code": code,
        "Tags": {"team": "blue"},
        "Concurrency": {"ReservedConcurrentExecutions": 0},
    } == full


def test_code_is_stored_with_the_function(system: System, redis: Redis, keys: Keys) -> None:
    """The zip lies under its SHA-256, as the workers look for it."""
    system.create()

    assert package() == redis.get(keys.code(hashlib.sha256(package()).hexdigest()))


@pytest.mark.parity(
    "limit.timeout.max", "limit.memory.max", "limit.environment.size", "dlq.target", "dlq.missing-target",
    "control.create.runtime-unknown", "control.create.runtime-retired", "control.create.handler",
    "control.create.not-a-zip", "control.create.environment", "control.create.reserved-keys", "control.create.tags",
    "control.create.s3-code", "control.create.image", "runtime.others",
)  # fmt: skip
@pytest.mark.parametrize(
    ("parameters", "code", "message"),
    [
        (
            {"Runtime": "PYTHON3.9"}, "InvalidParameterValueException",
            ("Value PYTHON3.9 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: "
            f"[{', '.join(RUNTIMES)}] or be a valid ARN"),
        ),
        (
            {"Runtime": "java21"}, "InvalidParameterValueException",
            ("The runtime java21 is not offered by thrice. Bring a program that speaks the Runtime API as `bootstrap` "
            "of a function with Runtime provided.al2023."),
        ),
        (
            {"Runtime": "python3.8"}, "InvalidParameterValueException",
            ("The runtime parameter of python3.8 is no longer supported for creating or updating AWS Lambda functions. "
            "We recommend you use a supported runtime while creating or updating functions."),
        ),
        (
            {"Handler": None}, "InvalidParameterValueException",
            "Runtime and Handler are mandatory parameters for functions created with deployment packages.",
        ),
        (
            {"Code": {"ZipFile": b"not a zip"}}, "InvalidParameterValueException",
            "Could not unzip uploaded file. Please check your file, then try to upload again.",
        ),
        ({"Code": {}}, "InvalidParameterValueException", "Please provide a source for function code."),
        (
            {"Code": {"S3Bucket": "b", "S3Key": "k"}}, "InvalidParameterValueException",
            ("Error occurred while GetObject. S3 Error Code: NoSuchBucket. S3 Error Message: The specified bucket does "
            "not exist"),
        ),
        (
            {"Timeout": 901}, "ValidationException",
            ("1 validation error detected: Value '901' at 'timeout' failed to satisfy constraint: Member must have "
            "value less than or equal to 900"),
        ),
        (
            {"MemorySize": 10_241}, "ValidationException",
            ("1 validation error detected: Value '10241' at 'memorySize' failed to satisfy constraint: Member must "
            "have value less than or equal to 10240"),
        ),
        (
            {"Environment": {"Variables": {"OK": "1", "AWS_REGION": "x", "_HANDLER": "y"}}},
            "InvalidParameterValueException",
            ("Lambda was unable to configure your environment variables because the environment variables you have "
            "provided contains reserved keys that are currently not supported for modification. Reserved keys used in "
            "this request: AWS_REGION, _HANDLER"),
        ),
        (
            {"Environment": {"Variables": {"LONG": "x" * 4086}}}, "InvalidParameterValueException",
            ("Lambda was unable to configure your environment variables because the environment variables you have "
            f'provided exceeded the 4KB limit. String measured: {{"LONG":"{"x" * 4086}"}}'),
        ),
        (
            {"Tags": {str(number): "" for number in range(51)}}, "InvalidParameterValueException",
            "Number of tags exceeds resource tag limit.",
        ),
        (
            {"DeadLetterConfig": {"TargetArn": QUEUE}}, "InvalidParameterValueException",
            "The provided execution role does not have permissions to call SendMessage on SQS",
        ),
        (
            {"DeadLetterConfig": {"TargetArn": TOPIC}}, "InvalidParameterValueException",
            "The provided execution role does not have permissions to call Publish on SNS",
        ),
        (
            {"DeadLetterConfig": {"TargetArn": ARN}}, "InvalidParameterValueException",
            (f"The dead-letter target {ARN} is neither an SQS queue nor an SNS topic. Set DeadLetterConfig.TargetArn "
            "to the ARN of one."),
        ),
        (
            {"DeadLetterConfig": {"TargetArn": f"{QUEUE}.fifo"}}, "InvalidParameterValueException",
            (f"The dead-letter target {QUEUE}.fifo is a FIFO queue or topic; Lambda sends dead letters to standard "
            "ones only."),
        ),
        (
            {"PackageType": "Image"}, "InvalidParameterValueException",
            "PackageType 'Image' is not offered by thrice. Package the function as a zip.",
        ),
        (
            {"Code": {"ImageUri": "i"}}, "InvalidParameterValueException",
            "Code.ImageUri is not offered by thrice. Send a zip as ZipFile, or name one with S3Bucket and S3Key.",
        ),
        (
            {"Code": {"S3Key": "k"}}, "InvalidParameterValueException",
            "S3Bucket and S3Key go together: one of them names no object. Send both.",
        ),
        (
            {"Code": {"ZipFile": b"", "S3Key": "k"}}, "InvalidParameterValueException",
            "Please do not provide other FunctionCode parameters when providing a ZipFile.",
        ),
        (
            {"VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": []}}, "InvalidParameterValueException",
            "VpcConfig.SubnetIds is not offered by thrice. Functions are in this machine's network; leave it empty.",
        ),
        (
            {"KMSKeyArn": "arn:aws:kms:us-east-1:000000000000:key/k"}, "InvalidParameterValueException",
            "KMSKeyArn is not offered by thrice. Variables and code are not encrypted; leave it out.",
        ),
        (
            {"TracingConfig": {"Mode": "Active"}}, "InvalidParameterValueException",
            "TracingConfig.Mode 'Active' is not offered by thrice. Trace headers are passed on; use 'PassThrough'.",
        ),
        (
            {"LoggingConfig": {"LogFormat": "JSON"}}, "InvalidParameterValueException",
            "LoggingConfig.LogFormat 'JSON' is not offered by thrice. Please use 'Text'.",
        ),
        (
            {"LoggingConfig": {"SystemLogLevel": "INFO"}}, "InvalidParameterValueException",
            "LoggingConfig.SystemLogLevel 'INFO' is not offered by thrice. Please leave it out.",
        ),
        (
            {"SnapStart": {"ApplyOn": "PublishedVersions"}}, "InvalidParameterValueException",
            ("SnapStart for published versions is not offered by thrice. A cold start takes some milliseconds; use "
            "'None'."),
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)  # fmt: skip
def test_what_cannot_be_obeyed_is_refused(system: System, parameters: dict[str, Any], code: str, message: str) -> None:
    """In AWS's words where it has them; nothing is made. A ValidationException has no Type."""
    required = {"Runtime": "python3.12", "Handler": "app.handler", "Role": ROLE, "Code": {"ZipFile": package()}}

    refusal = system.refusal("CreateFunction", FunctionName="f", **(required | parameters))

    assert (code, 400, message, {} if code == "ValidationException" else USER) == refusal
    assert system.call("ListFunctions") == {"Functions": []}


@pytest.mark.parity("limit.zip", "control.create.code-size")
def test_a_package_that_is_too_large_is_refused(system: System) -> None:
    """More than 50 MB zipped are 413; more than 250 MB unzipped are 400."""
    zeros = BytesIO()
    with zipfile.ZipFile(zeros, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("zeros", "w") as file:
        for _ in range(limits.MAX_UNZIPPED // 1_048_576 + 1):
            file.write(bytes(1_048_576))
    fields = {"FunctionName": "f", "Runtime": "python3.12", "Handler": "app.handler", "Role": ROLE}

    zipped = system.refusal("CreateFunction", Code={"ZipFile": bytes(limits.MAX_ZIP + 1)}, **fields)
    unzipped = system.refusal("CreateFunction", Code={"ZipFile": zeros.getvalue()}, **fields)

    words = "ipped size must be smaller than"
    assert ("RequestEntityTooLargeException", 413, f"Z{words} 52428800 bytes", {}) == zipped
    assert ("InvalidParameterValueException", 400, f"Unz{words} 262144000 bytes", USER) == unzipped


@pytest.mark.parity("control.create.exists")
def test_a_name_that_exists_is_refused(system: System) -> None:
    """409 in AWS's words."""
    system.create()
    fields = {"Runtime": "python3.12", "Handler": "app.handler", "Role": ROLE, "Code": {"ZipFile": package()}}

    refusal = system.refusal("CreateFunction", FunctionName="f", **fields)

    assert refusal == ("ResourceConflictException", 409, "Function already exist: f", USER)


@pytest.mark.parity("control.get.missing")
@pytest.mark.parametrize(
    ("operation", "parameters", "asked"),
    [
        ("GetFunction", {}, ARN),
        ("GetFunction", {"Qualifier": "$LATEST"}, f"{ARN}:$LATEST"),
        ("GetFunctionConfiguration", {}, ARN),
        ("UpdateFunctionCode", {"ZipFile": package()}, ARN),
        ("UpdateFunctionConfiguration", {"Timeout": 5}, ARN),
        ("DeleteFunction", {}, ARN),
        ("DeleteFunction", {"Qualifier": "7"}, f"{ARN}:7"),
        ("Invoke", {}, f"{ARN}:$LATEST"),
        ("Invoke", {"Qualifier": "live"}, f"{ARN}:live"),
        ("PutFunctionConcurrency", {"ReservedConcurrentExecutions": 1}, f"{ARN}:$LATEST"),
        ("GetFunctionConcurrency", {}, f"{ARN}:$LATEST"),
        ("DeleteFunctionConcurrency", {}, f"{ARN}:$LATEST"),
        (
            "AddPermission",
            {"StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"},
            ARN,
        ),
    ],
)
def test_an_unknown_function_is_not_found(
    system: System, operation: str, parameters: dict[str, Any], asked: str
) -> None:
    """The message has the ARN as AWS writes it for that operation."""
    refusal = system.refusal(operation, FunctionName="f", **parameters)

    assert ("ResourceNotFoundException", 404, f"Function not found: {asked}", USER) == refusal


@pytest.mark.parametrize("operation", ["GetFunction", "GetFunctionConfiguration", "DeleteFunction", "Invoke"])
def test_an_unknown_qualifier_is_not_found(system: System, operation: str) -> None:
    """Of a function that exists, a version or alias that does not is not found."""
    system.create()

    refusal = system.refusal(operation, FunctionName="f:missing")

    assert ("ResourceNotFoundException", 404, f"Function not found: {ARN}:missing", USER) == refusal


@pytest.mark.parity("control.list.pages")
def test_functions_are_listed_in_pages(system: System) -> None:
    """By name, as many as wanted, without their states."""
    for name in ("c", "a", "b"):
        system.create(name)

    first = system.call("ListFunctions", MaxItems=2)
    second = system.call("ListFunctions", MaxItems=2, Marker=first["NextMarker"])

    hidden = {"State", "LastUpdateStatus", "RuntimeVersionConfig"}
    shown = {name: dict(system.call("GetFunctionConfiguration", FunctionName=name).items()) for name in "abc"}
    for function in shown.values():
        for name in hidden:
            del function[name]
    assert [shown["a"], shown["b"]] == first["Functions"]
    assert {"Functions": [shown["c"]]} == second


def test_a_marker_that_was_never_given_is_refused(system: System) -> None:
    """400, not an empty page."""
    refusal = system.refusal("ListFunctions", Marker="é")

    message = "The Marker 'é' is none that ListFunctions has given."
    assert ("InvalidParameterValueException", 400, message, USER) == refusal


@pytest.mark.parity("control.update.code")
def test_new_code_changes_code_and_revision_alone(system: System, clock: FakeClock, redis: Redis, keys: Keys) -> None:
    """The hash, the size, the moment and the revision are new; the old zip expires."""
    before = system.create()
    other = package("def handler(event, context):\n    return 1\n")
    clock.advance(60)

    after = system.call("UpdateFunctionCode", FunctionName="f", ZipFile=other)

    changed = {name for name in before if before[name] != after[name]}
    assert {"CodeSha256", "CodeSize", "LastModified", "RevisionId"} == changed
    assert base64.b64encode(hashlib.sha256(other).digest()).decode() == after["CodeSha256"]
    assert after == system.call("GetFunctionConfiguration", FunctionName="f")
    assert redis.ttl(keys.code(hashlib.sha256(other).hexdigest())) == -1
    assert redis.ttl(keys.code(hashlib.sha256(package()).hexdigest())) > 0


@pytest.mark.parity("control.update.dry-run")
def test_a_dry_run_of_new_code_changes_nothing(system: System, redis: Redis, keys: Keys) -> None:
    """It is answered as if it had been done."""
    before = system.create()
    other = package("other = 1\n")

    answer = system.call("UpdateFunctionCode", FunctionName="f", ZipFile=other, DryRun=True, Architectures=["arm64"])

    assert (len(other), ["arm64"]) == (answer["CodeSize"], answer["Architectures"])
    assert before == system.call("GetFunctionConfiguration", FunctionName="f")
    assert not redis.exists(keys.code(hashlib.sha256(other).hexdigest()))


@pytest.mark.parity("control.update.image-uri")
def test_an_image_is_no_code_of_a_package(system: System) -> None:
    """In AWS's words; nothing is changed."""
    created = system.create()

    refusal = system.refusal("UpdateFunctionCode", FunctionName="f", ImageUri="i")

    message = "Please don't provide ImageUri when updating a function with packageType Zip."
    assert ("InvalidParameterValueException", 400, message, USER) == refusal
    assert created == system.call("GetFunctionConfiguration", FunctionName="f")


@pytest.mark.parity("control.update.merge", "control.update.state")
def test_settings_that_are_not_sent_stay(system: System) -> None:
    """An update changes what it names, and the revision."""
    before = system.create(Environment={"Variables": {"A1": "1"}}, Description="d")

    after = system.call(
        "UpdateFunctionConfiguration", FunctionName="f", Timeout=9, Environment={"Variables": {"B1": "2"}}
    )

    assert (
        before
        | {
            "Timeout": 9,
            "Environment": {"Variables": {"B1": "2"}},
            "RevisionId": after["RevisionId"],
            "LastModified": after["LastModified"],
        }
        == after
    )
    assert before["RevisionId"] != after["RevisionId"]


@pytest.mark.parity("dlq.removal")
def test_only_an_empty_arn_removes_the_dead_letter_queue(system: System, redis: Redis, keys: Keys) -> None:
    """`{}` changes nothing, as on AWS."""
    redis.hset(keys.topics, "t", "{}")
    system.create(DeadLetterConfig={"TargetArn": TOPIC})

    kept = system.call("UpdateFunctionConfiguration", FunctionName="f", DeadLetterConfig={})
    removed = system.call("UpdateFunctionConfiguration", FunctionName="f", DeadLetterConfig={"TargetArn": ""})

    assert kept["DeadLetterConfig"] == {"TargetArn": TOPIC}
    assert "DeadLetterConfig" not in removed


@pytest.mark.parity("control.update.revision")
@pytest.mark.parametrize(
    ("operation", "parameters"),
    [("UpdateFunctionCode", {"ZipFile": package()}), ("UpdateFunctionConfiguration", {"Timeout": 9})],
)
def test_a_revision_is_a_precondition(system: System, operation: str, parameters: dict[str, Any]) -> None:
    """An update with the latest revision is made, one with an older is 412."""
    revision = system.create()["RevisionId"]
    system.call(operation, FunctionName="f", RevisionId=revision, **parameters)

    refusal = system.refusal(operation, FunctionName="f", RevisionId=revision, **parameters)

    message = (
        "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve "
        "the latest Revision Id"
    )
    assert ("PreconditionFailedException", 412, message, USER) == refusal


@pytest.mark.parity("control.delete", "control.delete.latest")
def test_a_deleted_function_is_gone(system: System) -> None:
    """204; afterwards it is not found. `$LATEST` alone cannot be deleted."""
    system.create()
    latest = system.refusal("DeleteFunction", FunctionName="f:$LATEST")

    answer = system.call("DeleteFunction", FunctionName="f")

    message = "$LATEST version cannot be deleted without deleting the function."
    assert ("InvalidParameterValueException", 400, message, USER) == latest
    assert answer.status == 204
    assert system.refusal("GetFunction", FunctionName="f")[1] == 404


@pytest.mark.parity("tags.crud")
def test_tags_are_added_and_removed(system: System) -> None:
    """Adding replaces a value of the same key; more than fifty are refused and nothing is added."""
    system.create(Tags={"a": "1", "b": "2"})
    system.call("TagResource", Resource=ARN, Tags={"b": "3", "c": "4"})
    system.call("UntagResource", Resource=ARN, TagKeys=["a", "unknown"])

    refusal = system.refusal("TagResource", Resource=ARN, Tags={str(number): "" for number in range(49)})

    assert system.call("ListTags", Resource=ARN) == {"Tags": {"b": "3", "c": "4"}}
    message = "Number of tags exceeds resource tag limit."
    assert ("InvalidParameterValueException", 400, message, USER) == refusal


@pytest.mark.parity(
    "limit.unreserved", "concurrency.put", "concurrency.qualified", "concurrency.floor", "account.settings"
)
def test_concurrency_is_reserved_and_given_back(system: System) -> None:
    """0 is a reservation, none is none; the account keeps a hundred, and qualified names are refused."""
    system.create()
    system.create("g")
    none = system.call("GetFunctionConcurrency", FunctionName="f")
    put = system.call("PutFunctionConcurrency", FunctionName="f", ReservedConcurrentExecutions=0)
    zero = system.call("GetFunctionConcurrency", FunctionName="f")
    system.call("PutFunctionConcurrency", FunctionName="g", ReservedConcurrentExecutions=900)

    too_many = system.refusal("PutFunctionConcurrency", FunctionName="f", ReservedConcurrentExecutions=1)
    qualified = system.refusal("PutFunctionConcurrency", FunctionName="f:1", ReservedConcurrentExecutions=1)
    settings = system.call("GetAccountSettings")
    system.call("DeleteFunctionConcurrency", FunctionName="f")

    assert [none, put, zero] == [{}, {"ReservedConcurrentExecutions": 0}, {"ReservedConcurrentExecutions": 0}]
    assert system.call("GetFunctionConcurrency", FunctionName="f") == {}
    assert too_many == (
        "InvalidParameterValueException", 400,
        ("Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below "
        "its minimum value of [100]."), {},
    )  # fmt: skip
    assert qualified == (
        "InvalidParameterValueException", 400,
        ("This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. "
        "Please specify either a function name or an unqualified function ARN."), USER,
    )  # fmt: skip
    assert {
        "AccountLimit": {
            "TotalCodeSize": 80_530_636_800, "CodeSizeUnzipped": 262_144_000, "CodeSizeZipped": 52_428_800,
            "ConcurrentExecutions": 1_000, "UnreservedConcurrentExecutions": 100,
        },
        "AccountUsage": {"TotalCodeSize": 2 * len(package()), "FunctionCount": 2},
    } == settings  # fmt: skip
