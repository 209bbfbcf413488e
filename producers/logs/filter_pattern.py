"""CloudWatch's filter patterns for text: which log events a caller wants to see. Pure.

`ERROR timeout` wants both terms, `?ERROR ?WARN` any of them, `-DEBUG` none of them, and `"in quotes"` a whole phrase.
Case counts, and a term may be part of a word. Patterns for JSON, for columns and with regular expressions are refused.
Source: CloudWatch Logs User Guide, "Filter pattern syntax".
"""

import re
from collections.abc import Callable

#: A term: `-` or `?` before it, then a word or a phrase in quotes, where a backslash takes the next character as is.
_TERM = re.compile(r'\s*([-?]?)(?:"((?:[^"\\]|\\.)*)"|([^\s"]+))(?=\s|$)', re.DOTALL)

_FORMS = {
    "{": "A pattern for JSON",
    "[": "A pattern for columns",
    "%": "A regular expression",
}

Matches = Callable[[str], bool]


class UnusablePattern(Exception):
    """Raised for a pattern that cannot be obeyed. The text says why, and what can be."""


def parse(pattern: str) -> Matches:
    """Read a filter pattern: the answer says of a message whether it is wanted.

    Raises:
        UnusablePattern: the pattern is of another form, or contradicts itself.
    """
    wanted: dict[str, list[str]] = {"": [], "?": [], "-": []}
    rest = pattern.strip()
    form = _FORMS.get(rest[:1])
    if form is not None:
        raise UnusablePattern(
            f"{form} is not offered by thrice: '{pattern}'. Terms are: ERROR, \"a phrase\", ?any ?of, -without."
        )
    while rest:
        match = _TERM.match(rest)
        if match is None:
            raise UnusablePattern(f"The filter pattern '{pattern}' cannot be read from here: '{rest.strip()}'.")
        sign, phrase, word = match.groups()
        wanted[sign].append(word if phrase is None else re.sub(r"\\(.)", r"\1", phrase, flags=re.DOTALL))
        rest = rest[match.end() :]
    every, some, none = wanted[""], wanted["?"], wanted["-"]
    if some and (every or none):
        raise UnusablePattern(
            f"The filter pattern '{pattern}' has ?terms beside others, which CloudWatch does not obey either. "
            "Ask for ?terms alone."
        )

    def matches(message: str) -> bool:
        return (
            all(term in message for term in every)
            and (not some or any(term in message for term in some))
            and not any(term in message for term in none)
        )

    return matches
