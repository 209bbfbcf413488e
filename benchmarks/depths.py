"""The table of the measurement `backlog`: a line for each depth of each spread, as Markdown. Pure."""

import re
from collections.abc import Mapping
from typing import Any

#: Column, key, format.
_COLUMNS = (
    ("publish, µs of Redis", "publish_us", ".1f"), ("published/s", "publish_rate", ",.0f"),
    ("claim and settle, µs of Redis", "settle_us", ".1f"), ("worker and handler, µs", "call_us", ",.0f"),
    ("ended/s", "rate", ",.0f"), ("bytes/event", "bytes", ",.0f"), ("worker, MB", "worker_mb", ".1f"),
    ("slowest script, ms", "slowest_ms", ".1f"), ("fork, ms", "fork_ms", ".1f"), ("ledger, ms", "ledger_ms", ".1f"),
    ("metrics, ms", "metrics_ms", ".1f"), ("event, ms", "event_ms", ".1f"),
)  # fmt: skip

_KEY = re.compile(r"(\d+)x(\d+)_(\w+)")


def depth_table(run: Mapping[str, Any]) -> str:
    """The lines of one run; only the head if it failed."""
    rows: dict[tuple[int, int], dict[str, float]] = {}
    for key, value in run.items():
        if found := _KEY.fullmatch(key):
            rows.setdefault((int(found[1]), int(found[2])), {})[found[3]] = value
    names = ["functions", "queued", *(name for name, _, _ in _COLUMNS)]
    lines = [f"| {' | '.join(names)} |", f"|{' ---: |' * len(names)}"]
    for (functions, queued), numbers in sorted(rows.items()):
        together = numbers | {
            "call_us": numbers["workers_us"] + numbers["handlers_us"],
            "slowest_ms": max(numbers["slowest_publish_ms"], numbers["slowest_claim_ms"]),
        }
        cells = [f"{functions:,}", f"{queued:,}", *(format(together[key], form) for _, key, form in _COLUMNS)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
