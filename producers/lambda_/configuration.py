"""A function's configuration, between the form of AWS's API and the form in which it is kept. Pure.

`created` and `updated` read what a caller sends and refuse, in AWS's words where AWS has them, what thrice cannot obey.
`described` writes what a caller gets to see: exactly the members of AWS, and none that AWS would leave out.
"""

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from config import limits
from producers.lambda_.errors import invalid_parameter, not_offered, violated
from producers.lambda_.names import Place
from producers.lambda_.version import base64_of
from worker.arn import function_arn
from worker.function import FunctionConfiguration
from worker.runtime.runtimes import NOT_OFFERED, RUNTIMES

#: Runtimes that AWS takes no new functions for, although its service model still names them.
#: Source: AWS Lambda Developer Guide, "Deprecated runtimes".
RETIRED_RUNTIMES = frozenset(
    {
        "nodejs", "nodejs4.3", "nodejs4.3-edge", "nodejs6.10", "nodejs8.10", "nodejs10.x", "nodejs12.x", "nodejs14.x",
        "nodejs16.x", "nodejs18.x", "python2.7", "python3.6", "python3.7", "python3.8", "dotnetcore1.0",
        "dotnetcore2.0",
        "dotnetcore2.1", "dotnetcore3.1", "dotnet6", "java8", "go1.x", "ruby2.5", "ruby2.7", "provided",
    }
)  # fmt: skip

