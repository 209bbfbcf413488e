"""What a person types as an event."""

from pathlib import Path

import pytest

from console.invoking import NoPayload, payload_of


def test_payload_is_text_file_or_input(tmp_path: Path):
    """JSON as it was written, byte for byte."""
    (tmp_path / "e.json").write_bytes(b' {"a": 1}\n')

    assert payload_of('{"a":  1}', lambda: b"") == b'{"a":  1}'
    assert payload_of(f"@{tmp_path / 'e.json'}", lambda: b"") == b' {"a": 1}\n'
    assert payload_of("-", lambda: b"[1]") == b"[1]"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": }', "at line 1, column 7"),
        ("{\n'a': 1}", "at line 2, column 1"),
        ("", "at line 1, column 1"),
        ("@/no/such/file", "cannot be read: No such file"),
    ],
)
def test_what_is_no_json_is_refused_with_its_place(text: str, words: str):
    """The text says where, and how it is written."""
    with pytest.raises(NoPayload, match=words):
        payload_of(text, lambda: b"")
