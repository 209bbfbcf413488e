"""Many random steps, a check after each of them, and a failure that can be had again.

The number of steps is `FUZZ_STEPS`, the beginning `FUZZ_SEED`; a failure prints both. `pytest -s` shows how far it is.
"""

import os
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate

#: How often progress is shown, in steps.
PROGRESS = 10_000


@dataclass
class Fuzzing:
    """One run."""

    steps: int
    seed: int
    taken: Counter[str] = field(default_factory=Counter)  # by the name of the step

    @classmethod
    def from_environment(cls, steps: int) -> "Fuzzing":
        """As the environment says, else that many steps, from anywhere."""
        seed = os.environ.get("FUZZ_SEED") or random.SystemRandom().randrange(1 << 32)
        return cls(int(os.environ.get("FUZZ_STEPS") or steps), int(seed))

    def run(self, rng: random.Random, moves: Mapping[Callable[[], object], int], check: Callable[[], object]) -> None:
        """Take all steps: each is one of `moves`, by their weights."""
        print(f"FUZZ_SEED={self.seed} FUZZ_STEPS={self.steps}", flush=True)  # noqa: T201
        population, weights = list(moves), list(accumulate(moves.values()))
        for number in range(1, self.steps + 1):
            (move,) = rng.choices(population, cum_weights=weights)
            self.taken[move.__name__] += 1
            try:
                move()
                check()
            except BaseException:
                print(f"step {number}, {move.__name__}, went wrong", flush=True)  # noqa: T201
                raise
            if number % PROGRESS == 0:
                print(f"{number:,} of {self.steps:,} steps", flush=True)  # noqa: T201
