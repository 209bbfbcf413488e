"""What every program that measures does with its command line, its environment and the signals that end it."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any


def prepare() -> None:
    """Measure default settings, and end as on any error when told to: what was started is stopped first."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    for name in [name for name in os.environ if name.startswith("THRICE_")]:
        del os.environ[name]


def chosen(text: str, names: Sequence[str], kind: str) -> list[str]:
    """The names in a text such as `a,b`, each of which is one of `names`; `kind` is what they are names of.

    Raises:
        argparse.ArgumentTypeError: one is not.
    """
    found = text.split(",")
    if unknown := [name for name in found if name not in names]:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: no such {kind}; there are {', '.join(names)}")
    return found


def _stop(number: int, _frame: Any) -> None:
    """A second signal changes nothing."""
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)
