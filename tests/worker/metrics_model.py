"""What `metrics.lua` must have counted: the books of the metrics beside those of the ledger.

What the ledger knows too must agree with it exactly; what it does not is counted here from the lines that the product
tells of its attempts.
"""

import re
from collections import Counter

from tests.contents import Contents
from worker.keys import Keys

_LENGTH = re.compile(r"([daw])-?\d+")

#: So many records of a minute are compared again and again; then they are taken away, and remembered here.
MOST_KEPT = 24

#: Columns of the ledger that are a metric, by the metric's column.
_OF_LEDGER = {"r": ["accepted"], "q": ["dead_letter_errors"], "f": ["destination_delivery_failures"]}


class MetricsModel:
    """The metrics of a namespace, but for lowest and highest values."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._minutes = f"{keys}metrics:1:"
        self._told: Counter[tuple[str, str]] = Counter()  # (function, column), of what was settled
        self._lost: Counter[str] = Counter()
        self._first: Counter[str] = Counter()
        self._put_away: Counter[tuple[str, str]] = Counter()

    def settle(self, function: str, measured: str) -> None:
        """An outcome was settled, with the line that was told of it."""
        if not measured or function.startswith("thrice:"):
            return
        kind, _, duration, age, is_first, _ = measured.split(" ")
        if kind == "L":
            self._lost[function] += 1
            return
        told = {"T": {"t": 1}, "R": {"y": 1}}.get(kind)
        if told is None:
            told = {"e": int(kind == "E"), "d": 1, "ds": int(duration)}
            told |= {"a": 1, "as": int(age)} if age else {}
            self._first[function] += bool(age and is_first)
        for column, by in told.items():
            self._told[function, column] += by
            self._told["", column] += by

    def check(self, contents: Contents, ledger: Counter[tuple[str, str]]) -> None:
        """The server has counted the same.

        Raises:
            AssertionError: it has not.
        """
        expected = Counter(self._told)
        for (function, column), count in ledger.items():
            if function.startswith("thrice:"):
                continue
            name = next((name for name, columns in _OF_LEDGER.items() if column in columns), "")
            name = "x" if column == "dead_lettered" or column.startswith("dropped:") else name
            if name:
                expected[function, name] += count
                expected["", name] += count
        assert +(self._put_away + self._counted(contents)) == +expected
        self._check_totals(contents)
        assert all(contents.left[name] > 0 for name in contents.names(self._minutes))

    def put_away(self, contents: Contents) -> list[str]:
        """The keys that may be taken away now, as if their time had come."""
        names = contents.names(self._minutes)
        if len(names) <= MOST_KEPT:
            return []
        self._put_away += self._counted(contents)
        return [*names, self._keys.metrics_pending]

    def _counted(self, contents: Contents) -> Counter[tuple[str, str]]:
        counted: Counter[tuple[str, str]] = Counter()
        for key in contents.names(self._minutes):
            function = key.removeprefix(self._minutes).partition(":")[2]
            for field, value in contents.hash(key).items():
                name = field.decode()
                if name not in {"c", "dl", "dh", "al", "ah"}:
                    counted[function, _LENGTH.sub(r"\1", name)] += int(value)
        return counted

    def _check_totals(self, contents: Contents) -> None:
        totals: Counter[tuple[str, str]] = Counter()
        for field, value in contents.hash(self._keys.metrics).items():
            function, _, name = field.decode().partition("|")
            totals[function, _LENGTH.sub(r"\1", name)] += int(value)
        running = totals.pop(("", "running"), 0)
        places = contents.hash(self._keys.concurrency).items()
        assert running == sum(int(count) for name, count in places if not name.startswith(b"thrice:"))
        waited = {key: value for key, value in totals.items() if key[1] == "ws"}
        expected = Counter({key: value for key, value in self._told.items() if key[0] and key[1] != "y"})
        expected += Counter({(function, "o"): count for function, count in self._lost.items()})
        expected += Counter({(function, "w"): count for function, count in self._first.items()})
        assert +(totals - Counter(waited)) == +expected
