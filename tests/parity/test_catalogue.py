"""Every row has the test that its verdict needs, every mark a row, and the page says what both say."""

from pathlib import Path

import pytest

from tests.parity import catalogue, marks
from tests.parity.catalogue import Row, Section
from tests.parity.page import PAGE, page

SECTIONS = catalogue.read()
ROWS = [row for section in SECTIONS for row in section.rows]
TESTS = marks.read()


def test_every_id_is_given_once():
    """A row can be named without a doubt."""
    ids = [row.id for row in ROWS]

    assert sorted(ids) == sorted(set(ids))


def test_what_is_claimed_is_tested_and_what_is_tested_is_claimed():
    """`same` and `differs` have a test; `not yet` has none."""
    assert [row.id for row in ROWS if row.verdict != "not yet" and row.id not in TESTS] == []
    assert [row.id for row in ROWS if row.verdict == "not yet" and row.id in TESTS] == []


def test_every_mark_names_a_row():
    """A test cannot show what is not in the catalogue."""
    assert sorted(TESTS.keys() - {row.id for row in ROWS}) == []


def test_page_is_what_the_generator_writes():
    """`make parity` writes it."""
    assert PAGE.read_text() == page(SECTIONS, TESTS)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ('id = "one", verdict = "same", says = "A."', "its id is not words with dots between"),
        ('id = "a.b", verdict = "maybe", says = "A."', "its verdict is 'maybe'"),
        ('id = "a.b", verdict = "same", says = "A"', "what it says is no sentence"),
        ('id = "a.b", verdict = "differs", says = "A."', "a row that differs says why"),
        ('id = "a.b", verdict = "same", says = "A.", why = "b"', "what is the same needs no reason"),
        ('id = "a.b", verdict = "same", says = "A.", test = "t"', "nothing has the name 'test'"),
    ],
)
def test_row_that_is_not_well_formed_is_refused(folder: Path, fields: str, problem: str):
    """With what is wrong with it."""
    (folder / "1.toml").write_text(f'title = "T"\nrows = [{{ {fields} }}]\n')

    with pytest.raises(ValueError, match=problem):
        catalogue.read(folder)


def test_marks_are_read_from_the_source(folder: Path):
    """Several on one test, one on several; a mark that is computed is refused, since nobody could search for it."""
    tests = folder / "tests"
    tests.mkdir()
    source = 'import pytest\n@pytest.mark.parity("a.b", "a.c")\ndef test_one(): pass\n'
    (tests / "test_a.py").write_text(source)
    (tests / "test_b.py").write_text('import pytest\n@pytest.mark.parity("a.b")\nasync def test_two(): pass\n')

    found = marks.read(tests)

    assert found == {
        "a.b": ["tests/test_a.py::test_one", "tests/test_b.py::test_two"],
        "a.c": ["tests/test_a.py::test_one"],
    }
    (tests / "test_b.py").write_text("import pytest\n@pytest.mark.parity(ROW)\ndef test_two(): pass\n")
    with pytest.raises(ValueError, match="line 2"):
        marks.read(tests)


def test_page_shows_rows_with_their_tests():
    """Totals, verdicts with their reasons, tests by the names that pytest takes."""
    rows = (
        Row("a.b", "same", "A | b.", ""),
        Row("a.c", "differs", "C.", "it must"),
        Row("a.d", "not yet", "D.", "it is refused"),
        Row("a.e", "not yet", "E.", ""),
    )

    text = page([Section("T", rows)], {"a.b": ["tests/x/test_a.py::test_one"]})

    assert "| T | 1 | 1 | 2 |" in text
    assert "| `a.b` | A \\| b. | same | `x/test_a.py::test_one` |" in text
    assert "| `a.c` | C. | differs: it must |  |" in text
    assert "| `a.d` | D. | not yet: it is refused |  |" in text
    assert "| `a.e` | E. | not yet |  |" in text
