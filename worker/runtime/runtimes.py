"""The runtimes that a function may name. Imported by the API, which refuses every other one: nothing else is here."""

import sys
from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple


class Family(Enum):
    """What has to be on the machine for a runtime, and who speaks to it."""

    PYTHON = "python"  # an interpreter; our bootstrap runs in it
    NODE = "nodejs"  # an interpreter; our client of the Runtime API runs in it
    PROVIDED = "provided"  # nothing: the package brings a program, which is a client of the Runtime API itself


class Runtime(NamedTuple):
    """What a runtime's name stands for."""

    family: Family
    version: tuple[int, ...]  # of the interpreter: every number that the name fixes


#: By AWS's name; and the Python that runs this, which may be newer than those that AWS has.
RUNTIMES: Mapping[str, Runtime] = MappingProxyType(
    {f"python3.{minor}": Runtime(Family.PYTHON, (3, minor)) for minor in range(9, max(14, sys.version_info[1]) + 1)}
    | {f"nodejs{major}.x": Runtime(Family.NODE, (major,)) for major in (20, 22, 24)}
    | {name: Runtime(Family.PROVIDED, ()) for name in ("provided.al2", "provided.al2023")}
)

#: Those that AWS offers and thrice cannot run. Source: AWS Lambda Developer Guide, "Supported runtimes".
NOT_OFFERED = frozenset(
    {"java8.al2", "java11", "java17", "java21", "java25", "dotnet8", "dotnet10", "ruby3.2", "ruby3.3", "ruby3.4"}
)
