"""A template's text as values, and the line of each of them. Pure.

YAML and JSON are read alike. CloudFormation's short forms (`!Ref x`) become its long ones (`{"Ref": x}`). Numbers keep
their text where it would not come back from the number (`0123`, `1.10`), for an account id or a version is no number;
dates are texts. Lines are kept beside the values, by the path that leads to each.
"""

from dataclasses import dataclass, field
from typing import Any

import yaml

Path = tuple[str | int, ...]


class Unreadable(Exception):
    """Raised for a text that is no template. `line` is where it stops being one."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line


@dataclass(slots=True)
class Source:
    """The values of a template, and the line of each."""

    values: dict[str, Any]
    lines: dict[Path, int] = field(default_factory=dict)

    def line(self, path: Path) -> int:
        """The line of what is at `path`, or of the nearest thing around it; 0 if there is nothing."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 0)


def parse(text: str, *, is_json: bool = False) -> Source:
    """Read a template.

    Raises:
        Unreadable: it is neither YAML nor JSON, says a name twice, or is not a mapping.
    """
    reader = _Reader(text.replace("\t", "  ") if is_json else text)  # YAML takes no tabs, where JSON does
    try:
        node = reader.get_single_node()
        value = None if node is None else reader.value(node, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
        raise Unreadable(line, f"this is no YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise Unreadable(0, f"this is no YAML: {error}") from None
    finally:
        reader.dispose()
    if not isinstance(value, dict):
        raise Unreadable(1, "a template is a mapping with the member Resources")
    return Source(value, reader.lines)


class _Reader(yaml.SafeLoader):
    """PyYAML's parser with a construction of our own."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.lines: dict[Path, int] = {}
        self._open: set[int] = set()

    def value(self, node: yaml.Node, path: Path) -> Any:
        """The value of a node, whose lines are noted."""
        self.lines[path] = node.start_mark.line + 1
        if id(node) in self._open:
            raise Unreadable(node.start_mark.line + 1, "an alias leads back to itself")
        self._open.add(id(node))
        try:
            value = self._plain(node, path)
        finally:
            self._open.discard(id(node))
        return _long_form(node.tag[1:], value) if node.tag.startswith("!") else value

    def _plain(self, node: yaml.Node, path: Path) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, number)) for number, item in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        own = {key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)}
        if len(own) != len(node.value):
            raise Unreadable(node.start_mark.line + 1, f"{_named(path)} says a name twice")
        self.flatten_mapping(node)  # what `<<` brings in stands before the node's own
        found: dict[str, Any] = {}
        for key, item in node.value:
            name = str(key.value)
            found[name] = self.value(item, (*path, name))
            self.lines[(*path, name)] = key.start_mark.line + 1
        return found

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        kind = node.tag.rpartition(":")[2]
        match kind:
            case "null":
                return None
            case "bool":
                return self.construct_yaml_bool(node)
            case "int" | "float":
                number = self.construct_yaml_int(node) if kind == "int" else self.construct_yaml_float(node)
                return number if str(number) == node.value else node.value
            case _:
                return node.value


def _long_form(name: str, value: Any) -> dict[str, Any]:
    if name in ("Ref", "Condition"):
        return {name: value}
    if name == "GetAtt" and isinstance(value, str):
        return {"Fn::GetAtt": value.split(".", 1)}
    return {f"Fn::{name}": value}


def _named(path: Path) -> str:
    return ".".join(map(str, path)) or "the template"
