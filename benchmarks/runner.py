"""Runs the measurements: in turn, again and again, so that a slow minute of the machine hits both systems.

In every repetition each measurement runs thrice and the peer one directly after the other, in the other order than the
time before. A run that fails is written down with its reason, and the others go on.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from redis.exceptions import RedisError

from benchmarks.failure import MeasurementFailed
from benchmarks.measurements.measurement import Measurement, Run, Runner
from benchmarks.sizes import Sizes

#: By measurement: for each repetition, the run of each system.
Results = dict[str, list[dict[str, Run]]]


def run_all(measurements: Sequence[Measurement], sizes: Sizes, tell: Callable[[str, Run], None]) -> Results:
    """Run `measurements`; `tell(what, run)` is called after each run."""
    results: Results = {measurement.name: [] for measurement in measurements}
    for repetition in range(max(measurement.repetitions(sizes) for measurement in measurements)):
        for measurement in measurements:
            if repetition < measurement.repetitions(sizes):
                runs: dict[str, Run] = {}
                for system in sorted(measurement.runners, reverse=repetition % 2 == 0):
                    runs[system] = _run(measurement.runners[system], sizes)
                    turn = f"{repetition + 1}/{measurement.repetitions(sizes)}"
                    tell(f"{turn} {measurement.name}, {system}", runs[system])
                results[measurement.name].append(runs)
    return results


def _run(runner: Runner, sizes: Sizes) -> Run:
    load, since = os.getloadavg()[0], time.monotonic()
    try:
        with _folder() as folder:
            run: Run = {name: round(value, 4) for name, value in runner(sizes, folder).items()}
    except (MeasurementFailed, RedisError, OSError) as failure:
        run = {"error": f"{type(failure).__name__}: {failure}"}
    return run | {"load_before": round(load, 2), "took_s": round(time.monotonic() - since, 1)}


@contextmanager
def _folder() -> Iterator[Path]:
    """A new folder on the disk of the temporary directory; deleted at the end."""
    with tempfile.TemporaryDirectory(prefix="thrice-bench-", ignore_cleanup_errors=True) as path:
        yield Path(path)
