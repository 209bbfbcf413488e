"""The service on a real Redis: rules, targets, and events on their way to the targets."""

import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from redis import Redis

from producers.errors import ApiError
from producers.events.api import Events
from producers.seams import TargetMissing
from tests.conftest import FakeClock
from tests.events.recording import FUNCTION, MISSING, QUEUE, REQUEST, delivered
from worker.clock import to_ms
from worker.keys import Keys

PATTERN = '{"source": ["shop"]}'
ARN = "arn:aws:events:us-east-1:000000000000:rule/"
BUS = "arn:aws:events:us-east-1:000000000000:event-bus/default"


def refusal(call: Callable[..., Any], **parameters: Any) -> tuple[str, str]:
    """The code and the message with which the call is refused."""
    with pytest.raises(ApiError) as raised:
        call(REQUEST, **parameters)
    return raised.value.code, raised.value.message


def put(events: Events, name: str, *targets: dict[str, Any], **parameters: Any) -> None:
    """Put a rule with targets."""
    events.put_rule(REQUEST, Name=name, **({"EventPattern": PATTERN} | parameters))
    if targets:
        events.put_targets(REQUEST, Rule=name, Targets=list(targets))


def entry(**members: Any) -> dict[str, Any]:
    """An entry of PutEvents that matches PATTERN."""
    return {"Source": "shop", "DetailType": "order.placed", "Detail": '{"total": 12}'} | members


def due_times(redis: Redis, keys: Keys) -> dict[str, int]:
    """The due time in ms of every schedule."""
    return {name.decode(): int(score) for name, score in redis.zrange(keys.schedules, 0, -1, withscores=True)}


# --- rules ----------------------------------------------------------------------------------------------------------


def test_a_rule_is_shown_as_it_was_put(events: Events) -> None:
    """Only the members that were given, and what every rule has."""
    answer = events.put_rule(
        REQUEST, Name="r", EventPattern=PATTERN, Description="d", State="DISABLED", RoleArn="arn:aws:iam::0:role/x"
    )

    assert answer == {"RuleArn": ARN + "r"}
    assert events.describe_rule(REQUEST, Name="r", EventBusName=BUS) == {
        "Name": "r",
        "Arn": ARN + "r",
        "EventPattern": PATTERN,
        "State": "DISABLED",
        "Description": "d",
        "RoleArn": "arn:aws:iam::0:role/x",
        "EventBusName": "default",
        "CreatedBy": "000000000000",
    }


def test_putting_a_rule_again_replaces_all_but_its_targets(events: Events) -> None:
    """What is not given the second time is gone; the targets stay."""
    put(events, "r", {"Id": "1", "Arn": FUNCTION}, Description="d", State="DISABLED")

    events.put_rule(REQUEST, Name="r", ScheduleExpression="rate(1 day)")

    assert events.describe_rule(REQUEST, Name="r") == {
        "Name": "r",
        "Arn": ARN + "r",
        "ScheduleExpression": "rate(1 day)",
        "State": "ENABLED",
        "EventBusName": "default",
        "CreatedBy": "000000000000",
    }
    assert events.list_targets_by_rule(REQUEST, Rule="r") == {"Targets": [{"Id": "1", "Arn": FUNCTION}]}


def test_rules_are_listed_in_pages_by_name(events: Events) -> None:
    """Each page has a token for the next one, until the last."""
    for name in ("b2", "a1", "b3", "b1"):
        put(events, name)

    first = events.list_rules(REQUEST, NamePrefix="b", Limit=2)
    second = events.list_rules(REQUEST, NamePrefix="b", Limit=2, NextToken=first["NextToken"])

    assert [rule["Name"] for rule in first["Rules"]] == ["b1", "b2"]
    assert [rule["Name"] for rule in second["Rules"]] == ["b3"]
    assert second.keys() == {"Rules"}
    assert refusal(events.list_rules, NextToken="?") == ("ValidationException", "Invalid NextToken.")


