"""Settings, Redis keys and AWS operations are in their documents, and what is in the documents exists."""

import importlib.util
import inspect
import re
from pathlib import Path

from config.settings import Settings
from worker.keys import Keys

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def test_every_setting_is_documented_as_declared():
    """Variables, in their order, with the very words of the code."""
    declared = [(f"THRICE_{name.upper()}", field.description) for name, field in Settings.model_fields.items()]
    documented = re.findall(r"^\| `(\w+)` \| [^|]+ \| (.+) \|$", (DOCS / "settings.md").read_text(), re.MULTILINE)

    assert documented == declared


def test_every_key_is_documented_with_its_type():
    """The patterns of `worker/keys.py` are those of the page, in their order, each with the type that it has there."""
    keys = Keys()
    declared = []
    for name, member in vars(Keys).items():
        if isinstance(member, property):
            pattern = getattr(keys, name)
        elif inspect.isfunction(member) and not name.startswith("_"):
            placeholders = [f"<{parameter}>" for parameter in list(inspect.signature(member).parameters)[1:]]
            pattern = member(keys, *placeholders)
        else:
            continue
        redis_type = re.match(r"(STRING|HASH|LIST|SET|ZSET|STREAM)\b", member.__doc__ or "")
        declared.append((pattern, redis_type.group() if redis_type else ""))

    page = (DOCS / "redis-keys.md").read_text()
    documented = re.findall(r"^\| `((?:\{thrice\}|<queue>)[^`]*)` \| (\w*) *\|", page, re.MULTILINE)

    assert documented == declared


def test_coverage_page_is_what_the_code_says():
    """`python scripts/coverage.py` writes it."""
    spec = importlib.util.spec_from_file_location("coverage_page", ROOT / "scripts" / "coverage.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    assert (DOCS / "aws-coverage.md").read_text() == module.page()


def test_links_between_documents_lead_somewhere():
    """No page points at a file that is not there."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md")]
    broken = [
        (page.name, target)
        for page in pages
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text())
        if "://" not in target and not (page.parent / target).exists()
    ]

    assert broken == []