#: Environment variables that are Lambda's own. Source: the same guide, "Defined runtime environment variables".
RESERVED_VARIABLES = frozenset(
    {
        "_HANDLER", "_X_AMZN_TRACE_ID", "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_METADATA_API", "AWS_LAMBDA_METADATA_TOKEN", "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION", "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_SESSION_TOKEN", "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    }
)  # fmt: skip

#: Most tags of one function. Source: the same guide, "Using tags on Lambda functions".
MAX_TAGS = 50


def check_package_type(settings: Mapping[str, Any]) -> None:
    """Refuse container images, before anything is said of the code.

    Raises:
        ApiError: the function is to be one.
    """
    if settings.get("PackageType") not in (None, "Zip"):
        raise not_offered("PackageType 'Image'", "Package the function as a zip.")


def created(
    name: str, settings: Mapping[str, Any], place: Place, now: datetime, revision_id: str, sha256: str, code_size: int
) -> FunctionConfiguration:
    """A new function from the members of a CreateFunction request; None stands for one that was not sent.

    `sha256` (hex) and `code_size` are of its deployment package.

    Raises:
        ApiError: a member has a value that cannot be obeyed.
    """
    if not settings.get("Runtime") or not settings.get("Handler"):
        raise invalid_parameter(
            "Runtime and Handler are mandatory parameters for functions created with deployment packages."
        )
    _check_tags(settings.get("Tags") or {})
    architectures = settings.get("Architectures")
    fields = {"architecture": architectures[0]} if architectures else {}
    return FunctionConfiguration(
        name=name,
        arn=function_arn(place.region, place.account, name),
        code_sha256=sha256,
        code_size=code_size,
        tags=settings.get("Tags") or {},
        last_modified=moment(now),
        revision_id=revision_id,
        **fields,
        **_changes(name, settings),
    )


def updated(
    function: FunctionConfiguration, settings: Mapping[str, Any], now: datetime, revision_id: str
) -> FunctionConfiguration:
    """`function` with the members of an UpdateFunctionConfiguration request that were sent.

    Raises:
        ApiError: a member has a value that cannot be obeyed.
    """
    changes = _changes(function.name, settings)
    return function.model_copy(update=changes | {"last_modified": moment(now), "revision_id": revision_id})


def with_code(
    function: FunctionConfiguration,
    *,
    sha256: str,
    code_size: int,
    architecture: str | None,
    now: datetime,
    revision_id: str,
) -> FunctionConfiguration:
    """`function` with another deployment package; `architecture` None keeps the present one."""
    return function.model_copy(
        update={
            "code_sha256": sha256,
            "code_size": code_size,
            "architecture": architecture or function.architecture,
            "last_modified": moment(now),
            "revision_id": revision_id,
        }
    )


def with_tags(function: FunctionConfiguration, tags: Mapping[str, str]) -> FunctionConfiguration:
    """`function` with these tags added to those it has.

    Raises:
        ApiError: they would be too many.
    """
    together = function.tags | dict(tags)
    _check_tags(together)
    return function.model_copy(update={"tags": together})


def described(function: FunctionConfiguration, *, arn: str | None = None) -> dict[str, Any]:
    """The function or version as AWS's FunctionConfiguration. `arn` is how the caller named it, if it was qualified.

    A function is usable as soon as it is stored, so it is always `Active`, and its latest update `Successful`.
    """
    description: dict[str, Any] = {
        "FunctionName": function.name,
        "FunctionArn": arn or function.arn,
        "Runtime": function.runtime,
        "Role": function.role,
        "Handler": function.handler,
        "CodeSize": function.code_size,
        "Description": function.description,
        "Timeout": function.timeout,
        "MemorySize": function.memory_size,
        "LastModified": function.last_modified,
        "CodeSha256": base64_of(function.code_sha256),
        "Version": function.version,
        "TracingConfig": {"Mode": "PassThrough"},
        "RevisionId": function.revision_id,
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "PackageType": "Zip",
        "Architectures": [function.architecture],
        "EphemeralStorage": {"Size": function.ephemeral_storage},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "RuntimeVersionConfig": {"RuntimeVersionArn": _runtime_version_arn(function)},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": log_group(function.name)},
    }
    if function.environment is not None:
        description["Environment"] = {"Variables": function.environment}
    if function.dead_letter_arn:
        description["DeadLetterConfig"] = {"TargetArn": function.dead_letter_arn}
    if function.layers:
        description["Layers"] = [{"Arn": layer.arn, "CodeSize": layer.code_size} for layer in function.layers]
    return description


def listed(function: FunctionConfiguration, *, arn: str | None = None) -> dict[str, Any]:
    """The function as ListFunctions shows it: without its state, which only the Get operations tell."""
    hidden = {"State", "LastUpdateStatus", "RuntimeVersionConfig"}
    return {name: value for name, value in described(function, arn=arn).items() if name not in hidden}


def log_group(name: str) -> str:
    """The log group of a function."""
    return f"/aws/lambda/{name}"


def _runtime_version_arn(function: FunctionConfiguration) -> str:
    region = function.arn.split(":")[3]
    return f"arn:aws:lambda:{region}::runtime:{hashlib.sha256(function.runtime.encode()).hexdigest()}"


def moment(now: datetime) -> str:
    """A moment as the API writes it: `2026-01-02T03:04:05.678+0000`."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}+0000"


# --- reading one setting each ---------------------------------------------------------------------------------------


def _changes(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The stored fields that the sent members make."""
    changes: dict[str, Any] = {}
    for member, value in settings.items():
        if value is None:
            continue
        if member in _PLAIN:
            field, check = _PLAIN[member]
            check(value)
            changes[field] = value
        elif member in _FIXED:
            _FIXED[member](name, value)
    if settings.get("Environment") is not None:
        changes |= _environment(settings["Environment"])
    if settings.get("DeadLetterConfig") is not None:
        changes |= _dead_letter_arn(settings["DeadLetterConfig"])
    if settings.get("EphemeralStorage") is not None:
        changes["ephemeral_storage"] = settings["EphemeralStorage"]["Size"]
    return changes


def _check_runtime(runtime: str) -> None:
    if runtime in RUNTIMES:
        return
    if runtime in RETIRED_RUNTIMES:
        raise invalid_parameter(
            f"The runtime parameter of {runtime} is no longer supported for creating or updating AWS Lambda functions. "
            "We recommend you use a supported runtime while creating or updating functions."
        )
    if runtime in NOT_OFFERED:
        raise not_offered(
            f"The runtime {runtime}",
            "Bring a program that speaks the Runtime API as `bootstrap` of a function with Runtime provided.al2023.",
        )
    raise invalid_parameter(
        f"Value {runtime} at 'runtime' failed to satisfy constraint: "
        f"Member must satisfy enum value set: [{', '.join(RUNTIMES)}] or be a valid ARN"
    )


def _check_timeout(timeout: int) -> None:
    if timeout > limits.MAX_TIMEOUT:
        raise violated(timeout, "timeout", f"Member must have value less than or equal to {limits.MAX_TIMEOUT}")


def _check_memory(memory_size: int) -> None:
    if memory_size > limits.MAX_MEMORY_MB:
        raise violated(
            memory_size, "memorySize", f"Member must have value less than or equal to {limits.MAX_MEMORY_MB}"
        )


def _accept(value: object) -> None:
    """All that there is to check has been checked."""


_PLAIN: Mapping[str, tuple[str, Callable[[Any], None]]] = {
    "Runtime": ("runtime", _check_runtime),
    "Handler": ("handler", _accept),
    "Role": ("role", _accept),
    "Description": ("description", _accept),
    "Timeout": ("timeout", _check_timeout),
    "MemorySize": ("memory_size", _check_memory),
    "Layers": ("layers", _accept),
}


def _environment(environment: Mapping[str, Any]) -> dict[str, Any]:
    variables = environment.get("Variables") or {}
    reserved = [name for name in variables if name in RESERVED_VARIABLES]
    if reserved:
        raise invalid_parameter(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            "provided contains reserved keys that are currently not supported for modification. "
            f"Reserved keys used in this request: {', '.join(reserved)}"
        )
    measured = orjson.dumps(variables)
    if len(measured) > limits.MAX_ENVIRONMENT:
        raise invalid_parameter(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            f"provided exceeded the 4KB limit. String measured: {measured.decode()}"
        )
    return {"environment": dict(variables)}


def _dead_letter_arn(config: Mapping[str, str]) -> dict[str, Any]:
    """An empty config changes nothing; an empty TargetArn removes the target."""
    target = config.get("TargetArn")
    return {} if target is None else {"dead_letter_arn": target or None}


def _check_tags(tags: Mapping[str, str]) -> None:
    if len(tags) > MAX_TAGS:
        raise invalid_parameter("Number of tags exceeds resource tag limit.")


# --- members that have one value only -------------------------------------------------------------------------------


def _check_tracing(_name: str, tracing: Mapping[str, str]) -> None:
    if tracing.get("Mode", "PassThrough") != "PassThrough":
        raise not_offered("TracingConfig.Mode 'Active'", "Trace headers are passed on; use 'PassThrough'.")


def _check_snap_start(_name: str, snap_start: Mapping[str, str]) -> None:
    if snap_start.get("ApplyOn", "None") != "None":
        raise not_offered("SnapStart for published versions", "A cold start takes some milliseconds; use 'None'.")


def _check_logging(name: str, logging: Mapping[str, str]) -> None:
    only = {"LogFormat": "Text", "LogGroup": log_group(name)}
    for member, value in logging.items():
        if value != only.get(member):
            allowed = f"use '{only[member]}'" if member in only else "leave it out"
            raise not_offered(f"LoggingConfig.{member} '{value}'", f"Please {allowed}.")


def _check_vpc(_name: str, vpc: Mapping[str, Any]) -> None:
    for member, value in vpc.items():
        if value:
            raise not_offered(f"VpcConfig.{member}", "Functions are in this machine's network; leave it empty.")


def _refuse(member: str, instead: str) -> Callable[[str, Any], None]:
    """A member that may be sent as long as it is empty, as some clients do."""

    def check(_name: str, value: object) -> None:
        if value:
            raise not_offered(member, instead)

    return check


_FIXED: Mapping[str, Callable[[str, Any], None]] = {
    "TracingConfig": _check_tracing,
    "SnapStart": _check_snap_start,
    "LoggingConfig": _check_logging,
    "VpcConfig": _check_vpc,
    "KMSKeyArn": _refuse("KMSKeyArn", "Variables and code are not encrypted; leave it out."),
    "FileSystemConfigs": _refuse("FileSystemConfigs", "Functions have their own /tmp and nothing else; leave it out."),
    "ImageConfig": _refuse("ImageConfig", "Functions are zips; leave it out."),
    "CodeSigningConfigArn": _refuse("CodeSigningConfigArn", "Code is not signed; leave it out."),
}
