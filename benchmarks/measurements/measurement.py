"""The nouns of a measurement, and the arithmetic from runs to figures. Pure."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.sizes import Sizes

#: One run: its numbers by name, or the text `error` of what went wrong.
Run = dict[str, Any]

#: Measures one system once, in an empty folder.
Runner = Callable[[Sizes, Path], dict[str, float]]


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table: the number `key` of thrice's runs, or its ratio to the peer's."""

    name: str
    key: str
    meaning: str
    goal: float | None = None
    is_ratio: bool = True
    more_is_better: bool = False
    stretch: float | None = None

    def values(self, repetitions: Sequence[Mapping[str, Run]]) -> list[float]:
        """The figure of each repetition in which all that it needs was measured."""
        found = []
        for runs in repetitions:
            ours, stock = runs["thrice"].get(self.key), runs.get("stock", {}).get(self.key)
            if ours is not None and not self.is_ratio:
                found.append(ours)
            elif ours is not None and stock:
                found.append(ours / stock)
        return found

    def target(self, repetitions: Sequence[Mapping[str, Run]]) -> "Target":
        """The figure beside its goal."""
        values = self.values(repetitions)
        return Target(self, statistics.median(values) if values else None, tuple(values))


@dataclass(frozen=True, slots=True)
class Target:
    """One figure beside its goal. `value` is the median of `values`, None when no repetition gave one."""

    figure: Figure
    value: float | None
    values: tuple[float, ...]

    @property
    def is_met(self) -> bool | None:
        """Whether the goal is reached; None when there is none."""
        if self.figure.goal is None:
            return None
        if self.value is None:
            return False
        return self.value >= self.figure.goal if self.figure.more_is_better else self.value <= self.figure.goal

    def document(self) -> dict[str, Any]:
        """As JSON shows it."""
        value = None if self.value is None else round(self.value, 4)
        return {"name": self.figure.name, "value": value, "goal": self.figure.goal, "met": self.is_met}


@dataclass(frozen=True, slots=True)
class Measurement:
    """Something that is measured. `repetitions` says how often, at the given sizes."""

    name: str
    runners: Mapping[str, Runner]  # "thrice", and "stock" if there is a peer
    figures: tuple[Figure, ...]
    repetitions: Callable[[Sizes], int] = field(default=lambda sizes: sizes.repetitions)
    is_long: bool = False  # runs only when it is asked for by name
    #: More of the results for a page, beside the table of figures: Markdown.
    page: Callable[[Sequence[Mapping[str, Run]]], str] | None = None
