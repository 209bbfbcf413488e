"""Where the Lua scripts come from.

A script is a file `name.lua`. A line `-- include: name` in it stands for another file, so that scripts share what they
share. A library looks through several folders in turn: a file in an earlier folder takes the place of one that has the
same name in a later folder, wherever that is included.
"""

import re
from functools import cache
from pathlib import Path

_INCLUDE = re.compile(r"^-- include: (\w+)$", re.MULTILINE)

#: The scripts of the transport itself.
TRANSPORT = Path(__file__).parent / "scripts"


class Library:
    """The scripts of some folders."""

    def __init__(self, *folders: Path) -> None:
        """Look through `folders` in this order."""
        self._folders = folders
        self.source = cache(self._source)

    def _source(self, name: str) -> str:
        """The text of the script `name`, with what it includes put in, each file once.

        Raises:
            FileNotFoundError: no folder has it.
        """
        return self._expand(name, set())

    def _expand(self, name: str, included: set[str]) -> str:
        def put_in(match: re.Match[str]) -> str:
            if match[1] in included:
                return ""
            included.add(match[1])
            return self._expand(match[1], included)

        return _INCLUDE.sub(put_in, self._find(name).read_text("utf-8"))

    def _find(self, name: str) -> Path:
        for folder in self._folders:
            path = folder / f"{name}.lua"
            if path.exists():
                return path
        raise FileNotFoundError(f"no script {name}.lua in {', '.join(map(str, self._folders))}")
