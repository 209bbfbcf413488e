"""Reading logs: what is shown, in which order, on which page."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis

from producers.logs import pages
from tests.conftest import FakeClock
from tests.logs.conftest import LogSystem
from worker.clock import to_ms
from worker.keys import Keys

GROUP = "/aws/lambda/f"
ONE, TWO = "2026/01/02/[$LATEST]aaaa", "2026/01/02/[$LATEST]bbbb"

Messages = Callable[[dict[str, Any]], list[str]]


def write_two_streams(logs: LogSystem) -> None:
    """Two attempts that overlapped in time, at 1 s and at 2 s after the epoch; the later to begin was written first."""
    logs.write("f", TWO, (1500, "b1"), (1900, "b2 ERROR"), entry_id="2000-0")
    logs.write("f", ONE, (1000, "a1"), (1500, "a2"), (2100, "a3 ERROR"), entry_id="2200-5")


@pytest.mark.parity("log.readable")
def test_events_of_all_streams_come_by_time(logs: LogSystem) -> None:
    """Interleaved; each with its stream, its moments, and an id of 56 digits that sorts as the events do."""
    write_two_streams(logs)

    answer = logs.call("FilterLogEvents", logGroupName=GROUP)

    expected = [
        (ONE, 1000, "a1", 2200),
        (TWO, 1500, "b1", 2000),
        (ONE, 1500, "a2", 2200),
        (TWO, 1900, "b2 ERROR", 2000),
        (ONE, 2100, "a3 ERROR", 2200),
    ]
    ids = [event.pop("eventId") for event in answer["events"]]
    assert {
        "events": [
            {"logStreamName": stream, "timestamp": timestamp, "message": message, "ingestionTime": ingested}
            for stream, timestamp, message, ingested in expected
        ],
        "searchedLogStreams": [],
    } == answer
    assert sorted(set(ids)) == ids
    assert {(56, True)} == {(len(event_id), event_id.isdigit()) for event_id in ids}


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"startTime": 1500}, ["b1", "a2", "b2 ERROR", "a3 ERROR"]),
        ({"endTime": 1500}, ["a1", "b1", "a2"]),
        ({"startTime": 1501, "endTime": 1900}, ["b2 ERROR"]),
        ({"logStreamNames": [ONE]}, ["a1", "a2", "a3 ERROR"]),
        ({"logStreamNames": [ONE, TWO, "other"], "endTime": 1000}, ["a1"]),
        ({"logStreamNamePrefix": "2026/01/02/[$LATEST]b"}, ["b1", "b2 ERROR"]),
        ({"filterPattern": "ERROR"}, ["b2 ERROR", "a3 ERROR"]),
        ({"filterPattern": "-ERROR", "interleaved": False}, ["a1", "b1", "a2"]),
        ({"startFromHead": False}, ["a3 ERROR", "b2 ERROR", "a2", "b1", "a1"]),
        ({"startTime": 9000}, []),
    ],
)
def test_what_is_asked_for_is_shown(
    logs: LogSystem, messages: Messages, parameters: dict[str, Any], expected: list[str]
) -> None:
    """Time windows include both ends."""
    write_two_streams(logs)

    answer = logs.call("FilterLogEvents", logGroupName=GROUP, **parameters)

    assert expected == messages(answer)
    assert "nextToken" not in answer


@pytest.mark.parametrize("from_head", [True, False])
@pytest.mark.parametrize("limit", [1, 2, 3, 5])
def test_pages_together_are_everything(logs: LogSystem, messages: Messages, from_head: bool, limit: int) -> None:
    """No event twice, none left out, in either direction; the last page has no token."""
    write_two_streams(logs)
    everything = messages(logs.call("FilterLogEvents", logGroupName=GROUP, startFromHead=from_head))

    read: list[str] = []
    token: dict[str, str] = {}
    sizes = []
    while token is not None:
        answer = logs.call("FilterLogEvents", logGroupName=GROUP, limit=limit, startFromHead=from_head, **token)
        read += messages(answer)
        sizes.append(len(answer["events"]))
        token = {"nextToken": answer["nextToken"]} if "nextToken" in answer else None  # type: ignore[assignment]

    assert everything == read
    assert max(sizes) == limit
    assert len(sizes) == -(-5 // limit)


def test_a_page_has_a_megabyte_at_most(logs: LogSystem) -> None:
    """An event that alone is larger still comes, by itself."""
    large = "x" * (pages.MAX_BYTES // 2)
    logs.write("f", ONE, (1, large), (2, large), (3, large * 3), (4, "last"))

    answers = [logs.call("FilterLogEvents", logGroupName=GROUP)]
    while "nextToken" in answers[-1]:
        answers.append(logs.call("FilterLogEvents", logGroupName=GROUP, nextToken=answers[-1]["nextToken"]))

    assert [[event["timestamp"] for event in answer["events"]] for answer in answers] == [[1], [2], [3], [4]]


@pytest.mark.parity("log.tail.cli")
def test_the_cli_follows_a_log(logs: LogSystem, clock: FakeClock) -> None:
    """`aws logs tail --follow` asks again from the newest event's time, and leaves out what it has seen by id."""
    logs.create_function("f")
    began = to_ms(clock.now())
    kwargs: dict[str, Any] = {"logGroupName": GROUP, "interleaved": True, "startTime": began - 600_000, "limit": 2}
    seen: dict[int, set[str]] = defaultdict(set)
    printed: list[str] = []

    def poll() -> None:
        """What the CLI does between two sleeps, in its pages."""
        nonlocal seen
        while True:
            response = logs.call("FilterLogEvents", **kwargs)
            for event in response["events"]:
                if event["eventId"] not in seen[event["timestamp"]]:
                    seen[event["timestamp"]].add(event["eventId"])
                    printed.append(event["message"])
            if seen:
                newest = max(seen)
                seen = defaultdict(set, {newest: seen[newest]})
            if "nextToken" not in response:
                break
            kwargs["nextToken"] = response["nextToken"]
        if seen:
            kwargs["startTime"] = max(seen)
        kwargs.pop("nextToken", None)

    poll()
    logs.write("f", ONE, (began, "1"), (began + 1, "2"), (began + 1, "3"))
    poll()
    logs.write("f", TWO, (began + 1, "4"), (began + 2, "5"))
    poll()
    poll()

    assert printed == ["1", "2", "3", "4", "5"]


