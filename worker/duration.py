"""Lengths of time as people write them: `90s`, `2m`, `1h30m`, or plain seconds. Pure."""

import re

#: The longest that can be asked for, in seconds: a hundred years.
LONGEST = 3_155_760_000.0

_UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PART = r"\d+(?:\.\d+)?"
_WHOLE = re.compile("".join(rf"(?:{_PART}{unit})?" for unit in _UNITS))
_PARTS = re.compile(rf"({_PART})(ms|[dhms])")


class NoDuration(ValueError):
    """Raised when a text is no length of time. The text says what is one."""


def seconds(text: str) -> float:
    """The length of time that `text` tells, in seconds.

    Raises:
        NoDuration: it tells none, or one that is longer than LONGEST.
    """
    text = text.strip()
    parts = _PARTS.findall(text)
    if re.fullmatch(_PART, text):
        found = float(text)
    elif parts and _WHOLE.fullmatch(text):
        found = sum(float(number) * _UNITS[unit] for number, unit in parts)
    else:
        raise NoDuration(
            f"{text!r} is no length of time. Write it as 90s, 2m, 1h30m or 500ms, larger units first, or as seconds."
        )
    if found > LONGEST:
        raise NoDuration(f"{text!r} is longer than a hundred years. Write a shorter time.")
    return found


def spelled(length: float) -> str:
    """`length` seconds as a person reads them: `1h30m`, `45s`, `0.5s`; the two largest units that are needed."""
    if length < 60:
        return f"{round(length, 3):g}s"
    left, parts = round(length), []
    for unit in ("d", "h", "m", "s"):
        number, left = divmod(left, int(_UNITS[unit]))
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts[:2])
