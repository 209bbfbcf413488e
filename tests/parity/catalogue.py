"""The rows, as they stand in the catalogue's files."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "catalogue"

#: What can be said of a row.
VERDICTS = ("same", "differs", "not yet")

#: Two or more words with dots between: where it belongs, and what it says.
_ID = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")


@dataclass(frozen=True, slots=True)
class Row:
    """One sentence about AWS. `why` says why thrice differs on purpose, or what there is as yet; else it is empty."""

    id: str
    verdict: str
    says: str
    why: str


@dataclass(frozen=True, slots=True)
class Section:
    """The rows of one subject."""

    title: str
    rows: tuple[Row, ...]


def read(folder: Path = FOLDER) -> list[Section]:
    """All sections, in the order of their files' names.

    Raises:
        ValueError: a row is not well-formed; the text says which and why.
    """
    return [_section(path) for path in sorted(folder.glob("*.toml"))]


def _section(path: Path) -> Section:
    document = tomllib.loads(path.read_text())
    return Section(document["title"], tuple(_row(fields, path) for fields in document["rows"]))


def _row(fields: dict[str, str], path: Path) -> Row:
    row = Row(fields.pop("id", ""), fields.pop("verdict", ""), fields.pop("says", ""), fields.pop("why", ""))
    problem = _problem_of(row) or (f"nothing has the name '{min(fields)}'" if fields else None)
    if problem is not None:
        raise ValueError(f"Row '{row.id}' in {path.name} cannot be read: {problem}.")
    return row


def _problem_of(row: Row) -> str | None:
    if not _ID.fullmatch(row.id):
        return "its id is not words with dots between"
    if row.verdict not in VERDICTS:
        return f"its verdict is '{row.verdict}', not one of {', '.join(VERDICTS)}"
    if not row.says.endswith("."):
        return "what it says is no sentence"
    if row.verdict == "differs" and not row.why:
        return "a row that differs says why"
    if row.verdict == "same" and row.why:
        return "what is the same needs no reason"
    return None
