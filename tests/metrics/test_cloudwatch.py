"""CloudWatch through unmodified clients, of events that have really lived."""

import json
import os
import subprocess
import sys
import urllib.parse
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session
from redis import Redis

from tests.internal.conftest import Running
from tests.worker.conftest import System, failure, function
from worker.executor import Executor
from worker.function import Alias, EventInvokeConfig
from worker.identity import new_request_id
from worker.invocation import Attempt, Invocation, Succeeded
from worker.metric_store import MetricStore
from worker.metrics import Tally

F = [{"Name": "FunctionName", "Value": "f"}]


def statistics(gateway: Running, system: System, metric: str, **asked: Any) -> list[dict[str, Any]]:
    """The points of the hour around now, in one period unless a test asks otherwise."""
    now = system.clock.now()
    asked = {
        "Dimensions": F,
        "StartTime": now - timedelta(minutes=50),
        "EndTime": now + timedelta(minutes=10),
        "Period": 3600,
        "Statistics": ["SampleCount", "Sum", "Minimum", "Maximum", "Average"],
    } | asked
    answer = gateway.client("cloudwatch").get_metric_statistics(Namespace="AWS/Lambda", MetricName=metric, **asked)
    return sorted(answer["Datapoints"], key=lambda point: point["Timestamp"])


def sums(gateway: Running, system: System, *metrics: str, **asked: Any) -> dict[str, float]:
    """The sum of each metric in that hour."""
    return {name: sum(point["Sum"] for point in statistics(gateway, system, name, **asked)) for name in metrics}


def timed(system: System, lengths_ms: list[float]) -> None:
    """Let attempts say that they took so long, one after the other."""
    remaining = iter(lengths_ms)

    class Timed:
        def run(self, configuration: Any, invocation: Any, done: Any) -> Any:
            def told(attempt: Attempt) -> None:
                attempt.duration_ms = next(remaining)
                done(attempt)

            return system.environments.run(configuration, invocation, told)

    system.worker.executor = Executor(Timed(), system.worker.settler.add, (0.0, 60.0, 120.0), system.clock)


@pytest.mark.parity("metric.invocations", "metric.errors", "metric.received", "metric.age")
def test_a_life_of_an_event_is_in_every_metric(gateway: Running, system: System):
    """Three failures make three invocations, three errors and one dropped event, beside one that succeeds."""
    system.environments.outcomes = [Succeeded(b"1"), failure()]
    system.enqueue()
    system.enqueue()

    system.drain()

    assert sums(
        gateway, system, "Invocations", "Errors", "Throttles", "AsyncEventsReceived", "AsyncEventsDropped",
        "DeadLetterErrors", "DestinationDeliveryFailures", "RecursiveInvocationsDropped",
    ) == {
        "Invocations": 4, "Errors": 3, "Throttles": 0, "AsyncEventsReceived": 2, "AsyncEventsDropped": 1,
        "DeadLetterErrors": 0, "DestinationDeliveryFailures": 0, "RecursiveInvocationsDropped": 0,
    }  # fmt: skip
    (errors,) = statistics(gateway, system, "Errors")
    assert (errors["SampleCount"], errors["Average"], errors["Unit"]) == (4, 0.75, "Count")
    (age,) = statistics(gateway, system, "AsyncEventAge")
    assert age["Maximum"] >= 180_000
    assert (age["SampleCount"], age["Unit"]) == (4, "Milliseconds")
    (running,) = statistics(gateway, system, "ConcurrentExecutions")
    assert running["Maximum"] == 2


@pytest.mark.parity("metric.invocations", "metric.throttles")
def test_throttles_are_no_invocations(gateway: Running, system: System):
    """With a reserved concurrency of 0 an event is throttled and dropped, and nothing has run."""
    system.define(function(reserved_concurrency=0))
    system.enqueue()

    system.drain()

    assert sums(gateway, system, "Invocations", "Throttles", "AsyncEventsDropped") == {
        "Invocations": 0, "Throttles": 1, "AsyncEventsDropped": 1,
    }  # fmt: skip


