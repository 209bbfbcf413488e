"""What a load test is asked to do: how many requests, how fast, by whom, of what kind. Pure."""

from dataclasses import asdict, dataclass
from typing import Any

import orjson

from worker.duration import NoDuration, seconds

#: So many requests are sent if neither a number nor a duration is asked for.
USUAL_NUMBER = 10_000

#: The most of each that can be asked for. Each event that is not yet accounted for takes some 200 bytes here.
MOST_REQUESTS = 10_000_000
MOST_CONNECTIONS = 2_000
FASTEST = 200_000.0


class NoPlan(ValueError):
    """Raised when what is asked for makes no load test. The text says why, and what does."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One load test. The number of requests or the duration ends the sending; of both, what is reached first."""

    function: str
    number: int | None  # of requests
    duration: float | None  # of the sending, in seconds
    connections: int  # of all client processes together
    rate: float | None  # requests a second; None: as fast as the connections allow
    arrivals: str  # "even" or "poisson": how the requests follow each other at that rate
    seed: int  # of the poisson arrivals
    is_synchronous: bool
    wait: float  # how long retries that are due later are waited for, in seconds
    payload: bytes
    is_own: bool = False  # the function is the load test's own, and is deleted after it

    @property
    def is_open(self) -> bool:
        """Whether requests are sent when their time has come, not when an earlier one has been answered."""
        return self.rate is not None

    @property
    def expected(self) -> int | None:
        """How many requests there will be; None if that is not known before."""
        if self.rate is None or self.duration is None:
            return self.number
        by_time = max(1, round(self.rate * self.duration))
        return by_time if self.number is None else min(self.number, by_time)

    def document(self) -> dict[str, Any]:
        """As JSON keeps it: without the payload, which may be private, but with its size."""
        fields = asdict(self)
        fields["payload_bytes"] = len(fields.pop("payload"))
        return fields


def plan_of(
    function: str,
    *,
    number: int | None,
    connections: int,
    rate: float | None,
    duration: str | None,
    payload: bytes,
    arrivals: str = "even",
    seed: int = 1,
    is_synchronous: bool = False,
    wait: str = "0s",
) -> Plan:
    """A plan by what was written on the command line.

    Raises:
        NoPlan: a value is out of its range, a length of time is none, or the payload is not JSON.
    """
    if number is not None and not 1 <= number <= MOST_REQUESTS:
        raise NoPlan(f"-n {number}: the number of requests is between 1 and {MOST_REQUESTS:,}.")
    if not 1 <= connections <= MOST_CONNECTIONS:
        raise NoPlan(f"-c {connections}: the number of connections is between 1 and {MOST_CONNECTIONS:,}.")
    if rate is not None and not 0 < rate <= FASTEST:
        raise NoPlan(f"--rate {rate:g}: the rate is more than 0 and at most {FASTEST:,.0f} requests a second.")
    if arrivals not in ("even", "poisson"):
        raise NoPlan(f"--arrivals {arrivals}: write even, or poisson for arrivals that are independent of each other.")
    if arrivals == "poisson" and rate is None:
        raise NoPlan("--arrivals poisson needs a --rate: without one, a request follows when another is answered.")
    length = _length("--duration", duration) if duration is not None else None
    if length == 0:
        raise NoPlan("--duration 0s: nothing would be sent.")
    if number is None and length is None:
        number = USUAL_NUMBER
    return Plan(
        function, number, length, connections, rate, arrivals, seed, is_synchronous, _length("--wait", wait),
        _checked(payload),
    )  # fmt: skip


def share_of(text: str) -> float:
    """A share between 0 and 1, as `5%` or `0.05` tell it.

    Raises:
        NoPlan: it tells none.
    """
    number = text.strip()
    try:
        share = float(number[:-1]) / 100 if number.endswith("%") else float(number)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise NoPlan(f"--fail {text}: write a share between 0% and 100%, as 5% or 0.05.")
    return share


def milliseconds_of(option: str, text: str) -> float:
    """A length of time in ms, of at most a minute.

    Raises:
        NoPlan: it tells none, or a longer one.
    """
    length = _length(option, text)
    if length > 60:
        raise NoPlan(f"{option} {text}: a handler of the load test takes a minute at the most.")
    return length * 1000


def _length(option: str, text: str) -> float:
    try:
        return seconds(text)
    except NoDuration as problem:
        raise NoPlan(f"{option}: {problem}") from None


def _checked(payload: bytes) -> bytes:
    try:
        orjson.loads(payload)
    except orjson.JSONDecodeError as problem:
        raise NoPlan(
            f"The payload is not JSON ({problem}); Lambda would refuse it. Write --payload '{{\"key\": 1}}' or @file."
        ) from None
    return payload
