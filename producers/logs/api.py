"""What a client may ask of CloudWatch Logs: the log events of the functions, their groups and their streams.

Log groups are there by themselves, one for each function, called `/aws/lambda/<function>`. The log of a deleted
function can still be read until its group is deleted. Writing into them is the workers' business alone.
"""

import base64
import binascii
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from producers.errors import ApiError
from producers.logs import filter_pattern
from producers.logs.events import FunctionLogs, LogEvent, LogStream
from producers.logs.pages import Page, Position, UnusableToken, page_of
from producers.seams import Request, Seams
from worker.arn import Arn
from worker.registry import FunctionRegistry

PREFIX = "/aws/lambda/"

#: Groups or streams on one page, if the caller does not say. Source: DescribeLogGroups and DescribeLogStreams, "limit".
PAGE = 50

Answer = dict[str, Any]
T = TypeVar("T")


class Logs:
    """CloudWatch Logs, for reading."""

    def __init__(self, seams: Seams) -> None:
        self._region = seams.settings.region
        self._account = seams.settings.account_id
        self._logs = FunctionLogs(seams.redis, seams.keys)
        self._registry = FunctionRegistry(seams.redis, seams.keys)

    def filter_log_events(
        self,
        request: Request,  # noqa: ARG002 - every method is handed its request
        logGroupName: str | None = None,
        logGroupIdentifier: str | None = None,
        logStreamNames: Sequence[str] | None = None,
        logStreamNamePrefix: str | None = None,
        startTime: int | None = None,
        endTime: int | None = None,
        filterPattern: str | None = None,
        nextToken: str | None = None,
        limit: int | None = None,
        startFromHead: bool = True,
        interleaved: bool = True,  # noqa: ARG002 - since 2019 CloudWatch takes it for true, whatever is sent
    ) -> Answer:
        """The events of all streams together, by time; those of `endTime` itself are among them."""
        if logStreamNames is not None and logStreamNamePrefix is not None:
            raise _invalid_parameter("logStreamNames and logStreamNamePrefix cannot be used together.")
        function = self._function(logGroupName, logGroupIdentifier)
        matches = _pattern(filterPattern)
        position = _position(nextToken)
        found = sorted(
            event
            for event in self._logs.events(function, startTime or 0)
            if (endTime is None or event.timestamp_ms <= endTime)
            and (logStreamNames is None or event.stream in logStreamNames)
            and (logStreamNamePrefix is None or event.stream.startswith(logStreamNamePrefix))
            and matches(event.message)
        )
        page = page_of(found, position, is_forward=startFromHead, limit=limit)
        is_forward = position.is_forward if position else startFromHead
        shown = page.events if is_forward else page.events[::-1]
        answer: Answer = {"events": [_filtered(event) for event in shown], "searchedLogStreams": []}
        if page.has_more:
            answer["nextToken"] = str(page.forward(position) if is_forward else page.backward(position))
        return answer

    def get_log_events(
        self,
        request: Request,  # noqa: ARG002 - every method is handed its request
        logStreamName: str,
        logGroupName: str | None = None,
        logGroupIdentifier: str | None = None,
        startTime: int | None = None,
        endTime: int | None = None,
        nextToken: str | None = None,
        limit: int | None = None,
        startFromHead: bool = False,
    ) -> Answer:
        """The events of one stream, the latest page first; those of `endTime` itself are not among them.

        There are always tokens in both directions. At an end the token is the one that was given.
        """
        function = self._function(logGroupName, logGroupIdentifier)
        position = _position(nextToken)
        of_stream = [event for event in self._logs.events(function) if event.stream == logStreamName]
        if not of_stream:
            raise _not_found("The specified log stream does not exist.")
        found = sorted(
            event
            for event in of_stream
            if (startTime or 0) <= event.timestamp_ms and (endTime is None or event.timestamp_ms < endTime)
        )
        page = page_of(found, position, is_forward=startFromHead, limit=limit)
        return _both_ways(page, position)

    def describe_log_groups(
        self,
        request: Request,  # noqa: ARG002 - every method is handed its request
        logGroupNamePrefix: str | None = None,
        logGroupNamePattern: str | None = None,
        nextToken: str | None = None,
        limit: int | None = None,
    ) -> Answer:
        """The groups of the functions that there are. A pattern is a part of the name."""
        if logGroupNamePrefix is not None and logGroupNamePattern is not None:
            raise _invalid_parameter("logGroupNamePrefix and logGroupNamePattern cannot be used together.")
        groups = [PREFIX + name for name in self._registry.names()]
        prefix, pattern = logGroupNamePrefix or "", logGroupNamePattern or ""
        wanted = [group for group in groups if group.startswith(prefix) and pattern in group]
        names, token = _some(wanted, _read_token(nextToken), limit, key=str)
        return _with_token({"logGroups": [self._described(group) for group in names]}, token)

    def describe_log_streams(
        self,
        request: Request,  # noqa: ARG002 - every method is handed its request
        logGroupName: str | None = None,
        logGroupIdentifier: str | None = None,
        logStreamNamePrefix: str | None = None,
        orderBy: str = "LogStreamName",
        descending: bool = False,
        nextToken: str | None = None,
        limit: int | None = None,
    ) -> Answer:
        """The streams of one group: one for each execution environment whose log is still kept."""
        if orderBy == "LastEventTime" and logStreamNamePrefix is not None:
            raise _invalid_parameter("Cannot order by LastEventTime with a logStreamNamePrefix.")
        function = self._function(logGroupName, logGroupIdentifier)

        def key(stream: LogStream) -> str:
            return stream.name if orderBy == "LogStreamName" else f"{stream.last_event_ms:016d}{stream.name}"

        streams = [s for s in self._logs.streams(function) if s.name.startswith(logStreamNamePrefix or "")]
        streams.sort(key=key, reverse=descending)
        page, token = _some(streams, _read_token(nextToken), limit, key=key, descending=descending)
        arn = self._group_arn(PREFIX + function)
        return _with_token({"logStreams": [_described_stream(stream, arn) for stream in page]}, token)

    def delete_log_group(self, request: Request, logGroupName: str) -> Answer:  # noqa: ARG002 - see above
        """Forget what the function has logged."""
        self._logs.forget(self._function(logGroupName, None))
        return {}

    def _function(self, group: str | None, identifier: str | None) -> str:
        """The function whose log group is named, by its name or its ARN."""
        if (group is None) == (identifier is None):
            raise _invalid_parameter("Exactly one of logGroupName and logGroupIdentifier must be given.")
        name = group or (identifier or "").removeprefix(self._group_arn("")).removesuffix(":*")
        function = name.removeprefix(PREFIX)
        if not name.startswith(PREFIX) or not function or not self._logs.exists(function):
            raise _not_found("The specified log group does not exist.")
        return function

    def _group_arn(self, group: str) -> str:
        return str(Arn("logs", self._region, self._account, f"log-group:{group}"))

    def _described(self, group: str) -> Answer:
        description: Answer = {
            "logGroupName": group,
            "arn": f"{self._group_arn(group)}:*",
            "logGroupArn": self._group_arn(group),
            "logGroupClass": "STANDARD",
            "metricFilterCount": 0,
        }
        began_ms = self._logs.began_ms(group.removeprefix(PREFIX))
        return description if began_ms is None else description | {"creationTime": began_ms}


