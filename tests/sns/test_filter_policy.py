"""Filter policies: which messages pass, and which policies are refused with which words."""

from typing import Any

import orjson
import pytest

from producers.sns.filter_policy import ATTRIBUTES, BODY, parse
from producers.sns.filter_rule import InvalidRule


def text(value: str) -> dict[str, str]:
    return {"DataType": "String", "StringValue": value}


def number(value: str) -> dict[str, str]:
    return {"DataType": "Number", "StringValue": value}


def array(*values: Any) -> dict[str, str]:
    return {"DataType": "String.Array", "StringValue": orjson.dumps(values).decode()}


BINARY = {"DataType": "Binary", "BinaryValue": "AP8="}


@pytest.mark.parity("sns.filter.attributes")
@pytest.mark.parametrize(
    ("policy", "attributes", "passes"),
    [
        # exact
        ({}, {}, True),
        ({"a": ["x"]}, {"a": text("x")}, True),
        ({"a": ["x"]}, {"a": text("X")}, False),
        ({"a": ["x"]}, {}, False),
        ({"a": ["x", "y"]}, {"a": text("y")}, True),
        ({"a": ["x"], "b": ["y"]}, {"a": text("x"), "b": text("y")}, True),
        ({"a": ["x"], "b": ["y"]}, {"a": text("x"), "b": text("z")}, False),
        ({"a": [7]}, {"a": number("7.0")}, True),
        ({"a": [7]}, {"a": text("7")}, False),
        ({"a": ["7"]}, {"a": number("7")}, False),
        ({"a": [True]}, {"a": text("true")}, False),
        ({"a": ["x"]}, {"a": BINARY}, False),
        # arrays
        ({"a": ["x"]}, {"a": array("w", "x")}, True),
        ({"a": ["x"]}, {"a": array("w", "y")}, False),
        ({"a": [None]}, {"a": array("w", None)}, True),
        ({"a": [True]}, {"a": array(1, "true")}, False),
        ({"a": [True]}, {"a": array(True)}, True),
        ({"a": [3]}, {"a": array(3.0)}, True),
        ({"a": ["no json"]}, {"a": {"DataType": "String.Array", "StringValue": "no json"}}, True),
        # anything-but
        ({"a": [{"anything-but": ["x", "y"]}]}, {"a": text("z")}, True),
        ({"a": [{"anything-but": ["x", "y"]}]}, {"a": text("y")}, False),
        ({"a": [{"anything-but": "x"}]}, {"a": text("x")}, False),
        ({"a": [{"anything-but": 7}]}, {"a": number("7")}, False),
        ({"a": [{"anything-but": [7, 8]}]}, {"a": number("9")}, True),
        ({"a": [{"anything-but": ["x"]}]}, {}, False),
        ({"a": [{"anything-but": ["x"]}]}, {"a": array("x", "y")}, True),
        ({"a": [{"anything-but": ["x"]}]}, {"a": array("x")}, False),
        ({"a": [{"anything-but": {"prefix": "order-"}}]}, {"a": text("order-1")}, False),
        ({"a": [{"anything-but": {"prefix": "order-"}}]}, {"a": text("data-1")}, True),
        ({"a": [{"anything-but": {"suffix": "ball"}}]}, {"a": text("baseball")}, False),
        ({"a": [{"anything-but": {"wildcard": "*ball"}}]}, {"a": text("tennis")}, True),
        # prefix, suffix, wildcard, case
        ({"a": [{"prefix": "bas"}]}, {"a": text("baseball")}, True),
        ({"a": [{"prefix": "bas"}]}, {"a": text("Baseball")}, False),
        ({"a": [{"prefix": "7"}]}, {"a": number("7")}, False),
        ({"a": [{"suffix": "ball"}]}, {"a": text("baseball")}, True),
        ({"a": [{"suffix": "ball"}]}, {"a": text("balls")}, False),
        ({"a": [{"wildcard": "b*b*l"}]}, {"a": text("baseball")}, True),
        ({"a": [{"wildcard": "b*b"}]}, {"a": text("baseball")}, False),
        ({"a": [{"wildcard": "*"}]}, {"a": text("")}, True),
        ({"a": [{"wildcard": r"a\*b"}]}, {"a": text("a*b")}, True),
        ({"a": [{"wildcard": r"a\*b"}]}, {"a": text("axb")}, False),
        ({"a": [{"wildcard": "a.b"}]}, {"a": text("axb")}, False),
        ({"a": [{"equals-ignore-case": "TENNIS"}]}, {"a": text("Tennis")}, True),
        ({"a": [{"equals-ignore-case": "TENNIS"}]}, {"a": text("Tennis!")}, False),
        # cidr
        ({"a": [{"cidr": "10.0.0.0/24"}]}, {"a": text("10.0.0.255")}, True),
        ({"a": [{"cidr": "10.0.0.0/24"}]}, {"a": text("10.0.1.0")}, False),
        ({"a": [{"cidr": "10.0.0.0/24"}]}, {"a": text("no address")}, False),
        ({"a": [{"cidr": "2001:db8::/32"}]}, {"a": text("2001:db8::1")}, True),
        # numeric
        ({"a": [{"numeric": ["=", 301.5]}]}, {"a": number("3.015e2")}, True),
        ({"a": [{"numeric": ["<", 10]}]}, {"a": number("10")}, False),
        ({"a": [{"numeric": ["<=", 10]}]}, {"a": number("10")}, True),
        ({"a": [{"numeric": [">", 0, "<=", 150]}]}, {"a": number("150")}, True),
        ({"a": [{"numeric": [">", 0, "<=", 150]}]}, {"a": number("0")}, False),
        ({"a": [{"numeric": [">=", -1.5]}]}, {"a": number("-1.5")}, True),
        ({"a": [{"numeric": [">", 0]}]}, {"a": text("7")}, False),
        ({"a": [{"numeric": [">", 5]}]}, {"a": array(1, 7)}, True),
        # exists
        ({"a": [{"exists": True}]}, {"a": text("x")}, True),
        ({"a": [{"exists": True}]}, {}, False),
        ({"a": [{"exists": False}]}, {"b": text("x")}, True),
        ({"a": [{"exists": False}]}, {"a": text("x")}, False),
        ({"a": ["x", {"exists": False}]}, {}, True),
        ({"a": [{"exists": True}]}, {"a": BINARY}, False),
        # or
        ({"$or": [{"a": ["x"]}, {"b": ["y"]}]}, {"b": text("y")}, True),
        ({"$or": [{"a": ["x"]}, {"b": ["y"]}]}, {"b": text("x")}, False),
        ({"c": ["z"], "$or": [{"a": ["x"]}, {"b": ["y"]}]}, {"b": text("y")}, False),
        ({"c": ["z"], "$or": [{"a": ["x"]}, {"b": ["y"]}]}, {"b": text("y"), "c": text("z")}, True),
    ],
)
def test_a_policy_about_attributes(policy: Any, attributes: dict[str, dict[str, str]], passes: bool):
    """All keys must match, by any of their values."""
    assert parse(orjson.dumps(policy).decode(), ATTRIBUTES).passes("the body", attributes) is passes


