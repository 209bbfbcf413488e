"""What is started for a function: which program, and how it is spoken to.

A Python function runs in our bootstrap, which the worker speaks to over a socket pair: the fast path. Everything else
is a program of its own that asks for its invocations over the Runtime API: for Node.js our client in Node, for
`provided` the package's own `bootstrap`. Whether there is such a program is looked at each time a process is started.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from worker.function import FunctionConfiguration
from worker.runtime import interpreter
from worker.runtime.interpreter import InterpreterMissing
from worker.runtime.runtimes import RUNTIMES, Family
from worker.runtime.surroundings import OPT

_NODE_CLIENT = Path(__file__).with_name("bootstrap.mjs")

#: The share of a function's memory that Node.js may use for its objects: it collects garbage before it grows beyond.
_HEAP_SHARE = 0.9

#: Largest head of an answer that Node.js reads, in bytes: a client context and a trace header must fit.
_NODE_HEADERS = 81_920


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """A program that can be started for a function."""

    description: str  # as the log shows it: `python:3.12.4`
    interpreter: str  # path of the Python that our bootstrap runs in, which starts `command`, if there is one
    path_folder: str | None = None  # comes first on the PATH of the process
    command: tuple[str, ...] | None = None  # a client of the Runtime API; None: the bootstrap runs the handler itself


@dataclass(frozen=True, slots=True)
class NoEntryPoint:
    """Nothing can be started. The function, or who installed this machine, is to blame."""

    error_type: str
    message: str


def find(function: FunctionConfiguration, code_root: Path, layers_root: Path | None) -> EntryPoint | NoEntryPoint:
    """The program for a function whose code and layers lie in these folders. Blocks while interpreters are tried."""
    try:
        return _FINDERS[RUNTIMES[function.runtime].family](function, code_root, layers_root)
    except InterpreterMissing as error:
        return NoEntryPoint("Runtime.NotInstalled", str(error))


def _python(function: FunctionConfiguration, *_: Path | None) -> EntryPoint:
    found = interpreter.find(function.runtime)
    return EntryPoint(f"python:{_dotted(found.version)}", found.path, str(Path(found.path).parent))


def _node(function: FunctionConfiguration, *_: Path | None) -> EntryPoint:
    found = interpreter.find(function.runtime)
    heap = int(function.memory_size * _HEAP_SHARE)
    options = (f"--max-old-space-size={heap}", f"--max-http-header-size={_NODE_HEADERS}")
    return EntryPoint(
        description=f"nodejs:{_dotted(found.version)}",
        interpreter=interpreter.base().path,
        path_folder=str(Path(found.path).parent),
        command=(found.path, *options, str(_NODE_CLIENT)),
    )


def _provided(function: FunctionConfiguration, code_root: Path, layers_root: Path | None) -> EntryPoint | NoEntryPoint:
    places = [code_root / "bootstrap", (layers_root or OPT) / "bootstrap"]
    program = next((place for place in places if place.is_file()), None)
    if program is None:
        looked_at = " ".join(map(str, places))
        return NoEntryPoint("Runtime.InvalidEntrypoint", f"Couldn't find valid bootstrap(s): [{looked_at}]")
    if not os.access(program, os.X_OK):
        message = f"fork/exec {program}: permission denied. Give it the mode 0755 before it is zipped."
        return NoEntryPoint("Runtime.InvalidEntrypoint", message)
    description = function.runtime.replace(".", ":", 1)
    return EntryPoint(description, interpreter.base().path, command=(str(program),))


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


_FINDERS: Mapping[Family, Callable[[FunctionConfiguration, Path, Path | None], EntryPoint | NoEntryPoint]] = {
    Family.PYTHON: _python,
    Family.NODE: _node,
    Family.PROVIDED: _provided,
}
