"""A refusal, written as the protocol of the caller wants it.

The model says, for each code, the status, which members the body has, and whether the text is `message` or `Message`;
`Type` says whose fault it was. What the model does not have gets the status of the `ApiError`.
"""

from collections.abc import Mapping
from typing import Any

import orjson
from botocore.model import StructureShape

from producers.errors import ApiError
from producers.gateway import markup
from producers.gateway.model import Service, json_content_type
from producers.gateway.serialize import Answer

#: SQS's errors have one code over JSON and another in the query protocol, which today's clients are still told in a
#: header. Those that are not here have the same in both. Source: the SQS API reference, "Common errors".
_SQS_QUERY_CODES: Mapping[str, str] = {
    "QueueDoesNotExist": "AWS.SimpleQueueService.NonExistentQueue",
    "QueueNameExists": "QueueAlreadyExists",
} | {
    name: f"AWS.SimpleQueueService.{name}"
    for name in (
        "BatchEntryIdsNotDistinct",
        "BatchRequestTooLong",
        "EmptyBatchRequest",
        "InvalidBatchEntryId",
        "MessageNotInflight",
        "PurgeQueueInProgress",
        "QueueDeletedRecently",
        "TooManyEntriesInBatchRequest",
        "UnsupportedOperation",
    )
}
_SQS_JSON_CODES: Mapping[str, str] = {query: name for name, query in _SQS_QUERY_CODES.items()}


def serialize_error(
    service: Service | str, error: ApiError, request_id: str, *, path: str = "", status: int | None = None
) -> Answer:
    """Write a refusal.

    `service` is only the protocol's name where the service is not ours. `path` is what S3 calls the resource. `status`
    overrides the one that the model has for the code.
    """
    protocol = service if isinstance(service, str) else service.protocol
    ours = None if isinstance(service, str) else service
    shape = _shape(ours, error.code)
    modelled = shape.metadata.get("error", {}).get("httpStatusCode") if shape else None
    status = status or modelled or error.status
    headers = {name.lower(): value for name, value in error.headers.items()}
    if protocol == "query":
        return Answer(status, {"content-type": "text/xml", **headers}, _query_body(ours, error, status, request_id))
    if protocol == "rest-xml":
        headers["x-amz-request-id"] = request_id
        return Answer(status, {"content-type": "application/xml", **headers}, _s3_body(error, path, request_id))
    headers["content-type"] = json_content_type(ours) if ours else "application/json"
    members = _json_members(shape, error, headers)
    if protocol == "json":
        members = {"__type": _json_type(ours, error.code, status, headers), **members}
    else:
        headers["x-amzn-errortype"] = error.code
    return Answer(status, headers, orjson.dumps(members))


def _shape(service: Service | None, code: str) -> StructureShape | None:
    if service is None:
        return None
    name = _SQS_JSON_CODES.get(code, code) if service.name == "sqs" else code
    return service.error_shapes.get(name)


def _json_type(service: Service | None, code: str, status: int, headers: dict[str, str]) -> str:
    """What stands in `__type`. SQS tells the older code in a header, which is the one that boto3 shows."""
    if service is None or not service.is_query_compatible:
        return code
    fault = "Receiver" if status >= 500 else "Sender"
    if service.name != "sqs":
        shape = _shape(service, code)
        headers["x-amzn-query-error"] = f"{shape.error_code if shape else code};{fault}"
        return f"com.amazonaws.{service.name}#{shape.name if shape else code}"
    headers["x-amzn-query-error"] = f"{_SQS_QUERY_CODES.get(code, code)};{fault}"
    return f"com.amazonaws.sqs#{_SQS_JSON_CODES.get(code, code)}"


def _json_members(shape: StructureShape | None, error: ApiError, headers: dict[str, str]) -> dict[str, Any]:
    """The body of an error; members that the model has in headers are put there. One that is None is left out."""
    members = shape.members if shape else {}
    body: dict[str, Any] = {}
    if shape and "Type" in members:
        body["Type"] = "User" if shape.metadata.get("error", {}).get("senderFault") else "Service"
    body["Message" if "Message" in members else "message"] = error.message
    for name, value in error.members.items():
        member = members.get(name)
        if member is not None and member.serialization.get("location") == "header":
            headers[member.serialization["name"].lower()] = str(value)
        else:
            body[name] = value
    return {name: value for name, value in body.items() if value is not None}


def _query_body(service: Service | None, error: ApiError, status: int, request_id: str) -> bytes:
    code = error.code
    shape = _shape(service, code)
    if service is not None and service.name == "sqs":
        code = _SQS_QUERY_CODES.get(code, code)
    elif shape is not None:
        code = shape.error_code  # `NotFound` for SNS's NotFoundException
    fields = {"Type": "Receiver" if status >= 500 else "Sender", "Code": code, "Message": error.message}
    content = _fields({**fields, **error.members})
    namespace = markup.attribute("xmlns", service.namespace) if service else ""
    whole = markup.element("Error", content) + markup.element("RequestId", request_id)
    return (markup.DECLARATION + markup.element("ErrorResponse", whole, namespace)).encode()


def _s3_body(error: ApiError, path: str, request_id: str) -> bytes:
    fields = {"Code": error.code, "Message": error.message, **error.members}
    ends = {"Resource": path, "RequestId": request_id, "HostId": request_id}
    return (markup.DECLARATION + markup.element("Error", _fields({**fields, **ends}))).encode()


def _fields(fields: Mapping[str, Any]) -> str:
    return "".join(markup.element(name, markup.escape(str(value))) for name, value in fields.items())