@pytest.mark.parity("events.rule.targets")
def test_a_rule_is_deleted_only_without_targets(events: Events, redis: Redis, keys: Keys) -> None:
    """With targets it is refused, without it is gone with its schedule, and again it is no error."""
    put(events, "r", {"Id": "1", "Arn": FUNCTION}, ScheduleExpression="rate(1 minute)")

    refused = refusal(events.delete_rule, Name="r", Force=True)
    events.remove_targets(REQUEST, Rule="r", Ids=["1"])
    events.delete_rule(REQUEST, Name="r")
    events.delete_rule(REQUEST, Name="r")

    assert refused == ("ValidationException", "Rule can't be deleted since it has targets.")
    assert (events.list_rules(REQUEST), due_times(redis, keys)) == ({"Rules": []}, {})


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, ("ValidationException", "Parameter(s) EventPattern or ScheduleExpression must be specified.")),
        (
            {"EventPattern": "", "ScheduleExpression": ""},
            ("ValidationException", "Parameter(s) EventPattern or ScheduleExpression must be specified."),
        ),
        (
            {"ScheduleExpression": "rate(1 minutes)"},
            ("ValidationException", "Parameter ScheduleExpression is not valid."),
        ),
        (
            {"EventPattern": '{"a": [{"EXISTS": true}]}'},
            ("InvalidEventPatternException", "Event pattern is not valid. Reason: Unrecognized match type EXISTS"),
        ),
        (
            {"EventPattern": PATTERN, "EventBusName": "arn:aws:events:us-east-1:000000000000:event-bus/other"},
            ("ResourceNotFoundException", "Event bus other does not exist."),
        ),
        (
            {"EventPattern": PATTERN, "State": "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"},
            (
                "ValidationException",
                (
                    "State ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS is not supported: "
                    "there are no management events here. Use ENABLED or DISABLED."
                ),
            ),
        ),
    ],
)
def test_a_rule_that_cannot_work_is_refused(
    events: Events, parameters: dict[str, Any], expected: tuple[str, str]
) -> None:
    """With AWS's code and words; nothing is stored."""
    assert refusal(events.put_rule, Name="r", **parameters) == expected
    assert events.list_rules(REQUEST) == {"Rules": []}


def test_what_is_asked_of_a_missing_rule_is_refused(events: Events) -> None:
    """Every operation on one rule says the same."""
    expected = ("ResourceNotFoundException", "Rule x does not exist on EventBus default.")

    assert refusal(events.describe_rule, Name="x") == expected
    assert refusal(events.enable_rule, Name="x") == expected
    assert refusal(events.disable_rule, Name="x") == expected
    assert refusal(events.put_targets, Rule="x", Targets=[{"Id": "1", "Arn": FUNCTION}]) == expected
    assert refusal(events.list_targets_by_rule, Rule="x") == expected
    assert refusal(events.remove_targets, Rule="x", Ids=["1"]) == expected


# --- schedules ------------------------------------------------------------------------------------------------------


def test_a_schedule_is_due_as_long_as_its_rule_is_enabled(
    events: Events, redis: Redis, keys: Keys, clock: FakeClock
) -> None:
    """Putting, disabling, enabling and removing the schedule keep the due times exact."""
    before = to_ms(clock.now())
    put(events, "r", ScheduleExpression="rate(5 minutes)")
    due = due_times(redis, keys)["r"]
    events.disable_rule(REQUEST, Name="r")
    disabled = due_times(redis, keys)
    clock.advance(400)
    events.enable_rule(REQUEST, Name="r")
    enabled = due_times(redis, keys)
    put(events, "r")

    assert 0 <= due - before - 300_000 < 5_000
    assert disabled == {}
    assert enabled == {"r": due + 300_000}
    assert due_times(redis, keys) == {}


def test_a_tick_that_is_due_is_not_lost_when_the_rule_is_put_again(
    events: Events, redis: Redis, keys: Keys, clock: FakeClock
) -> None:
    """The same schedule keeps its due time, also in the past; another one begins anew."""
    put(events, "r", ScheduleExpression="rate(1 minute)")
    due = due_times(redis, keys)
    clock.advance(90)

    put(events, "r", {"Id": "1", "Arn": FUNCTION}, ScheduleExpression="rate(1 minute)", Description="new")
    same = due_times(redis, keys)
    put(events, "r", ScheduleExpression="rate(2 minutes)")
    other = due_times(redis, keys)

    assert same == due
    assert 0 <= other["r"] - due["r"] - 150_000 < 5_000


