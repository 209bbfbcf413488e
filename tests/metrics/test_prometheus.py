"""`/_thrice/metrics` as Prometheus reads it, and the alerts and the board that are made for it."""

import json
import re
import urllib.request
from pathlib import Path
from typing import Any

import yaml

from tests.internal.conftest import Running
from tests.metrics.prometheus import Samples, read
from tests.worker.conftest import System, failure, function
from worker.invocation import Succeeded
from worker.metric_store import MetricStore

DOCS = Path(__file__).parents[2] / "docs"

_SAMPLE_NAME = re.compile(r"\bthrice_\w+")


def scraped(gateway: Running) -> tuple[dict[str, str], Samples]:
    """The page, read strictly."""
    with urllib.request.urlopen(f"{gateway.settings.gateway_url}/_thrice/metrics", timeout=60) as answer:
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        return read(answer.read().decode())


def value(samples: Samples, name: str, **labels: str) -> float:
    """One sample."""
    return samples[name, frozenset(labels.items())]


def test_the_page_tells_what_happened(gateway: Running, system: System, redis: Any):
    """Counters, gauges and histograms are those of the ledger, and stay when minutes have been added up."""
    system.define(function(dead_letter_arn=None))
    system.environments.outcomes = [Succeeded(b"1"), failure()]
    system.enqueue()
    system.enqueue()
    system.drain()
    system.clock.advance(30)
    system.enqueue()
    system.enqueue()
    (held, *_) = system.worker.claim(count=1)

    _, before = scraped(gateway)
    system.clock.advance(90)
    rolled = MetricStore(redis, system.keys).roll()
    _, after = scraped(gateway)

    counts = {name: value(before, f"thrice_{name}_total", function="f") for name in (
        "async_events_received", "async_events_succeeded", "async_events_dropped", "async_events_dead_lettered",
        "async_events_retried", "invocations", "errors", "throttles", "lost_attempts",
    )}  # fmt: skip
    assert counts == {
        "async_events_received": 4, "async_events_succeeded": 1, "async_events_dropped": 1,
        "async_events_dead_lettered": 0, "async_events_retried": 2, "invocations": 4, "errors": 3, "throttles": 0,
        "lost_attempts": 0,
    }  # fmt: skip
    assert value(before, "thrice_async_events_discarded_total", function="f", reason="RetriesExhausted") == 1
    states = [
        value(before, "thrice_async_events", function="f", state=state) for state in ("ready", "waiting", "running")
    ]
    assert states == [1, 0, 1]
    assert value(before, "thrice_concurrent_executions", function="f") == 1
    assert value(before, "thrice_workers") == 1
    assert value(before, "thrice_ledger_balanced") == 1
    assert value(before, "thrice_redis_memory_used_bytes") > 0
    for name, count in {"duration": 4, "async_event_age": 4, "queue_wait": 2}.items():
        assert value(before, f"thrice_{name}_seconds_count", function="f") == count
    assert 240 <= value(before, "thrice_async_event_age_seconds_sum", function="f") < 400
    assert value(before, "thrice_async_event_age_seconds_bucket", function="f", le="65.536") == 3
    assert value(after, "thrice_oldest_ready_event_age_seconds") >= 90
    assert rolled > 0
    moved = {name for name, _ in before if name.endswith(("_total", "_count", "_bucket"))}
    assert {key: number for key, number in after.items() if key[0] in moved} == {
        key: number for key, number in before.items() if key[0] in moved
    }
    assert held.invocation.function == "f"


def test_an_event_that_no_worker_has_looked_at_grows_old(gateway: Running, system: System):
    """Also where none was claimed of its function yet, as when no worker runs: that is what the alert is for."""
    system.define(function(dead_letter_arn=None))
    system.enqueue()

    system.clock.advance(90)
    _, samples = scraped(gateway)

    assert value(samples, "thrice_oldest_ready_event_age_seconds") >= 90


def test_names_that_need_it_are_escaped(gateway: Running, system: System, redis: Any):
    """A quote, a backslash and a line feed in a label do not break the page."""
    redis.hset(system.keys.ledger, 'f|dropped:a"b\\c\nd', 1)

    kinds, samples = scraped(gateway)

    assert value(samples, "thrice_async_events_discarded_total", function="f", reason='a\\"b\\\\c\\nd') == 1
    assert kinds["thrice_build_info"] == "gauge"


def test_what_the_documents_name_is_exported(gateway: Running, system: System):
    """Every metric of the page, the alert rules and the board exists, and every one that exists is documented."""
    kinds, _ = scraped(gateway)
    rules = yaml.safe_load((DOCS / "alerts" / "thrice.rules.yml").read_text())["groups"][0]["rules"]
    board = json.loads((DOCS / "dashboards" / "thrice.json").read_text())

    expressions = [rule["expr"] for rule in rules]
    expressions += [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    expressions += [variable["query"] for variable in board["templating"]["list"]]
    named = {name for expression in expressions for name in _SAMPLE_NAME.findall(expression)}
    families = {re.sub("_bucket$", "", name) for name in named}
    documented = dict(re.findall(r"^\| `(thrice_\w+)` \| (\w+) \|", (DOCS / "metrics.md").read_text(), re.MULTILINE))

    assert families <= kinds.keys()
    assert documented == kinds
    for rule in rules:
        assert {"summary", "runbook"} <= rule["annotations"].keys()
        assert "Means: " in rule["annotations"]["runbook"]
        assert "Do: " in rule["annotations"]["runbook"]
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
