"""Which Python runs a handler.

The base interpreter of this process, if it is the version that the function's runtime names; else `pythonX.Y` from the
PATH, if it really starts; else the base interpreter again, although its version is another one: a handler that runs on
a neighbouring version is worth more than none, and the first line of its log says so. Never the interpreter of a
virtual environment: its packages are ours, not the function's.
"""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache

from worker.runtime.runtimes import RUNTIMES

_PROBE = "import sys; print(getattr(sys, '_base_executable', sys.executable)); print(*sys.version_info[:3])"


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python that can be started."""

    path: str
    version: tuple[int, int, int]

    def describe(self, runtime: str) -> str:
        """The version as the log shows it: `python:3.12.4`, and for which runtime it stands in, if it does."""
        name = f"python:{'.'.join(map(str, self.version))}"
        return name if self.version[:2] == RUNTIMES[runtime] else f"{name} (in place of {runtime})"


def base() -> Interpreter:
    """The interpreter that runs this process, outside of any virtual environment."""
    return Interpreter(getattr(sys, "_base_executable", sys.executable), sys.version_info[:3])


@cache
def find(runtime: str) -> Interpreter:
    """The interpreter for `runtime`, a name of `RUNTIMES`. Asked once per process and runtime."""
    own = base()
    if own.version[:2] == RUNTIMES[runtime]:
        return own
    on_path = shutil.which(runtime)
    found = _probe(on_path) if on_path else None
    return found if found is not None and found.version[:2] == RUNTIMES[runtime] else own


def _probe(path: str) -> Interpreter | None:
    """Start `path` and let it say what it is. None if it does not start: names on a PATH may be empty promises."""
    try:
        answer = subprocess.run(
            [path, "-I", "-S", "-c", _PROBE], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    executable, version = answer.stdout.splitlines()
    major, minor, micro = map(int, version.split())
    return Interpreter(executable, (major, minor, micro))