def test_a_cron_that_never_fires_again_is_not_due(events: Events, redis: Redis, keys: Keys) -> None:
    """The rule exists, and that is all."""
    put(events, "past", ScheduleExpression="cron(0 0 1 1 ? 1999)")
    put(events, "future", ScheduleExpression="cron(0 0 1 1 ? 2199)")

    assert due_times(redis, keys) == {"future": to_ms(datetime(2199, 1, 1, tzinfo=UTC))}


# --- targets --------------------------------------------------------------------------------------------------------


def test_targets_are_shown_as_they_were_put(events: Events) -> None:
    """With all that was given; a target of the same id is replaced."""
    function = {"Id": "2", "Arn": FUNCTION, "InputPath": "$.detail", "RoleArn": "arn:aws:iam::0:role/x"}
    transformer = {"InputTemplate": "<a>", "InputPathsMap": {"a": "$.source"}}
    queue = {"Id": "1", "Arn": QUEUE, "InputTransformer": transformer}
    put(events, "r", {"Id": "2", "Arn": QUEUE})

    answer = events.put_targets(REQUEST, Rule="r", Targets=[function, queue])

    assert answer == {"FailedEntryCount": 0, "FailedEntries": []}
    assert events.list_targets_by_rule(REQUEST, Rule="r") == {"Targets": [queue, function]}
    assert events.list_rule_names_by_target(REQUEST, TargetArn=QUEUE) == {"RuleNames": ["r"]}
    assert events.list_rule_names_by_target(REQUEST, TargetArn=MISSING) == {"RuleNames": []}


@pytest.mark.parity("events.rule.targets")
def test_a_rule_has_five_targets_at_most(events: Events) -> None:
    """The sixth is refused, and none of its call is put."""
    put(events, "r", *[{"Id": str(number), "Arn": FUNCTION} for number in range(4)])

    refused = refusal(events.put_targets, Rule="r", Targets=[{"Id": name, "Arn": QUEUE} for name in ("3", "4", "5")])

    assert refused == ("LimitExceededException", "The requested resource exceeds the maximum number allowed.")
    assert events.list_rule_names_by_target(REQUEST, TargetArn=QUEUE) == {"RuleNames": []}


def test_targets_are_removed_and_unknown_ids_told(events: Events) -> None:
    """What is known goes, what is not is listed."""
    put(events, "r", {"Id": "1", "Arn": FUNCTION}, {"Id": "2", "Arn": QUEUE})

    answer = events.remove_targets(REQUEST, Rule="r", Ids=["1", "9"])

    assert answer == {
        "FailedEntryCount": 1,
        "FailedEntries": [
            {
                "TargetId": "9",
                "ErrorCode": "ResourceNotFoundException",
                "ErrorMessage": "Rule 'r' does not have a target with the Id '9'.",
            }
        ],
    }
    assert events.list_targets_by_rule(REQUEST, Rule="r") == {"Targets": [{"Id": "2", "Arn": QUEUE}]}


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (
            {"RetryPolicy": {"MaximumRetryAttempts": 1}, "DeadLetterConfig": {}},
            (
                "Target 1 has DeadLetterConfig, RetryPolicy, which is not supported here. "
                "Supported are Arn, Id, Input, InputPath, InputTransformer, RoleArn."
            ),
        ),
        ({"Arn": "f"}, "Parameter f is not valid. Reason: Provided Arn is not in correct format."),
        (
            {"Arn": "arn:aws:kinesis:us-east-1:000000000000:stream/s"},
            "kinesis is not a supported service for a target.",
        ),
        (
            {"Input": "{}", "InputPath": "$"},
            "Only one of Input, InputPath, or InputTransformer must be provided for target 1.",
        ),
    ],
)
def test_a_target_that_cannot_work_is_refused(events: Events, members: dict[str, Any], message: str) -> None:
    """Nothing that would be ignored is accepted."""
    put(events, "r")

    refused = refusal(events.put_targets, Rule="r", Targets=[{"Id": "1", "Arn": FUNCTION} | members])

    assert refused == ("ValidationException", message)


