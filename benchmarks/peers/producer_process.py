"""The process in which a peer's own library publishes: `programs/producing.py` in the peer's environment."""

import json
import select
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.failure import MeasurementFailed

_ROOT = Path(__file__).parents[2]

#: How long one order may take, in seconds.
_PATIENCE = 180.0

_LAST_WORDS = 2_000


class ProducerProcess:
    """It runs, and does what it is told."""

    def __init__(self, python: Path, module: str, variables: Mapping[str, str], errors: Path) -> None:
        """Start it; what it complains about goes to the file `errors`."""
        self._errors = errors
        command = [str(python), "-m", "benchmarks.peers.programs.producing", module]
        with errors.open("wb") as file:
            self._process = subprocess.Popen(
                command, cwd=_ROOT, env=dict(variables), start_new_session=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file,
            )  # fmt: skip

    def ask(self, do: str, numbers: range, **more: Any) -> dict[str, Any]:
        """Have it publish the events with these numbers, and wait for its answer.

        Raises:
            MeasurementFailed: it ended, or took longer than three minutes.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {"do": do, "first": numbers.start, "count": len(numbers), **more}
        with suppress(BrokenPipeError):  # it has ended: its last words are below
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
        if not select.select([self._process.stdout], [], [], _PATIENCE)[0]:
            raise MeasurementFailed(f"{do} of {len(numbers)} events took longer than {_PATIENCE:g} s")
        answer = self._process.stdout.readline()
        if not answer:
            words = self._errors.read_text(errors="replace")[-_LAST_WORDS:].rstrip()
            raise MeasurementFailed(f"the process that publishes has ended; its last words: {words}")
        answered: dict[str, Any] = json.loads(answer)
        return answered

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        self._process.stdout.close()
