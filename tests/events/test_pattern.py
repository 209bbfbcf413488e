"""Event patterns: which events match, and which patterns are refused with which words."""

import json
from typing import Any

import pytest

from producers.events.operators import InvalidPattern
from producers.events.pattern import compile_pattern, prepare


def matches(pattern: Any, event: Any) -> bool:
    """Say whether the event matches the pattern."""
    return compile_pattern(json.dumps(pattern)).matches(prepare(event))


@pytest.mark.parity("events.pattern")
@pytest.mark.parametrize(
    ("pattern", "event", "expected"),
    [
        # literals
        ({"a": ["x"]}, {"a": "x"}, True),
        ({"a": ["x"]}, {"a": "X"}, False),
        ({"a": ["x", "y"]}, {"a": "y"}, True),
        ({"a": ["x"]}, {"b": "x"}, False),
        ({"a": [1]}, {"a": 1.0}, True),
        ({"a": [3.0e2]}, {"a": 300}, True),
        ({"a": [300]}, {"a": "300"}, False),
        ({"a": ["300"]}, {"a": 300}, False),
        ({"a": [1]}, {"a": True}, False),
        ({"a": [True]}, {"a": True}, True),
        ({"a": [True]}, {"a": 1}, False),
        ({"a": [True]}, {"a": "true"}, False),
        ({"a": [False]}, {"a": 0}, False),
        ({"a": [None]}, {"a": None}, True),
        ({"a": [None]}, {}, False),
        ({"a": [""]}, {"a": ""}, True),
        ({"a": [""]}, {"a": None}, False),
        ({"a": [123456789012]}, {"a": 123456789012}, True),
        ({"a": [{"exactly": "x"}]}, {"a": "x"}, True),
        # structure
        ({"a": ["x"], "b": ["y"]}, {"a": "x", "b": "y"}, True),
        ({"a": ["x"], "b": ["y"]}, {"a": "x", "b": "z"}, False),
        ({"a": {"b": {"c": [1]}}}, {"a": {"b": {"c": 1, "d": 2}}}, True),
        ({"a": {"b": [1]}}, {"a": 1}, False),
        ({"a": ["x"]}, {"a": {"x": 1}}, False),
        ({"a.b": [1]}, {"a": {"b": 1}}, True),
        ({"a": {"b": [1]}}, {"a.b": 1}, True),
        ({"a.b": [1], "a": {"c": [2]}}, {"a": {"b": 1, "c": 2}}, True),
        ({"a.b": [1], "a": {"b": [2]}}, {"a": {"b": 2}}, False),
        # arrays
        ({"a": ["x"]}, {"a": ["y", "x"]}, True),
        ({"a": ["x"]}, {"a": ["y"]}, False),
        ({"a": ["x"]}, {"a": []}, False),
        ({"a": ["x"]}, {"a": [["y", ["x"]]]}, True),
        ({"a": {"b": [1]}}, {"a": [{"b": 2}, {"b": 1}]}, True),
        ({"a": {"b": [1], "c": [2]}}, {"a": [{"b": 1, "c": 3}, {"b": 4, "c": 2}]}, False),
        ({"a": {"b": [1], "c": [2]}}, {"a": [{"b": 1, "c": 3}, {"b": 1, "c": 2}]}, True),
        ({"a.b": [1], "a": {"c": [2]}}, {"a": [{"b": 1}, {"c": 2}]}, False),
        ({"a": {"b": [1], "c": {"d": [2]}}}, {"a": [{"b": 1, "c": [{"d": 3}, {"d": 2}]}]}, True),
        ({"a": {"c": {"d": [2], "e": [3]}}}, {"a": [{"c": [{"d": 2}, {"e": 3}]}, {"c": {"e": 3}}]}, False),
        ({"a": {"b": [1]}, "c": {"b": [2]}}, {"a": [{"b": 1}], "c": [{"b": 1}, {"b": 2}]}, True),
        ({"a": {"b": [1], "c": [{"exists": False}]}}, {"a": [{"b": 1}, {"c": 2}]}, True),
        ({"a": {"b": [1], "c": [{"exists": False}]}}, {"a": [{"b": 1, "c": 2}, {"b": 3}]}, False),
        ({"a": {"c": [{"exists": False}]}}, {"a": [{"b": 1}, {"c": 2}]}, False),
        ({"a": {"c": [{"exists": False}]}}, {"a": [{"b": 1}, {"b": 2}]}, True),
        # exists
        ({"a": [{"exists": True}]}, {"a": None}, True),
        ({"a": [{"exists": True}]}, {}, False),
        ({"a": [{"exists": True}]}, {"a": {"b": 1}}, False),
        ({"a": [{"exists": True}]}, {"a": []}, False),
        ({"a": [{"exists": False}]}, {}, True),
        ({"a": [{"exists": False}]}, {"a": []}, True),
        ({"a": [{"exists": False}]}, {"a": 0}, False),
        ({"a": {"b": [{"exists": False}]}}, {}, True),
        ({"a": {"b": [{"exists": False}]}}, {"a": {"b": None}}, False),
        ({"a": [{"exists": False}, "x"]}, {"a": "x"}, True),
        ({"a": [{"exists": False}, "x"]}, {"a": "y"}, False),
        # prefix and suffix
        ({"a": [{"prefix": "us-"}]}, {"a": "us-east-1"}, True),
        ({"a": [{"prefix": "us-"}]}, {"a": "eu-us-"}, False),
        ({"a": [{"prefix": ""}]}, {"a": ""}, True),
        ({"a": [{"prefix": "1"}]}, {"a": 1}, False),
        ({"a": [{"prefix": {"equals-ignore-case": "EV"}}]}, {"a": "eVent"}, True),
        ({"a": [{"prefix": {"equals-ignore-case": "EV"}}]}, {"a": "nEvent"}, False),
        ({"a": [{"suffix": ".png"}]}, {"a": "a.png"}, True),
        ({"a": [{"suffix": ".png"}]}, {"a": "a.PNG"}, False),
        ({"a": [{"suffix": {"equals-ignore-case": ".png"}}]}, {"a": "a.PNG"}, True),
        ({"a": [{"suffix": {"equals-ignore-case": ".png"}}]}, {"a": "a.PNG2"}, False),
        ({"a": [{"prefix": "x"}, {"suffix": "y"}]}, {"a": "zy"}, True),
        # equals-ignore-case and wildcard
        ({"a": [{"equals-ignore-case": "AlIce"}]}, {"a": "aLiCE"}, True),
        ({"a": [{"equals-ignore-case": "alice"}]}, {"a": "alic"}, False),
        ({"a": [{"wildcard": "dir/*.png"}]}, {"a": "dir/x/y.png"}, True),
        ({"a": [{"wildcard": "dir/*.png"}]}, {"a": "dir/.pngx"}, False),
        ({"a": [{"wildcard": "*ab*ab*"}]}, {"a": "xabyabz"}, True),
        ({"a": [{"wildcard": "*ab*ab*"}]}, {"a": "xaby"}, False),
        ({"a": [{"wildcard": "ab*ba"}]}, {"a": "aba"}, False),
        ({"a": [{"wildcard": "a*b*a"}]}, {"a": "aba"}, True),
        ({"a": [{"wildcard": "*"}]}, {"a": ""}, True),
        ({"a": [{"wildcard": "*"}]}, {"a": 1}, False),
        ({"a": [{"wildcard": "x"}]}, {"a": "x"}, True),
        ({"a": [{"wildcard": "a\\*b*"}]}, {"a": "a*bc"}, True),
        ({"a": [{"wildcard": "a\\*b*"}]}, {"a": "axbc"}, False),
        ({"a": [{"wildcard": "a\\\\*"}]}, {"a": "a\\b"}, True),
        ({"a": [{"wildcard": "*\n*"}]}, {"a": "x\ny"}, True),
        # anything-but
        ({"a": [{"anything-but": "x"}]}, {"a": "y"}, True),
        ({"a": [{"anything-but": "x"}]}, {"a": "x"}, False),
        ({"a": [{"anything-but": "x"}]}, {"a": None}, True),
        ({"a": [{"anything-but": "x"}]}, {}, False),
        ({"a": [{"anything-but": "x"}]}, {"a": []}, False),
        ({"a": [{"anything-but": "x"}]}, {"a": ["x", "y"]}, True),
        ({"a": [{"anything-but": ["x", "y"]}]}, {"a": "y"}, False),
        ({"a": [{"anything-but": ["x", "y"]}]}, {"a": 5}, True),
        ({"a": [{"anything-but": [1, 2]}]}, {"a": 2.0}, False),
        ({"a": [{"anything-but": 1}]}, {"a": "1"}, True),
        ({"a": [{"anything-but": {"prefix": "in"}}]}, {"a": "init"}, False),
        ({"a": [{"anything-but": {"prefix": "in"}}]}, {"a": "out"}, True),
        ({"a": [{"anything-but": {"prefix": ["in", "out"]}}]}, {"a": "outer"}, False),
        ({"a": [{"anything-but": {"suffix": ".png"}}]}, {"a": "a.png"}, False),
        ({"a": [{"anything-but": {"suffix": [".png", ".gif"]}}]}, {"a": "a.txt"}, True),
        ({"a": [{"anything-but": {"wildcard": "*/lib/*"}}]}, {"a": "x/lib/y"}, False),
        ({"a": [{"anything-but": {"wildcard": ["*/lib/*", "b*"]}}]}, {"a": "a/bin/y"}, True),
        ({"a": [{"anything-but": {"equals-ignore-case": "ON"}}]}, {"a": "on"}, False),
        ({"a": [{"anything-but": {"equals-ignore-case": ["ON", "off"]}}]}, {"a": "OFF"}, False),
        ({"a": [{"anything-but": {"equals-ignore-case": ["ON", "off"]}}]}, {"a": "x"}, True),
        # numeric
        ({"a": [{"numeric": ["=", 3.018e2]}]}, {"a": 301.8}, True),
        ({"a": [{"numeric": [">", 0, "<=", 5]}]}, {"a": 5}, True),
        ({"a": [{"numeric": [">", 0, "<=", 5]}]}, {"a": 0}, False),
        ({"a": [{"numeric": [">=", 0, "<", 5]}]}, {"a": 5}, False),
        ({"a": [{"numeric": ["<", -1]}]}, {"a": -1.5}, True),
        ({"a": [{"numeric": ["<=", 5]}]}, {"a": "4"}, False),
        ({"a": [{"numeric": [">", 0]}]}, {"a": True}, False),
        # cidr
        ({"a": [{"cidr": "10.0.0.0/24"}]}, {"a": "10.0.0.255"}, True),
        ({"a": [{"cidr": "10.0.0.0/24"}]}, {"a": "10.0.1.0"}, False),
        ({"a": [{"cidr": "10.0.0.7/24"}]}, {"a": "10.0.0.1"}, True),
        ({"a": [{"cidr": "10.0.0.0/24"}]}, {"a": "host"}, False),
        ({"a": [{"cidr": "10.0.0.0/24"}]}, {"a": "::a00:1"}, False),
        ({"a": [{"cidr": "2001:db8::/32"}]}, {"a": "2001:db8:1::5"}, True),
        ({"a": [{"cidr": "2001:db8::/32"}]}, {"a": "2001:db9::5"}, False),
        ({"a": [{"cidr": "0.0.0.0/0"}]}, {"a": 5}, False),
        # $or
        ({"$or": [{"a": [1]}, {"b": [2]}]}, {"b": 2}, True),
        ({"$or": [{"a": [1]}, {"b": [2]}]}, {"a": 2, "b": 1}, False),
        ({"c": [3], "$or": [{"a": [1]}, {"b": [2]}]}, {"a": 1}, False),
        ({"d": {"$or": [{"a": [1]}, {"b": {"$or": [{"x": [1]}, {"y": [1]}]}}]}}, {"d": {"b": {"y": 1}}}, True),
        ({"$or": [{"a": [1], "b": [1]}, {"a": [2], "b": [2]}]}, {"a": 1, "b": 2}, False),
        ({"a": {"x": [1]}, "$or": [{"a": {"y": [2]}}, {"b": [1]}]}, {"a": [{"x": 1}, {"y": 2}]}, False),
        ({"a": {"x": [1]}, "$or": [{"a": {"y": [2]}}, {"b": [1]}]}, {"a": [{"x": 1, "y": 2}]}, True),
        ({"a": {"x": [1], "$or": [{"y": [2]}, {"z": [3]}]}}, {"a": [{"x": 1}, {"y": 2}, {"x": 1, "z": 3}]}, True),
    ],
)
def test_an_event_matches(pattern: Any, event: Any, expected: bool) -> None:
    """The pattern matches the event, or does not."""
    assert matches(pattern, event) == expected


