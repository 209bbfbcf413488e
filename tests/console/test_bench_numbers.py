"""What a load test counts with: arrivals that are fixed in advance, histograms that can be merged, thresholds."""

import random
from itertools import islice, pairwise

import pytest

from console.bench.arrivals import arrivals
from console.bench.bottleneck import Load, bottleneck
from console.bench.histogram import Histogram
from console.bench.plan import NoPlan, Plan, plan_of, share_of
from console.bench.thresholds import METRICS, NoThreshold, judge, thresholds_of


def plan(**fields: object) -> Plan:
    wishes = {"number": None, "connections": 4, "rate": 100.0, "duration": None, "payload": b"{}"} | fields
    return plan_of("f", **wishes)  # type: ignore[arg-type]


def test_clients_share_even_arrivals_between_them():
    """Together they send one request each hundredth of a second, as many as were asked for, whoever sends which."""
    asked = plan(number=1_001)

    together = sorted(moment for client in range(3) for moment in arrivals(asked, client, 3))

    assert together == pytest.approx([position / 100 for position in range(1_001)])


def test_duration_and_number_end_the_sending_whichever_is_first():
    """100 a second for two seconds are 200; a smaller number is a smaller number."""
    long = [moment for client in range(2) for moment in arrivals(plan(duration="2s"), client, 2)]
    few = [moment for client in range(2) for moment in arrivals(plan(duration="2s", number=7), client, 2)]

    assert (len(long), len(few)) == (200, 7)
    assert plan(duration="2s", number=7).expected == 7
    assert plan(duration="2s").expected == 200


def test_poisson_arrivals_have_the_rate_and_are_the_same_for_a_seed():
    """The gaps have the mean that the rate says and, as an exponential distribution has it, a deviation as large."""
    asked = plan(number=None, duration="1h", arrivals="poisson", seed=7)

    moments = list(islice(arrivals(asked, 0, 2), 20_000))
    gaps = [after - before for before, after in pairwise(moments)]
    mean = sum(gaps) / len(gaps)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5

    assert mean == pytest.approx(2 / 100, rel=0.05)
    assert deviation == pytest.approx(mean, rel=0.05)
    assert moments == list(islice(arrivals(asked, 0, 2), 20_000))
    assert moments != list(islice(arrivals(asked, 1, 2), 20_000))


@pytest.mark.parametrize(
    "wishes",
    [
        {"number": 0}, {"connections": 0}, {"rate": 0.0}, {"duration": "soon"}, {"duration": "0s"}, {"payload": b"{"},
        {"arrivals": "poisson", "rate": None}, {"arrivals": "odd"}, {"wait": "-1s"},
    ],
)  # fmt: skip
def test_a_plan_that_is_none_is_refused(wishes: dict[str, object]):
    """Whatever the command line asks for is a plan, or is refused with what it could be."""
    with pytest.raises(NoPlan):
        plan(**wishes)


def test_shares_are_read_as_percentages_and_as_fractions():
    """`5%` is `0.05`, and more than everything is refused."""
    assert (share_of("5%"), share_of("0.05"), share_of("100%")) == (0.05, 0.05, 1.0)
    with pytest.raises(NoPlan):
        share_of("101%")


@pytest.mark.parametrize("scale", [0.01, 1.0, 300.0, 40_000.0])
def test_percentiles_are_good_to_a_hundredth_and_merging_changes_nothing(scale: float):
    """Of lengths from microseconds to minutes, each percentile is within 1% of the true one; so is that of a sum."""
    source = random.Random(1)
    lengths = [source.lognormvariate(0, 1) * scale for _ in range(5_000)]
    whole, halves = Histogram(), [Histogram(), Histogram()]
    for number, length in enumerate(lengths):
        whole.add(length)
        halves[number % 2].add(length)
    merged = Histogram.of(halves[0].document())
    merged.merge(halves[1])

    lengths.sort()
    for percent in (1, 50, 90, 99, 99.9):
        true = lengths[-(-len(lengths) * percent // 100).__trunc__() - 1]
        assert whole.percentile(percent) == pytest.approx(true, rel=0.01, abs=0.001)
    assert whole.percentile(100) == lengths[-1]
    assert merged.counts == whole.counts
    assert merged.percentile(99) == pytest.approx(whole.percentile(99), abs=0.001)


def test_every_bucket_begins_where_the_one_before_ends():
    """A length of any size has exactly one bucket, which holds it."""
    histogram = Histogram()
    for microseconds in [*range(2_000), 10**6, 10**9]:
        histogram.add(microseconds / 1000)

    edges = [(low, high) for low, high, _ in histogram.buckets()]

    assert all(before[1] == pytest.approx(after[0]) for before, after in pairwise(edges[:-2]))
    assert sum(count for _, _, count in histogram.buckets()) == 2_002
    assert edges[-1][0] <= 10**6 < edges[-1][1]


def test_thresholds_are_judged_in_the_unit_of_their_metric():
    """Lengths in ms, shares of what was accepted; what was not measured does not hold; lost==0 is always one."""
    thresholds = thresholds_of("p99<2s, failed<=1%,rate>=500,accept_p50<1ms")
    measured = {"p99": 1_999.0, "failed": 11.0, "rate": 500.0, "accept_p50": None, "lost": 0.0}

    verdicts = judge(thresholds, measured, accepted=1_000)

    assert [(verdict.threshold.text, verdict.is_held) for verdict in verdicts] == [
        ("p99<2s", True), ("failed<=1%", False), ("rate>=500", True), ("accept_p50<1ms", False), ("lost==0", True),
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["p98<1s", "p99", "p99<fast", "p99<1%", "rate>1s", "lost=0", "<3"])
def test_what_is_no_threshold_is_refused(text: str):
    """An unknown metric gets the list of all."""
    with pytest.raises(NoThreshold) as refused:
        thresholds_of(text)

    assert "p98" not in text or all(metric in str(refused.value) for metric in METRICS)


def load(**fields: object) -> Load:
    usual: dict[str, object] = {
        "cores": 4, "machine": 2.0, "parts": {}, "clients": 2, "gateways": 2, "workers": 2, "slots": 32,
        "running": 3.0,
        "is_backlogged": False, "lateness_ms": 0.1, "throttled": 0.0, "held_up": 0.0,
    }  # fmt: skip
    return Load(**usual | fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "fields"),
    [
        ("none", {}),
        ("clients", {"parts": {"clients": 1.9, "gateway": 1.9}}),
        ("clients", {"lateness_ms": 40.0}),
        ("gateway", {"parts": {"clients": 0.4, "gateway": 1.9}}),
        ("reserved concurrency", {"throttled": 0.3, "machine": 3.9}),
        ("redis", {"parts": {"redis": 0.9}}),
        ("workers", {"parts": {"workers": 1.8}}),
        ("places to run in", {"is_backlogged": True, "running": 31.5}),
        ("machine", {"machine": 3.9, "lateness_ms": 40.0}),
        ("connections", {"held_up": 0.5}),
    ],
)
def test_the_bottleneck_is_what_was_busy(found: str, fields: dict[str, object]):
    """The load test itself comes first, where it is to blame; lateness on a full machine is the machine's doing."""
    opinion = bottleneck(load(**fields))

    assert opinion.part == found
    assert opinion.is_client == (found in ("clients", "connections"))
