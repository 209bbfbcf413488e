"""Long lists, a page at a time. A marker says after which item the next page begins; that item may be gone by then."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import TypeVar

import orjson

from producers.lambda_.errors import invalid_parameter

#: Items on one page, if the caller says nothing and at most. Source: ListFunctions, MaxItems.
PAGE = 50

#: Where an item stands in its list.
Place = tuple[str | int, ...]

T = TypeVar("T")


def page(
    items: Sequence[T],
    place: Callable[[T], Place],
    marker: str | None,
    max_items: int | None,
    operation: str,
    *,
    most: int = PAGE,
) -> tuple[Sequence[T], str | None]:
    """The items of one page of `items`, which are in the order of their places, and the marker of the next one.

    Raises:
        ApiError: `marker` is none that `operation` has given.
    """
    left = items
    if marker:
        refusal = invalid_parameter(f"The Marker '{marker}' is none that {operation} has given.")
        after = _read(marker)
        if not after:
            raise refusal
        try:
            left = [item for item in items if place(item) > after]
        except TypeError:  # it is of another list
            raise refusal from None
    shown = left[: min(max_items or most, most)]
    more = base64.urlsafe_b64encode(orjson.dumps(place(shown[-1]))).decode() if len(shown) < len(left) else None
    return shown, more


def _read(marker: str) -> Place:
    """The place in a marker; nothing if it is no marker at all."""
    try:
        read = orjson.loads(base64.b64decode(marker.encode(), altchars=b"-_", validate=True))
    except (binascii.Error, UnicodeError, orjson.JSONDecodeError):
        return ()
    return tuple(read) if isinstance(read, list) else ()
