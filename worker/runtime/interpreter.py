"""Which interpreter runs a handler: one of exactly the version that the function's runtime names, or none.

For Python that is the base interpreter of this process, if it is the version; never the one of a virtual environment,
whose packages are ours and not the function's. Else the folders of the PATH are looked through, and where they belong
to pyenv or nvm, the versions that those have installed. What is found has to start and to say that it is what its name
promises: a shim may be an empty one. A neighbouring version never stands in; who has none gets to know what to install.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from worker.runtime.runtimes import RUNTIMES, Family, Runtime

#: What each kind of interpreter is asked: its path without shims and links, and its version.
_PROBES = {
    Family.PYTHON: (
        "-I", "-S", "-c",
        "import sys; print(getattr(sys, '_base_executable', sys.executable)); print(*sys.version_info[:3], sep='.')",
    ),
    Family.NODE: ("-e", "console.log(process.execPath); console.log(process.versions.node)"),
}  # fmt: skip


class InterpreterMissing(Exception):
    """Raised when this machine has no interpreter for a runtime. The text says what was looked for."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """An interpreter that can be started."""

    path: str
    version: tuple[int, int, int]


def base() -> Interpreter:
    """The interpreter that runs this process, outside of any virtual environment."""
    return Interpreter(getattr(sys, "_base_executable", sys.executable), sys.version_info[:3])


def own_runtime() -> str:
    """The runtime that this process's own interpreter is: `python3.12`."""
    return f"python{sys.version_info[0]}.{sys.version_info[1]}"


@cache
def find(runtime: str) -> Interpreter:
    """The interpreter for `runtime`, a name of `RUNTIMES` that needs one. What was found is found once per process.

    Raises:
        InterpreterMissing: there is none. It is looked for again the next time.
    """
    wanted = RUNTIMES[runtime]
    own = base()
    if wanted.family is Family.PYTHON and _fits(own, wanted):
        return own
    for candidate in _candidates(wanted):
        found = _probe(candidate, wanted.family)
        if found is not None and _fits(found, wanted):
            return found
    raise InterpreterMissing(_explain(runtime, wanted))


def _fits(interpreter: Interpreter, wanted: Runtime) -> bool:
    return interpreter.version[: len(wanted.version)] == wanted.version


def _names(wanted: Runtime) -> tuple[str, ...]:
    version = ".".join(map(str, wanted.version))
    return (f"python{version}",) if wanted.family is Family.PYTHON else ("node", f"node{version}", f"node-{version}")


def _candidates(wanted: Runtime) -> Iterator[Path]:
    """The programs that may be it, in the order of the PATH; each exists and may be run."""
    names = _names(wanted)
    version = ".".join(map(str, wanted.version))
    for folder in map(Path, filter(None, os.environ.get("PATH", "").split(os.pathsep))):
        yield from (folder / name for name in names if os.access(folder / name, os.X_OK))
        if folder.name == "shims":  # pyenv's: the version that it has switched on may be another one
            yield from sorted((folder.parent / "versions").glob(f"{version}.*/bin/{names[0]}"), reverse=True)
    if wanted.family is Family.NODE and "NVM_DIR" in os.environ:
        folder = Path(os.environ["NVM_DIR"]) / "versions" / "node"
        yield from sorted(folder.glob(f"v{version}.*/bin/node"), reverse=True)


def _probe(path: Path, family: Family) -> Interpreter | None:
    """Start `path` and let it say what it is. None if it does not start: names on a PATH may be empty promises."""
    try:
        answer = subprocess.run([path, *_PROBES[family]], capture_output=True, text=True, timeout=20, check=True)
        executable, version = answer.stdout.splitlines()
        major, minor, micro = map(int, version.split("."))
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return Interpreter(executable, (major, minor, micro))


def _explain(runtime: str, wanted: Runtime) -> str:
    version = ".".join(map(str, wanted.version))
    what = "Python" if wanted.family is Family.PYTHON else "Node.js"
    where = "PATH and in pyenv" if wanted.family is Family.PYTHON else "PATH and in nvm"
    return (
        f"Runtime '{runtime}' needs {what} {version}, and the worker's machine has none: no "
        f"{' or '.join(f'`{name}`' for name in _names(wanted))} of that version was found on the worker's {where}. "
        f"Install {what} {version} there, or set Runtime with update-function-configuration to one that is there"
        + (f" ('{own_runtime()}' always is)." if wanted.family is Family.PYTHON else ".")
    )
