"""The Lua scripts: every step of an event and of a message is one of them.

Each file begins with a comment that lists the keys it touches. A line `-- include: name` stands for the file
`name.lua` of this folder, so that the scripts share what they share.
"""

import re
from functools import cache
from pathlib import Path

_HERE = Path(__file__).parent
_INCLUDE = re.compile(r"^-- include: (\w+)$", re.MULTILINE)


@cache
def source(name: str) -> str:
    """The text of the script `name`, with what it includes put in."""
    text = (_HERE / f"{name}.lua").read_text("utf-8")
    return _INCLUDE.sub(lambda match: source(match[1]), text)