@pytest.mark.parity("sns.filter.body")
@pytest.mark.parametrize(
    ("policy", "body", "passes"),
    [
        ({"a": ["x"]}, {"a": "x"}, True),
        ({"a": ["x"]}, {"a": {"x": "x"}}, False),
        ({"a": [None]}, {"a": None}, True),
        ({"a": [None]}, {}, False),
        ({"a": [True]}, {"a": True}, True),
        ({"a": [True]}, {"a": 1}, False),
        ({"a": [1]}, {"a": True}, False),
        ({"a": [1]}, {"a": 1.0}, True),
        ({"a": {"b": ["x"]}}, {"a": {"b": "x"}}, True),
        ({"a": {"b": ["x"]}}, {"a": {"c": "x"}}, False),
        ({"a": {"b": ["x"]}}, {"a": "x"}, False),
        ({"a": {"b": ["x"]}}, {}, False),
        ({"a": {"b": ["x"]}}, {"a": [{"b": "w"}, {"b": "x"}]}, True),
        ({"a": {"b": ["x"], "c": ["y"]}}, {"a": [{"b": "x"}, {"c": "y"}]}, False),
        ({"a": {"b": ["x"], "c": ["y"]}}, {"a": [{"b": "x", "c": "y"}]}, True),
        ({"a": ["x"]}, {"a": ["w", "x"]}, True),
        ({"a": ["x"]}, {"a": [["w"], ["x"]]}, True),
        ({"a": [{"numeric": [">", 1]}]}, {"a": 2}, True),
        ({"a": [{"numeric": [">", 1]}]}, {"a": "2"}, False),
        ({"a": {"b": [{"exists": False}]}}, {}, True),
        ({"a": {"b": [{"exists": False}]}}, {"a": {"b": None}}, False),
        ({"a": [{"exists": True}]}, {"a": {"b": 1}}, False),
        ({"a": {"$or": [{"b": ["x"]}, {"c": ["y"]}]}}, {"a": {"c": "y"}}, True),
        ({"$or": "x"}, {}, None),
        ({"a": ["x"]}, ["a", "x"], False),
        ({"a": ["x"]}, "x", False),
    ],
)
def test_a_policy_about_the_body(policy: Any, body: Any, passes: bool | None):
    """The body is a JSON object; keys may lie inside keys. None: the policy is refused."""
    if passes is None:
        with pytest.raises(InvalidRule):
            parse(orjson.dumps(policy).decode(), BODY)
        return
    asked = parse(orjson.dumps(policy).decode(), BODY)
    assert asked.passes(orjson.dumps(body).decode(), {"a": text("x")}) is passes


def test_a_body_that_is_no_json_passes_no_policy_about_it():
    """Not even one that only asks for absence."""
    assert parse('{"a":[{"exists":false}]}', BODY).passes("no json", {}) is False