# --- events ---------------------------------------------------------------------------------------------------------


def test_an_event_reaches_all_targets_of_all_rules_that_match(events: Events, redis: Redis) -> None:
    """Each in its form; disabled rules, other patterns and schedules without pattern get nothing."""
    put(events, "a", {"Id": "1", "Arn": FUNCTION}, {"Id": "2", "Arn": QUEUE, "InputPath": "$.detail.total"})
    put(events, "b", {"Id": "1", "Arn": QUEUE, "Input": '"b"'}, EventPattern='{"detail": {"total": [12]}}')
    put(events, "c", {"Id": "1", "Arn": FUNCTION}, EventPattern='{"source": ["other"]}')
    put(events, "d", {"Id": "1", "Arn": FUNCTION}, State="DISABLED")
    put(events, "e", {"Id": "1", "Arn": FUNCTION}, EventPattern=None, ScheduleExpression="rate(1 day)")

    time = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    answer = events.put_events(
        REQUEST, Entries=[entry(Time=time, Resources=["r1"], TraceHeader="Root=1", EventBusName=BUS)]
    )

    event = {
        "version": "0",
        "id": answer["Entries"][0]["EventId"],
        "detail-type": "order.placed",
        "source": "shop",
        "account": "000000000000",
        "time": "2026-01-02T03:04:05Z",
        "region": "us-east-1",
        "resources": ["r1"],
        "detail": {"total": 12},
    }
    common = {"source": "aws.events", "trace": "Root=1"}
    assert answer == {"FailedEntryCount": 0, "Entries": [{"EventId": event["id"]}]}
    assert delivered(redis) == [
        {"target": FUNCTION, "payload": event} | common,
        {"target": QUEUE, "payload": 12} | common,
        {"target": QUEUE, "payload": "b"} | common,
    ]


@pytest.mark.parity("events.put.entries")
def test_an_entry_that_is_wrong_does_not_fail_the_others(events: Events, redis: Redis) -> None:
    """Each entry has its own answer, in order."""
    put(events, "r", {"Id": "1", "Arn": FUNCTION})

    answer = events.put_events(
        REQUEST,
        Entries=[
            {"DetailType": "t", "Detail": "{}"},
            entry(DetailType=""),
            {"Source": "shop", "DetailType": "t"},
            entry(Detail="{"),
            entry(Detail='"text"'),
            entry(Source="aws.ec2"),
            entry(EventBusName="other"),
            entry(),
        ],
    )

    required = "Parameter {0} is not valid. Reason: {0} is a required argument."
    malformed = {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}
    sent = [accepted["payload"]["id"] for accepted in delivered(redis)]
    assert answer["FailedEntryCount"] == 6
    assert answer["Entries"][:6] == [
        {"ErrorCode": "InvalidArgument", "ErrorMessage": required.format("Source")},
        {"ErrorCode": "InvalidArgument", "ErrorMessage": required.format("DetailType")},
        {"ErrorCode": "InvalidArgument", "ErrorMessage": required.format("Detail")},
        malformed,
        malformed,
        {"ErrorCode": "NotAuthorizedForSourceException", "ErrorMessage": "Not authorized for the source."},
    ]
    assert sent == [answer["Entries"][7]["EventId"]]
    assert answer["Entries"][6].keys() == {"EventId"}


