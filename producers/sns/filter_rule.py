"""One value of a filter policy: a literal, or an operator in braces, made into a question about one value. Pure.

A rule is looked through when it is set, and its words of refusal are AWS's; after that it is a function from a value
to whether it matches.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any

#: A question about one value of an attribute, or of a field of a message's body.
Matches = Callable[[Any], bool]

#: Numbers that can be compared are between minus and plus this. Source: Amazon SNS Developer Guide, "Filter policy
#: constraints".
LARGEST_NUMBER = 1_000_000_000

#: Most `*` in one wildcard pattern. Source: the same page.
MAX_WILDCARDS = 3


class InvalidRule(Exception):
    """Raised when a filter policy cannot be used. The text is AWS's, without what it begins with."""


class Exists:
    """The one rule that is about a field and not about its values."""

    def __init__(self, *, wanted: bool) -> None:
        self.wanted = wanted


def compile_rule(rule: Any) -> Matches | Exists:
    """Make a rule into a question.

    Raises:
        InvalidRule: it is none.
    """
    if rule is None or isinstance(rule, str | int | float):
        return _equals(rule)
    if not isinstance(rule, dict):
        raise InvalidRule("Match value must be String, number, true, false, or null")
    if len(rule) != 1:
        raise InvalidRule("Only one key allowed in match expression")
    ((operator, operand),) = rule.items()
    compile_operator = _OPERATORS.get(operator)
    if compile_operator is None:
        raise InvalidRule(f"Unrecognized match type {operator}")
    return compile_operator(operand)


