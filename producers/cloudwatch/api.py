"""What a client may ask of CloudWatch: GetMetricStatistics, GetMetricData and ListMetrics of AWS/Lambda.

Everything is read from the records that the scripts write (worker/scripts/metrics.lua); times are those of the scripts.
Metric math, searches and other namespaces are refused by name: an empty answer would look like a quiet system.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from producers.cloudwatch import names
from producers.cloudwatch.ranges import Range, range_of
from producers.cloudwatch.statistics import Statistic, percentile, plain, statistic
from producers.errors import ApiError
from producers.seams import Request, Seams
from worker.clock import from_ms
from worker.metric_store import MetricStore
from worker.metrics import METRICS, PERIODS_KEPT, Tally

#: Most points of one answer. Source: the CloudWatch API reference, GetMetricStatistics and GetMetricData.
MOST_POINTS = 1_440
MOST_DATA_POINTS = 100_800

#: Metrics on one page, and queries of one request. Source: the same, ListMetrics and GetMetricData.
PAGE = 500
MOST_QUERIES = 500

#: How far back RecentlyActive looks, in seconds; PT3H is its only value.
RECENTLY = 3 * 3_600

Answer = dict[str, Any]


class CloudWatch:
    """CloudWatch, for reading."""

    def __init__(self, seams: Seams) -> None:
        self._account = seams.settings.account_id
        self._store = MetricStore(seams.redis, seams.keys)

    def get_metric_statistics(
        self,
        request: Request,  # noqa: ARG002 - every method is handed its request
        Namespace: str,
        MetricName: str,
        StartTime: datetime,
        EndTime: datetime,
        Period: int,
        Dimensions: names.Dimensions = (),
        Statistics: Sequence[str] = (),
        ExtendedStatistics: Sequence[str] = (),
        Unit: str | None = None,
    ) -> Answer:
        """One metric, point by point. Points without a value are left out."""
        names.check_namespace(Namespace)
        if not Statistics and not ExtendedStatistics:
            raise ApiError("MissingParameter", "At least one of Statistics and ExtendedStatistics must be given.")
        plains = {name: plain(name) for name in Statistics}
        percentiles = {name: percentile(name) for name in ExtendedStatistics}
        now = self._store.now()
        asked = range_of(StartTime.timestamp(), EndTime.timestamp(), Period, now, is_aligned=False)
        if asked.points > MOST_POINTS:
            raise ApiError(
                "InvalidParameterCombination",
                f"You have requested up to {asked.points:,} datapoints, which exceeds the limit of {MOST_POINTS:,}. "
                "You may reduce the datapoints requested by increasing Period, or decreasing the time range.",
            )
        points = []
        for at, tally in self._tallies(MetricName, Dimensions, Unit, asked, now):
            sample = tally.sample(MetricName)
            if sample is None:
                continue
            point = {"Timestamp": from_ms(at * 1000), "Unit": METRICS[MetricName]}
            point |= {name: value(sample) for name, value in plains.items()}
            if percentiles:
                point["ExtendedStatistics"] = {name: value(sample) for name, value in percentiles.items()}
            points.append(point)
        return {"Label": MetricName, "Datapoints": points}

    def get_metric_data(
        self,
        request: Request,  # noqa: ARG002 - every method is handed its request
        MetricDataQueries: Sequence[dict[str, Any]],
        StartTime: datetime,
        EndTime: datetime,
        NextToken: str | None = None,
        ScanBy: str = "TimestampDescending",
        MaxDatapoints: int = MOST_DATA_POINTS,
    ) -> Answer:
        """Several metrics, each as a list of times and one of values."""
        self._check_queries(MetricDataQueries)
        if not 1 <= MaxDatapoints <= MOST_DATA_POINTS:
            raise ApiError("InvalidParameterValue", f"MaxDatapoints must be from 1 to {MOST_DATA_POINTS}.")
        now, skip, room = self._store.now(), _position(NextToken), MaxDatapoints
        results, before = [], 0
        for query in MetricDataQueries:
            if not query.get("ReturnData", True):
                continue
            points = self._points(query, StartTime, EndTime, now)
            if ScanBy == "TimestampDescending":
                points.reverse()
            first = min(len(points), max(0, skip - before))
            shown = points[first : first + room]
            before, room = before + len(points), room - len(shown)
            results.append(
                {
                    "Id": query["Id"],
                    "Label": query.get("Label") or query["MetricStat"]["Metric"]["MetricName"],
                    "Timestamps": [at for at, _ in shown],
                    "Values": [value for _, value in shown],
                    "StatusCode": "Complete" if first + len(shown) == len(points) else "PartialData",
                }
            )
        answer: Answer = {"MetricDataResults": results, "Messages": []}
        if before > skip + MaxDatapoints:
            answer["NextToken"] = str(skip + MaxDatapoints)
        return answer

    def list_metrics(
        self,
        request: Request,  # noqa: ARG002 - every method is handed its request
        Namespace: str | None = None,
        MetricName: str | None = None,
        Dimensions: names.Dimensions = (),
        NextToken: str | None = None,
        RecentlyActive: str | None = None,
    ) -> Answer:
        """The metrics of every name of which anything was counted in the last 15 days, by name."""
        if Namespace is not None:
            names.check_namespace(Namespace)
        since = self._store.now() - (RECENTLY if RecentlyActive else PERIODS_KEPT)
        found = [
            {"Namespace": names.NAMESPACE, "MetricName": metric, "Dimensions": dimensions}
            for metric, dimensions in self._listed(since)
            if MetricName in (None, metric) and names.matches(dimensions, Dimensions)
        ]
        first = _position(NextToken)
        answer: Answer = {"Metrics": found[first : first + PAGE]}
        if len(found) > first + PAGE:
            answer["NextToken"] = str(first + PAGE)
        return answer

    def _listed(self, since: int) -> Iterator[tuple[str, list[dict[str, str]]]]:
        totals = self._store.totals()
        for name in self._store.active(since):
            tally = Tally([totals.get(name, {})])
            for dimensions in names.all_dimensions(name):
                for metric in METRICS:
                    if tally.sample(metric) is not None:
                        yield metric, dimensions

    def _tallies(
        self, metric: str, dimensions: names.Dimensions, unit: str | None, asked: Range, now: int
    ) -> Iterator[tuple[int, Tally]]:
        """What was counted in each period; nothing where there is no such metric, or not with such a unit."""
        name = names.record_name(metric, dimensions)
        if name is not None and unit in (None, METRICS[metric]):
            yield from asked.tallies(self._store.read(name, asked.start, asked.end, now)).items()

    def _points(self, query: dict[str, Any], start: datetime, end: datetime, now: int) -> list[tuple[datetime, float]]:
        stat = query["MetricStat"]
        asked = range_of(start.timestamp(), end.timestamp(), stat["Period"], now, is_aligned=True)
        metric, value = stat["Metric"], statistic(stat["Stat"])
        tallies = self._tallies(metric["MetricName"], metric.get("Dimensions", ()), stat.get("Unit"), asked, now)
        return list(_values(metric["MetricName"], value, tallies))

    def _check_queries(self, queries: Sequence[dict[str, Any]]) -> None:
        if len(queries) > MOST_QUERIES:
            raise ApiError("InvalidParameterValue", f"There are {len(queries)} queries; {MOST_QUERIES} is the most.")
        ids = [query["Id"] for query in queries]
        if len(set(ids)) < len(ids):
            raise ApiError("InvalidParameterValue", "The values for parameter id in MetricDataQueries are not unique.")
        for query in queries:
            self._check_query(query)

    def _check_query(self, query: dict[str, Any]) -> None:
        if "Expression" in query:
            raise _not_offered(f"The query '{query['Id']}' is an expression: metric math and searches")
        if "${" in query.get("Label", ""):
            raise _not_offered(f"The label of the query '{query['Id']}' is dynamic: labels with ${{…}}")
        if query.get("AccountId", self._account) != self._account:
            raise _not_offered(f"The query '{query['Id']}' is of another account: accounts but {self._account}")
        if "MetricStat" not in query:
            raise ApiError("MissingParameter", f"The query '{query['Id']}' needs a MetricStat.")
        if "Period" in query:
            raise ApiError(
                "InvalidParameterCombination", "Period is for expressions; that of a metric is in its MetricStat."
            )
        metric = query["MetricStat"]["Metric"]
        names.check_namespace(metric.get("Namespace", ""))
        if "MetricName" not in metric:
            raise ApiError("MissingParameter", f"The metric of the query '{query['Id']}' needs a MetricName.")


def _values(metric: str, value: Statistic, tallies: Iterator[tuple[int, Tally]]) -> Iterator[tuple[datetime, float]]:
    for at, tally in tallies:
        sample = tally.sample(metric)
        if sample is not None:
            yield from_ms(at * 1000), value(sample)


def _position(token: str | None) -> int:
    if token is None:
        return 0
    if not (token.isascii() and token.isdecimal() and len(token) < 10):
        raise ApiError("InvalidNextToken", f"'{token}' is no token of an earlier answer.")
    return int(token)


def _not_offered(what: str) -> ApiError:
    return ApiError("InvalidParameterValue", f"{what} are not offered by thrice. Nothing was read; leave it out.")
