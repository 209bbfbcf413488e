"""Prometheus' text form, version 0.0.4: families of samples, written as text. Pure.

A family has a name, a type and a text that says what it is; its samples have labels. The text form is small enough to
be written here; tests read it with a strict parser.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"

Labels = Mapping[str, str]


@dataclass(slots=True)
class Family:
    """All samples of one name."""

    name: str
    kind: str  # "counter", "gauge", "histogram"
    help: str
    samples: list[tuple[str, Labels, float]] = field(default_factory=list)  # what follows the name, labels, value

    def add(self, value: float, **labels: str) -> None:
        """Add one sample."""
        self.samples.append(("", labels, value))

    def add_histogram(self, counts: Mapping[float, int], total: float, **labels: str) -> None:
        """Add a histogram: how many are of each upper limit (and not of a lower one), and the sum of all."""
        below = 0
        for limit in sorted(counts):
            below += counts[limit]
            self.samples.append(("_bucket", {**labels, "le": _number(limit)}, below))
        self.samples.append(("_bucket", {**labels, "le": "+Inf"}, below))
        self.samples.append(("_sum", labels, total))
        self.samples.append(("_count", labels, below))


def text_of(families: Iterable[Family]) -> bytes:
    """The whole page."""
    return "".join(line for family in families for line in _lines(family)).encode()


def _lines(family: Family) -> Iterable[str]:
    yield f"# HELP {family.name} {_escaped(family.help)}\n"
    yield f"# TYPE {family.name} {family.kind}\n"
    for suffix, labels, value in family.samples:
        inside = ",".join(f'{name}="{_escaped(text, quote=True)}"' for name, text in labels.items())
        yield (
            f"{family.name}{suffix}{{{inside}}} {_number(value)}\n"
            if inside
            else (f"{family.name}{suffix} {_number(value)}\n")
        )


def _escaped(text: str, *, quote: bool = False) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quote else text


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))
