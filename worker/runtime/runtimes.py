"""The runtimes that a function may name. Imported by the API, which refuses every other one: nothing else is here."""

from collections.abc import Mapping
from types import MappingProxyType

#: AWS's name of a runtime -> the Python version that it stands for.
RUNTIMES: Mapping[str, tuple[int, int]] = MappingProxyType({f"python3.{minor}": (3, minor) for minor in range(9, 15)})