@pytest.mark.parity("dlq.metric")
def test_what_cannot_be_sent_is_counted(gateway: Running, system: System):
    """A dead-letter queue that is not there is a DeadLetterErrors, and the event is dropped."""
    system.define(function(dead_letter_arn="arn:aws:sqs:us-east-1:000000000000:gone"))
    system.environments.outcomes = [failure()]
    system.enqueue()

    system.drain()

    assert sums(gateway, system, "DeadLetterErrors", "AsyncEventsDropped") == {
        "DeadLetterErrors": 1, "AsyncEventsDropped": 1,
    }  # fmt: skip


def test_what_is_settled_beside_a_lost_lease_is_counted(gateway: Running, system: System):
    """Not all of a batch count: those that do are measured, also where what their end sends is not taken."""
    no_retry = EventInvokeConfig(maximum_retry_attempts=0)
    gone = "arn:aws:sqs:us-east-1:000000000000:gone"
    system.define(function(dead_letter_arn=gone, event_invoke_config=no_retry))
    system.environments.outcomes = [failure(), Succeeded(b"1")]
    system.enqueue()
    system.enqueue()
    executor = system.worker.executor
    (one, other) = system.worker.claim()
    for claimed in (one, other, one):
        executor.attempt(claimed, lambda _: None)

    system.worker.timers.fire()

    assert sums(gateway, system, "Invocations", "Errors", "DeadLetterErrors") == {
        "Invocations": 2, "Errors": 1, "DeadLetterErrors": 1,
    }  # fmt: skip


@pytest.mark.parity("metric.duration", "metric.percentiles")
def test_durations_have_percentiles_within_their_error(gateway: Running, system: System):
    """Percentiles are within 4.4 %; sum, lowest and highest are exact."""
    timed(system, [float(length) for length in range(1, 101)])
    for _ in range(100):
        system.enqueue()

    system.drain()

    (point,) = statistics(gateway, system, "Duration", ExtendedStatistics=["p50", "p99", "p0.5"])
    assert (point["Sum"], point["Minimum"], point["Maximum"]) == (5050, 1, 100)
    for name, exact in {"p50": 50, "p99": 99, "p0.5": 1}.items():
        assert point["ExtendedStatistics"][name] == pytest.approx(exact, rel=0.045)


def test_an_alias_has_metrics_of_its_own(gateway: Running, system: System):
    """What was asked of `f:live` counts for it, not for its version; for `f`; and once in all. Its failures too."""
    live = function(published={"1": "r1"}, aliases={"live": Alias(version="1", revision_id="r")})
    system.define(live)
    system.environments.outcomes = [Succeeded(b"1"), failure()]
    system.enqueue()
    asked = Invocation(new_request_id(), "f", f"{live.arn}:live", b"{}", system.clock.now())
    system.queue.enqueue_all([asked])

    system.drain()

    def resource(name: str) -> list[dict[str, str]]:
        return [*F, {"Name": "Resource", "Value": name}]

    counts = [
        tuple(sums(gateway, system, "Invocations", "Errors", Dimensions=which).values())
        for which in (resource("f:live"), resource("f:1"), resource("f"), F, [])
    ]
    assert counts == [(3, 3), (0, 0), (4, 3), (4, 3), (4, 3)]


def test_minutes_become_periods_of_five(gateway: Running, system: System, redis: Redis):
    """After hours the same sums are there, whether or not a scheduler has added them up."""
    store = MetricStore(redis, system.keys)
    start = system.clock.now() - timedelta(minutes=5)
    system.enqueue()
    system.drain()
    system.clock.advance(120)
    assert store.roll() == 2
    system.enqueue()
    system.drain()
    end = system.clock.now() + timedelta(minutes=5)
    system.clock.advance(6 * 3600)
    asked = {"StartTime": start - timedelta(minutes=5), "EndTime": end, "Period": 300}

    before = sums(gateway, system, "Invocations", "AsyncEventsReceived", **asked)
    store.roll()
    after = sums(gateway, system, "Invocations", "AsyncEventsReceived", **asked)

    assert before == after == {"Invocations": 2, "AsyncEventsReceived": 2}
    assert store.roll() == 0
    with pytest.raises(ClientError, match="multiple of 300"):
        statistics(gateway, system, "Invocations", **(asked | {"Period": 60}))


