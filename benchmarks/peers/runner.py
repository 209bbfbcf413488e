"""Runs the steps of a plan, each from nothing. One that fails is written down with its reason; the others go on."""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from redis.exceptions import RedisError

from benchmarks.failure import MeasurementFailed
from benchmarks.machine import Watch
from benchmarks.peers import measure, over_http, plan
from benchmarks.peers.environment import NotInstalled
from benchmarks.peers.plan import Step
from benchmarks.peers.roster import HttpPeer, Peer
from benchmarks.peers.sizes import Sizes

#: One run: its numbers by name, or the text `error`; and `foreign_percent` and `took_s`.
Run = dict[str, Any]

#: By measurement and system: a run for each repetition.
Runs = dict[str, dict[str, list[Run]]]


def install(peers: Sequence[Peer | HttpPeer], tell: Callable[[str], None]) -> dict[str, str]:
    """Install those that are not yet; say why the others cannot be, by name."""
    absent = {}
    for peer in peers:
        try:
            peer.what.install()
        except NotInstalled as reason:
            absent[peer.name] = str(reason)
            tell(f"{peer.name} is left out: {reason}")
    return absent


def run_all(
    peers: Mapping[str, Peer],
    http_peers: Mapping[str, HttpPeer],
    sizes: Sizes,
    tell: Callable[[str, Run], None],
) -> Runs:
    """Run all that there is; `tell(what, run)` is called after each run."""
    steps = plan.steps(list(peers), list(http_peers), sizes.repetitions)
    took: list[tuple[Step, float]] = []
    runs: Runs = {}
    for position, step in enumerate(steps, 1):
        run = _run(step, peers, http_peers, sizes)
        runs.setdefault(step.measurement, {}).setdefault(step.system, []).append(run)
        took.append((step, run["took_s"]))
        minutes = plan.seconds_left(steps[position:], took) / 60
        tell(f"{position}/{len(steps)}, about {minutes:.0f} min left: {step.measurement}, {step.system}", run)
    return runs


def _run(step: Step, peers: Mapping[str, Peer], http_peers: Mapping[str, HttpPeer], sizes: Sizes) -> Run:
    watch, since = Watch.start(), time.monotonic()
    # Short, because sockets are in it.
    with tempfile.TemporaryDirectory(prefix="peers-", ignore_cleanup_errors=True) as path:
        try:
            run: Run = {name: round(value, 4) for name, value in _measured(step, peers, http_peers, sizes, Path(path))}
        except (MeasurementFailed, RedisError, OSError) as failure:
            run = {"error": f"{type(failure).__name__}: {failure}"}
    took = time.monotonic() - since
    return run | {"foreign_percent": round(watch.foreign_percent()), "took_s": round(took, 1)}


def _measured(
    step: Step, peers: Mapping[str, Peer], http_peers: Mapping[str, HttpPeer], sizes: Sizes, folder: Path
) -> Sequence[tuple[str, float]]:
    match step.measurement:
        case plan.THROUGHPUT:
            peer = peers[step.system]
            numbers = measure.throughput(peer.what, sizes, peer.share, folder)
        case plan.LATENESS:
            numbers = measure.lateness(peers[step.system].what, sizes, folder)
        case plan.CRASH:
            numbers = measure.crash(peers[step.system].what, sizes, folder)
        case plan.HTTP:
            numbers = over_http.throughput(http_peers[step.system].what, sizes, folder)
        case plan.HTTP_CRASH:
            numbers = over_http.crash(http_peers[step.system].what, sizes, folder)
        case unknown:
            raise ValueError(f"no such measurement: {unknown}")
    return list(numbers.items())