def is_number(value: Any) -> bool:
    """Whether a value of JSON is a number; to Python, true and false are as well."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def wildcards(rule: Any) -> int:
    """How many `*` a rule has."""
    if isinstance(rule, dict):
        for operator, operand in rule.items():
            return _count_wildcards(operand) if operator == "wildcard" else wildcards(operand)
    return 0


def _equals(expected: Any) -> Matches:
    if is_number(expected):
        return lambda value: is_number(value) and value == expected
    return lambda value: type(value) is type(expected) and value == expected


def _anything_but(operand: Any) -> Matches:
    if isinstance(operand, dict):
        if len(operand) != 1:
            raise InvalidRule("Only one key allowed in match expression")
        ((operator, inner),) = operand.items()
        if operator not in ("prefix", "suffix", "wildcard"):
            raise InvalidRule(f"Unsupported anything-but pattern: {operator}")
        forbidden: list[Matches] = [_TEXT_OPERATORS[operator](inner)]
        return lambda value: not forbidden[0](value)
    values = operand if isinstance(operand, list) else [operand]
    if not values:
        raise InvalidRule("Empty arrays are not allowed")
    if not all(isinstance(value, str) or is_number(value) for value in values):
        raise InvalidRule("Inside anything but list, start|null|boolean is not supported.")
    forbidden = [_equals(value) for value in values]
    return lambda value: not any(is_forbidden(value) for is_forbidden in forbidden)


def _exists(operand: Any) -> Exists:
    if not isinstance(operand, bool):
        raise InvalidRule("exists match pattern must be either true or false.")
    return Exists(wanted=operand)


def _of_text(operator: str, compile_text: Callable[[str], Callable[[str], bool]]) -> Callable[[Any], Matches]:
    def compile_operand(operand: Any) -> Matches:
        if not isinstance(operand, str):
            raise InvalidRule(f"{operator} match pattern must be a string")
        matches = compile_text(operand)
        return lambda value: isinstance(value, str) and matches(value)

    return compile_operand


def _prefix(prefix: str) -> Callable[[str], bool]:
    return lambda text: text.startswith(prefix)


def _suffix(suffix: str) -> Callable[[str], bool]:
    return lambda text: text.endswith(suffix)


def _equals_ignore_case(expected: str) -> Callable[[str], bool]:
    return lambda text: text.casefold() == expected.casefold()


def _wildcard(pattern: str) -> Callable[[str], bool]:
    if _count_wildcards(pattern) > MAX_WILDCARDS:
        raise InvalidRule(f"Wildcard pattern {pattern} has more than {MAX_WILDCARDS} wildcard characters")
    parts = []
    for piece in re.findall(r"\\.|\\$|\*+|[^\\*]+", pattern, re.DOTALL):
        if piece == "*":
            parts.append(".*")
        elif piece.startswith("**"):
            raise InvalidRule(f"Consecutive wildcard characters at pos {pattern.index(piece)}")
        elif piece.startswith("\\"):
            if piece not in ("\\*", "\\\\"):
                raise InvalidRule(f"Invalid escape character at pos {pattern.index(piece)}")
            parts.append(re.escape(piece[1]))
        else:
            parts.append(re.escape(piece))
    expression = re.compile("".join(parts), re.DOTALL)
    return lambda text: expression.fullmatch(text) is not None


def _count_wildcards(pattern: Any) -> int:
    return re.sub(r"\\.", "", pattern, flags=re.DOTALL).count("*") if isinstance(pattern, str) else 0


def _cidr(block: str) -> Callable[[str], bool]:
    address, slash, bits = block.partition("/")
    if not slash:
        raise InvalidRule("Malformed CIDR, one '/' required")
    if not (bits.isascii() and bits.isdigit()):
        raise InvalidRule("Malformed CIDR, mask bits must be an integer")
    try:
        network = ipaddress.ip_network(block, strict=False)
    except ValueError:
        raise InvalidRule(f"Nonstandard IP address: {address}") from None

    def matches(text: str) -> bool:
        try:
            return ipaddress.ip_address(text) in network
        except ValueError:
            return False

    return matches


_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "=": lambda value, limit: value == limit,
    ">": lambda value, limit: value > limit,
    ">=": lambda value, limit: value >= limit,
    "<": lambda value, limit: value < limit,
    "<=": lambda value, limit: value <= limit,
}


def _numeric(operand: Any) -> Matches:
    if not isinstance(operand, list) or not operand:
        raise InvalidRule("Invalid member in numeric match: ]")
    operator, *rest = operand
    if not isinstance(operator, str):
        raise InvalidRule(f"Invalid member in numeric match: {operator}")
    if operator not in _COMPARISONS:
        raise InvalidRule(f"Unrecognized numeric range operator: {operator}")
    limit, rest = _limit("equals" if operator == "=" else operator, rest)
    if not rest:
        return lambda value: is_number(value) and _COMPARISONS[operator](value, limit)
    if operator not in (">", ">="):
        raise InvalidRule("Too many elements in numeric expression")
    upper_operator, *rest = rest
    if not isinstance(upper_operator, str):
        raise InvalidRule(f"Bad value in numeric range: {upper_operator}")
    if upper_operator not in ("<", "<="):
        raise InvalidRule(f"Bad numeric range operator: {upper_operator}")
    upper, rest = _limit(upper_operator, rest)
    if upper <= limit:
        raise InvalidRule("Bottom must be less than top")
    if rest:
        raise InvalidRule("Too many terms in numeric range expression")
    return lambda value: (
        is_number(value) and _COMPARISONS[operator](value, limit) and _COMPARISONS[upper_operator](value, upper)
    )


def _limit(operator: str, rest: list[Any]) -> tuple[float, list[Any]]:
    if not rest or not is_number(rest[0]):
        raise InvalidRule(f"Value of {operator} must be numeric")
    if abs(rest[0]) > LARGEST_NUMBER:
        raise InvalidRule(f"Value of {operator} must be between -1.0E9 and 1.0E9, inclusive")
    return rest[0], rest[1:]


_TEXT_OPERATORS: Mapping[str, Callable[[Any], Matches]] = {
    "prefix": _of_text("prefix", _prefix),
    "suffix": _of_text("suffix", _suffix),
    "wildcard": _of_text("wildcard", _wildcard),
    "equals-ignore-case": _of_text("equals-ignore-case", _equals_ignore_case),
    "cidr": _of_text("cidr", _cidr),
}

_OPERATORS: Mapping[str, Callable[[Any], Matches | Exists]] = {
    **_TEXT_OPERATORS,
    "anything-but": _anything_but,
    "exists": _exists,
    "numeric": _numeric,
}
