"""How docs/scaling.md gets the tables of what was measured."""

from benchmarks.scaling_page import with_tables

_DEPTH = {
    "publish_us": 9.04, "publish_rate": 30_000.4, "settle_us": 40.06, "workers_us": 150.0, "handlers_us": 100.0,
    "rate": 4_000.0, "bytes": 1_000.2, "worker_mb": 77.0, "slowest_publish_ms": 3.0, "slowest_claim_ms": 5.0,
    "fork_ms": 1.5, "ledger_ms": 1.0, "metrics_ms": 2.0, "event_ms": 0.9,
}  # fmt: skip

_PAGE = """Words.

<!-- parts -->
an old table
<!-- end -->

<!-- backlog -->
another
<!-- end -->

<!-- waiting -->
a third
<!-- end -->
"""


def test_tables_of_what_was_measured_take_the_place_of_the_old_ones():
    """A line for each trial of the model and for each depth of each spread, in order; what was not measured stays."""
    parts = {"rate_2x20": 1_500.0, "predicted_2x20": 1_200.0, "gateway_us": 300.0}
    backlog = {
        f"{spread}x{depth}_{name}": value
        for spread, depth in ((200, 1_000), (1, 1_000_000), (1, 1_000))
        for name, value in _DEPTH.items()
    }

    page = with_tables(_PAGE, {"parts": [{"thrice": parts}], "backlog": [{"thrice": backlog | {"took_s": 9.0}}]})

    rows = [line for line in page.splitlines() if line[:3] in {"| 1", "| 2"}]
    numbers = "9.0 | 30,000 | 40.1 | 250 | 4,000 | 1,000 | 77.0 | 5.0 | 1.5 | 1.0 | 2.0 | 0.9 |"
    assert rows == [
        "| 2 | 20 | 1,200 | 1,500 | 0.80 |",
        f"| 1 | 1,000 | {numbers}",
        f"| 1 | 1,000,000 | {numbers}",
        f"| 200 | 1,000 | {numbers}",
    ]
    assert "an old table" not in page
    assert "another" not in page
    assert "a third" in page
