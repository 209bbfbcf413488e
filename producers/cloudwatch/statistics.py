"""Which statistics can be asked of a metric, and what they are of a sample. Pure."""

import re
from collections.abc import Callable, Mapping

from producers.errors import ApiError
from worker.metrics import NoPercentile, Sample

_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d{1,10})?|100(?:\.0{1,10})?)")

_PLAIN: Mapping[str, Callable[[Sample], float]] = {
    "SampleCount": lambda sample: sample.count,
    "Average": lambda sample: sample.sum / sample.count,
    "Sum": lambda sample: sample.sum,
    "Minimum": lambda sample: sample.lowest,
    "Maximum": lambda sample: sample.highest,
}

#: What gives the value of a statistic.
Statistic = Callable[[Sample], float]


def plain(name: str) -> Statistic:
    """One of the five of GetMetricStatistics, whose names the gateway has checked."""
    return _PLAIN[name]


def percentile(name: str) -> Statistic:
    """A percentile, `p99.9`.

    Raises:
        ApiError: it is none. The trimmed means, ranks and counts that AWS has besides are not offered.
    """
    found = _PERCENTILE.fullmatch(name)
    if found is None:
        raise ApiError(
            "InvalidParameterValue",
            f"thrice does not offer the statistic '{name}'. It has SampleCount, Average, Sum, Minimum, Maximum, and "
            "percentiles from p0 to p100.",
        )
    return lambda sample: _percentile_of(sample, float(found[1]))


def statistic(name: str) -> Statistic:
    """Any statistic of GetMetricData.

    Raises:
        ApiError: there is no such.
    """
    return _PLAIN.get(name) or percentile(name)


def _percentile_of(sample: Sample, percent: float) -> float:
    try:
        return sample.percentile(percent)
    except NoPercentile:
        raise ApiError(
            "InvalidParameterCombination",
            "thrice offers no percentiles of ConcurrentExecutions: it keeps the highest number of each minute only. "
            "Ask for Maximum.",
        ) from None
