"""A method's result, written as the protocol of the caller wants it.

The result is a dict by AWS's names, or a `Response` that also sets the status or a header. A name that the model does
not know is a bug of the service and raises, so that it is found by its first test.
"""

import base64
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import orjson
from botocore.model import ListShape, MapShape, Shape, StructureShape
from redis.exceptions import RedisError

from producers.errors import ApiError
from producers.gateway import event_stream, markup, refusals
from producers.gateway.model import Layout, Member, Operation, json_content_type
from producers.seams import EventStream, FileRange, Response
from worker.errors import StoreUnavailable

#: The names of S3's roots where they are not those of the model's shapes. Clients in Java and Go look at them.
_S3_ROOTS: Mapping[str, str] = {
    "ListBuckets": "ListAllMyBucketsResult",
    "ListObjects": "ListBucketResult",
    "ListObjectsV2": "ListBucketResult",
    "ListObjectVersions": "ListVersionsResult",
    "DeleteObjects": "DeleteResult",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
}

#: Statuses whose answers have no body.
_EMPTY = (204, 304)


#: A body that is made while it is sent.
Parts = AsyncGenerator[bytes, None]


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back over the wire."""

    status: int
    headers: Mapping[str, str]
    body: bytes | FileRange | Parts = b""


def serialize(operation: Operation, result: Any, request_id: str) -> Answer:
    """Write the result of a method.

    Raises:
        TypeError: the result has members that the model does not know.
    """
    response = result if isinstance(result, Response) else Response(result or {})
    members = {name: value for name, value in response.members.items() if value is not None}
    _check_names(operation, members)
    service = operation.service
    if service.protocol == "json":
        answer = _json_answer(operation, members)
    elif service.protocol == "query":
        answer = _query_answer(operation, members, request_id)
    else:
        answer = _rest_answer(operation, members)
    status = response.status or answer.status
    headers = {**answer.headers, **{name.lower(): value for name, value in response.headers.items()}}
    if service.protocol == "rest-xml":
        headers["x-amz-request-id"] = request_id
    _check_headers(headers)
    return Answer(status, headers, b"" if status in _EMPTY else answer.body)


def _check_headers(headers: Mapping[str, str]) -> None:
    """Refuse a value that would end its header, and so could begin another: some come from the request."""
    for name, value in headers.items():
        if "\r" in value or "\n" in value or "\0" in value:
            raise ApiError("InvalidArgument", f"The value of the header {name} would have a line break.")


def _check_names(operation: Operation, members: Mapping[str, Any]) -> None:
    known = operation.output.shape.members if operation.output else {}
    unknown = sorted(members.keys() - known.keys())
    if unknown:
        raise TypeError(f"The answer of {operation} has no member {', '.join(unknown)}; check the method's result.")


def _json_answer(operation: Operation, members: Mapping[str, Any]) -> Answer:
    headers = {"content-type": json_content_type(operation.service)}
    if operation.output is None:
        return Answer(operation.success_status, headers)
    return Answer(operation.success_status, headers, orjson.dumps(_to_json(operation.output.shape, members)))


def _query_answer(operation: Operation, members: Mapping[str, Any], request_id: str) -> Answer:
    content = ""
    if operation.output is not None:
        shape = operation.output.shape
        content = markup.element(f"{operation.name}Result", markup.members(shape, members))
    metadata = markup.element("ResponseMetadata", markup.element("RequestId", request_id))
    namespace = markup.attribute("xmlns", operation.service.namespace)
    body = markup.element(f"{operation.name}Response", content + metadata, namespace)
    return Answer(operation.success_status, {"content-type": "text/xml"}, (markup.DECLARATION + body).encode())


# --- REST -----------------------------------------------------------------------------------------------------------


def _rest_answer(operation: Operation, members: Mapping[str, Any]) -> Answer:
    layout = operation.output
    if layout is None:
        return Answer(operation.success_status, {})
    status = operation.success_status
    headers: dict[str, str] = {}
    for member in layout.members:
        if member.name not in members:
            continue
        value = members[member.name]
        if member.location == "statusCode":
            status = int(value)
        elif member.location == "headers":
            headers |= {f"{member.wire_name}{name}": str(item) for name, item in value.items()}
        else:
            headers[member.wire_name] = header_text(member.shape, value)
    body = _rest_body(operation, layout, members)
    if body and "content-type" not in headers:
        headers["content-type"] = _rest_type(operation, layout)
    return Answer(status, headers, body)


def _rest_type(operation: Operation, layout: Layout) -> str:
    if layout.payload is not None and _is_event_stream(layout.payload.shape):
        return event_stream.CONTENT_TYPE
    if operation.service.protocol == "rest-json":
        return "application/json"
    is_blob = layout.payload is not None and layout.payload.shape.type_name == "blob"
    return "binary/octet-stream" if is_blob else "application/xml"


def _rest_body(operation: Operation, layout: Layout, members: Mapping[str, Any]) -> bytes | FileRange | Parts:
    if layout.payload is not None:
        value = members.get(layout.payload.name)
        return b"" if value is None else _payload(operation, layout.payload, value)
    if not layout.has_body:
        return b""
    if operation.service.protocol == "rest-json":
        return orjson.dumps(_to_json(layout.shape, members))
    if operation.name == "GetBucketLocation":  # the one answer whose only member is the root itself
        return _xml_root(operation, "LocationConstraint", markup.escape(members.get("LocationConstraint", "")))
    name = _S3_ROOTS.get(operation.name, layout.shape.name)
    return _xml_root(operation, name, markup.members(layout.shape, members))


def _payload(operation: Operation, payload: Member, value: Any) -> bytes | FileRange | Parts:
    if _is_event_stream(payload.shape):
        assert isinstance(payload.shape, StructureShape)
        return _messages(payload.shape, value)
    if isinstance(value, bytes | FileRange):
        return value
    if isinstance(value, str):
        return value.encode()
    assert isinstance(payload.shape, StructureShape)
    if operation.service.protocol == "rest-json":
        return orjson.dumps(_to_json(payload.shape, value))
    return _xml_root(operation, payload.wire_name, markup.members(payload.shape, value))


def _xml_root(operation: Operation, name: str, content: str) -> bytes:
    namespace = markup.attribute("xmlns", operation.service.namespace)
    return (markup.DECLARATION + markup.element(name, content, namespace)).encode()


# --- event streams --------------------------------------------------------------------------------------------------


def _is_event_stream(shape: Shape) -> bool:
    return bool(shape.serialization.get("eventstream"))


async def _messages(union: StructureShape, events: EventStream) -> Parts:
    """The messages of a stream; a store that fails ends it with an error, since the status has long been sent."""
    try:
        async for members in events:
            name, value = event_stream.only_event(members)
            yield _message(name, union.members[name], value)
    except (RedisError, StoreUnavailable) as lost:
        yield event_stream.error(refusals.UNAVAILABLE["rest-json"], f"The store did not answer: {lost}")
    finally:
        await events.aclose()


def _message(name: str, shape: Shape, members: Mapping[str, Any]) -> bytes:
    assert isinstance(shape, StructureShape)
    payload = event_stream.payload_member(shape)
    if payload is not None:
        return event_stream.event(name, members[payload], "application/octet-stream")
    return event_stream.event(name, orjson.dumps(_to_json(shape, members)), "application/json")


def header_text(shape: Shape, value: Any) -> str:
    """A value as the text of a header."""
    if isinstance(value, datetime):
        if shape.serialization.get("timestampFormat") == "iso8601":
            return markup.scalar(shape, value)
        return format_datetime(value.astimezone(UTC).replace(microsecond=0), usegmt=True)
    if isinstance(shape, ListShape):
        return ",".join(header_text(shape.member, item) for item in value)
    return markup.scalar(shape, value)


# --- JSON -----------------------------------------------------------------------------------------------------------


def _to_json(shape: Shape, value: Any) -> Any:
    if isinstance(shape, StructureShape):
        if shape.is_document_type:
            return value
        return {
            member.serialization.get("name", name): _to_json(member, value[name])
            for name, member in shape.members.items()
            if value.get(name) is not None and "location" not in member.serialization
        }
    if isinstance(shape, ListShape):
        return [_to_json(shape.member, item) for item in value]
    if isinstance(shape, MapShape):
        return {key: _to_json(shape.value, item) for key, item in value.items()}
    if isinstance(value, datetime):
        seconds = value.timestamp()
        return int(seconds) if seconds.is_integer() else seconds
    if shape.type_name == "blob":
        return base64.b64encode(value).decode()
    return value
