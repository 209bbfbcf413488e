"""Filter patterns, by a table."""

import pytest

from producers.logs.filter_pattern import UnusablePattern, parse

LINE = '[ERROR] 2026-01-02 ValueError: no such "sku"\tREQUEST-7'


@pytest.mark.parity("log.filter.terms")
@pytest.mark.parametrize(
    ("pattern", "is_wanted"),
    [
        ("", True),
        ("  ", True),
        ("ERROR", True),
        ("error", False),
        ("ERR", True),
        ("ERROR ValueError", True),
        ("ValueError   ERROR", True),
        ("ERROR KeyError", False),
        ('"no such"', True),
        ('"such no"', False),
        (r'"no such \"sku\""', True),
        (r'"\\"', False),
        ('"[ERROR]" sku', True),
        ("?KeyError ?ValueError", True),
        ("?KeyError ?TypeError", False),
        ('?"no such" ?x', True),
        ("-DEBUG", True),
        ("-ERROR", False),
        ("ERROR -ValueError", False),
        ('ERROR -"no more"', True),
        ("REQUEST-7", True),
        ("2026-01-02", True),
    ],
)
def test_a_pattern_says_which_messages_are_wanted(pattern: str, is_wanted: bool) -> None:
    """Terms must all be there, ?terms one of them, -terms none; quotes make a phrase."""
    assert is_wanted is parse(pattern)(LINE)


@pytest.mark.parity("log.filter.json")
@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ('{ $.level = "ERROR" }', "A pattern for JSON is not offered by thrice"),
        ("[ip, user]", "A pattern for columns is not offered by thrice"),
        ("%4[0-9]{2}%", "A regular expression is not offered by thrice"),
        ("?ERROR WARN", "?terms beside others"),
        ("?ERROR -WARN", "?terms beside others"),
        ('"open', "cannot be read from here: '\"open'"),
        ('a"b"', "cannot be read from here"),
    ],
)
def test_what_cannot_be_obeyed_is_refused(pattern: str, reason: str) -> None:
    """With the pattern and the reason, instead of being taken for text."""
    with pytest.raises(UnusablePattern) as refused:
        parse(pattern)

    assert reason in str(refused.value)
    assert pattern in str(refused.value)
