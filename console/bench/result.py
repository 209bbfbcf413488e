"""What a load test found: numbers, lengths of time, series; as a document, to compare a later run with. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from console.bench.histogram import Histogram
from console.bench.thresholds import LENGTHS, PERCENTILES

#: What the document of a result says that it is.
FORMAT = "thrice bench 1"

#: The beginning of a metric's name -> the histogram that it is of.
HISTOGRAMS: Mapping[str, str] = {"": "end_to_end", "accept_": "accept", "wait_": "wait", "run_": "run"}


class NoResult(ValueError):
    """Raised when a file holds no result of a load test. The text says what was found."""


@dataclass(slots=True)
class Result:
    """Everything that is told of one run. `run.py` puts it together and says what is in the plain mappings."""

    at: str  # when it began
    version: str  # of thrice
    machine: Mapping[str, Any]
    plan: Mapping[str, Any]
    is_virtual: bool  # waits for retries were skipped
    is_interrupted: bool
    counts: Mapping[str, int]
    rates: Mapping[str, float]
    histograms: Mapping[str, Histogram]
    attempts: Mapping[int, int]
    reasons: Mapping[str, int]  # of requests that were refused or not answered
    dropped: Mapping[str, int]  # by condition
    load: Mapping[str, Any]
    bottleneck: Mapping[str, Any]
    ledger_is_balanced: bool = True
    next_due: str | None = None
    verdicts: list[Mapping[str, Any]] = field(default_factory=list)
    seconds: list[Mapping[str, Any]] = field(default_factory=list)
    samples: list[Mapping[str, Any]] = field(default_factory=list)
    usages: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def is_synchronous(self) -> bool:
        """Whether the requests waited for the function's result."""
        return bool(self.plan["is_synchronous"])

    def measured(self) -> dict[str, float | None]:
        """The value of every metric that a threshold may name; None: there was nothing to measure."""
        found: dict[str, float | None] = {**self.counts, **self.rates}
        for prefix in LENGTHS:
            histogram = self.histograms.get(HISTOGRAMS[prefix], Histogram())
            for name, percent in PERCENTILES.items():
                found[f"{prefix}{name}"] = histogram.percentile(percent) if histogram.total else None
        return found

    def document(self) -> dict[str, Any]:
        """As JSON keeps it."""
        return {
            "format": FORMAT,
            "at": self.at,
            "version": self.version,
            "machine": dict(self.machine),
            "plan": dict(self.plan),
            "virtual_clock": self.is_virtual,
            "interrupted": self.is_interrupted,
            "counts": dict(self.counts),
            "rates": dict(self.rates),
            "percentiles_ms": {name: value for name, value in self.measured().items() if _is_length(name)},
            "histograms": {name: histogram.document() for name, histogram in self.histograms.items()},
            "attempts": {str(number): count for number, count in sorted(self.attempts.items())},
            "reasons": dict(self.reasons),
            "dropped": dict(self.dropped),
            "load": dict(self.load),
            "bottleneck": dict(self.bottleneck),
            "ledger_balanced": self.ledger_is_balanced,
            "next_due": self.next_due,
            "thresholds": self.verdicts,
            "seconds": self.seconds,
            "samples": self.samples,
            "usages": self.usages,
        }

    @classmethod
    def of(cls, document: Any) -> "Result":
        """From what `document` gave.

        Raises:
            NoResult: it is something else.
        """
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise NoResult(f"it does not say {FORMAT!r} in its field 'format'")
        try:
            return cls(
                at=document["at"],
                version=document["version"],
                machine=document["machine"],
                plan=document["plan"],
                is_virtual=document["virtual_clock"],
                is_interrupted=document["interrupted"],
                counts=document["counts"],
                rates=document["rates"],
                histograms={name: Histogram.of(part) for name, part in document["histograms"].items()},
                attempts={int(number): count for number, count in document["attempts"].items()},
                reasons=document["reasons"],
                dropped=document["dropped"],
                load=document["load"],
                bottleneck=document["bottleneck"],
                ledger_is_balanced=document["ledger_balanced"],
                next_due=document["next_due"],
                verdicts=document["thresholds"],
                seconds=document["seconds"],
                samples=document["samples"],
                usages=document["usages"],
            )
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise NoResult(f"it is not complete: {problem!r}") from None


def _is_length(metric: str) -> bool:
    return metric.rpartition("_")[2] in PERCENTILES
