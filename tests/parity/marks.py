"""Which test shows which row: the marks `@pytest.mark.parity("…")`, read from the source without running anything."""

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]


def read(folder: Path = TESTS) -> dict[str, list[str]]:
    """Row id -> the tests that carry it, as pytest names them from the project's folder.

    Raises:
        ValueError: a mark is not made of texts.
    """
    found: dict[str, list[str]] = {}
    for path in sorted(folder.rglob("test_*.py")):
        source = path.read_text()
        if "mark.parity" not in source:
            continue
        for function, row_id in _marks(ast.parse(source), path):
            found.setdefault(row_id, []).append(f"{path.relative_to(folder.parent).as_posix()}::{function}")
    return found


def _marks(module: ast.Module, path: Path) -> Iterator[tuple[str, str]]:
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.parity":
                    yield from ((node.name, _text(argument, path)) for argument in decorator.args)


def _text(argument: ast.expr, path: Path) -> str:
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        return argument.value
    raise ValueError(f"{path.name}, line {argument.lineno}: a parity mark names rows as texts, nothing else.")
