"""What the scripts must have counted: the books of the metrics beside those of the ledger.

What the ledger knows too must agree with it exactly; what it does not is counted here from what the product tells of
its attempts. Records of minutes, those of five minutes and the totals are three ways to the same sums.
"""

import re
from collections import Counter

import orjson

from tests.contents import Contents
from worker.keys import Keys

_LENGTH = re.compile(r"([daw])-?\d+")

#: So many records of a minute, or of five, are compared again and again; then they are taken away, and remembered here.
MOST_KEPT = 24

#: Columns of a record that are no sums, or that only some records have.
_NO_SUMS = {"c", "cn", "cl", "cs", "dl", "dh", "al", "ah", "z"}

_OF_LEDGER = {"accepted": "r", "dead_lettered": "x", "dead_letter_errors": "q", "destination_delivery_failures": "f"}

Sums = Counter[tuple[str, str]]  # by name of the record, and column; buckets are one column


class MetricsModel:
    """The metrics of a namespace, but for lowest and highest values."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._minutes, self._periods = f"{keys}metrics:1:", f"{keys}metrics:5:"
        self._told: Sums = Counter()  # of what was settled
        self._put_away: dict[str, Sums] = {self._minutes: Counter(), self._periods: Counter()}

    def settle(self, function: str, measured: bytes) -> None:
        """An outcome was settled, with what was told of it."""
        assert not (measured and function.startswith("thrice:"))
        for record, columns in orjson.loads(measured or b"{}").items():
            assert record.partition(":")[2] == function
            for column, by in columns.items():
                if column not in _NO_SUMS:
                    for name in (function, ""):
                        self._told[name, _LENGTH.sub(r"\1", column)] += by

    def check(self, contents: Contents, ledger: Sums) -> None:
        """The server has counted the same. While there are notes it is not asked: they are added up now and then.

        Raises:
            AssertionError: it has not.
        """
        if contents.string(self._keys.metrics_new) is not None:
            return
        expected = Counter(self._told)
        for (function, column), count in ledger.items():
            name = "x" if column.startswith("dropped:") else _OF_LEDGER.get(column)
            if name and not function.startswith("thrice:"):
                expected += Counter({(function, name): count})
                expected += Counter({("", name): count})
        minutes, periods = (self._put_away[kind] + self._counted(contents, kind) for kind in self._put_away)
        assert +minutes == +expected
        totals = self._totals(contents)
        assert +totals == +periods
        assert +(periods + self._counted(contents, self._minutes, self._open(contents))) == +expected
        records = contents.names(self._minutes) | contents.names(self._periods)
        assert all(contents.left[name] > 0 for name in records)

    def put_away(self, contents: Contents) -> list[str]:
        """The keys that may be taken away now, as if their time had come."""
        going: list[str] = []
        for kind in self._put_away:
            names = contents.names(kind) - self._open(contents)
            if len(names) > MOST_KEPT:
                self._put_away[kind] += self._counted(contents, kind, names)
                going += names
        return going

    def _open(self, contents: Contents) -> set[str]:
        return {f"{self._minutes}{name.decode()}" for name in contents.zset(self._keys.metrics_open)}

    def _counted(self, contents: Contents, kind: str, only: set[str] | None = None) -> Sums:
        counted: Sums = Counter()
        for key in contents.names(kind) if only is None else only:
            function = key.removeprefix(kind).partition(":")[2]
            for field, value in contents.hash(key).items():
                if field.decode() not in _NO_SUMS:
                    counted[function, _LENGTH.sub(r"\1", field.decode())] += int(value)
        return counted

    def _totals(self, contents: Contents) -> Sums:
        totals: Sums = Counter()
        for field, value in contents.hash(self._keys.metrics).items():
            function, _, column = field.decode().partition("|")
            if column in _NO_SUMS:
                continue
            totals[function, _LENGTH.sub(r"\1", column)] += int(value)
        return totals
