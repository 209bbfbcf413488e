"""The JSON of events."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from aws_lambda_powertools.utilities.parser.models import EventBridgeModel

from producers.events.event import MalformedEvent, completed_event, put_event, scheduled_event

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
ENVELOPE = {"account": "000000000000", "region": "us-east-1"}
EVENT_ID = "6a7e8feb-b491-4cf7-a9f1-bf3703467718"


@pytest.mark.parity("events.form")
def test_a_put_event_has_the_form_of_aws() -> None:
    """All nine members, the time in whole seconds of UTC, and the same in both forms."""
    event = put_event(
        event_id=EVENT_ID,
        detail_type="order.placed",
        source="shop",
        time=MOMENT.astimezone(timezone(timedelta(hours=5))),
        resources=[],
        detail='{"total": 12}',
        **ENVELOPE,
    )

    expected = {
        "version": "0",
        "id": EVENT_ID,
        "detail-type": "order.placed",
        "source": "shop",
        "account": "000000000000",
        "time": "2026-01-02T03:04:05Z",
        "region": "us-east-1",
        "resources": [],
        "detail": {"total": 12},
    }
    assert (json.loads(event.text), event.fields) == (expected, expected)
    EventBridgeModel.model_validate_json(event.text)


def test_the_digits_of_a_detail_are_kept() -> None:
    """A number that no machine word holds arrives as it was sent."""
    event = put_event(
        event_id=EVENT_ID, detail_type="t", source="s", time=MOMENT, resources=[], detail=f'{{"n":1.10,"m":{10**30}}}',
        **ENVELOPE,
    )  # fmt: skip

    assert event.text.endswith(b'"detail":{"n":1.10,"m":1000000000000000000000000000000}}')


@pytest.mark.parity("events.detail")
@pytest.mark.parametrize("detail", ["", "x", '"text"', "[1]", "null", '{"a":NaN}', '{"a":1}x', '"\\ud800"'])
def test_a_detail_that_is_no_object_is_refused(detail: str) -> None:
    """Only a JSON object can be a detail."""
    with pytest.raises(MalformedEvent):
        put_event(event_id=EVENT_ID, detail_type="t", source="s", time=MOMENT, resources=[], detail=detail, **ENVELOPE)


@pytest.mark.parity("events.schedule.event")
def test_a_scheduled_event_is_told_by_rule_and_due_time_alone() -> None:
    """The same rule and time give the same event; another time another id."""
    rule_arn = "arn:aws:events:us-east-1:000000000000:rule/nightly"

    event = scheduled_event(rule_arn=rule_arn, due=MOMENT, **ENVELOPE)
    again = scheduled_event(rule_arn=rule_arn, due=MOMENT, **ENVELOPE)
    later = scheduled_event(rule_arn=rule_arn, due=MOMENT + timedelta(minutes=1), **ENVELOPE)

    assert event == again
    assert event.fields["id"] != later.fields["id"]
    assert json.loads(event.text) == {
        "version": "0",
        "id": event.fields["id"],
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "000000000000",
        "time": "2026-01-02T03:04:05Z",
        "region": "us-east-1",
        "resources": [rule_arn],
        "detail": {},
    }
    EventBridgeModel.model_validate_json(event.text)


def test_an_event_of_another_service_is_completed_with_what_it_left_out() -> None:
    """What is there stays, byte for byte; what is missing is added."""
    payload = b' {"detail-type":"T","source":"lambda","resources":["b","f"],"detail":{"n":1.10},"region":"eu-west-1"} '

    event = completed_event(payload, event_id=EVENT_ID, time=MOMENT, **ENVELOPE)

    assert event.fields == {
        "version": "0",
        "id": EVENT_ID,
        "account": "000000000000",
        "time": "2026-01-02T03:04:05Z",
        "detail-type": "T",
        "source": "lambda",
        "resources": ["b", "f"],
        "detail": {"n": 1.1},
        "region": "eu-west-1",
    }
    assert json.loads(event.text) == event.fields
    assert event.text.strip().endswith(payload.strip()[1:])
    EventBridgeModel.model_validate_json(event.text)


def test_a_complete_event_is_not_touched() -> None:
    """An event with all members goes through as it is."""
    first = completed_event(b"{}", event_id=EVENT_ID, time=MOMENT, **ENVELOPE)

    again = completed_event(first.text, event_id="other", time=MOMENT + timedelta(days=1), **ENVELOPE)

    assert again == first


@pytest.mark.parametrize("payload", [b"", b"[]", b'"x"', b"{", b"\xff"])
def test_an_event_of_another_service_must_be_an_object(payload: bytes) -> None:
    """Anything else is told as what it is."""
    with pytest.raises(MalformedEvent):
        completed_event(payload, event_id=EVENT_ID, time=MOMENT, **ENVELOPE)
