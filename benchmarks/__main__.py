"""`python -m benchmarks`: measure, print the table, write `build/bench.json`, and the table as Markdown beside it.

The exit status is 0 when every run gave its numbers, whatever they are; 1 when one failed.
"""

import argparse
import json
import sys
import time
from pathlib import Path

from rich.console import Console

from benchmarks import machine
from benchmarks.command import chosen, prepare
from benchmarks.measurements import ALL
from benchmarks.runner import Results, run_all
from benchmarks.sizes import FULL, LONG, TINY
from benchmarks.table import markdown, table, tell

_RESULT = Path(__file__).parents[1] / "build" / "bench.json"


def main() -> int:
    """Measure what the command line asks for."""
    arguments = _arguments()
    prepare()
    console = Console(width=None if sys.stdout.isatty() else 150)
    measurements = [measurement for measurement in ALL if measurement.name in arguments.only]
    started = time.monotonic()
    results = run_all(measurements, arguments.sizes, lambda what, run: tell(console, what, run))
    targets = [figure.target(results[each.name]) for each in measurements for figure in each.figures]
    document = {
        "targets": [target.document() for target in targets],
        "runs": {"machine": dict(machine.description())} | results,
    }
    arguments.output.parent.mkdir(exist_ok=True, parents=True)
    arguments.output.write_text(json.dumps(document, indent=2) + "\n")
    pages = [each.page(results[each.name]) for each in measurements if each.page is not None]
    arguments.output.with_suffix(".md").write_text("\n".join([markdown(targets), *pages]))
    console.print(table(targets))
    console.print(f"Took {time.monotonic() - started:.0f} s. The runs one by one: {arguments.output}", soft_wrap=True)
    return 1 if _failed(results) else 0


def _arguments() -> argparse.Namespace:
    names = [measurement.name for measurement in ALL]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="thrice beside stock Celery.")
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument("--long", dest="sizes", action="store_const", const=LONG, default=FULL, help="repeat more often")
    sizes.add_argument("--tiny", dest="sizes", action="store_const", const=TINY, help="only see that it works")
    usual, long = [[each.name for each in ALL if each.is_long is is_long] for is_long in (False, True)]
    parser.add_argument(
        "--only", type=lambda text: chosen(text, names, "measurement"), default=usual, metavar="NAME,…",
        help=f"of {', '.join(usual)}, and, only when they are named, {', '.join(long)}",
    )  # fmt: skip
    parser.add_argument("--output", type=Path, default=_RESULT, help="the JSON file; default build/bench.json")
    return parser.parse_args()


def _failed(results: Results) -> bool:
    return any("error" in run for repetitions in results.values() for runs in repetitions for run in runs.values())


if __name__ == "__main__":
    sys.exit(main())
