"""A structure read from XML. An element that the model does not know is refused, as S3 refuses it by its schema."""

from typing import Any
from xml.etree import ElementTree as ET

from botocore.model import ListShape, MapShape, Shape, StructureShape

from producers.errors import ApiError
from producers.gateway.from_text import from_text
from producers.gateway.model import Operation


class _NoDoctype(ET.TreeBuilder):
    """Builds a tree, and refuses a document type: entities that expand into gigabytes are declared in one."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise malformed_xml(f"it has a document type '{name}' ({pubid}, {system})")


def read_xml(body: bytes) -> ET.Element:
    """The root of the document in a body.

    Raises:
        ApiError: the body is not XML.
    """
    parser = ET.XMLParser(target=_NoDoctype())  # noqa: S314 - a document type is refused
    try:
        parser.feed(body)
        root: ET.Element = parser.close()
    except (ET.ParseError, ValueError, LookupError) as error:
        raise malformed_xml(str(error)) from None
    return root


def malformed_xml(reason: str) -> ApiError:
    """S3's refusal, with the reason behind AWS's words."""
    text = "The XML you provided was not well-formed or did not validate against our published schema"
    return ApiError("MalformedXML", f"{text}: {reason}.")


def tag(element: ET.Element) -> str:
    """The name of an element, without its namespace."""
    return element.tag.rpartition("}")[2]


def structure_from_xml(shape: StructureShape, element: ET.Element, operation: Operation) -> dict[str, Any]:
    """Read a structure.

    Raises:
        ApiError: a value has the wrong type, or an element is not known.
    """
    children: dict[str, list[ET.Element]] = {}
    for child in element:
        children.setdefault(tag(child), []).append(child)
    parameters: dict[str, Any] = {}
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
        raise malformed_xml(f"'{tag(element)}' has no element '{next(iter(children))}'")
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
        raise malformed_xml(f"'{name}' is there {len(elements)} times")
    if isinstance(shape, StructureShape):
        return structure_from_xml(shape, elements[0], operation)
    try:
        return from_text(shape, elements[0].text or "", name, operation.service.protocol)
    except ApiError as error:
        raise malformed_xml(error.message.rstrip(".")) from None


def _xml_entry(shape: MapShape, entry: ET.Element, operation: Operation, name: str) -> tuple[str, Any]:
    parts = {tag(child): child for child in entry}
    key = parts.get(shape.key.serialization.get("name", "key"))
    value = parts.get(shape.value.serialization.get("name", "value"))
    if key is None or value is None:
        raise malformed_xml(f"an entry of '{name}' lacks its key or its value")
    return key.text or "", _from_xml(shape.value, [value], operation, name)
