"""A structure read from JSON. `null` means absent, at every depth, as AWS reads it.

What has the wrong type is refused, and so is a member that the model does not know: a field that is not understood is
never passed over in silence.
"""

import json
from collections.abc import Mapping
from typing import Any

import orjson
from botocore.model import ListShape, MapShape, Shape, StructureShape

from producers.errors import ApiError
from producers.gateway import refusals
from producers.gateway.from_text import from_text
from producers.gateway.model import Operation


def read_json(body: bytes) -> Any:
    """The document in a body; an empty one is `{}`.

    Raises:
        ApiError: the body is not JSON.
    """
    if not body.strip():
        return {}
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ApiError("SerializationException", f"Could not parse request body into json: {error}") from None


def structure_from_json(shape: StructureShape, value: Any, operation: Operation, path: str = "") -> dict[str, Any]:
    """Read a structure. `path` is what stands before its members' names in a refusal.

    Raises:
        ApiError: a value has the wrong type, or a member is not known.
    """
    if not isinstance(value, dict):
        raise _wrong_json(value, shape, path)
    parameters: dict[str, Any] = {}
    known = 0
    for name, member in shape.members.items():
        if "location" in member.serialization:
            continue
        wire_name = member.serialization.get("name", name)
        if wire_name in value:
            known += 1
            if value[wire_name] is not None:
                parameters[name] = _from_json(member, value[wire_name], operation, f"{path}{name}")
    if known < len(value):
        _refuse_unknown(shape, value, operation, path)
    return parameters


def _refuse_unknown(shape: StructureShape, value: Mapping[str, Any], operation: Operation, path: str) -> None:
    names = {member.serialization.get("name", name) for name, member in shape.members.items()}
    unknown = sorted(set(value) - names - {"__type"})
    if unknown:
        raise _unknown_member(f"{path}{unknown[0]}", operation)


def _from_json(shape: Shape, value: Any, operation: Operation, path: str) -> Any:
    if isinstance(shape, StructureShape):
        if shape.is_document_type:
            return value
        return structure_from_json(shape, value, operation, f"{path}.")
    if isinstance(shape, ListShape):
        if not isinstance(value, list):
            raise _wrong_json(value, shape, path)
        return [_from_json(shape.member, item, operation, path) for item in value if item is not None]
    if isinstance(shape, MapShape):
        if not isinstance(value, dict):
            raise _wrong_json(value, shape, path)
        return {key: _from_json(shape.value, item, operation, path) for key, item in value.items() if item is not None}
    return _json_scalar(shape, value, operation, path)


def _json_scalar(shape: Shape, value: Any, operation: Operation, path: str) -> Any:
    kind = shape.type_name
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "timestamp" and is_number:
        return from_text(shape, str(value), path, operation.service.protocol)
    if kind in ("timestamp", "blob") and isinstance(value, str):
        return from_text(shape, value, path, operation.service.protocol)
    if kind in ("string", "character") and isinstance(value, str):
        return value
    if kind == "boolean" and isinstance(value, bool):
        return value
    if kind in ("integer", "long") and is_number and isinstance(value, int):
        return value
    if kind in ("float", "double") and (is_number or value in ("NaN", "Infinity", "-Infinity")):
        return float(value)
    raise _wrong_json(value, shape, path)


def _wrong_json(value: Any, shape: Shape, path: str) -> ApiError:
    place = path.rstrip(".") or "the body"
    shown = json.dumps(value)[:64]
    return ApiError("SerializationException", f"The value {shown} of {place} is not a {shape.type_name}.")


def _unknown_member(name: str, operation: Operation) -> ApiError:
    text = (
        f"thrice does not know the field '{name}' of {operation}, so it refused the request and changed nothing. "
        "Leave the field out, or look for a newer thrice."
    )
    return refusals.not_implemented(operation.service.protocol, text)
