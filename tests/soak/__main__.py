"""`python -m tests.soak [--minutes 10] [--seed N]`: one night, its report; exit status 1 if a promise was broken."""

import argparse
import json
import random
import sys
import tempfile
from pathlib import Path

from tests.soak import report
from tests.soak.night import Night
from tests.soak.schedule import LONG, SHORT
from tests.soak.system import COUNTDOWNS
from tests.soak.verdict import judge


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long the load lasts")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32), help="what happens when follows from it")
    parser.add_argument("--rate", type=float, default=20.0, help="events in a second, but for those of bad functions")
    parser.add_argument("--short", action="store_true", help="the short form, as in the tests: each kind once")
    parser.add_argument("--output", type=Path, default=Path("build/soak.json"), help="where the report goes as JSON")
    given = parser.parse_args()
    pace = SHORT if given.short else LONG
    print(f"soak: seed {given.seed}, {given.minutes:g} minutes, {given.rate:g} events a second")
    print(f"soak: attempts follow each other after {COUNTDOWNS} s, not after the 0,60,120 s of AWS")
    night = Night(
        seed=given.seed, seconds=given.minutes * 60, rate=given.rate, pace=pace, logs=given.output.with_suffix(".logs")
    )
    with tempfile.TemporaryDirectory(prefix="soak-", ignore_cleanup_errors=True) as folder:
        books = night.spend(Path(folder), lambda line: print(f"soak: {line}", flush=True))
    judged = judge(books)
    print()
    print(report.text(books, judged))
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(json.dumps(report.document(books, judged), indent=2) + "\n")
    again = f"python -m tests.soak --minutes {given.minutes:g} --seed {given.seed}{' --short' if given.short else ''}"
    print(f"The same as JSON: {given.output}. Again: {again}")
    return 1 if any(judged.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
