"""What a target receives: Input, InputPath and InputTransformer."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from producers.events import json_path, target_input
from producers.events.event import Event, put_event
from producers.events.rule import Target
from producers.events.target_input import InvalidInput

EVENT = put_event(
    event_id="6a7e8feb-b491-4cf7-a9f1-bf3703467718",
    detail_type="order.placed",
    source="shop",
    account="000000000000",
    time=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    region="us-east-1",
    resources=["r1", "r2"],
    detail=json.dumps(
        {
            "name": 'A "B"\n',
            "n": 1.5,
            "yes": True,
            "no": None,
            "tags": ["x", "y"],
            "who": {"first": "Ann", "a-b": 1},
            "items": [{"sku": 1}, {"sku": 2}, {}],
            "a key": "k",
        }
    ),
)
RULE_ARN = "arn:aws:events:us-east-1:000000000000:rule/r"


def target(**members: Any) -> Target:
    """A target with these members of AWS's."""
    return Target.from_api({"Id": "t1", "Arn": "arn:aws:lambda:us-east-1:000000000000:function:f"} | members)


def received(event: Event = EVENT, **members: Any) -> Any:
    """What the target receives, as JSON value."""
    chosen = target(**members)
    target_input.check(chosen)
    return json.loads(
        target_input.payload(chosen, event, rule_arn=RULE_ARN, rule_name="r", ingestion_time="2026-01-02T03:04:06Z")
    )


def transformed(template: str, **paths: str) -> Any:
    """What a target with this template receives."""
    return received(InputTransformer={"InputTemplate": template, "InputPathsMap": paths})


def test_without_input_the_event_itself_is_received() -> None:
    """Byte for byte."""
    assert target_input.payload(target(), EVENT, rule_arn="", rule_name="", ingestion_time="") == EVENT.text


@pytest.mark.parity("events.input")
def test_a_constant_is_received_as_it_was_written() -> None:
    """Input replaces the whole event."""
    assert received(Input='{"a": [1, "x"]}') == {"a": [1, "x"]}


@pytest.mark.parity("events.input")
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$", EVENT.fields),
        ("$.detail.n", 1.5),
        ("$.detail-type", "order.placed"),
        ("$.detail.who", {"first": "Ann", "a-b": 1}),
        ("$.detail.who.a-b", 1),
        ("$.detail['a key']", "k"),
        ("$.resources", ["r1", "r2"]),
        ("$.resources[1]", "r2"),
        ("$.resources[2]", None),
        ("$.detail.items[*].sku", [1, 2]),
        ("$.detail.who.*", ["Ann", 1]),
        ("$.detail.n.*", None),
        ("$.detail.nothing.at.all", None),
        ("$.detail.tags.x", None),
        ("$.detail.who[0]", None),
    ],
)
def test_a_path_gives_a_piece_of_the_event(path: str, expected: Any) -> None:
    """InputPath selects a piece; null stands for none."""
    assert received(InputPath=path) == expected


@pytest.mark.parametrize("path", ["", "detail", "$detail", "$.", "$..a", "$.a[", "$.a[x]", "$.a[?(@.b)]", "$.a b", "@"])
def test_a_path_that_cannot_be_read_is_refused(path: str) -> None:
    """Filters, descendants and broken paths are no paths here."""
    with pytest.raises(json_path.InvalidPath):
        json_path.parse(path)