@pytest.mark.parity("events.pattern.refused")
@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ([], "Filter is not an object"),
        ("x", "Filter is not an object"),
        ({}, "Empty objects are not allowed"),
        ({"a": {}}, "Empty objects are not allowed"),
        ({"a": "x"}, '"a" must be an object or an array'),
        ({"a": {"b": None}}, '"b" must be an object or an array'),
        ({"a": []}, "Empty arrays are not allowed"),
        ({"a": [["x"]]}, "Match value must be String, number, true, false, or null"),
        ({"a": [{}]}, "Match expression name not found"),
        ({"a": [{"EXISTS": True}]}, "Unrecognized match type EXISTS"),
        ({"a": [{"prefix": "a", "suffix": "b"}]}, "Only one key allowed in match expression"),
        ({"a": [{"exists": "true"}]}, "exists match pattern must be either true or false."),
        ({"a": [{"exists": 0}]}, "exists match pattern must be either true or false."),
        ({"a": [{"exactly": 1}]}, "exact match pattern must be a string"),
        ({"a": [{"prefix": 1}]}, "prefix match pattern must be a string"),
        ({"a": [{"prefix": ["a"]}]}, "prefix match pattern must be a string"),
        ({"a": [{"prefix": {"suffix": "a"}}]}, "Unsupported prefix pattern: suffix"),
        ({"a": [{"prefix": {}}]}, "Prefix expression name not found"),
        ({"a": [{"suffix": None}]}, "suffix match pattern must be a string"),
        ({"a": [{"suffix": {"equals-ignore-case": 1}}]}, "equals-ignore-case match pattern must be a string"),
        ({"a": [{"equals-ignore-case": ["a"]}]}, "equals-ignore-case match pattern must be a string"),
        ({"a": [{"wildcard": 1}]}, "wildcard match pattern must be a string"),
        ({"a": [{"wildcard": "a/**/b"}]}, "Consecutive wildcard characters at pos 3"),
        ({"a": [{"wildcard": "é\\n"}]}, "Invalid escape character at pos 3"),
        ({"a": [{"wildcard": "a\\"}]}, "Invalid escape character at pos 2"),
        ({"a": [{"numeric": 5}]}, "Value of numeric must be an array."),
        ({"a": [{"numeric": [5]}]}, "Invalid member in numeric match: 5"),
        ({"a": [{"numeric": ["~", 5]}]}, "Unrecognized numeric range operator: ~"),
        ({"a": [{"numeric": ["=", "5"]}]}, "Value of equals must be numeric"),
        ({"a": [{"numeric": [">", None]}]}, "Value of > must be numeric"),
        ({"a": [{"numeric": [">", 1, ">", 5]}]}, "Bad numeric range operator: >"),
        ({"a": [{"numeric": [">", 1, 2]}]}, "Bad value in numeric range: 2"),
        ({"a": [{"numeric": [">", 1, "<"]}]}, "Value of < must be numeric"),
        ({"a": [{"numeric": [">", 1, "<", 5, "<"]}]}, "Too many terms in numeric range expression"),
        ({"a": [{"numeric": ["<", 1, ">", 0]}]}, "Too many elements in numeric expression"),
        ({"a": [{"numeric": [">", 5, "<", 5]}]}, "Bottom must be less than top"),
        ({"a": [{"numeric": [">", 5.1e9]}]}, "Value must be between -5.0E9 and 5.0E9, inclusive"),
        ({"a": [{"cidr": 1}]}, "prefix match pattern must be a string"),
        ({"a": [{"cidr": "10.0.0.0"}]}, "Malformed CIDR, one '/' required"),
        ({"a": [{"cidr": "10.0.0.0/x"}]}, "Malformed CIDR, mask bits must be an integer"),
        ({"a": [{"cidr": "10.0.0.0/-1"}]}, "Malformed CIDR, mask bits must not be negative"),
        ({"a": [{"cidr": "10.0.0.0/32"}]}, "IPv4 mask bits must be < 32"),
        ({"a": [{"cidr": "::/128"}]}, "IPv6 mask bits must be < 128"),
        ({"a": [{"cidr": "10.0.0/8"}]}, "Nonstandard IP address: 10.0.0"),
        ({"a": [{"anything-but": None}]}, "Value of anything-but must be an array or single string/number value."),
        ({"a": [{"anything-but": True}]}, "Value of anything-but must be an array or single string/number value."),
        ({"a": [{"anything-but": ["x", None]}]}, "Inside anything but list, start|null|boolean is not supported."),
        (
            {"a": [{"anything-but": ["x", 1]}]},
            "Inside anything but list, either all values are number or string, mixed type is not supported",
        ),
        (
            {"a": [{"anything-but": []}]},
            "Inside anything but list, either all values are number or string, mixed type is not supported",
        ),
        ({"a": [{"anything-but": {}}]}, "Anything-But expression name not found"),
        ({"a": [{"anything-but": {"numeric": ["=", 1]}}]}, "Unsupported anything-but pattern: numeric"),
        ({"a": [{"anything-but": {"prefix": ""}}]}, "Null prefix/suffix not allowed"),
        ({"a": [{"anything-but": {"suffix": ["a", ""]}}]}, "Null prefix/suffix not allowed"),
        ({"a": [{"anything-but": {"prefix": 1}}]}, "prefix/suffix match pattern must be a string"),
        ({"a": [{"anything-but": {"wildcard": [1]}}]}, "wildcard match pattern must be a string"),
        ({"a": [{"anything-but": {"wildcard": "**"}}]}, "Consecutive wildcard characters at pos 1"),
        ({"$or": {"a": [1]}}, "It must be an Array followed with $or."),
        ({"$or": [{"a": [1]}]}, "There must have at least 2 Objects in $or relationship."),
        ({"$or": [{"a": [1]}, 5]}, "Only JSON object is allowed in array of $or relationship."),
        (
            {"$or": [{"prefix": ["x"]}, {"a": [1]}]},
            "prefix is Ruler reserved fieldName which cannot be used inside $or.",
        ),
        (
            {"x": {f"f{n}": {"$or": [{"a": [1]}, {"b": [1]}]} for n in range(10)}},
            "The $or relationships have more than 1000 combinations",
        ),
        ({".".join("a" * 201): [1]}, "Objects are nested more than 200 levels deep"),
    ],
)
def test_an_invalid_pattern_is_refused(pattern: Any, reason: str) -> None:
    """The reason is the first line of AWS's."""
    with pytest.raises(InvalidPattern) as raised:
        compile_pattern(json.dumps(pattern))

    assert str(raised.value) == reason


def test_a_pattern_that_is_no_json_is_refused() -> None:
    """The reason says where the JSON breaks."""
    with pytest.raises(InvalidPattern, match="no JSON: unexpected end of data"):
        compile_pattern('{"a": [1]')


def test_a_deeply_nested_event_is_matched_as_far_as_patterns_reach() -> None:
    """An event nested a thousand levels deep is no danger, and its upper levels match."""
    event = json.loads('{"a": {"b": 1, "c":' + "[" * 900 + "]" * 900 + "}}")

    assert matches({"a": {"b": [1]}}, event)


def test_many_elements_of_which_none_satisfies_both_conditions() -> None:
    """Half of 50,000 objects satisfy the one condition and half the other: no match, found without trying all pairs."""
    event = {"items": [{"a": number % 2, "b": number % 2} for number in range(50_000)]}

    assert not matches({"items": {"a": [0], "b": [1]}}, event)