def test_a_clock_that_was_moved_hides_nothing(logs: LogSystem, messages: Messages, clock: FakeClock) -> None:
    """Events of a system whose clock is ahead of the server's are found by their own time."""
    clock.advance(100_000)
    now = to_ms(clock.now())
    logs.write("f", ONE, (now, "later"))

    assert messages(logs.call("FilterLogEvents", logGroupName=GROUP, startTime=now - 10)) == ["later"]


def test_long_logs_are_read_to_their_end(logs: LogSystem) -> None:
    """However many entries there are."""
    for number in range(1_201):
        logs.write("f", ONE, (number, str(number)))

    answer = logs.call("FilterLogEvents", logGroupName=GROUP)

    assert list(range(1_201)) == [event["timestamp"] for event in answer["events"]]


def test_a_stream_is_read_from_its_end(logs: LogSystem, messages: Messages) -> None:
    """The latest page first, then backwards; at an end the token is the one that was given."""
    write_two_streams(logs)
    question = {"logGroupName": GROUP, "logStreamName": ONE, "limit": 2}

    last = logs.call("GetLogEvents", **question)
    first = logs.call("GetLogEvents", nextToken=last["nextBackwardToken"], **question)
    before = logs.call("GetLogEvents", nextToken=first["nextBackwardToken"], **question)
    after = logs.call("GetLogEvents", nextToken=first["nextForwardToken"], **question)
    end = logs.call("GetLogEvents", nextToken=after["nextForwardToken"], **question)

    pages_read = [messages(answer) for answer in (last, first, before, after, end)]
    assert pages_read == [["a2", "a3 ERROR"], ["a1"], [], ["a2", "a3 ERROR"], []]
    assert first["nextBackwardToken"] == before["nextBackwardToken"]
    assert after["nextForwardToken"] == end["nextForwardToken"]
    assert last["events"][0] == {"timestamp": 1500, "message": "a2", "ingestionTime": 2200}


@pytest.mark.parity("log.readable")
def test_a_stream_is_read_from_its_head(logs: LogSystem, messages: Messages) -> None:
    """The window leaves out its end; what comes later is found by the forward token."""
    write_two_streams(logs)
    question = {"logGroupName": GROUP, "logStreamName": ONE, "startFromHead": True}

    window = logs.call("GetLogEvents", startTime=1000, endTime=1500, **question)
    everything = logs.call("GetLogEvents", **question)
    logs.write("f", ONE, (3000, "a4"))
    later = logs.call("GetLogEvents", nextToken=everything["nextForwardToken"], **question)

    assert [messages(a) for a in (window, everything, later)] == [["a1"], ["a1", "a2", "a3 ERROR"], ["a4"]]


def test_an_empty_window_can_be_followed(logs: LogSystem, messages: Messages) -> None:
    """The tokens of a page without events lead to what is written afterwards."""
    write_two_streams(logs)
    question = {"logGroupName": GROUP, "logStreamName": ONE, "startTime": 5000, "startFromHead": True}

    empty = logs.call("GetLogEvents", **question)
    logs.write("f", ONE, (5000, "new"))
    later = logs.call("GetLogEvents", nextToken=empty["nextForwardToken"], **question)

    assert (messages(empty), messages(later)) == ([], ["new"])


def test_a_function_that_never_ran_has_an_empty_log(logs: LogSystem) -> None:
    """No error: its group is there."""
    logs.create_function("f")

    assert logs.call("FilterLogEvents", logGroupName=GROUP) == {"events": [], "searchedLogStreams": []}
    assert logs.call("DescribeLogStreams", logGroupName=GROUP) == {"logStreams": []}