@pytest.mark.parity("events.input")
@pytest.mark.parametrize(
    ("template", "paths", "expected"),
    [
        ("<x>", {"x": "$.detail.who"}, {"first": "Ann", "a-b": 1}),
        ('{"a": <x>, "b": <y>}', {"x": "$.detail.n", "y": "$.source"}, {"a": 1.5, "b": "shop"}),
        ('{"a": <x>}', {"x": "$.detail.name"}, {"a": 'A "B"\n'}),
        ('{"a": "<x>!"}', {"x": "$.detail.name"}, {"a": 'A "B"\n!'}),
        ('{"a": "<x> <y> <z>"}', {"x": "$.detail.n", "y": "$.detail.yes", "z": "$.detail.no"}, {"a": "1.5 true null"}),
        ('{"a": "<x>"}', {"x": "$.detail.who"}, {"a": "{first:Ann,a-b:1}"}),
        ('{"a": "<x>"}', {"x": "$.detail.tags"}, {"a": "[x,y]"}),
        ('{"a": <x>}', {"x": "$.detail.tags"}, {"a": ["x", "y"]}),
        ('{"a": <x>, "b": "<x>"}', {"x": "$.detail.nothing"}, {"a": "", "b": ""}),
        ('{"a": <x>}', {"x": "$.detail.no"}, {"a": None}),
        ('["<x>", <x>]', {"x": "$.source"}, ["shop", "shop"]),
        ('"<x> is in state \\"<y>\\""', {"x": "$.source", "y": "$.detail.n"}, 'shop is in state "1.5"'),
        ("<x> is in state <y>", {"x": "$.source", "y": "$.detail.n"}, "shop is in state 1.5"),
        ("only text", {}, "only text"),
        ('{"constant": 1}', {}, {"constant": 1}),
        (
            '{"arn": <aws.events.rule-arn>, "name": "<aws.events.rule-name>"}',
            {},
            {"arn": RULE_ARN, "name": "r"},
        ),
        ('{"at": <aws.events.event.ingestion-time>}', {}, {"at": "2026-01-02T03:04:06Z"}),
        ("<aws.events.event.json>", {}, EVENT.fields),
        (
            '{"e": <aws.events.event>}',
            {},
            {
                "e": {
                    "version": "0",
                    "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
                    "detailType": "order.placed",
                    "source": "shop",
                    "account": "000000000000",
                    "time": "2026-01-02T03:04:05Z",
                    "region": "us-east-1",
                    "resources": ["r1", "r2"],
                }
            },
        ),
    ],
)
def test_a_template_is_filled(template: str, paths: dict[str, str], expected: Any) -> None:
    """JSON values outside of quotes, text inside of them."""
    assert transformed(template, **paths) == expected


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (
            {"Input": "{}", "InputPath": "$"},
            "Only one of Input, InputPath, or InputTransformer must be provided for target t1.",
        ),
        (
            {"InputPath": "$", "InputTransformer": {"InputTemplate": "{}"}},
            "Only one of Input, InputPath, or InputTransformer must be provided for target t1.",
        ),
        (
            {"InputTransformer": {"InputTemplate": '{"a": <x>}', "InputPathsMap": {"y": "$"}}},
            "InputTemplate for target t1 contains invalid placeholder x.",
        ),
        (
            {"InputTransformer": {"InputTemplate": "<x>", "InputPathsMap": {"x": "detail"}}},
            "InputPathsMap for target t1 contains invalid path detail.",
        ),
        (
            {"InputTransformer": {"InputTemplate": "<aws.x>", "InputPathsMap": {"aws.x": "$"}}},
            "InputPathsMap for target t1 contains the reserved name aws.x.",
        ),
        (
            {"InputTransformer": {"InputTemplate": '{"a": 1'}},
            (
                "InputTemplate for target t1 is not valid: it does not become JSON "
                "(unexpected end of data: line 1 column 8 (char 7))."
            ),
        ),
        ({"InputPath": "detail"}, "InputPath for target t1 is not valid: detail."),
        (
            {"Input": "{"},
            "Input for target t1 is not valid JSON: unexpected end of data: line 1 column 2 (char 1).",
        ),
    ],
)
def test_an_input_that_could_never_be_made_is_refused(members: dict[str, Any], message: str) -> None:
    """When the target is put, with AWS's words where they are known."""
    with pytest.raises(InvalidInput) as raised:
        target_input.check(target(**members))

    assert str(raised.value) == message


def test_an_event_that_breaks_the_template_is_told() -> None:
    """A placeholder as the name of a member works only for text."""
    broken = target(InputTransformer={"InputTemplate": "{<x>: 1}", "InputPathsMap": {"x": "$.detail.n"}})
    target_input.check(broken)

    with pytest.raises(InvalidInput, match="The input for target t1 cannot be made"):
        target_input.payload(broken, EVENT, rule_arn="", rule_name="", ingestion_time="")


def test_a_piece_that_is_nested_too_deeply_is_told() -> None:
    """JSON that cannot be written again does not break the delivery to other targets."""
    deep = put_event(
        event_id="i", detail_type="t", source="s", account="0", time=datetime(2026, 1, 2, tzinfo=UTC), region="r",
        resources=[], detail='{"a":' * 400 + "1" + "}" * 400,
    )  # fmt: skip

    with pytest.raises(InvalidInput, match="The input for target t1 cannot be made"):
        received(deep, InputPath="$.detail")
