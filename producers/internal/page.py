"""What a page below `/_thrice/` is asked, and what it answers."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Question:
    """A request, as far as a page needs to know it."""

    method: str  # "GET", or "POST" where the page takes it
    argument: str  # what follows the page's name in the path
    query: Mapping[str, str]  # of a parameter that is there twice, the last; without a value, ""
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body."""

    status: int
    body: bytes
    content_type: bytes = b"application/json"


@dataclass(frozen=True, slots=True)
class Page:
    """A page: what answers its questions, and which methods it takes besides GET and HEAD."""

    path: str  # as a person reads it
    answer: Callable[[Question], Awaitable[Answer]]
    takes_post: bool = False


def answer_json(status: int, document: Any) -> Answer:
    """An answer of JSON."""
    return Answer(status, orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE))


def refusal(status: int, text: str) -> Answer:
    """An answer that says why there is no other."""
    return answer_json(status, {"error": text})