def test_groups_are_those_of_the_functions(logs: LogSystem, redis: Redis, keys: Keys) -> None:
    """In pages, by prefix or by a part of the name; without the internal functions."""
    for name in ("b-blue", "a", "b", "thrice:canary"):
        logs.create_function(name)
    logs.write("a", ONE, (1, "x"), entry_id="77-0")

    first = logs.call("DescribeLogGroups", limit=2)
    second = logs.call("DescribeLogGroups", limit=2, nextToken=first["nextToken"])
    by_prefix = logs.call("DescribeLogGroups", logGroupNamePrefix="/aws/lambda/b")
    by_part = logs.call("DescribeLogGroups", logGroupNamePattern="blue")

    def group(name: str) -> dict[str, Any]:
        arn = f"arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/{name}"
        return {
            "logGroupName": f"/aws/lambda/{name}",
            "arn": f"{arn}:*",
            "logGroupArn": arn,
            "logGroupClass": "STANDARD",
            "metricFilterCount": 0,
        }

    a, b, blue = group("a") | {"creationTime": 77}, group("b"), group("b-blue")
    assert ([a, b], [blue], [b, blue], [blue]) == tuple(
        answer["logGroups"] for answer in (first, second, by_prefix, by_part)
    )
    assert "nextToken" not in second


def test_streams_are_described(logs: LogSystem) -> None:
    """By name or by the time of their latest event, in either direction, in pages."""
    write_two_streams(logs)
    logs.write("f", TWO, (2500, "b3"), entry_id="2600-0")
    arn = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/f"

    by_name = logs.call("DescribeLogStreams", logGroupName=GROUP)
    latest = logs.call("DescribeLogStreams", logGroupName=GROUP, orderBy="LastEventTime", descending=True, limit=1)
    rest = logs.call(
        "DescribeLogStreams", logGroupIdentifier=arn, orderBy="LastEventTime", descending=True,
        nextToken=latest["nextToken"],
    )  # fmt: skip

    one = {
        "logStreamName": ONE, "creationTime": 2200, "firstEventTimestamp": 1000, "lastEventTimestamp": 2100,
        "lastIngestionTime": 2200, "arn": f"{arn}:log-stream:{ONE}", "storedBytes": 0,
    }  # fmt: skip
    two = one | {
        "logStreamName": TWO, "creationTime": 2000, "firstEventTimestamp": 1500, "lastEventTimestamp": 2500,
        "lastIngestionTime": 2600, "arn": f"{arn}:log-stream:{TWO}",
    }  # fmt: skip
    assert ([one, two], [two], {"logStreams": [one]}) == (by_name["logStreams"], latest["logStreams"], rest)


def test_a_deleted_group_is_empty_or_gone(logs: LogSystem) -> None:
    """The log of a deleted function stays until its group is deleted; that of a living one begins anew."""
    write_two_streams(logs)
    logs.write("g", ONE, (1, "x"))
    logs.create_function("g")

    for group in (GROUP, "/aws/lambda/g"):
        logs.call("DeleteLogGroup", logGroupName=group)

    assert logs.refusal("FilterLogEvents", logGroupName=GROUP)[1] == 400
    assert logs.call("FilterLogEvents", logGroupName="/aws/lambda/g")["events"] == []


@pytest.mark.parametrize(
    ("operation", "parameters", "code", "message"),
    [
        (
            "FilterLogEvents", {"logGroupName": "/aws/lambda/unknown"}, "ResourceNotFoundException",
            "The specified log group does not exist.",
        ),
        (
            "DescribeLogStreams", {"logGroupName": "/other/f"}, "ResourceNotFoundException",
            "The specified log group does not exist.",
        ),
        (
            "GetLogEvents", {"logGroupName": GROUP, "logStreamName": "unknown"}, "ResourceNotFoundException",
            "The specified log stream does not exist.",
        ),
        (
            "FilterLogEvents", {"logGroupName": GROUP, "nextToken": "x"}, "InvalidParameterException",
            "The specified nextToken is invalid.",
        ),
        (
            "DescribeLogStreams", {"logGroupName": GROUP, "nextToken": "é"}, "InvalidParameterException",
            "The specified nextToken is invalid.",
        ),
        (
            "FilterLogEvents", {"logGroupName": GROUP, "logStreamNames": [ONE], "logStreamNamePrefix": "2"},
            "InvalidParameterException", "logStreamNames and logStreamNamePrefix cannot be used together.",
        ),
        (
            "FilterLogEvents", {}, "InvalidParameterException",
            "Exactly one of logGroupName and logGroupIdentifier must be given.",
        ),
        (
            "FilterLogEvents", {"logGroupName": GROUP, "filterPattern": "[a]"}, "InvalidParameterException",
            (
                "A pattern for columns is not offered by thrice: '[a]'. "
                'Terms are: ERROR, "a phrase", ?any ?of, -without.'
            ),
        ),
        (
            "DescribeLogStreams", {"logGroupName": GROUP, "orderBy": "LastEventTime", "logStreamNamePrefix": "2"},
            "InvalidParameterException", "Cannot order by LastEventTime with a logStreamNamePrefix.",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_refused(
    logs: LogSystem, operation: str, parameters: dict[str, Any], code: str, message: str
) -> None:
    """In CloudWatch's words where it has them."""
    write_two_streams(logs)

    assert (code, 400, message) == logs.refusal(operation, **parameters)
