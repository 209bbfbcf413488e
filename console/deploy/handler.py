"""Which handler a folder has, and which runtime it wants: by the files that lie there and what is defined in them.

Python is read, not run: a module's functions are found in its syntax tree.
"""

import ast
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

#: Names of handlers that need not be said, in order of preference.
PYTHON_FUNCTIONS = ("handler", "lambda_handler")
PYTHON_MODULES = ("app", "lambda_function", "index", "main", "handler")
NODE_MODULES = ("index", "app", "handler", "main")
NODE_ENDINGS = (".mjs", ".js", ".cjs")

PYTHON_RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"


class NoHandler(Exception):
    """Raised if it cannot be told which handler is meant. The text says what was found, and what to type."""


@dataclass(frozen=True, slots=True)
class Entrance:
    """How a package is run."""

    handler: str
    runtime: str


def find(
    names: Mapping[str, Callable[[], bytes]], handler: str | None, runtime: str | None, node: Callable[[], str | None]
) -> Entrance:
    """The handler and the runtime of a package. What is given stands; the rest is found.

    `names` are the files with what reads them; `node` says which runtime of Node this machine has.

    Raises:
        NoHandler: there is none, there are several, or there is no Node.
    """
    if handler is None:
        handler = _handler(names)
    if runtime is None:
        runtime = _runtime(names, handler, node)
    return Entrance(handler, runtime)


def _handler(names: Mapping[str, Callable[[], bytes]]) -> str:
    python = {name.removesuffix(".py"): name for name in names if name.endswith(".py") and "/" not in name}
    found = {
        f"{module}.{function}": None
        for module in [*(m for m in PYTHON_MODULES if m in python), *sorted(python)]
        for function in PYTHON_FUNCTIONS
        if function in functions_of(names[python[module]]())
    }
    usual = next((each for each in found if each.partition(".")[0] in PYTHON_MODULES), None)
    if usual is not None:
        return usual
    if len(found) == 1:
        return next(iter(found))
    if len(found) > 1:
        raise NoHandler(f"there are several handlers: {', '.join(found)}. Choose one: --handler {next(iter(found))}")
    for module in NODE_MODULES:
        if any(module + ending in names for ending in NODE_ENDINGS):
            return f"{module}.handler"
    if "bootstrap" in names:
        return "bootstrap"
    wrong = broken({name: names[name]() for name in python.values()})
    if wrong:
        raise NoHandler("no handler was found, for a file cannot be read as Python:\n" + "\n".join(wrong))
    there_is = ", ".join(name for name in names if "/" not in name) or "nothing"
    raise NoHandler(
        f"no handler was found in it: neither a Python file that defines {' or '.join(PYTHON_FUNCTIONS)}, nor "
        f"{'/'.join(NODE_MODULES)} for Node, nor bootstrap. There is: {there_is[:200]}. "
        "Say which it is: --handler module.function"
    )


def _runtime(names: Mapping[str, object], handler: str, node: Callable[[], str | None]) -> str:
    module = handler.rpartition(".")[0] or handler
    if f"{module}.py" in names or f"{module.replace('.', '/')}.py" in names or f"{module}/__init__.py" in names:
        return PYTHON_RUNTIME
    if any(module + ending in names for ending in NODE_ENDINGS):
        runtime = node()
        if runtime is None:
            raise NoHandler(f"'{handler}' is for Node, and no `node` is on the PATH. Install it, or say --runtime")
        return runtime
    if "bootstrap" in names:
        return "provided.al2023"
    raise NoHandler(f"no file belongs to the handler '{handler}'. Name one that is there: --handler module.function")


def functions_of(source: bytes) -> frozenset[str]:
    """The names that a Python module defines or imports at its top; none if it is not to be parsed."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return frozenset()
    found = set()
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.Assign(targets=targets):
                found |= {target.id for target in targets if isinstance(target, ast.Name)}
            case ast.ImportFrom(names=imported):
                found |= {each.asname or each.name for each in imported}
    return frozenset(found)


def broken(names: Mapping[str, bytes]) -> list[str]:
    """What is wrong with the syntax of Python files, a line each: `app.py:3: invalid syntax`, with the text there."""
    problems = []
    for name, source in names.items():
        if not name.endswith(".py"):
            continue
        try:
            compile(source, name, "exec", dont_inherit=True)
        except SyntaxError as error:
            shown = f"\n    {error.text.rstrip()}" if error.text else ""
            problems.append(f"{name}:{error.lineno or 0}: {type(error).__name__}: {error.msg}{shown}")
        except ValueError as error:
            problems.append(f"{name}: {error}")
    return problems