def test_many_notes_are_added_up_though_nobody_reads(gateway: Running, system: System, redis: Redis):
    """What has been counted does not grow for ever: the script that makes it too much adds it up. Nothing is lost."""
    minute = int(system.clock.now().timestamp()) // 60 * 60
    note = json.dumps({f"{minute}:f": {"r": 1}}) + "\n"
    notes = 65_536 // len(note)
    redis.append(system.keys.metrics_new, note * notes)
    assert not redis.exists(system.keys.metrics_open)

    system.enqueue()
    before = redis.exists(system.keys.metrics_new)
    system.enqueue()

    assert (before, redis.exists(system.keys.metrics_open)) == (0, 1)
    assert redis.exists(system.keys.metrics_new)
    assert sums(gateway, system, "AsyncEventsReceived") == {"AsyncEventsReceived": notes + 2}
    assert sums(gateway, system, "AsyncEventsReceived", Dimensions=[]) == {"AsyncEventsReceived": notes + 2}
    assert not redis.exists(system.keys.metrics_new)


def test_what_comes_late_is_added_up_too(gateway: Running, system: System, redis: Redis):
    """An attempt that began in a minute that has been added up counts in all three places."""
    store = MetricStore(redis, system.keys)
    system.enqueue()
    (held,) = system.worker.claim()
    system.clock.advance(240)
    store.roll()
    timed(system, [240_000.0])
    system.worker.attempt(held)
    started = system.clock.now()
    system.clock.advance(6 * 3600)
    store.roll()

    asked = {"StartTime": started - timedelta(minutes=20), "EndTime": started, "Period": 300}
    assert sums(gateway, system, "Invocations", **asked) == {"Invocations": 1}
    assert Tally([store.totals()["f"]]).durations.count == 1


@pytest.mark.parity("metric.api")
def test_get_metric_data_pages_and_orders(gateway: Running, system: System):
    """Several metrics at once; the newest first unless asked otherwise; what does not fit follows by the token."""
    for _ in range(3):
        system.enqueue()
        system.drain()
        system.clock.advance(60)
    queries = [
        {
            "Id": name.lower(),
            "MetricStat": {
                "Metric": {"Namespace": "AWS/Lambda", "MetricName": name, "Dimensions": F}, "Period": 60, "Stat": "Sum",
            },
        }
        for name in ("Invocations", "Errors")
    ]  # fmt: skip
    asked = {
        "MetricDataQueries": queries,
        "StartTime": system.clock.now() - timedelta(minutes=10),
        "EndTime": system.clock.now() + timedelta(minutes=1),
    }
    client = gateway.client("cloudwatch")

    whole = client.get_metric_data(**asked)
    paginator = client.get_paginator("get_metric_data")
    pages = list(paginator.paginate(**asked, ScanBy="TimestampAscending", MaxDatapoints=4))

    invocations, errors = whole["MetricDataResults"]
    assert (invocations["Values"], errors["Values"]) == ([1, 1, 1], [0, 0, 0])
    assert invocations["Timestamps"] == sorted(invocations["Timestamps"], reverse=True)
    assert [[len(result["Values"]) for result in page["MetricDataResults"]] for page in pages] == [[3, 1], [0, 2]]
    assert sorted(invocations["Timestamps"]) == pages[0]["MetricDataResults"][0]["Timestamps"]


