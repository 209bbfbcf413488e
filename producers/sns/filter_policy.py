"""Which messages a subscription gets: its filter policy, checked when it is set and asked for every message. Pure.

Keys are joined by and, the values of a key by or, and `$or` joins alternatives. The policy is about the message's
attributes, or about its body, which must then be a JSON object. An array matches by any of its elements; where the
policy looks into objects that are in an array, one and the same object must match in all.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from producers.sns.filter_rule import Exists, InvalidRule, Matches, compile_rule, wildcards
from worker.message_document import Attributes

ATTRIBUTES = "MessageAttributes"
BODY = "MessageBody"

#: Most keys, most combinations of values, and most points for wildcards of one policy, and its size in bytes.
#: Source: Amazon SNS Developer Guide, "Filter policy constraints".
MAX_KEYS = 5
MAX_COMBINATIONS = 150
MAX_WILDCARD_POINTS = 100
MAX_SIZE = 262_144

_Node = Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class FilterPolicy:
    """A policy that can be asked."""

    scope: str
    node: _Node

    def passes(self, text: str, attributes: Attributes) -> bool:
        """Whether a subscription with this policy gets the message."""
        if self.scope == ATTRIBUTES:
            return self.node(_values_of(attributes))
        try:
            body = orjson.loads(text)
        except orjson.JSONDecodeError:
            return False
        return isinstance(body, dict) and self.node(body)


@lru_cache(maxsize=1_024)
def parse(text: str, scope: str) -> FilterPolicy:
    """Read a policy.

    Raises:
        InvalidRule: it cannot be used, with the reason in AWS's words.
    """
    try:
        policy = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise InvalidRule("failed to parse JSON.") from None
    if not isinstance(policy, dict):
        raise InvalidRule("failed to parse JSON.")
    if len(text.encode()) > MAX_SIZE:
        raise InvalidRule(f"Filter policy is larger than {MAX_SIZE} bytes")
    node = _compile(policy, scope)
    leaves = list(_leaves(policy))
    if len(leaves) > MAX_KEYS:
        raise InvalidRule("Filter policy can not have more than 5 keys")
    if math.prod(len(rules) * depth for rules, depth in leaves) > MAX_COMBINATIONS:
        raise InvalidRule("Filter policy is too complex")
    if math.prod(_wildcard_points(rules) or 1 for rules, _ in leaves) > MAX_WILDCARD_POINTS:
        raise InvalidRule("Filter policy is too complex")
    return FilterPolicy(scope, node)


def _compile(policy: Mapping[str, Any], scope: str) -> _Node:
    nodes = [_compile_key(key, value, scope) for key, value in policy.items()]

    def matches(value: Any) -> bool:
        if isinstance(value, list):
            return any(matches(element) for element in value if isinstance(element, dict | list))
        fields = value if isinstance(value, dict) else {}
        return all(node(fields) for node in nodes)

    return matches


def _compile_key(key: str, value: Any, scope: str) -> _Node:
    if key == "$or" and isinstance(value, list) and len(value) > 1 and all(isinstance(each, dict) for each in value):
        alternatives = [_compile(each, scope) for each in value]
        return lambda fields: any(node(fields) for node in alternatives)
    if isinstance(value, dict):
        if scope == ATTRIBUTES:
            raise InvalidRule("Filter policy scope MessageAttributes does not support nested filter policy")
        if not value:
            raise InvalidRule("Empty objects are not allowed")
        inside = _compile(value, scope)
        return lambda fields: inside(fields.get(key))
    if not isinstance(value, list):
        raise InvalidRule(f'"{key}" must be an object or an array')
    if not value:
        raise InvalidRule("Empty arrays are not allowed")
    return _any_of(key, [compile_rule(rule) for rule in value])


def _any_of(key: str, rules: list[Matches | Exists]) -> _Node:
    def matches(fields: Any) -> bool:
        values = list(_scalars(fields[key])) if key in fields else []
        for rule in rules:
            if isinstance(rule, Exists):
                if bool(values) is rule.wanted:
                    return True
            elif any(rule(value) for value in values):
                return True
        return False

    return matches


def _scalars(value: Any) -> Iterator[Any]:
    """A value, or what is in an array of values. Objects are no values: a rule is about leaves."""
    if isinstance(value, list):
        for element in value:
            yield from _scalars(element)
    elif not isinstance(value, dict):
        yield value


def _leaves(policy: Mapping[str, Any], depth: int = 1) -> Iterator[tuple[list[Any], int]]:
    """The lists of rules in a policy, with how deep they lie: AWS counts a deep one as often."""
    for key, value in policy.items():
        if isinstance(value, dict):
            yield from _leaves(value, depth + 1)
        elif key == "$or" and all(isinstance(each, dict) for each in value):
            for each in value:
                yield from _leaves(each, depth)
        else:
            yield value, depth


def _wildcard_points(rules: list[Any]) -> int:
    """One point for a pattern with one `*`, three for one with more."""
    return sum(min(wildcards(rule), 1) if wildcards(rule) < 2 else 3 for rule in rules)


def _values_of(attributes: Attributes) -> dict[str, Any]:
    """The attributes that a policy can be about, as values of JSON. Binary ones are none."""
    values: dict[str, Any] = {}
    for name, attribute in attributes.items():
        data_type, text = attribute["DataType"], attribute.get("StringValue")
        if text is None:
            continue
        if data_type == "String.Array":
            values[name] = _array(text)
        elif data_type.partition(".")[0] == "Number":
            values[name] = float(text)
        else:
            values[name] = text
    return values


def _array(text: str) -> Any:
    try:
        array = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return array if isinstance(array, list) else text
