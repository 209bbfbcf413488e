"""docs/parity.md: one table for each section, a line for each row."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.parity.catalogue import VERDICTS, Section

PAGE = Path(__file__).parents[2] / "docs" / "parity.md"

_HEAD = """# Parity with AWS

What AWS Lambda's asynchronous invocation does, sentence by sentence, and whether thrice does the same. `make parity`
writes this page from [the catalogue](../tests/parity/catalogue) and from the marks of the tests; no row claims anything
without a test. *Same* is what AWS does; *differs* is on purpose, and the row says why; *not yet* has no test. Tests are
named from the folder `tests`.
"""


def page(sections: Sequence[Section], tests: Mapping[str, Sequence[str]]) -> str:
    """The whole page. `tests` maps row ids to the tests that show them."""
    return "\n".join([_HEAD, _totals(sections), *(_table(section, tests) for section in sections)])


def _totals(sections: Sequence[Section]) -> str:
    lines = ["| | same | differs | not yet |", "|---|--:|--:|--:|"]
    lines += [f"| {section.title} | {' | '.join(map(str, _counts([section])))} |" for section in sections]
    lines.append(f"| **all** | {' | '.join(f'**{count}**' for count in _counts(sections))} |")
    return "\n".join((*lines, ""))


def _counts(sections: Sequence[Section]) -> list[int]:
    verdicts = [row.verdict for section in sections for row in section.rows]
    return [verdicts.count(verdict) for verdict in VERDICTS]


def _table(section: Section, tests: Mapping[str, Sequence[str]]) -> str:
    lines = [f"## {section.title}", "", "| id | AWS | thrice | test |", "|---|---|---|---|"]
    for row in section.rows:
        verdict = f"{row.verdict}: {row.why}" if row.why else row.verdict
        shown = "<br>".join(f"`{test.removeprefix('tests/')}`" for test in tests.get(row.id, ()))
        lines.append(f"| `{row.id}` | {_cell(row.says)} | {_cell(verdict)} | {shown} |")
    return "\n".join((*lines, ""))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
