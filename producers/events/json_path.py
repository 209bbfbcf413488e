"""The part of JSONPath that EventBridge knows: `$.detail.items[0].sku`, `$.resources[*]`, `$.detail['a key']`."""

import re
from typing import Any

#: A step: the name of a member, the index of an element, or `EVERY` element.
Step = str | int | None
EVERY: Step = None

#: What `extract` returns when an event has nothing at a path.
MISSING = object()

_STEP = re.compile(r"\.([\w/-]+)|\[([0-9]+)\]|\['([^']+)'\]|(\[\*\]|\.\*)")


class InvalidPath(ValueError):
    """Raised when a path cannot be read. Its text is the path."""


def parse(path: str) -> tuple[Step, ...]:
    """Read a path.

    Raises:
        InvalidPath: it does not begin with `$`, or uses what EventBridge does not know, like filters.
    """
    if not path.startswith("$"):
        raise InvalidPath(path)
    steps: list[Step] = []
    position = 1
    while position < len(path):
        match = _STEP.match(path, position)
        if match is None:
            raise InvalidPath(path)
        dotted, index, quoted, every = match.groups()
        steps.append(EVERY if every else int(index) if index else dotted or quoted)
        position = match.end()
    return tuple(steps)


def extract(value: Any, steps: tuple[Step, ...]) -> Any:
    """What lies at the path below `value`: `MISSING` if nothing does, a list if the path says every element."""
    for number, step in enumerate(steps):
        if step is EVERY:
            return _extract_every(value, steps[number + 1 :])
        if not _has(value, step):
            return MISSING
        value = value[step]
    return value


def _has(value: Any, step: Step) -> bool:
    if isinstance(step, str):
        return isinstance(value, dict) and step in value
    return isinstance(value, list) and isinstance(step, int) and step < len(value)


def _extract_every(value: Any, rest: tuple[Step, ...]) -> Any:
    if isinstance(value, dict):
        elements = list(value.values())
    elif isinstance(value, list):
        elements = value
    else:
        return MISSING
    found = [extract(element, rest) for element in elements]
    return [element for element in found if element is not MISSING]
