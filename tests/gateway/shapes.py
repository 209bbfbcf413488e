"""Values for the shapes of a service model, from a seeded generator: as many as wanted, the same on every run."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

#: Characters that a careless codec trips over, in places where any text may stand.
_TEXT = "abcXYZ019 -_.~/+%&=?#:;,'\"<>[]{}()!*$@|\\^`\n\té€😀"

#: What a header can carry.
_HEADER = "abcXYZ019-_.~/+%&=?#:;<>[]{}()!*$@"

_EPOCH = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class ShapeValues:
    """Makes values of a model's shapes."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)

    def structure(self, shape: StructureShape, *, skip: frozenset[str] = frozenset(), depth: int = 0) -> dict[str, Any]:
        """A structure with its required members and some of the others."""
        chosen: dict[str, Any] = {}
        if shape.is_tagged_union:
            name = self._random.choice(list(shape.members))
            return {name: self.value(shape.members[name], depth=depth + 1)}
        for name, member in shape.members.items():
            is_required = name in shape.required_members
            if (name in skip and not is_required) or not (
                is_required or self._random.random() < (0.6 if depth < 3 else 0.2)
            ):
                continue
            chosen[name] = self.value(member, depth=depth + 1)
        return chosen

    def value(self, shape: Shape, *, depth: int = 0) -> Any:
        """A value of any shape."""
        if isinstance(shape, StructureShape):
            return self.structure(shape, depth=depth)
        if isinstance(shape, ListShape):
            return [self.value(shape.member, depth=depth) for _ in range(self._random.randint(1, 3))]
        if isinstance(shape, MapShape):
            if shape.serialization.get("location") == "headers":
                return {f"{self._pick('abc-19', 8)}z": f"h{self._pick(_HEADER, 9)}z" for _ in range(2)}
            return {
                str(self.value(shape.key)): self.value(shape.value, depth=depth)
                for _ in range(self._random.randint(1, 3))
            }
        return getattr(self, f"_{shape.type_name}")(shape)

    def _pick(self, alphabet: str, most: int, least: int = 0) -> str:
        return "".join(self._random.choices(alphabet, k=max(least, self._random.randint(0, most))))

    def _string(self, shape: Shape) -> str:
        location = shape.serialization.get("location")
        if shape.metadata.get("enum"):
            return str(self._random.choice(shape.metadata["enum"]))
        if location == "uri":
            return "k" + self._pick(_TEXT.replace("\n", ""), 12, shape.metadata.get("min", 0))
        if location in ("header", "headers"):
            return "h" + self._pick(_HEADER, 12)
        return "s" + self._pick(_TEXT, 20, shape.metadata.get("min", 0))

    def _integer(self, shape: Shape) -> int:
        least = shape.metadata.get("min", 0)
        return self._random.randint(least, min(shape.metadata.get("max", 10_000), least + 10_000))

    _long = _integer

    def _boolean(self, _: Shape) -> bool:
        return self._random.random() < 0.5

    def _double(self, _: Shape) -> float:
        return self._random.randint(0, 1_000) / 8

    _float = _double

    def _timestamp(self, shape: Shape) -> datetime:
        moment = _EPOCH + timedelta(seconds=self._random.randint(0, 10**8))
        in_header = shape.serialization.get("location") in ("header", "querystring")
        is_whole = in_header or shape.serialization.get("timestampFormat") == "rfc822"
        return moment if is_whole else moment + timedelta(milliseconds=500 * self._random.randint(0, 1))

    def _blob(self, _: Shape) -> bytes:
        return self._random.randbytes(self._random.randint(1, 40))
