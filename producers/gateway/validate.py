"""Whether the parameters are what the service model allows, and what thrice implements.

Required members, enums, patterns, lengths and ranges come from the model; the words are AWS's, in the code of the
service. Then every field that was sent must be a parameter of the service's method: what is not obeyed is refused by
name. The few fields that the gateway obeys itself, or that only offer something, stand below as `…OBEYED_HERE`.
"""

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from config import limits
from producers.errors import ApiError
from producers.gateway import refusals
from producers.gateway.model import Operation
from producers.gateway.parse import Parameters

#: Members whose enum the service checks itself, because AWS answers other words there, or the list goes stale.
#: ReceiveMessage's attributes are those of a message, but the model gives them the list of a queue's. S3's notification
#: rules may be spelled `Prefix` or `prefix`, and their refusals are S3's own.
LEFT_TO_THE_SERVICE = frozenset(
    {
        ("lambda", "CreateFunction", "Runtime"),
        ("lambda", "UpdateFunctionConfiguration", "Runtime"),
        ("lambda", "PutFunctionRecursionConfig", "RecursiveLoop"),
        ("s3", "PutBucketNotificationConfiguration", "NotificationConfiguration"),
        ("sqs", "ReceiveMessage", "AttributeNames"),
    }
)

#: Where the model allows more than AWS does for ordinary functions: service and shape -> its rule.
#: Source: AWS Lambda Developer Guide, "Lambda quotas"; the larger numbers of the model are for managed instances.
_AMENDED: Mapping[tuple[str, str], Mapping[str, int]] = {
    ("lambda", "Timeout"): {"max": limits.MAX_TIMEOUT},
    ("lambda", "MemorySize"): {"max": limits.MAX_MEMORY_MB},
    ("lambda", "EphemeralStorageSize"): {"max": limits.MAX_STORAGE_MB},
}

#: Fields of S3 that need no parameter of the method: the length and the MD5 are compared while the body is read, the
#: owner below; `ChecksumMode` lets an answer have checksums and does not demand them.
OBEYED_HERE = frozenset({"ContentLength", "ContentMD5", "ExpectedBucketOwner", "ChecksumMode"})

