"""Configurations: what is read, what is refused, and which rule an event finds. Pure."""

import itertools
from typing import Any

import pytest

from producers.errors import ApiError
from producers.s3 import notification
from tests.s3.system import FUNCTION, QUEUE, TOPIC, to


def parse(configuration: dict[str, Any]) -> notification.Configuration:
    numbers = itertools.count(1)
    return notification.parse(notification.normalize(configuration, lambda: f"generated-{next(numbers)}"))


def refusal(configuration: dict[str, Any]) -> tuple[str, str, dict[str, Any]]:
    with pytest.raises(ApiError) as caught:
        parse(configuration)
    return caught.value.code, caught.value.message, caught.value.members


def both(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for configurations, rules in itertools.chain(one.items(), other.items()):
        merged.setdefault(configurations, []).extend(rules)
    return merged


@pytest.mark.parametrize(
    ("event", "prefix", "suffix", "happened", "key", "expected"),
    [
        ("s3:ObjectCreated:*", None, None, "ObjectCreated:Put", "a", True),
        ("s3:ObjectCreated:*", None, None, "ObjectCreated:Copy", "a", True),
        ("s3:ObjectCreated:*", None, None, "ObjectCreated:CompleteMultipartUpload", "a", True),
        ("s3:ObjectCreated:*", None, None, "ObjectRemoved:Delete", "a", False),
        ("s3:ObjectCreated:Put", None, None, "ObjectCreated:Put", "a", True),
        ("s3:ObjectCreated:Put", None, None, "ObjectCreated:Copy", "a", False),
        ("s3:ObjectCreated:Post", None, None, "ObjectCreated:Put", "a", False),
        ("s3:ObjectRemoved:*", None, None, "ObjectRemoved:Delete", "a", True),
        ("s3:ObjectRemoved:Delete", None, None, "ObjectRemoved:Delete", "a", True),
        ("s3:ObjectRemoved:DeleteMarkerCreated", None, None, "ObjectRemoved:Delete", "a", False),
        ("s3:ObjectCreated:*", "in/", None, "ObjectCreated:Put", "in/a", True),
        ("s3:ObjectCreated:*", "in/", None, "ObjectCreated:Put", "out/in/a", False),
        ("s3:ObjectCreated:*", None, ".jpg", "ObjectCreated:Put", "a.jpg", True),
        ("s3:ObjectCreated:*", None, ".jpg", "ObjectCreated:Put", "a.JPG", False),
        ("s3:ObjectCreated:*", "in/", ".jpg", "ObjectCreated:Put", "in/a.jpg", True),
        ("s3:ObjectCreated:*", "in/", ".jpg", "ObjectCreated:Put", "in/a.png", False),
        ("s3:ObjectCreated:*", "", "", "ObjectCreated:Put", "a", True),
        ("s3:ObjectCreated:*", "ü ", None, "ObjectCreated:Put", "ü a", True),
    ],
)
def test_rule_finds_its_events(
    event: str, prefix: str | None, suffix: str | None, happened: str, key: str, expected: bool
):
    """Type, prefix and suffix must all match; an empty prefix or suffix matches each key, unencoded."""
    configuration = parse(to(FUNCTION, event, prefix=prefix, suffix=suffix))

    assert [rule.id for rule in configuration.matching(happened, key)] == (["rule"] if expected else [])


@pytest.mark.parity("s3.configuration.overlap")
@pytest.mark.parametrize(
    ("one", "other", "clash"),
    [
        ({}, {}, True),
        ({"prefix": "a"}, {}, True),
        ({"suffix": "a"}, {}, True),
        ({"prefix": "a"}, {"suffix": "b"}, True),
        ({"prefix": "a"}, {"prefix": "b"}, False),
        ({"prefix": "a"}, {"prefix": "ab"}, True),
        ({"suffix": ".jpg"}, {"suffix": ".png"}, False),
        ({"suffix": "jpg"}, {"suffix": "pg"}, True),
        ({"prefix": "a", "suffix": "x"}, {"prefix": "a", "suffix": "y"}, False),
        ({"prefix": "a", "suffix": "x"}, {"prefix": "b", "suffix": "x"}, False),
        ({"prefix": "a", "suffix": "x"}, {"prefix": "ab", "suffix": "yx"}, True),
        ({"prefix": ""}, {"prefix": "b"}, True),
    ],
)
def test_rules_clash_if_one_key_can_match_both(one: dict[str, str], other: dict[str, str], clash: bool):
    """Two rules for one event type need prefixes or suffixes that exclude each other, whatever their targets."""
    configuration = both(
        to(FUNCTION, "s3:ObjectCreated:*", name="1", **one), to(QUEUE, "s3:ObjectCreated:Put", name="2", **other)
    )

    if not clash:
        assert [rule.id for rule in parse(configuration).rules] == ["1", "2"]
        return
    words = (
        "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are "
        "overlapping for the same event type."
    )
    assert refusal(configuration) == ("InvalidArgument", words, {})


def test_rules_for_different_events_never_clash():
    """Created and removed, or put and copied, are different events."""
    configuration = both(
        to(FUNCTION, "s3:ObjectCreated:Put", "s3:ObjectRemoved:*", name="1"),
        to(FUNCTION, "s3:ObjectCreated:Copy", name="2"),
    )

    assert [rule.id for rule in parse(configuration).rules] == ["1", "2"]


@pytest.mark.parity("s3.configuration.arn")
@pytest.mark.parametrize(
    ("target", "broken", "argument"),
    [
        (FUNCTION, "f", "CloudFunction"),
        (FUNCTION, QUEUE, "CloudFunction"),
        (QUEUE, "arn:aws:sqs", "Queue"),
        (TOPIC, "", "Topic"),
    ],
)
def test_text_that_is_no_arn_of_its_kind_is_refused(target: str, broken: str, argument: str):
    """The error names the element on the wire, and the text. A target that is missing altogether is bad XML."""
    configuration = to(target, "s3:ObjectCreated:*")
    rule = next(iter(configuration.values()))[0]
    rule.update(dict.fromkeys(set(rule) - {"Id", "Events"}, broken))

    code, message, members = refusal(configuration)

    if not broken:
        assert code == "MalformedXML"
        return
    assert (code, message) == ("InvalidArgument", "The ARN could not be parsed")
    assert members == {"ArgumentName": argument, "ArgumentValue": broken}


@pytest.mark.parity("s3.configuration.rule-name")
def test_filter_rule_is_prefix_or_suffix():
    """Any other name is refused in AWS's words, and so is one that comes twice."""
    configuration = to(FUNCTION, "s3:ObjectCreated:*", prefix="a")
    rules = configuration["LambdaFunctionConfigurations"][0]["Filter"]["Key"]["FilterRules"]

    rules.append({"Name": "PREFIX", "Value": "b"})
    twice = refusal(configuration)
    rules[1] = {"Name": "infix", "Value": "b"}
    neither = refusal(configuration)

    members = {"ArgumentName": "FilterRule.Name"}
    assert twice == (
        "InvalidArgument",
        "Cannot specify more than one prefix rule in a filter.",
        members | {"ArgumentValue": "PREFIX"},
    )
    assert neither == (
        "InvalidArgument",
        "filter rule name must be either prefix or suffix",
        members | {"ArgumentValue": "infix"},
    )


@pytest.mark.parity("s3.events.others")
@pytest.mark.parametrize(
    ("event", "code"),
    [
        ("s3:ObjectRestore:Post", "NotImplemented"),
        ("s3:Replication:*", "NotImplemented"),
        ("s3:LifecycleExpiration:Delete", "NotImplemented"),
        ("s3:ObjectTagging:*", "NotImplemented"),
        ("s3:ReducedRedundancyLostObject", "NotImplemented"),
        ("s3:ObjectCreated:Nothing", "InvalidArgument"),
        ("s3:ObjectCreated", "InvalidArgument"),
        ("s3:*", "InvalidArgument"),
        ("ObjectCreated:*", "InvalidArgument"),
        ("ObjectRestore:Post", "InvalidArgument"),
    ],
)
def test_events_that_never_happen_are_refused(event: str, code: str):
    """What thrice cannot have, and what no one has, is refused; a rule that waits for ever is no help."""
    assert refusal(to(FUNCTION, event))[0] == code


def test_same_id_twice_is_refused():
    """Ids tell the rules apart in every event."""
    configuration = both(to(FUNCTION, "s3:ObjectCreated:Put", name="1"), to(QUEUE, "s3:ObjectCreated:Copy", name="1"))

    assert refusal(configuration)[1] == "Same ID used for multiple configurations. IDs must be unique"


@pytest.mark.parity("s3.configuration.names")
def test_configuration_is_stored_as_it_is_given_back():
    """Rules without Id get one, filter names are written as AWS gives them back, empty lists vanish."""
    configuration = {
        "LambdaFunctionConfigurations": [
            {
                "LambdaFunctionArn": FUNCTION,
                "Events": ["s3:ObjectCreated:*"],
                "Filter": {"Key": {"FilterRules": [{"Name": "SUFFIX", "Value": ".jpg"}, {"Name": "prefix"}]}},
            }
        ],
        "QueueConfigurations": [],
        "TopicConfigurations": [{"Id": "mine", "TopicArn": TOPIC, "Events": ["s3:ObjectRemoved:*"], "Filter": {}}],
        "EventBridgeConfiguration": {},
    }

    assert notification.normalize(configuration, lambda: "generated") == {
        "LambdaFunctionConfigurations": [
            {
                "Id": "generated",
                "LambdaFunctionArn": FUNCTION,
                "Events": ["s3:ObjectCreated:*"],
                "Filter": {
                    "Key": {"FilterRules": [{"Name": "Suffix", "Value": ".jpg"}, {"Name": "Prefix", "Value": ""}]}
                },
            }
        ],
        "TopicConfigurations": [{"Id": "mine", "TopicArn": TOPIC, "Events": ["s3:ObjectRemoved:*"]}],
        "EventBridgeConfiguration": {},
    }
