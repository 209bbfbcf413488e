"""`python -m benchmarks.peers`: measure, print the table, and write `build/peers.json` and `build/peers.md`.

With `--write` nothing is measured: the figures of the last run go into docs/comparison.md and README.md. The exit
status is 0 when every run gave its numbers, whatever they are; 1 when one failed; 2 when nothing could be done.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import machine
from benchmarks.command import chosen, prepare
from benchmarks.peers import page
from benchmarks.peers.roster import HTTP_ROSTER, ROSTER, HttpPeer, Peer
from benchmarks.peers.runner import Run, install, run_all
from benchmarks.peers.sizes import FULL, MIDDLE, TINY, Sizes

_ROOT = Path(__file__).parents[2]
_RESULT = _ROOT / "build" / "peers.json"

_ALL: tuple[Peer | HttpPeer, ...] = (*ROSTER, *HTTP_ROSTER)

#: What a line about a run shows, if the run has it: name, format, unit.
_SHOWN = (
    ("drain_rate", ",.0f", "/s drained"), ("publish_rate", ",.0f", "/s published"),
    ("batch_rate", ",.0f", "/s in batches"), ("accepted_rate", ",.0f", "/s accepted"),
    ("handled_rate", ",.0f", "/s handled"), ("latency_p50_ms", ".2f", "ms p50"), ("latency_p99_ms", ".2f", "ms p99"),
    ("off_p99_ms", ",.0f", "ms off p99"), ("memory_idle_mb", ".0f", "MB idle"),
    ("memory_drained_mb", ".0f", "MB after"), ("lost", ".0f", "lost"), ("stuck", ".0f", "stuck"),
    ("twice", ".0f", "twice"), ("last_done_s", ".1f", "s to the last"),
)  # fmt: skip


def main() -> int:
    """Do what the command line asks for."""
    arguments = _arguments()
    if arguments.write:
        return _write(arguments.output)
    prepare()
    console = Console(width=None if sys.stdout.isatty() else 150)
    started = time.monotonic()
    document = _measure(console, arguments.only, arguments.sizes, repetitions=arguments.repetitions)
    arguments.output.parent.mkdir(exist_ok=True, parents=True)
    arguments.output.write_text(json.dumps(document, indent=2) + "\n")
    text = page.markdown(document)
    arguments.output.with_suffix(".md").write_text(text)
    console.print(text, markup=False, highlight=False, soft_wrap=True)
    console.print(f"Took {time.monotonic() - started:.0f} s. The runs one by one: {arguments.output}", soft_wrap=True)
    return 1 if _failed(document) else 0


def _measure(console: Console, only: Sequence[str], sizes: Sizes, repetitions: int | None) -> dict[str, Any]:
    sizes = sizes if repetitions is None else sizes.repeated(repetitions)

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    say("Installing what is not yet in build/peers; the first time takes a few minutes.")
    absent = install([peer for peer in _ALL if peer.name in only], say)
    there = [name for name in only if name not in absent]
    runs = run_all(
        {peer.name: peer for peer in ROSTER if peer.name in there},
        {peer.name: peer for peer in HTTP_ROSTER if peer.name in there},
        sizes,
        lambda what, run: say(_line(what, run)),
    )
    return {"machine": dict(machine.description()), "sizes": asdict(sizes), "absent": absent, "runs": runs}


def _line(what: str, run: Run) -> str:
    numbers = ", ".join(f"{run[name]:{form}} {unit}" for name, form, unit in _SHOWN if name in run)
    told = f"FAILED: {run['error'].splitlines()[-1]}" if "error" in run else numbers
    return f"{what}: {told} ({run['took_s']:.0f} s, {run['foreign_percent']} % of the machine elsewhere)"


def _write(result: Path) -> int:
    """Put the figures of the last run into the pages."""
    if not result.exists():
        print(f"{result} is not there, so there is nothing to write. Measure first: python -m benchmarks.peers")
        return 2
    document = json.loads(result.read_text())
    if document["sizes"]["jobs"] == TINY.jobs:
        print(
            f"{result} is of a run with --tiny, whose figures mean nothing. Measure first: python -m benchmarks.peers"
        )
        return 2
    pages = {"docs/comparison.md": page.markdown(document), "README.md": page.short_markdown(document)}
    for name, text in pages.items():
        path = _ROOT / name
        path.write_text(page.filled(path.read_text(), text, name))
        print(f"wrote the figures into {name}")
    return 0


def _arguments() -> argparse.Namespace:
    names = list(dict.fromkeys(peer.name for peer in _ALL))
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers", description="thrice beside what a user would pick instead."
    )
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument(
        "--middle", dest="sizes", action="store_const", const=MIDDLE, default=FULL, help="once, and less"
    )
    sizes.add_argument("--tiny", dest="sizes", action="store_const", const=TINY, help="only see that it works")
    parser.add_argument(
        "--only",
        type=lambda text: chosen(text, names, "system"),
        default=names,
        metavar="NAME,…",
        help=f"of {', '.join(names)}",
    )
    parser.add_argument("--repetitions", type=int, metavar="N", help="of throughput and latency; 3 by default")
    parser.add_argument("--output", type=Path, default=_RESULT, help="the JSON file; default build/peers.json")
    parser.add_argument("--write", action="store_true", help="measure nothing, put the last figures into the pages")
    return parser.parse_args()


def _failed(document: dict[str, Any]) -> bool:
    return any("error" in run for each in document["runs"].values() for runs in each.values() for run in runs)


if __name__ == "__main__":
    sys.exit(main())
