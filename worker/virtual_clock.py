"""Moving the clock that the scripts read, for demonstrations and tests: due times and ages move, leases never."""

from redis import Redis

from worker.keys import Keys


def advance(redis: Redis, keys: Keys, seconds: float) -> None:
    """Let `seconds` pass at once for everything that waits."""
    redis.incrby(keys.clock, round(seconds * 1000))
