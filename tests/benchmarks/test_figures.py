"""From runs to figures: medians of ratios, and what counts as met."""

import pytest

from benchmarks.measurements.measurement import Figure


def test_a_ratio_is_the_median_of_the_ratios_of_neighbours():
    """A slow minute hits both of a repetition's runs: the ratio of the medians would be 2, not 3."""
    figure = Figure("throughput", "rate", "events/s, / stock", 2.5, more_is_better=True)
    repetitions = [
        {"thrice": {"rate": 300.0}, "stock": {"rate": 100.0}},
        {"thrice": {"rate": 200.0}, "stock": {"rate": 50.0}},
        {"thrice": {"rate": 100.0}, "stock": {"rate": 100.0}},
    ]

    target = figure.target(repetitions)

    assert target.values == (3.0, 4.0, 1.0)
    assert target.document() == {"name": "throughput", "value": 3.0, "goal": 2.5, "met": True}


@pytest.mark.parametrize(
    ("figure", "met"),
    [
        (Figure("cost", "us", "", 10.0, is_ratio=False), True),
        (Figure("cost", "us", "", 9.9, is_ratio=False), False),
        (Figure("speed", "us", "", 10.0, is_ratio=False, more_is_better=True), True),
        (Figure("speed", "us", "", 10.1, is_ratio=False, more_is_better=True), False),
        (Figure("told", "us", "", None, is_ratio=False), None),
    ],
)
def test_a_goal_is_met_at_its_very_value(figure: Figure, met: bool | None):
    """On the right side of the goal or on it; a figure without goal is neither met nor missed."""
    target = figure.target([{"thrice": {"us": 10.0}}])

    assert target.is_met is met


def test_a_repetition_in_which_a_system_failed_does_not_count():
    """The other repetitions do; without any the figure has no value, and its goal is missed."""
    figure = Figure("cpu", "us", "", 0.5)
    good = {"thrice": {"us": 1.0}, "stock": {"us": 4.0}}
    bad = {"thrice": {"us": 1.0}, "stock": {"error": "MeasurementFailed: it ended"}}

    assert figure.target([bad, good]).document() == {"name": "cpu", "value": 0.25, "goal": 0.5, "met": True}
    assert figure.target([bad]).document() == {"name": "cpu", "value": None, "goal": 0.5, "met": False}
