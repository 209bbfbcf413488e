"""`python -m benchmarks`: measure, print the table, write `build/bench.json`, and the table as Markdown beside it.

The exit status is 0 when every run gave its numbers, whatever they are; 1 when one failed.
"""

import argparse
import json
import os
import platform
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.measurements import ALL
from benchmarks.runner import Results, run_all
from benchmarks.sizes import FULL, LONG, TINY
from benchmarks.table import markdown, table, tell
from config import redis as config_redis

_RESULT = Path(__file__).parents[1] / "build" / "bench.json"


def main() -> int:
    """Measure what the command line asks for."""
    arguments = _arguments()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    for name in [name for name in os.environ if name.startswith("THRICE_")]:
        del os.environ[name]  # default settings are what is measured
    console = Console(width=None if sys.stdout.isatty() else 150)
    chosen = [measurement for measurement in ALL if measurement.name in arguments.only]
    started = time.monotonic()
    results = run_all(chosen, arguments.sizes, lambda what, run: tell(console, what, run))
    targets = [figure.target(results[each.name]) for each in chosen for figure in each.figures]
    document = {"targets": [target.document() for target in targets], "runs": {"machine": _machine()} | results}
    arguments.output.parent.mkdir(exist_ok=True, parents=True)
    arguments.output.write_text(json.dumps(document, indent=2) + "\n")
    pages = [each.page(results[each.name]) for each in chosen if each.page is not None]
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
        "--only", type=lambda text: _chosen(text, names), default=usual, metavar="NAME,…",
        help=f"of {', '.join(usual)}, and, only when they are named, {', '.join(long)}",
    )  # fmt: skip
    parser.add_argument("--output", type=Path, default=_RESULT, help="the JSON file; default build/bench.json")
    return parser.parse_args()


def _chosen(text: str, names: Sequence[str]) -> list[str]:
    chosen = text.split(",")
    if unknown := [name for name in chosen if name not in names]:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: no such measurement; there are {', '.join(names)}")
    return chosen


def _stop(number: int, _frame: Any) -> None:
    """End the run as on any error: what was started is stopped first. A second signal changes nothing."""
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


def _failed(results: Results) -> bool:
    return any("error" in run for repetitions in results.values() for runs in repetitions for run in runs.values())


def _machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "date": time.strftime("%Y-%m-%d"), "cores": os.cpu_count(), "kernel": platform.release(),
        "python": platform.python_version(), "server": config_redis.find_server().name,
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
