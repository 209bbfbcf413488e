"""A request's parameters, read as the service model says: from the path, the query, the headers and the body.

Each format has its reader (`from_text`, `from_json`, `from_xml`, `from_query`); all give the same: a dict by AWS's
names, with `datetime`s in UTC for timestamps and `bytes` for blobs. What cannot be read is refused in the words of the
protocol.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from botocore.model import ListShape, StructureShape

from producers.gateway import refusals
from producers.gateway.from_json import read_json, structure_from_json
from producers.gateway.from_query import read_tree, structure_from_query
from producers.gateway.from_text import from_text
from producers.gateway.from_xml import malformed_xml, read_xml, structure_from_xml, tag
from producers.gateway.head import Head
from producers.gateway.model import Layout, Member, Operation
from producers.gateway.route import Route

Parameters = dict[str, Any]


def parse(route: Route, head: Head, body: bytes, form: Mapping[str, str]) -> Parameters:
    """Read the parameters of a request. `form` is the decoded form of the query protocol, else empty.

    A member whose bytes were streamed to a file is not among them.

    Raises:
        ApiError: something cannot be read.
    """
    operation = route.operation
    layout = operation.input
    if layout is None:
        return {}
    protocol = operation.service.protocol
    if protocol == "json":
        return structure_from_json(layout.shape, read_json(body), operation)
    if protocol == "query":
        return structure_from_query(layout.shape, read_tree(form), operation)
    parameters = _outside_of_body(layout, head, route.labels, protocol)
    if layout.payload is not None:
        _read_payload(parameters, layout.payload, body, operation)
    elif layout.has_body and protocol == "rest-json":
        parameters |= structure_from_json(layout.shape, read_json(body), operation)
    elif layout.has_body and body:
        parameters |= structure_from_xml(layout.shape, read_xml(body), operation)
    return parameters


def parse_form(head: Head, body: bytes) -> Mapping[str, str]:
    """The fields of the query protocol: those of the query, and those of the body, which win.

    SQS's queues may be named by the path alone.

    Raises:
        ApiError: the body is not UTF-8.
    """
    fields = {name: values[0] for name, values in head.fields.items()}
    if head.path != "/":
        fields.setdefault("QueueUrl", f"{head.base_url}{head.path}")
    try:
        fields |= parse_qsl(body.decode(), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise refusals.malformed("query", "The form is not UTF-8.") from None
    return fields


def _read_payload(parameters: Parameters, payload: Member, body: bytes, operation: Operation) -> None:
    """Put the one member that is the whole body among the parameters; an empty body is none, unless one must be."""
    kind = payload.shape.type_name
    if kind == "blob" and (body or _is_required(payload, operation)):
        parameters[payload.name] = body
    elif kind == "string" and body:
        parameters[payload.name] = _text(body, operation.service.protocol)
    elif isinstance(payload.shape, StructureShape) and body:
        if operation.service.protocol == "rest-json":
            parameters[payload.name] = structure_from_json(payload.shape, read_json(body), operation)
        else:
            root = read_xml(body)
            if tag(root) not in (payload.wire_name, payload.shape.name):
                raise malformed_xml(f"the root is '{tag(root)}', not '{payload.wire_name}'")
            parameters[payload.name] = structure_from_xml(payload.shape, root, operation)


def _is_required(payload: Member, operation: Operation) -> bool:
    return operation.input is not None and payload.name in operation.input.shape.required_members


def _text(body: bytes, protocol: str) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise refusals.malformed(protocol, "The body is not UTF-8.") from None


def _outside_of_body(layout: Layout, head: Head, labels: Mapping[str, str], protocol: str) -> Parameters:
    parameters: Parameters = {}
    headers, fields = head.headers, head.fields if head.query else {}
    for member in layout.members:
        if member.location == "header":
            text = headers.get(member.wire_name)
            if text is not None:
                parameters[member.name] = from_text(member.shape, text, member.name, protocol)
        elif member.location == "uri":
            parameters[member.name] = from_text(member.shape, labels[member.wire_name], member.name, protocol)
        elif member.location == "querystring":
            values = fields.get(member.wire_name)
            if values is not None:
                parameters[member.name] = _from_field(member, values, protocol)
        else:
            prefixed = _prefixed(headers, member.wire_name)
            if prefixed:
                parameters[member.name] = prefixed
    return parameters


def _prefixed(headers: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {name.removeprefix(prefix): value for name, value in headers.items() if name.startswith(prefix)}


def _from_field(member: Member, values: list[str], protocol: str) -> Any:
    if isinstance(member.shape, ListShape):
        return [from_text(member.shape.member, value, member.name, protocol) for value in values]
    return from_text(member.shape, values[0], member.name, protocol)