@pytest.mark.parity("events.put.size")
def test_entries_that_are_too_large_together_are_refused(events: Events, redis: Redis) -> None:
    """Up to 1 MB of source, type, detail and resources, and 14 bytes for a time."""
    put(events, "r", {"Id": "1", "Arn": FUNCTION})
    overhead = len("shop" + "order.placed" + '{"a":""}' + "r") + 14
    fits = entry(Detail=json.dumps({"a": "é" * ((1_048_576 - overhead) // 2)}, ensure_ascii=False).replace(" ", ""))
    time = datetime(2026, 1, 2, tzinfo=UTC)

    accepted = events.put_events(REQUEST, Entries=[fits | {"Time": time, "Resources": ["r"]}])
    refused = refusal(events.put_events, Entries=[fits | {"Time": time, "Resources": ["rrr"]}])

    assert accepted["FailedEntryCount"] == 0
    assert refused == ("ValidationException", "Total size of the entries in the request is over the limit.")
    assert len(delivered(redis)) == 1


def test_a_target_that_is_gone_does_not_keep_the_event_from_the_others(
    events: Events, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says which target missed which event, and why."""
    put(
        events,
        "r",
        {"Id": "gone", "Arn": MISSING},
        {
            "Id": "bad",
            "Arn": QUEUE,
            "InputTransformer": {"InputTemplate": "{<a>: 1}", "InputPathsMap": {"a": "$.detail"}},
        },
        {"Id": "good", "Arn": FUNCTION},
    )

    answer = events.put_events(REQUEST, Entries=[entry()])

    event_id = answer["Entries"][0]["EventId"]
    assert [(one["target"], one["payload"]["id"]) for one in delivered(redis)] == [(FUNCTION, event_id)]
    assert [(record.name, record.levelname) for record in caplog.records] == [("thrice.events", "WARNING")] * 2
    assert f"Event {event_id} of rule r was not delivered to target gone: there is no {MISSING}." in caplog.text
    assert f"Event {event_id} of rule r was not delivered to target bad: The input for target bad" in caplog.text


@pytest.mark.parity("trace.events")
def test_the_trace_of_the_caller_is_carried_on(events: Events, redis: Redis) -> None:
    """The header of the call stands in for an entry without one."""
    put(events, "r", {"Id": "1", "Arn": FUNCTION})
    request = dataclasses.replace(REQUEST, headers={"x-amzn-trace-id": "Root=2"})

    events.put_events(request, Entries=[entry(), entry(TraceHeader="Root=3")])

    assert [one["trace"] for one in delivered(redis)] == ["Root=2", "Root=3"]


@pytest.mark.parity("events.pattern.test")
def test_a_pattern_can_be_tried(events: Events) -> None:
    """The event needs no resources; what is no event is refused."""
    event = dict.fromkeys(("id", "account", "source", "time", "region", "detail-type"), "x")

    def tried(**changes: Any) -> Any:
        return events.test_event_pattern(REQUEST, EventPattern=PATTERN, Event=json.dumps(event | changes))

    assert tried(source="shop") == {"Result": True}
    assert tried() == {"Result": False}
    for wrong in ("{", "[]", '{"source": "shop"}'):
        assert refusal(events.test_event_pattern, EventPattern=PATTERN, Event=wrong) == (
            "ValidationException",
            "Parameter Event is not valid.",
        )
    assert refusal(events.test_event_pattern, EventPattern="[]", Event=json.dumps(event)) == (
        "InvalidEventPatternException",
        "Event pattern is not valid. Reason: Filter is not an object",
    )


# --- events of other services ---------------------------------------------------------------------------------------


def test_an_event_of_another_service_is_matched_within_its_transaction(events: Events, redis: Redis) -> None:
    """Nothing happens before the pipe is executed; then the completed event is at the targets."""
    put(events, "r", {"Id": "1", "Arn": FUNCTION}, EventPattern='{"source": ["lambda"], "account": ["000000000000"]}')
    payload = b'{"detail-type":"T","source":"lambda","resources":["x"],"detail":{"a":1}}'
    pipe = redis.pipeline(transaction=True)

    events.deliver(pipe, BUS, payload, source="lambda", trace_header="Root=1")
    before = delivered(redis)
    pipe.execute()

    (after,) = delivered(redis)
    assert before == []
    assert after | {"payload": None} == {"target": FUNCTION, "payload": None, "source": "aws.events", "trace": "Root=1"}
    assert after["payload"].keys() == {
        "version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail",
    }  # fmt: skip


@pytest.mark.parity("events.bus.custom")
@pytest.mark.parametrize("arn", [BUS + "2", "arn:aws:events:eu-west-1:000000000000:event-bus/default", ARN + "r", "x"])
def test_there_is_one_event_bus(events: Events, redis: Redis, arn: str) -> None:
    """Everything else is missing as a target."""
    with pytest.raises(TargetMissing):
        events.deliver(redis.pipeline(), arn, b"{}", source="lambda")
