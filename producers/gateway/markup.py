"""XML, written as the service models say: lists, maps and structures, flattened or not, with attributes and namespaces.

Written as text, because ElementTree leaves a carriage return bare, which a reader then turns into a line feed: an S3
key with one would be another key.
"""

import base64
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from worker.clock import iso_ms

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'

_TEXT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_ATTRIBUTE = str.maketrans({"&": "&amp;", "<": "&lt;", '"': "&quot;", "\r": "&#13;", "\n": "&#10;", "\t": "&#9;"})


def escape(text: str) -> str:
    """Text as the content of an element."""
    return text.translate(_TEXT)


def attribute(name: str, value: str) -> str:
    """One attribute, with the space before it."""
    return f' {name}="{value.translate(_ATTRIBUTE)}"'


def element(name: str, content: str, attributes: str = "") -> str:
    """One element around content that is XML already."""
    return f"<{name}{attributes}>{content}</{name}>"


def members(shape: StructureShape, value: Mapping[str, Any]) -> str:
    """The elements of a structure's members, without one around them."""
    return "".join(_members(shape, value))


def structure(shape: StructureShape, value: Mapping[str, Any], name: str, attributes: str = "") -> str:
    """A structure as an element called `name`."""
    attributes += _namespace(shape)
    for member_name, member in shape.members.items():
        if member.serialization.get("xmlAttribute") and value.get(member_name) is not None:
            attributes += attribute(member.serialization["name"], str(value[member_name]))
    return element(name, members(shape, value), attributes)


def _members(shape: StructureShape, value: Mapping[str, Any]) -> Iterator[str]:
    for name, member in shape.members.items():
        is_elsewhere = "location" in member.serialization or member.serialization.get("xmlAttribute")
        if not is_elsewhere and value.get(name) is not None:
            yield _value(member, value[name], _name(member, name))


def _name(shape: Shape, name: str) -> str:
    if isinstance(shape, ListShape) and shape.serialization.get("flattened"):
        return str(shape.member.serialization.get("name", shape.serialization.get("name", name)))
    return str(shape.serialization.get("name", name))


def _value(shape: Shape, value: Any, name: str) -> str:
    if isinstance(shape, StructureShape):
        return structure(shape, value, name)
    is_flattened = shape.serialization.get("flattened")
    if isinstance(shape, ListShape):
        item_name = name if is_flattened else shape.member.serialization.get("name", "member")
        items = "".join(_value(shape.member, item, item_name) for item in value)
        return items if is_flattened else element(name, items)
    if isinstance(shape, MapShape):
        key_name = shape.key.serialization.get("name", "key")
        value_name = shape.value.serialization.get("name", "value")
        entries = "".join(
            element(
                name if is_flattened else "entry",
                element(key_name, escape(key)) + _value(shape.value, item, value_name),
            )
            for key, item in value.items()
        )
        return entries if is_flattened else element(name, entries)
    return element(name, escape(scalar(shape, value)), _namespace(shape))


def scalar(shape: Shape, value: Any) -> str:
    """A value as text."""
    if isinstance(value, datetime):
        return iso_ms(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if shape.type_name == "blob":
        return base64.b64encode(value).decode()
    return str(value)


def _namespace(shape: Shape) -> str:
    namespace = shape.serialization.get("xmlNamespace")
    if not isinstance(namespace, Mapping):
        return ""
    prefix = namespace.get("prefix")
    return attribute(f"xmlns:{prefix}" if prefix else "xmlns", namespace["uri"])
