"""A request's parameters, read as the service model says: from the path, the query, the headers and the body.

Each protocol has its reader; all give the same: a dict by AWS's names, with `datetime`s in UTC for timestamps and
`bytes` for blobs. What has the wrong type or is no JSON or XML is refused in the words of the protocol, and so is a
member that the model does not know: a field that is not understood is never passed over in silence.
"""

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl
from xml.etree import ElementTree as ET

import orjson
from botocore.model import ListShape, MapShape, Shape, StructureShape

from producers.errors import ApiError
from producers.gateway import refusals
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
        return _json_structure(layout.shape, _json(body), operation, "")
    if protocol == "query":
        return _query_structure(layout.shape, _tree(form), operation)
    parameters = _outside_of_body(layout, head, route.labels, protocol)
    if layout.payload is not None:
        _read_payload(parameters, layout.payload, body, operation)
    elif layout.has_body and protocol == "rest-json":
        parameters |= _json_structure(layout.shape, _json(body), operation, "")
    elif layout.has_body and body:
        parameters |= _xml_structure(layout.shape, _xml(body), operation)
    return parameters


def parse_form(head: Head, body: bytes) -> Mapping[str, str]:
    """The fields of the query protocol: those of the query, and those of the body, which win.

    Raises:
        ApiError: the body is not UTF-8.
    """
    fields = {name: values[0] for name, values in head.fields.items()}
    try:
        fields |= parse_qsl(body.decode(), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise refusals.malformed("query", "The form is not UTF-8.") from None
    return fields


def _read_payload(parameters: Parameters, payload: Member, body: bytes, operation: Operation) -> None:
    """Put the one member that is the whole body among the parameters; an empty body is none."""
    kind = payload.shape.type_name
    if kind == "blob" and body:
        parameters[payload.name] = body
    elif kind == "string" and body:
        parameters[payload.name] = _text(body, operation.service.protocol)
    elif isinstance(payload.shape, StructureShape) and body:
        if operation.service.protocol == "rest-json":
            parameters[payload.name] = _json_structure(payload.shape, _json(body), operation, "")
        else:
            root = _xml(body)
            if _tag(root) not in (payload.wire_name, payload.shape.name):
                raise _malformed_xml(f"the root is '{_tag(root)}', not '{payload.wire_name}'")
            parameters[payload.name] = _xml_structure(payload.shape, root, operation)


def _text(body: bytes, protocol: str) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise refusals.malformed(protocol, "The body is not UTF-8.") from None


# --- what travels outside of the body -------------------------------------------------------------------------------


def _outside_of_body(layout: Layout, head: Head, labels: Mapping[str, str], protocol: str) -> Parameters:
    parameters: Parameters = {}
    headers, fields = head.headers, head.fields
    for member in layout.members:
        if member.location == "header":
            text = headers.get(member.wire_name)
            if text is not None:
                parameters[member.name] = _from_text(member.shape, text, member.name, protocol)
        elif member.location == "uri":
            parameters[member.name] = _from_text(member.shape, labels[member.wire_name], member.name, protocol)
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
        return [_from_text(member.shape.member, value, member.name, protocol) for value in values]
    return _from_text(member.shape, values[0], member.name, protocol)


def _from_text(shape: Shape, text: str, name: str, protocol: str) -> Any:
    """A value that was written as plain text: a label, a field, a header, the content of an XML element."""
    if shape.type_name == "string":
        return text
    if isinstance(shape, ListShape):
        return [_from_text(shape.member, item, name, protocol) for item in _split_header(text)]
    try:
        return _FROM_TEXT[shape.type_name](text)
    except (ValueError, OverflowError, OSError):
        raise refusals.malformed(protocol, f"The value '{text}' of {name} is not a {shape.type_name}.") from None


def _split_header(text: str) -> list[str]:
    """The items of a list in a header; one with a comma or a quotation mark is quoted."""
    items: list[str] = []
    item, quoted, escaped = "", False, False
    for character in text:
        if escaped:
            item, escaped = item + character, False
        elif quoted and character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif character == "," and not quoted:
            items, item = [*items, item], ""
        elif item or quoted or character != " ":
            item += character
    return [*items, item]


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


def _integer(text: str) -> int:
    if not (text.isascii() and text.removeprefix("-").isdecimal() and len(text) <= 20):
        raise ValueError(text)
    return int(text)


def _timestamp(text: str) -> datetime:
    """A moment in any of AWS's three spellings: seconds since the epoch, ISO 8601, RFC 822."""
    if text[:4].isdecimal() and text[4:5] == "-":
        moment = datetime.fromisoformat(text)
    elif text[:1].isalpha():
        moment = parsedate_to_datetime(text)
    else:
        return datetime.fromtimestamp(float(text), UTC)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _blob(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


_FROM_TEXT: Mapping[str, Callable[[str], Any]] = {
    "boolean": _boolean,
    "integer": _integer,
    "long": _integer,
    "float": float,
    "double": float,
    "timestamp": _timestamp,
    "blob": _blob,
    "character": str,
}


# --- JSON -----------------------------------------------------------------------------------------------------------


def _json(body: bytes) -> Any:
    if not body.strip():
        return {}
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ApiError("SerializationException", f"Could not parse request body into json: {error}") from None


def _json_structure(shape: StructureShape, value: Any, operation: Operation, path: str) -> Parameters:
    if not isinstance(value, dict):
        raise _wrong_json(value, shape, path)
    parameters: Parameters = {}
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
        return _json_structure(shape, value, operation, f"{path}.")
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
        return _from_text(shape, str(value), path, operation.service.protocol)
    if kind in ("timestamp", "blob") and isinstance(value, str):
        return _from_text(shape, value, path, operation.service.protocol)
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


# --- XML ------------------------------------------------------------------------------------------------------------


class _NoDoctype(ET.TreeBuilder):
    """Builds a tree, and refuses a document type: entities that expand into gigabytes are declared in one."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise _malformed_xml(f"it has a document type '{name}' ({pubid}, {system})")


def _xml(body: bytes) -> ET.Element:
    parser = ET.XMLParser(target=_NoDoctype())  # noqa: S314 - a document type is refused
    try:
        parser.feed(body)
        root: ET.Element = parser.close()
    except (ET.ParseError, ValueError, LookupError) as error:
        raise _malformed_xml(str(error)) from None
    return root


def _malformed_xml(reason: str) -> ApiError:
    text = "The XML you provided was not well-formed or did not validate against our published schema"
    return ApiError("MalformedXML", f"{text}: {reason}.")


def _tag(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _xml_structure(shape: StructureShape, element: ET.Element, operation: Operation) -> Parameters:
    children: dict[str, list[ET.Element]] = {}
    for child in element:
        children.setdefault(_tag(child), []).append(child)
    parameters: Parameters = {}
    for name, member in shape.members.items():
        if "location" in member.serialization:
            continue
        wire_name = _xml_name(member, name)
        if member.serialization.get("xmlAttribute"):
            local = wire_name.rpartition(":")[2]
            given = [value for key, value in element.attrib.items() if key.rpartition("}")[2] == local]
            parameters |= {name: given[0]} if given else {}
        elif wire_name in children:
            parameters[name] = _from_xml(member, children.pop(wire_name), operation, name)
    if children:
        raise _malformed_xml(f"'{_tag(element)}' has no element '{next(iter(children))}'")
    return parameters


def _xml_name(shape: Shape, name: str) -> str:
    if isinstance(shape, ListShape) and shape.serialization.get("flattened"):
        name = shape.member.serialization.get("name", name)
    return str(shape.serialization.get("name", name))


def _from_xml(shape: Shape, elements: list[ET.Element], operation: Operation, name: str) -> Any:
    """The value of all elements of one name: several only where a list or a map is flattened."""
    is_flattened = shape.serialization.get("flattened")
    if isinstance(shape, ListShape):
        items = elements if is_flattened else list(elements[0])
        return [_from_xml(shape.member, [item], operation, name) for item in items]
    if isinstance(shape, MapShape):
        entries = elements if is_flattened else list(elements[0])
        return dict(_xml_entry(shape, entry, operation, name) for entry in entries)
    if len(elements) > 1:
        raise _malformed_xml(f"'{name}' is there {len(elements)} times")
    if isinstance(shape, StructureShape):
        return _xml_structure(shape, elements[0], operation)
    try:
        return _from_text(shape, elements[0].text or "", name, operation.service.protocol)
    except ApiError as error:
        raise _malformed_xml(error.message.rstrip(".")) from None


def _xml_entry(shape: MapShape, entry: ET.Element, operation: Operation, name: str) -> tuple[str, Any]:
    parts = {_tag(child): child for child in entry}
    key = parts.get(shape.key.serialization.get("name", "key"))
    value = parts.get(shape.value.serialization.get("name", "value"))
    if key is None or value is None:
        raise _malformed_xml(f"an entry of '{name}' lacks its key or its value")
    return key.text or "", _from_xml(shape.value, [value], operation, name)


# --- query ----------------------------------------------------------------------------------------------------------

#: No name of a query API has so many parts; a name with millions would nest as deeply.
_MAX_DEPTH = 32

Tree = dict[str, Any]  # the parts of the names; a value is below the name ''


def _tree(form: Mapping[str, str]) -> Tree:
    """`A.member.1.B=x` as nested dicts."""
    root: Tree = {}
    for name, value in form.items():
        node = root
        for part in name.split(".", _MAX_DEPTH):
            node = node.setdefault(part or ".", {})
        node[""] = value
    return root


def _query_structure(shape: StructureShape, tree: Tree, operation: Operation) -> Parameters:
    parameters: Parameters = {}
    for name, member in shape.members.items():
        node = tree.get(_query_name(member, name))
        if node is not None:
            parameters[name] = _from_query(member, node, operation, name)
    return parameters


def _query_name(shape: Shape, name: str) -> str:
    """A flattened list goes by its items' name: `AttributeName.1` for the member `AttributeNames`."""
    if isinstance(shape, ListShape) and shape.serialization.get("flattened") and "name" in shape.member.serialization:
        return str(shape.member.serialization["name"])
    return str(shape.serialization.get("name", name))


def _from_query(shape: Shape, node: Tree, operation: Operation, name: str) -> Any:
    is_flattened = shape.serialization.get("flattened")
    if isinstance(shape, StructureShape):
        return _query_structure(shape, node, operation)
    if isinstance(shape, ListShape):
        items = node if is_flattened else node.get(shape.member.serialization.get("name", "member"), {})
        return [_from_query(shape.member, item, operation, name) for item in _numbered(items)]
    if isinstance(shape, MapShape):
        entries = node if is_flattened else node.get("entry", {})
        key_name = shape.key.serialization.get("name", "key")
        value_name = shape.value.serialization.get("name", "value")
        return {
            entry.get(key_name, {}).get("", ""): _from_query(shape.value, entry.get(value_name, {}), operation, name)
            for entry in _numbered(entries)
        }
    if "" not in node:
        raise refusals.malformed(operation.service.protocol, f"{name} is a {shape.type_name}, not a structure.")
    return _from_text(shape, node[""], name, operation.service.protocol)


def _numbered(node: Tree) -> Iterable[Tree]:
    """The children whose names are numbers, in their order."""
    numbers = sorted((name for name in node if name.isdecimal() and len(name) < 10), key=int)
    return [node[number] for number in numbers]
