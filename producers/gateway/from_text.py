"""Values that were written as plain text: a label of the path, a field of the query, a header, an element of XML."""

import base64
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.model import ListShape, Shape

from producers.gateway import refusals


def from_text(shape: Shape, text: str, name: str, protocol: str) -> Any:
    """Read a value of the shape. `name` is the member's, for the refusal.

    Raises:
        ApiError: the text is no such value.
    """
    if shape.type_name == "string":
        return text
    if isinstance(shape, ListShape):
        return [from_text(shape.member, item, name, protocol) for item in _split_header(text)]
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
