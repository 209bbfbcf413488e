"""`python -m benchmarks.scaling_page`: bring docs/scaling.md up to what was measured.

`build/bench.json` has what `python -m benchmarks --only parts,backlog,waiting` found. The costs of `parts` become those
of the model (`costs.json`), every command on the page gets its output anew, and so do the tables of the measurements.
What the file does not have stays as it was.
"""

import argparse
import json
import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.capacity import COSTS, Coefficients, answer
from benchmarks.measurements import backlog, parts, waiting
from benchmarks.table import markdown

PAGE = Path(__file__).parents[1] / "docs" / "scaling.md"

_MEASURED = Path(__file__).parents[1] / "build" / "bench.json"

_COMMAND = re.compile(r"(```sh\npython -m benchmarks\.capacity ([^\n]*)\n```\n\n).*?(?=<!-- end -->)", re.DOTALL)
_TABLE = re.compile(r"(<!-- (?!end )(\w+) -->\n).*?(?=<!-- end -->)", re.DOTALL)

_Repetitions = Sequence[Mapping[str, dict[str, Any]]]


def with_answers(page: str) -> str:
    """The page, each command followed by what it prints now."""
    return _COMMAND.sub(lambda found: found[1] + answer(shlex.split(found[2])), page)


def with_tables(page: str, runs: Mapping[str, Any]) -> str:
    """The page with the tables of what was measured."""

    def table(found: re.Match[str]) -> str:
        name = found[2]
        return found[1] + _TABLES[name](runs[name]) if name in runs else found[0]

    return _TABLE.sub(table, page)


def _trial(repetitions: _Repetitions) -> str:
    assert parts.MEASUREMENT.page is not None
    return parts.MEASUREMENT.page(repetitions)


def _depths(repetitions: _Repetitions) -> str:
    assert backlog.MEASUREMENT.page is not None
    return backlog.MEASUREMENT.page(repetitions)


def _waiting(repetitions: _Repetitions) -> str:
    return markdown(figure.target(repetitions) for figure in waiting.MEASUREMENT.figures)


_TABLES: dict[str, Callable[[_Repetitions], str]] = {"parts": _trial, "backlog": _depths, "waiting": _waiting}


def main() -> int:
    """Read what was measured, and write the page."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scaling_page", description="Bring docs/scaling.md up to what was measured."
    )
    parser.add_argument("measured", type=Path, nargs="?", default=_MEASURED, help="default build/bench.json")
    path = parser.parse_args().measured
    try:
        runs = json.loads(path.read_text())["runs"]
    except (OSError, ValueError, LookupError) as error:
        parser.error(
            f"{path}: no measurements are in it ({type(error).__name__}: {error}). "
            "Make it by `python -m benchmarks --only parts,backlog,waiting`"
        )
    if "parts" in runs:
        costs = Coefficients.of(runs["parts"][-1]["thrice"])
        COSTS.write_text(json.dumps({name: round(value, 4) for name, value in asdict(costs).items()}, indent=2) + "\n")
    PAGE.write_text(with_tables(with_answers(PAGE.read_text()), runs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
