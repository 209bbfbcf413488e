"""A system whose clock is moved, and waiting for what an event caused: as a user does it."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from redis import Redis

from config import redis as config_redis
from config.settings import load
from tests.system.running import BIN, RunningSystem
from tests.waiting import wait_until
from worker.keys import Keys

FAILS = "def handler(event, context):\n    raise ValueError('always')\n"

#: Publishes to the topic that it is told; its caller needs to know nothing of lineage.
PUBLISHES = """
import boto3

def handler(event, context):
    boto3.client("sns").publish(TopicArn=event["topic"], Message="m")
"""


def thrice(system: RunningSystem, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The command, with the variables of the system."""
    return subprocess.run(
        [BIN / "thrice", *arguments], env=system.variables, capture_output=True, text=True, timeout=110, check=False
    )


def test_three_attempts_and_a_dead_letter_without_waiting(start_up: Callable[..., RunningSystem]):
    """The whole schedule of 0, 60 and 120 s passes in two moves; then the wait ends with status 1."""
    system = start_up(THRICE_CLOCK="virtual", THRICE_WORKERS="1")
    url, arn = system.create_queue("dead")
    system.create_function("fails", FAILS, DeadLetterConfig={"TargetArn": arn})
    answer = system.client("lambda").invoke(FunctionName="fails", InvocationType="Event", Payload=b"{}")
    request_id = answer["ResponseMetadata"]["RequestId"]
    for _ in range(2):
        thrice_until_due(system)

    done = thrice(system, "await", request_id)

    assert done.returncode == 1, done
    assert "dead-lettered (RetriesExhausted) after 3 attempts: ValueError: always" in done.stdout
    assert json.loads(system.receive(url)["Body"]) == {}


def thrice_until_due(system: RunningSystem) -> None:
    """`thrice clock next`, again as long as nothing waits yet: the attempt before may still be running."""
    wait_until(lambda: thrice(system, "clock", "next").returncode == 0, "an attempt is due", 60)


@pytest.mark.parity("trace.lineage")
def test_waiting_covers_what_a_handler_causes_by_boto3(up: RunningSystem):
    """A failure two steps away, by way of a topic, makes the wait end with status 1 and names the function."""
    up.create_function("steps-last", FAILS)
    up.client("lambda").put_function_event_invoke_config(FunctionName="steps-last", MaximumRetryAttempts=0)
    up.create_function("steps-first", PUBLISHES, Timeout=60)
    sns = up.client("sns")
    topic = sns.create_topic(Name="steps")["TopicArn"]
    last = up.client("lambda").get_function(FunctionName="steps-last")["Configuration"]["FunctionArn"]
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=last)

    answer = up.client("lambda").invoke(
        FunctionName="steps-first", InvocationType="Event", Payload=json.dumps({"topic": topic}).encode()
    )
    done = thrice(up, "await", answer["ResponseMetadata"]["RequestId"])

    assert done.returncode == 1, done
    assert "the event and 1 that it caused ended, 1 of them badly" in done.stdout
    assert "steps-last" in done.stdout


def test_clock_that_was_left_is_taken_away_at_the_next_start(start_up: Callable[..., RunningSystem], tmp_path: Path):
    """Only a system that is to have a virtual clock keeps it; the other says what became of it."""
    first = start_up(THRICE_CLOCK="virtual", THRICE_WORKERS="1")
    assert thrice(first, "clock", "advance", "2h").returncode == 0
    first.stop()
    second = start_up(THRICE_CLOCK="virtual", THRICE_WORKERS="1")
    kept = json.loads(thrice(second, "clock", "show", "--json").stdout)
    second.stop()
    third = start_up(THRICE_WORKERS="1")

    redis: Redis = config_redis.connect(load(data_dir=tmp_path / "data"))
    assert kept["offset_ms"] == 7_200_000
    assert "2h ahead of the real time; it is the machine's own again" in third.printed
    assert redis.get(Keys().clock) is None
    assert thrice(third, "clock", "advance", "1s").returncode == 1
    redis.close()