@pytest.mark.parity("sns.filter.refused")
@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ("{", "failed to parse JSON."),
        ("[]", "failed to parse JSON."),
        ({"a": "x"}, '"a" must be an object or an array'),
        ({"a": 7}, '"a" must be an object or an array'),
        ({"a": []}, "Empty arrays are not allowed"),
        ({"a": [["x"]]}, "Match value must be String, number, true, false, or null"),
        ({"a": [{}]}, "Only one key allowed in match expression"),
        ({"a": [{"prefix": "x", "suffix": "y"}]}, "Only one key allowed in match expression"),
        ({"a": [{"like": "x"}]}, "Unrecognized match type like"),
        ({"a": [{"prefix": 7}]}, "prefix match pattern must be a string"),
        ({"a": [{"suffix": ["x"]}]}, "suffix match pattern must be a string"),
        ({"a": [{"wildcard": None}]}, "wildcard match pattern must be a string"),
        ({"a": [{"equals-ignore-case": 1}]}, "equals-ignore-case match pattern must be a string"),
        ({"a": [{"exists": "true"}]}, "exists match pattern must be either true or false."),
        ({"a": [{"anything-but": []}]}, "Empty arrays are not allowed"),
        ({"a": [{"anything-but": [None]}]}, "Inside anything but list, start|null|boolean is not supported."),
        ({"a": [{"anything-but": {"cidr": "10.0.0.0/8"}}]}, "Unsupported anything-but pattern: cidr"),
        ({"a": [{"anything-but": {"prefix": 1}}]}, "prefix match pattern must be a string"),
        ({"a": [{"anything-but": {"prefix": "a", "suffix": "b"}}]}, "Only one key allowed in match expression"),
        ({"a": [{"numeric": []}]}, "Invalid member in numeric match: ]"),
        ({"a": [{"numeric": [5]}]}, "Invalid member in numeric match: 5"),
        ({"a": [{"numeric": ["~", 5]}]}, "Unrecognized numeric range operator: ~"),
        ({"a": [{"numeric": ["=", "5"]}]}, "Value of equals must be numeric"),
        ({"a": [{"numeric": ["<"]}]}, "Value of < must be numeric"),
        ({"a": [{"numeric": ["<", 5, ">", 1]}]}, "Too many elements in numeric expression"),
        ({"a": [{"numeric": [">", 1, 5]}]}, "Bad value in numeric range: 5"),
        ({"a": [{"numeric": [">", 1, ">", 5]}]}, "Bad numeric range operator: >"),
        ({"a": [{"numeric": [">", 1, "<", "5"]}]}, "Value of < must be numeric"),
        ({"a": [{"numeric": [">", 5, "<", 5]}]}, "Bottom must be less than top"),
        ({"a": [{"numeric": [">", 1, "<", 5, "<", 7]}]}, "Too many terms in numeric range expression"),
        ({"a": [{"numeric": [">", 1e10]}]}, "Value of > must be between -1.0E9 and 1.0E9, inclusive"),
        ({"a": [{"cidr": "10.0.0.0"}]}, "Malformed CIDR, one '/' required"),
        ({"a": [{"cidr": "10.0.0.0/x"}]}, "Malformed CIDR, mask bits must be an integer"),
        ({"a": [{"cidr": "ten/8"}]}, "Nonstandard IP address: ten"),
        ({"a": [{"wildcard": "a**b"}]}, "Consecutive wildcard characters at pos 1"),
        ({"a": [{"wildcard": r"a\b"}]}, "Invalid escape character at pos 1"),
        ({"a": [{"wildcard": "*a*b*c*"}]}, "Wildcard pattern *a*b*c* has more than 3 wildcard characters"),
        ({str(n): ["x"] for n in range(6)}, "Filter policy can not have more than 5 keys"),
        ({"a": list(range(13)), "b": list(range(12))}, "Filter policy is too complex"),
        ({name: [{"wildcard": f"*{n}*"} for n in range(4)] for name in "ab"}, "Filter policy is too complex"),
        ({"a": {"b": ["x"]}}, "Filter policy scope MessageAttributes does not support nested filter policy"),
    ],
)
def test_a_policy_that_cannot_be_used_is_refused(policy: Any, words: str):
    """In AWS's words where it has some."""
    with pytest.raises(InvalidRule) as caught:
        parse(policy if isinstance(policy, str) else orjson.dumps(policy).decode(), ATTRIBUTES)
    assert str(caught.value) == words


@pytest.mark.parity("sns.filter.limits")
def test_the_limits_are_exact():
    """Five keys and 150 combinations are allowed; deep lists count as often as they are deep."""
    parse(orjson.dumps({str(n): ["x"] for n in range(5)}).decode(), ATTRIBUTES)
    parse(orjson.dumps({"a": list(range(15)), "b": list(range(10))}).decode(), ATTRIBUTES)
    parse(orjson.dumps({"a": {"b": {"c": list(range(50))}}}).decode(), BODY)
    with pytest.raises(InvalidRule, match="too complex"):
        parse(orjson.dumps({"a": {"b": {"c": list(range(51))}}}).decode(), BODY)
    with pytest.raises(InvalidRule, match="Empty objects"):
        parse('{"a":{}}', BODY)
