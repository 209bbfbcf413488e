"""A template's text as values with their lines."""

import pytest

from console.deploy.source import Unreadable, parse


def test_short_forms_become_long_ones():
    """`!Ref`, `!GetAtt` in both spellings, and functions inside functions."""
    read = parse("a: !Ref B\nc: !GetAtt D.E.F\ng: !GetAtt [H, I]\nj: !Join ['-', [!Ref K, l]]\nm: !If [n, 1, 2]\n")

    assert read.values == {
        "a": {"Ref": "B"},
        "c": {"Fn::GetAtt": ["D", "E.F"]},
        "g": {"Fn::GetAtt": ["H", "I"]},
        "j": {"Fn::Join": ["-", [{"Ref": "K"}, "l"]]},
        "m": {"Fn::If": ["n", 1, 2]},
    }


def test_scalars_keep_what_a_number_would_lose():
    """Account ids, versions and dates stay texts; plain numbers, booleans and nothing are what they are."""
    read = parse("a: 0012\nb: 1.10\nc: 2012-10-17\nd: 12\ne: 1.5\nf: yes\ng: ~\nh: 000000000000\ni: '5'\n")

    assert read.values == {
        "a": "0012", "b": "1.10", "c": "2012-10-17", "d": 12, "e": 1.5, "f": True, "g": None, "h": "000000000000",
        "i": "5",
    }  # fmt: skip


def test_json_with_tabs_is_read_and_has_lines():
    """JSON is YAML but for its tabs."""
    read = parse('{\n\t"Resources": {\n\t\t"A": {"Type": "x"}\n\t}\n}', is_json=True)

    assert read.values == {"Resources": {"A": {"Type": "x"}}}
    assert read.line(("Resources", "A", "Properties", "Nothing")) == 3


def test_anchors_and_merges_are_followed():
    """What `<<` brings in stands under what the mapping says itself."""
    read = parse("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: *a\n")

    assert (read.values["b"], read.values["c"]) == ({"x": 1, "y": 3}, {"x": 1, "y": 2})


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: [1\nb: 2\n", 2, "no YAML"),
        ("a: 1\nb: 2\na: 3\n", 1, "says a name twice"),
        ("- a\n", 1, "is a mapping"),
        ("", 1, "is a mapping"),
        ("a: &a\n  b: *a\n", 1, "leads back"),
        ("\ta: 1\n", 1, "no YAML"),
    ],
)
def test_what_is_no_template_is_refused_with_its_line(text: str, line: int, words: str):
    """The line is where it stops being one."""
    with pytest.raises(Unreadable, match=words) as refusal:
        parse(text)

    assert refusal.value.line == line
