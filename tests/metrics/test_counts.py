"""What is counted of events that are given up, and what an older client reads of it."""

from datetime import timedelta
from typing import Any

import pytest

from tests.internal.conftest import Running
from tests.metrics.test_cloudwatch import old_client, sums
from tests.worker.conftest import System, failure, function
from worker.function import EventInvokeConfig
from worker.lineage import with_root

ROOT = "6a7e8feb-b491-4cf7-a9f1-bf3703467718"
GONE = "arn:aws:sqs:us-east-1:000000000000:gone"


def dead_letters(gateway: Running) -> str:
    """A queue for them; its ARN."""
    gateway.client("sqs").create_queue(QueueName="dead")
    return "arn:aws:sqs:us-east-1:000000000000:dead"


@pytest.mark.parity("metric.dropped", "metric.destination-failures")
def test_dead_letters_are_dropped_events_and_destinations_may_fail(gateway: Running, system: System):
    """AsyncEventsDropped counts an event that its queue took; the record that nobody took is counted for itself."""
    config = EventInvokeConfig(maximum_retry_attempts=0, on_failure=GONE)
    system.define(function(dead_letter_arn=dead_letters(gateway), event_invoke_config=config))
    system.environments.outcomes = [failure()]
    system.enqueue()

    system.drain()

    assert sums(gateway, system, "AsyncEventsDropped", "DeadLetterErrors", "DestinationDeliveryFailures") == {
        "AsyncEventsDropped": 1, "DeadLetterErrors": 0, "DestinationDeliveryFailures": 1,
    }  # fmt: skip


@pytest.mark.parity("recursion.metric")
def test_stopped_loops_are_counted(gateway: Running, system: System):
    """RecursiveInvocationsDropped counts them, beside AsyncEventsDropped; nothing was invoked."""
    header = None
    for _ in range(16):
        header = with_root(header, ROOT, ROOT, "f")
    system.enqueue(trace_header=header)

    system.drain()

    assert sums(gateway, system, "Invocations", "AsyncEventsDropped", "RecursiveInvocationsDropped") == {
        "Invocations": 0, "AsyncEventsDropped": 1, "RecursiveInvocationsDropped": 1,
    }  # fmt: skip


@pytest.mark.parity("metric.api")
def test_older_clients_read_metrics_as_xml(gateway: Running, system: System):
    """Both ways to ask, in the query protocol."""
    system.enqueue()
    system.drain()
    now = system.clock.now()
    window = {
        "Version": "2010-08-01", "StartTime": (now - timedelta(hours=1)).isoformat(),
        "EndTime": (now + timedelta(minutes=1)).isoformat(),
    }  # fmt: skip
    metric = {"Namespace": "AWS/Lambda", "MetricName": "Invocations"}

    def ask(action: str, **fields: Any) -> str:
        return old_client(gateway.settings.gateway_url, {"Action": action, **window, **fields})

    first = "MetricDataQueries.member.1"
    statistics = ask("GetMetricStatistics", **metric, **{"Period": "3600", "Statistics.member.1": "Sum"})
    data = ask(
        "GetMetricData",
        **{f"{first}.MetricStat.Metric.{name}": value for name, value in metric.items()},
        **{f"{first}.Id": "a", f"{first}.MetricStat.Period": "60", f"{first}.MetricStat.Stat": "Sum"},
    )

    assert "<Sum>1</Sum>" in statistics
    assert "<Values><member>1</member></Values>" in data
