"""Event patterns: which events a rule is for.

A pattern has the structure of the event; at its leaves are lists of alternatives (`operators.py`). `compile_pattern`
checks it once and multiplies out its `$or`, so that a pattern is a list of plain trees, of which one must match.
`prepare` brings an event into the form that all patterns are asked with.

In an array one element must satisfy everything that the pattern says about the elements: `{"a": {"x": [1], "y": [2]}}`
does not match `{"a": [{"x": 1}, {"x": 3, "y": 2}]}`. That a field is missing is said of that same element, or of all
if nothing else singles one out. Nothing here does I/O.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from itertools import product
from typing import Any

import orjson

from producers.events.operators import RESERVED_NAMES, InvalidPattern, Leaf, compile_leaf

#: Into how many plain patterns one with `$or` may be multiplied out. Source: EventBridge User Guide, "$or".
MAX_COMBINATIONS = 1_000

#: How many objects and arrays may lie in each other. AWS names no number; real events have fewer than ten.
MAX_DEPTH = 200

#: A field, as the names on the way to it.
Path = tuple[str, ...]
#: A pattern without `$or`: all these fields must match.
Conjunction = tuple[tuple[Path, Leaf], ...]


class _Result(IntEnum):
    """How a part of an event answers to a part of a pattern. A conjunction is as good as its worst part."""

    NO = 0
    MISSING = 1  # matches, as the pattern asks for nothing but missing fields here
    YES = 2


@dataclass(frozen=True, slots=True)
class _Tree:
    """What a pattern asks of one field: alternatives for its value, and what it asks of the fields inside."""

    leaves: tuple[Leaf, ...]
    children: tuple[tuple[str, "_Tree"], ...]

    def match(self, value: Any) -> _Result:
        """Ask one value, an array of values, or `_ABSENT`."""
        elements = value if isinstance(value, list) else [value]
        objects = [element for element in elements if isinstance(element, dict)]
        scalars = [element for element in elements if not isinstance(element, dict) and element is not _ABSENT]
        results = [self._match_leaf(leaf, scalars) for leaf in self.leaves]
        if self.children:
            results.append(self._match_children(objects))
        return _both(results)

    @staticmethod
    def _match_leaf(leaf: Leaf, scalars: list[Any]) -> _Result:
        if any(leaf.matches(scalar) for scalar in scalars):
            return _Result.YES
        return _Result.MISSING if leaf.may_be_missing and not scalars else _Result.NO

    def _match_children(self, objects: list[dict[str, Any]]) -> _Result:
        results = [self._match_object(element) for element in objects or [{}]]
        if _Result.YES in results:
            return _Result.YES
        return min(results)

    def _match_object(self, element: dict[str, Any]) -> _Result:
        results = []
        for name, child in self.children:
            result = child.match(element.get(name, _ABSENT))
            if result is _Result.NO:
                return result
            results.append(result)
        return max(results)


_ABSENT = object()


def _both(results: list[_Result]) -> _Result:
    return _Result.NO if _Result.NO in results else max(results)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled event pattern."""

    trees: tuple[_Tree, ...]

    def matches(self, event: Any) -> bool:
        """Say whether the pattern is for this event, which `prepare` has returned."""
        return any(tree.match(event) is not _Result.NO for tree in self.trees)


def prepare(value: Any, depth: int = MAX_DEPTH) -> Any:
    """An event as patterns see it: names with dots are nested objects, and arrays in arrays are one array.

    Of what lies more than `depth` levels deep nothing is seen: no pattern can name it.
    """
    if depth == 0 and isinstance(value, dict | list):
        return {}
    if isinstance(value, dict):
        fields: dict[str, Any] = {}
        for name, inner in value.items():
            *parents, last = name.split(".")
            target = fields
            for parent in parents:
                nested = target.get(parent)
                if not isinstance(nested, dict):
                    nested = target[parent] = {}
                target = nested
            target[last] = prepare(inner, depth - 1)
        return fields
    if isinstance(value, list):
        return [element for inner in value for element in _flat(prepare(inner, depth - 1))]
    return value


def _flat(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@lru_cache(maxsize=4_096)
def compile_pattern(text: str) -> Pattern:
    """Check a pattern and compile it.

    Raises:
        InvalidPattern: it is not valid. The text is AWS's reason.
    """
    try:
        pattern = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidPattern(f"The pattern is no JSON: {error}") from None
    if not isinstance(pattern, dict):
        raise InvalidPattern("Filter is not an object")
    return Pattern(tuple(_tree(conjunction) for conjunction in _conjunctions(pattern, (), inside_or=False)))


def _conjunctions(pattern: dict[str, Any], path: Path, *, inside_or: bool) -> list[Conjunction]:
    """Multiply out: the plain patterns of which one must match for `pattern` to match at `path`."""
    if not pattern:
        raise InvalidPattern("Empty objects are not allowed")
    found: list[Conjunction] = [()]
    for name, value in pattern.items():
        found = _multiply(found, _alternatives(name, value, path, inside_or=inside_or))
    return found


def _alternatives(name: str, value: Any, path: Path, *, inside_or: bool) -> list[Conjunction]:
    if name == "$or":
        return _either(value, path)
    if inside_or and name in RESERVED_NAMES:
        raise InvalidPattern(f"{name} is Ruler reserved fieldName which cannot be used inside $or.")
    field = (*path, *name.split("."))
    if len(field) > MAX_DEPTH:
        raise InvalidPattern(f"Objects are nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, dict):
        return _conjunctions(value, field, inside_or=inside_or)
    if isinstance(value, list):
        return [((field, compile_leaf(value)),)]
    raise InvalidPattern(f'"{name}" must be an object or an array')


def _either(value: Any, path: Path) -> list[Conjunction]:
    if not isinstance(value, list):
        raise InvalidPattern("It must be an Array followed with $or.")
    if not all(isinstance(alternative, dict) for alternative in value):
        raise InvalidPattern("Only JSON object is allowed in array of $or relationship.")
    found = [conjunction for part in value for conjunction in _conjunctions(part, path, inside_or=True)]
    if len(value) < 2:
        raise InvalidPattern("There must have at least 2 Objects in $or relationship.")
    return found


def _multiply(left: list[Conjunction], right: list[Conjunction]) -> list[Conjunction]:
    if len(left) * len(right) > MAX_COMBINATIONS:
        raise InvalidPattern(f"The $or relationships have more than {MAX_COMBINATIONS} combinations")
    return [one + other for one, other in product(left, right)]


def _tree(fields: Iterable[tuple[Path, Leaf]]) -> _Tree:
    leaves = []
    inside: dict[str, list[tuple[Path, Leaf]]] = {}
    for path, leaf in fields:
        if path:
            inside.setdefault(path[0], []).append((path[1:], leaf))
        else:
            leaves.append(leaf)
    return _Tree(tuple(leaves), tuple((name, _tree(rest)) for name, rest in inside.items()))