@pytest.mark.parity("metric.put")
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"Expression": "SEARCH('x')"}, "InvalidParameterValue"),
        ({"Label": "${LABEL}"}, "InvalidParameterValue"),
        ({"AccountId": "111111111111"}, "InvalidParameterValue"),
        ({"MetricStat": {"Metric": {"Namespace": "AWS/SQS"}, "Period": 60, "Stat": "Sum"}}, "InvalidParameterValue"),
        (
            {
                "MetricStat": {
                    "Metric": {"Namespace": "AWS/Lambda", "MetricName": "Errors"},
                    "Period": 60,
                    "Stat": "tm90",
                }
            },
            "InvalidParameterValue",
        ),
        (
            {
                "MetricStat": {
                    "Metric": {"Namespace": "AWS/Lambda", "MetricName": "Errors"},
                    "Period": 10,
                    "Stat": "Sum",
                }
            },
            "InvalidParameterValue",
        ),
    ],
)
def test_what_is_not_offered_is_refused(gateway: Running, system: System, change: dict[str, Any], code: str):
    """Metric math, other namespaces, other statistics: a refusal, not an answer without points."""
    stat = {"Metric": {"Namespace": "AWS/Lambda", "MetricName": "Errors"}, "Period": 60, "Stat": "Sum"}
    query = {"Id": "a", "MetricStat": stat} | change
    now = system.clock.now()

    with pytest.raises(ClientError) as refusal:
        gateway.client("cloudwatch").get_metric_data(
            MetricDataQueries=[query], StartTime=now - timedelta(hours=1), EndTime=now
        )

    assert refusal.value.response["Error"]["Code"] == code


def test_the_cli_lists_metrics_and_the_query_protocol_answers(gateway: Running, system: System):
    """`aws cloudwatch list-metrics` shows what was measured; an older client's form gets the same as XML."""
    system.enqueue()
    system.drain()
    url = gateway.settings.gateway_url
    environment = {
        "PATH": os.environ["PATH"], "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": url, "HOME": "/nonexistent",
    }  # fmt: skip
    aws = Path(sys.executable).parent / "aws"
    arguments = ["cloudwatch", "list-metrics", "--dimensions", "Name=FunctionName,Value=f", "--output", "json"]

    printed = subprocess.run([aws, *arguments], env=environment, capture_output=True, text=True, check=True, timeout=60)
    form = {"Action": "ListMetrics", "Version": "2010-08-01", "MetricName": "Invocations"}
    answer = old_client(url, form)

    listed = {(metric["MetricName"], len(metric["Dimensions"])) for metric in json.loads(printed.stdout)["Metrics"]}
    assert listed == {
        (name, dimensions)
        for name in ("Invocations", "Errors", "Throttles", "Duration", "ConcurrentExecutions", "AsyncEventsReceived",
                     "AsyncEventAge")
        for dimensions in (1, 2)
    }  # fmt: skip
    assert "<ListMetricsResult><Metrics><member><Namespace>AWS/Lambda</Namespace>" in answer
    assert "<Code>InvalidParameterValue</Code>" in old_client(url, form | {"Namespace": "AWS/SQS"})


def old_client(url: str, form: dict[str, str]) -> str:
    """What a client of the query protocol is answered."""
    request = AWSRequest("POST", f"{url}/", data=urllib.parse.urlencode(form))
    request.headers["Content-Type"] = "application/x-www-form-urlencoded"
    SigV4Auth(Credentials("test", "secret"), "monitoring", "us-east-1").add_auth(request)
    return URLLib3Session().send(request.prepare()).text


@pytest.mark.parity("metric.put")
def test_metrics_cannot_be_put(gateway: Running):
    """PutMetricData is refused by its name."""
    with pytest.raises(ClientError, match="PutMetricData") as refusal:
        gateway.client("cloudwatch").put_metric_data(Namespace="mine", MetricData=[{"MetricName": "x", "Value": 1}])

    assert refusal.value.response["Error"]["Code"] == "NotImplemented"
