"""A structure read from the query protocol, whose names carry the structure: `Tag.1.Key=a`, `Tag.1.Value=b`.

Fields that the model does not know are passed over here, as AWS does: older clients add several of their own.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from producers.gateway import refusals
from producers.gateway.from_text import from_text
from producers.gateway.model import Operation

#: No name of a query API has so many parts; a name with millions would nest as deeply.
_MAX_DEPTH = 32

Tree = dict[str, Any]  # the parts of the names; a value is below the name ''


def read_tree(form: Mapping[str, str]) -> Tree:
    """The fields of a form as nested dicts: `A.member.1.B=x` is below `A`, `member`, `1` and `B`."""
    root: Tree = {}
    for name, value in form.items():
        node = root
        for part in name.split(".", _MAX_DEPTH):
            node = node.setdefault(part or ".", {})
        node[""] = value
    return root


def structure_from_query(shape: StructureShape, tree: Tree, operation: Operation) -> dict[str, Any]:
    """Read a structure.

    Raises:
        ApiError: a value has the wrong type.
    """
    parameters: dict[str, Any] = {}
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
        return structure_from_query(shape, node, operation)
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
    return from_text(shape, node[""], name, operation.service.protocol)


def _numbered(node: Tree) -> Iterable[Tree]:
    """The children whose names are numbers, in their order."""
    numbers = sorted((name for name in node if name.isdecimal() and len(name) < 10), key=int)
    return [node[number] for number in numbers]
