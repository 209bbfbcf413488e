"""The leaves of an event pattern: literals, and operators such as `{"prefix": "us-"}`.

`compile_leaf` turns the list that a pattern has at a field into one function that says whether a value of an event is
meant by it. What is wrong with a leaf is said in AWS's words, in the order in which AWS looks. Nothing here does I/O.
"""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

#: Says whether a value of an event (text, number, boolean or null) is meant.
Matches = Callable[[Any], bool]

#: Numbers in operators lie between minus and plus this. Source: the rule language of EventBridge.
LARGEST_NUMBER = 5e9


class InvalidPattern(ValueError):
    """Raised when a pattern is not valid. The text is AWS's reason."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """The list of alternatives that a pattern has at one field."""

    matches: Matches
    may_be_missing: bool


def compile_leaf(alternatives: list[Any]) -> Leaf:
    """Compile literals and operators, of which one must hold.

    Raises:
        InvalidPattern: one of them is not valid, or there is none.
    """
    if not alternatives:
        raise InvalidPattern("Empty arrays are not allowed")
    literals = set()
    operators: list[Matches] = []
    may_be_missing = False
    for alternative in alternatives:
        if isinstance(alternative, list):
            raise InvalidPattern("Match value must be String, number, true, false, or null")
        if not isinstance(alternative, dict):
            literals.add(_identity(alternative))
        else:
            operators.append(compile_operator(alternative))
            may_be_missing = may_be_missing or alternative.get("exists") is False

    def matches(value: Any) -> bool:
        return _identity(value) in literals or any(operator(value) for operator in operators)

    return Leaf(matches, may_be_missing)


def _identity(value: Any) -> tuple[str, Any]:
    """What makes two JSON values the same: 300 is 3.0e2, but true is not 1 and "1" is not 1."""
    return ("number" if _is_number(value) else type(value).__name__, value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def compile_operator(expression: dict[str, Any]) -> Matches:
    """Compile one `{"<operator>": <operand>}`."""
    name, operand = _only_item(
        expression, "Match expression name not found", "Only one key allowed in match expression"
    )
    compiler = _OPERATORS.get(name)
    if compiler is None:
        raise InvalidPattern(f"Unrecognized match type {name}")
    return compiler(operand)


def _only_item(expression: dict[str, Any], when_empty: str, when_more: str) -> tuple[str, Any]:
    if not expression:
        raise InvalidPattern(when_empty)
    if len(expression) > 1:
        raise InvalidPattern(when_more)
    return next(iter(expression.items()))


# --- text -----------------------------------------------------------------------------------------------------------


def _text_operand(operator: str, operand: Any) -> str:
    if not isinstance(operand, str):
        raise InvalidPattern(f"{operator} match pattern must be a string")
    return operand


def _exactly(operand: Any) -> Matches:
    text = _text_operand("exact", operand)
    return lambda value: isinstance(value, str) and value == text


def _equals_ignore_case(operand: Any) -> Matches:
    text = _text_operand("equals-ignore-case", operand).lower()
    return lambda value: isinstance(value, str) and value.lower() == text


def _prefix(operand: Any) -> Matches:
    if isinstance(operand, dict):
        start = _ignoring_case("prefix", operand)
        return lambda value: isinstance(value, str) and value.lower().startswith(start)
    text = _text_operand("prefix", operand)
    return lambda value: isinstance(value, str) and value.startswith(text)


def _suffix(operand: Any) -> Matches:
    if isinstance(operand, dict):
        end = _ignoring_case("suffix", operand)
        return lambda value: isinstance(value, str) and value.lower().endswith(end)
    text = _text_operand("suffix", operand)
    return lambda value: isinstance(value, str) and value.endswith(text)


def _ignoring_case(operator: str, operand: dict[str, Any]) -> str:
    """The text in lower case of `{"prefix": {"equals-ignore-case": "EV"}}`."""
    name, text = _only_item(
        operand, f"{operator.capitalize()} expression name not found", "Only one key allowed in match expression"
    )
    if name != "equals-ignore-case":
        raise InvalidPattern(f"Unsupported {operator} pattern: {name}")
    return _text_operand("equals-ignore-case", text).lower()


def _wildcard(operand: Any) -> Matches:
    r"""`*` stands for any run of characters, `\*` and `\\` for themselves.

    The pieces between the stars are looked for from left to right, each as early as possible: that finds a match if
    there is one and takes linear time, whatever the pattern.
    """
    first, *rest = _wildcard_pieces(_text_operand("wildcard", operand))
    if not rest:
        return lambda value: isinstance(value, str) and value == first
    *middle, last = rest

    def matches(value: Any) -> bool:
        if not isinstance(value, str) or not value.startswith(first):
            return False
        position = len(first)
        for piece in middle:
            found = value.find(piece, position)
            if found < 0:
                return False
            position = found + len(piece)
        return len(value) - position >= len(last) and value.endswith(last)

    return matches


def _wildcard_pieces(text: str) -> list[str]:
    pieces = [""]
    index = 0
    while index < len(text):
        character, following = text[index], text[index + 1 : index + 2]
        if character == "*":
            if following == "*":
                raise InvalidPattern(f"Consecutive wildcard characters at pos {_aws_position(text, index)}")
            pieces.append("")
        elif character == "\\":
            if following not in {"*", "\\"}:
                raise InvalidPattern(f"Invalid escape character at pos {_aws_position(text, index)}")
            pieces[-1] += following
            index += 1
        else:
            pieces[-1] += character
        index += 1
    return pieces


def _aws_position(text: str, index: int) -> int:
    """AWS counts in bytes, and counts the quote before the text."""
    return 1 + len(text[:index].encode())


# --- everything else ------------------------------------------------------------------------------------------------


def _exists(operand: Any) -> Matches:
    if not isinstance(operand, bool):
        raise InvalidPattern("exists match pattern must be either true or false.")
    return lambda _: operand


def _cidr(operand: Any) -> Matches:
    if not isinstance(operand, str):
        raise InvalidPattern("prefix match pattern must be a string")  # AWS says "prefix" here
    network = _network(operand)

    def matches(value: Any) -> bool:
        if not isinstance(value, str):
            return False
        try:
            return ipaddress.ip_address(value) in network
        except ValueError:
            return False

    return matches


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    address_text, slash, bits_text = text.partition("/")
    if not slash or "/" in bits_text:
        raise InvalidPattern("Malformed CIDR, one '/' required")
    if not re.fullmatch(r"-?[0-9]{1,9}", bits_text):
        raise InvalidPattern("Malformed CIDR, mask bits must be an integer")
    bits = int(bits_text)
    if bits < 0:
        raise InvalidPattern("Malformed CIDR, mask bits must not be negative")
    try:
        address = ipaddress.ip_address(address_text)
    except ValueError:
        raise InvalidPattern(f"Nonstandard IP address: {address_text}") from None
    if bits >= address.max_prefixlen:
        raise InvalidPattern(f"IPv{address.version} mask bits must be < {address.max_prefixlen}")
    return ipaddress.ip_network(f"{address}/{bits}", strict=False)


_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "=": lambda value, limit: value == limit,
    "<": lambda value, limit: value < limit,
    "<=": lambda value, limit: value <= limit,
    ">": lambda value, limit: value > limit,
    ">=": lambda value, limit: value >= limit,
}


def _numeric(operand: Any) -> Matches:
    """`["=", 5]`, `["<", 5]`, or a range: `[">", 0, "<=", 5]`."""
    if not isinstance(operand, list):
        raise InvalidPattern("Value of numeric must be an array.")
    if not operand or not isinstance(operand[0], str):
        raise InvalidPattern(f"Invalid member in numeric match: {operand[0] if operand else ']'}")
    operator, *rest = operand
    if operator not in _COMPARISONS:
        raise InvalidPattern(f"Unrecognized numeric range operator: {operator}")
    limit = _limit("equals" if operator == "=" else operator, rest[:1])
    compare = _COMPARISONS[operator]
    if len(rest) <= 1:
        return lambda value: _is_number(value) and compare(value, limit)
    if operator not in {">", ">="}:
        raise InvalidPattern("Too many elements in numeric expression")
    top_operator, top = _top_of_range(rest[1:], limit)
    compare_top = _COMPARISONS[top_operator]
    return lambda value: _is_number(value) and compare(value, limit) and compare_top(value, top)


def _top_of_range(terms: list[Any], bottom: float) -> tuple[str, float]:
    operator = terms[0]
    if not isinstance(operator, str):
        raise InvalidPattern(f"Bad value in numeric range: {operator}")
    if operator not in {"<", "<="}:
        raise InvalidPattern(f"Bad numeric range operator: {operator}")
    top = _limit(operator, terms[1:2])
    if len(terms) > 2:
        raise InvalidPattern("Too many terms in numeric range expression")
    if bottom >= top:
        raise InvalidPattern("Bottom must be less than top")
    return operator, top


def _limit(operator: str, terms: list[Any]) -> float:
    if not terms or not _is_number(terms[0]):
        raise InvalidPattern(f"Value of {operator} must be numeric")
    return _bounded(terms[0])


def _bounded(number: float) -> float:
    if abs(number) > LARGEST_NUMBER:
        raise InvalidPattern("Value must be between -5.0E9 and 5.0E9, inclusive")
    return number


# --- anything-but ---------------------------------------------------------------------------------------------------

_NESTED = {"equals-ignore-case": _equals_ignore_case, "prefix": _prefix, "suffix": _suffix, "wildcard": _wildcard}


def _anything_but(operand: Any) -> Matches:
    """Holds for every value that is there and is not one of these. A missing field has no value."""
    if isinstance(operand, dict):
        return _anything_but_operator(operand)
    if not isinstance(operand, list) and not isinstance(operand, str) and not _is_number(operand):
        raise InvalidPattern("Value of anything-but must be an array or single string/number value.")
    values = operand if isinstance(operand, list) else [operand]
    if any(not isinstance(value, str) and not _is_number(value) for value in values):
        raise InvalidPattern("Inside anything but list, start|null|boolean is not supported.")
    if len({isinstance(value, str) for value in values}) != 1:
        raise InvalidPattern(
            "Inside anything but list, either all values are number or string, mixed type is not supported"
        )
    excluded = {_identity(_bounded(value) if _is_number(value) else value) for value in values}
    return lambda value: _identity(value) not in excluded


def _anything_but_operator(expression: dict[str, Any]) -> Matches:
    name, operand = _only_item(
        expression, "Anything-But expression name not found", "Too many elements in numeric expression"
    )
    if name not in _NESTED:
        raise InvalidPattern(f"Unsupported anything-but pattern: {name}")
    if not isinstance(operand, list | str) and not _is_number(operand):
        raise InvalidPattern("Value of anything-but must be an array or single string/number value.")
    texts = operand if isinstance(operand, list) else [operand]
    if not texts:
        raise InvalidPattern("Empty arrays are not allowed")
    excluded = [_NESTED[name](_nested_text(name, text)) for text in texts]
    return lambda value: not any(matches(value) for matches in excluded)


def _nested_text(operator: str, text: Any) -> str:
    if not isinstance(text, str):
        raise InvalidPattern(
            {
                "equals-ignore-case": "Inside anything-but/equals-ignore-case list, "
                "number|start|null|boolean is not supported.",
                "wildcard": "wildcard match pattern must be a string",
            }.get(operator, "prefix/suffix match pattern must be a string")
        )
    if not text and operator in {"prefix", "suffix"}:
        raise InvalidPattern("Null prefix/suffix not allowed")
    return text


_OPERATORS: dict[str, Callable[[Any], Matches]] = {
    "exactly": _exactly,
    "prefix": _prefix,
    "suffix": _suffix,
    "equals-ignore-case": _equals_ignore_case,
    "wildcard": _wildcard,
    "anything-but": _anything_but,
    "numeric": _numeric,
    "cidr": _cidr,
    "exists": _exists,
}

#: Names that may not be used as a field inside `$or`, because they could be meant as an operator.
RESERVED_NAMES = {
    *_OPERATORS,
    *_COMPARISONS,
    "regex",
    "not-wildcard",
    "not-equals-ignore-case",
    "date-after",
    "date-on-or-after",
    "date-before",
    "date-on-or-before",
    "in-date-range",
    "ip-address-in-range",
    "ip-address-not-in-range",
}