def _both_ways(page: Page, position: Position | None) -> Answer:
    return {
        "events": [
            {"timestamp": event.timestamp_ms, "message": event.message, "ingestionTime": event.ingested_ms}
            for event in page.events
        ],
        "nextForwardToken": str(page.forward(position)),
        "nextBackwardToken": str(page.backward(position)),
    }


def _filtered(event: LogEvent) -> Answer:
    return {
        "logStreamName": event.stream,
        "timestamp": event.timestamp_ms,
        "message": event.message,
        "ingestionTime": event.ingested_ms,
        "eventId": event.event_id,
    }


def _described_stream(stream: LogStream, group_arn: str) -> Answer:
    return {
        "logStreamName": stream.name,
        "creationTime": stream.created_ms,
        "firstEventTimestamp": stream.first_event_ms,
        "lastEventTimestamp": stream.last_event_ms,
        "lastIngestionTime": stream.last_ingested_ms,
        "arn": f"{group_arn}:log-stream:{stream.name}",
        "storedBytes": 0,  # AWS's value for every stream since 2019
    }


def _pattern(text: str | None) -> filter_pattern.Matches:
    try:
        return filter_pattern.parse(text or "")
    except filter_pattern.UnusablePattern as unusable:
        raise _invalid_parameter(str(unusable)) from unusable


def _position(token: str | None) -> Position | None:
    try:
        return None if token is None else Position.parse(token)
    except UnusableToken:
        raise _invalid_parameter("The specified nextToken is invalid.") from None


def _some(
    items: Iterable[T], after: str, limit: int | None, *, key: Callable[[T], str], descending: bool = False
) -> tuple[list[T], str | None]:
    """A page of `items`, which are in order of `key`, and the key to go on after; None on the last page."""
    left = [item for item in items if not after or (key(item) < after if descending else key(item) > after)]
    page = left[: limit or PAGE]
    return page, key(page[-1]) if len(page) < len(left) else None


def _with_token(answer: Answer, token: str | None) -> Answer:
    if token is None:
        return answer
    return answer | {"nextToken": base64.urlsafe_b64encode(token.encode()).decode()}


def _read_token(token: str | None) -> str:
    try:
        return base64.b64decode((token or "").encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError):
        raise _invalid_parameter("The specified nextToken is invalid.") from None


def _invalid_parameter(message: str) -> ApiError:
    return ApiError("InvalidParameterException", message, 400)


def _not_found(message: str) -> ApiError:
    return ApiError("ResourceNotFoundException", message, 400)
