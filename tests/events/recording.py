"""A `deliver` that writes what it is given into Redis, within the transaction of the caller, as real targets do."""

import json
from pathlib import Path
from typing import Any

from redis import Redis
from redis.client import Pipeline

from config.settings import Settings
from producers.seams import Request, Seams, TargetMissing
from worker.clock import Clock
from worker.keys import Keys

#: The Redis list of what was delivered.
DELIVERED = "test:delivered"

REQUEST = Request(
    request_id="6a7e8feb-b491-4cf7-a9f1-bf3703467718",
    service="events",
    operation="PutEvents",
    base_url="http://127.0.0.1:4566",
    source_ip="127.0.0.1",
    access_key="test",
    headers={},
    body=None,
)

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:f"
QUEUE = "arn:aws:sqs:us-east-1:000000000000:q"
MISSING = "arn:aws:lambda:us-east-1:000000000000:function:missing"


def record(pipe: Pipeline, target_arn: str, payload: bytes, *, source: str, trace_header: str | None = None) -> None:
    """Deliver to a list; there is no function of the name `missing`."""
    if target_arn == MISSING:
        raise TargetMissing(target_arn)
    pipe.rpush(
        DELIVERED,
        json.dumps({"target": target_arn, "payload": payload.decode(), "source": source, "trace": trace_header}),
    )


def seams(settings: Settings, redis: Redis, keys: Keys, clock: Clock) -> Seams:
    """The seams of a service whose targets are recorded."""
    return Seams(settings=settings, redis=redis, keys=keys, clock=clock, deliver=record)


def delivered(redis: Redis) -> list[dict[str, Any]]:
    """What was delivered so far, in order, with the payload as JSON value."""
    entries = [json.loads(text) for text in redis.lrange(DELIVERED, 0, -1)]
    return [entry | {"payload": json.loads(entry["payload"])} for entry in entries]


def settings_of(data_dir: str) -> Settings:
    """The settings whose embedded server lies in this folder."""
    return Settings(data_dir=Path(data_dir))