#: Those of the operations whose body is compared with a checksum while it is read.
CHECKSUMS_OBEYED_HERE = frozenset(
    {"ChecksumAlgorithm"}
    | {f"Checksum{kind}" for kind in ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256", "SHA512", "MD5")}
)

#: Strings that are longer are not matched against a pattern: their length is what is wrong with them.
_LONGEST_MATCHED = 10_000

#: What was found of texts up to this length is remembered, but for secrets.
_LONGEST_REMEMBERED = 256

#: What is at fault, the value as AWS shows it (None: not shown, it is a secret), and the rule.
Problem = tuple[str, str | None, str]


class Validator:
    """Checks parameters before a method is called."""

    def __init__(self, account_id: str) -> None:
        self._account_id = account_id

    def check(self, operation: Operation, parameters: Parameters) -> Parameters:
        """Refuse what is not allowed or not implemented; give the parameters that the method takes.

        Raises:
            ApiError: with all problems in one text.
        """
        if operation.input is None:
            return {}
        problems = list(_structure_problems(operation.input.shape, parameters, "", operation))
        if problems:
            raise _refusal(operation, problems)
        if parameters.get("ExpectedBucketOwner", self._account_id) != self._account_id:
            raise ApiError("AccessDenied", "Access Denied", 403)
        surplus = parameters.keys() - operation.accepts
        if not surplus:
            return parameters
        refused = sorted(surplus - _obeyed_here(operation))
        if refused:
            raise _not_implemented(operation, refused[0])
        return {name: value for name, value in parameters.items() if name in operation.accepts}


def _obeyed_here(operation: Operation) -> frozenset[str]:
    if operation.service.name != "s3":
        return frozenset()
    return OBEYED_HERE | CHECKSUMS_OBEYED_HERE if operation.checks_body else OBEYED_HERE


def _not_implemented(operation: Operation, field: str) -> ApiError:
    text = (
        f"thrice does not implement the field '{field}' of {operation.name}, so it refused the request and changed "
        "nothing. Leave the field out."
    )
    return refusals.not_implemented(operation.service.protocol, text)


def _refusal(operation: Operation, problems: list[Problem]) -> ApiError:
    service = operation.service
    if service.name == "sqs":
        return _sqs_refusal(problems)
    if service.protocol == "rest-xml":
        return _s3_refusal(operation, problems)
    parts = [
        f"Value{'' if value is None else f' {value}'} at '{path}' failed to satisfy constraint: {rule}"
        for path, value, rule in problems
    ]
    count = len(parts)
    text = f"{count} validation error{'s' if count > 1 else ''} detected: {'; '.join(parts)}"
    codes = {"logs": "InvalidParameterException", "sns": "InvalidParameter"}
    return ApiError(codes.get(service.name, "ValidationException"), text)


def _sqs_refusal(problems: list[Problem]) -> ApiError:
    path, value, rule = problems[0]
    name = path[:1].upper() + path[1:]
    if rule == _NOT_NULL:
        return ApiError("MissingParameter", f"The request must contain the parameter {name}.")
    if rule.startswith(_ENUM):
        return ApiError("InvalidAttributeName", f"Unknown Attribute {(value or '').strip(chr(39))}.")
    return ApiError("InvalidParameterValue", f"Value {value} for parameter {name} is invalid. Reason: {rule}.")


def _s3_refusal(operation: Operation, problems: list[Problem]) -> ApiError:
    path, value, rule = problems[0]
    layout = operation.input
    outside = {member.name for member in layout.members} if layout else set()
    if path[:1].upper() + path[1:] in outside:
        return ApiError("InvalidArgument", f"Value {value} of {path} is invalid: {rule}")
    text = "The XML you provided was not well-formed or did not validate against our published schema"
    return ApiError("MalformedXML", f"{text}: {path} is {value}; {rule}.")


# --- the rules ------------------------------------------------------------------------------------------------------

_NOT_NULL = "Member must not be null"
_ENUM = "Member must satisfy enum value set: "


def _problems(shape: Shape, value: Any, path: str, operation: Operation) -> Iterator[Problem]:
    for rule in _broken_rules(shape, value, operation):
        yield path, None if shape.metadata.get("sensitive") else _shown(value), rule
    if isinstance(shape, StructureShape):
        if isinstance(value, dict) and not shape.is_document_type:
            yield from _structure_problems(shape, value, f"{path}.", operation)
    elif isinstance(shape, ListShape):
        for number, item in enumerate(value, 1):
            yield from _problems(shape.member, item, f"{path}.{number}.member", operation)
    elif isinstance(shape, MapShape):
        yield from _map_problems(shape, value, path, operation)


def _structure_problems(
    shape: StructureShape, value: Mapping[str, Any], prefix: str, operation: Operation
) -> Iterator[Problem]:
    members = shape.members
    streamed = operation.input.payload.name if operation.input and operation.input.payload else None
    for name in shape.required_members:
        if name not in value and (prefix or name != streamed):
            yield prefix + _lower_camel(name), "null", _NOT_NULL
    for name, item in value.items():
        if prefix or (operation.service.name, operation.name, name) not in LEFT_TO_THE_SERVICE:
            yield from _problems(members[name], item, prefix + _lower_camel(name), operation)


def _map_problems(shape: MapShape, value: Mapping[str, Any], path: str, operation: Operation) -> Iterator[Problem]:
    shown = None if shape.metadata.get("sensitive") else _shown(value)
    for key, item in value.items():
        rules = list(_broken_rules(shape.key, key, operation))
        if rules:
            # SQS names the one key; the others show the whole map.
            key_shown = _shown(key) if operation.service.name == "sqs" else shown
            rule = (
                rules[0]
                if operation.service.name == "sqs"
                else f"Map keys must satisfy constraint: [{', '.join(rules)}]"
            )
            yield path, key_shown, rule
        if isinstance(shape.value, StructureShape | ListShape | MapShape):
            yield from _problems(shape.value, item, f"{path}.{key}.member", operation)
            continue
        rules = list(_broken_rules(shape.value, item, operation))
        if rules:
            yield path, shown, f"Map value must satisfy constraint: [{', '.join(rules)}]"


def _broken_rules(shape: Shape, value: Any, operation: Operation) -> Iterable[str]:
    if not shape.metadata:
        return ()
    if isinstance(value, str) and len(value) <= _LONGEST_REMEMBERED and not shape.metadata.get("sensitive"):
        return _broken_by_text(shape, value, operation.service.name)
    return _breaches(shape, value, operation.service.name)


@lru_cache(maxsize=4096)
def _broken_by_text(shape: Shape, value: str, service: str) -> tuple[str, ...]:
    """The same of a text; most are names, and come again with every request."""
    return tuple(_breaches(shape, value, service))


def _breaches(shape: Shape, value: Any, service: str) -> Iterator[str]:
    rules = shape.metadata
    amended = _AMENDED.get((service, shape.name))
    rules = {**rules, **amended} if amended else rules
    if "enum" in rules and value not in rules["enum"]:
        yield f"{_ENUM}[{', '.join(rules['enum'])}]"
    is_number = isinstance(value, int | float)
    size = value if is_number else len(value) if isinstance(value, str | bytes | list | dict) else None
    if size is None:
        return
    measure = "value" if is_number else "length"
    if "min" in rules and size < rules["min"]:
        yield f"Member must have {measure} greater than or equal to {rules['min']}"
    if "max" in rules and size > rules["max"]:
        yield f"Member must have {measure} less than or equal to {rules['max']}"
    if "pattern" in rules and isinstance(value, str) and len(value) <= _LONGEST_MATCHED:
        pattern = _compiled(rules["pattern"])
        if pattern is not None and not pattern.fullmatch(value):
            yield f"Member must satisfy regular expression pattern: {rules['pattern']}"


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """A pattern of the models, which are written for Java. One that Python cannot read is not checked."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # "possible nested set": it means the same here and in Java
        try:
            return re.compile(pattern)
        except re.error:
            return None


def _shown(value: Any) -> str:
    """A value as AWS's Java shows it."""
    return f"'{_java(value)}'"


def _java(value: Any) -> str:
    if isinstance(value, bytes):
        return f"java.nio.HeapByteBuffer[pos=0 lim={len(value)} cap={len(value)}]"
    if isinstance(value, list):
        return f"[{', '.join(map(_java, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}={_java(item)}" for name, item in value.items()) + "}"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


@lru_cache(maxsize=4096)
def _lower_camel(name: str) -> str:
    return name[:1].lower() + name[1:]
