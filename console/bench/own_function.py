"""The function of `thrice bench --self-contained`: made for the run, and deleted after it.

Its handler sleeps, computes and fails as it is asked to; a failure is thrown for each attempt by itself, so that most
events that fail once succeed at the second attempt, as it is with the failures of networks.
"""

import contextlib
import io
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3.session
from botocore.config import Config

from config.credentials import read_credentials
from config.settings import Settings

#: The name of the function. One run at a time has it.
NAME = "thrice-bench"

_ROLE = "arn:aws:iam::{account}:role/thrice-bench"

#: Both end in time whatever a single handler is asked to do: `--sleep` and `--cpu` are a minute each at the most.
_TIMEOUT = 150

_HANDLER = '''\
"""The handler of a load test."""

import random
import time


def handler(event, context):
    time.sleep(event["sleep_ms"] / 1000)
    until = time.process_time() + event["cpu_ms"] / 1000
    while time.process_time() < until:
        pass
    if random.random() < event["fail"]:
        raise RuntimeError("the load test asked for a failure")
    return "ok"
'''


class FunctionInUse(Exception):
    """Raised when another run has the function. The text says what to do."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What its handler does: fail with a probability, sleep, compute. Times are in ms."""

    fail: float = 0.0
    sleep_ms: float = 0.0
    cpu_ms: float = 0.0

    def document(self) -> dict[str, float]:
        """The payload that asks for it."""
        return {"fail": self.fail, "sleep_ms": self.sleep_ms, "cpu_ms": self.cpu_ms}


def lambda_client(settings: Settings) -> Any:
    """boto3's client of the running system."""
    credentials = read_credentials(settings)
    return boto3.session.Session().client(
        "lambda",
        endpoint_url=settings.gateway_url,
        region_name=settings.region,
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        config=Config(retries={"total_max_attempts": 2}, connect_timeout=5, read_timeout=30),
    )


@contextlib.contextmanager
def own_function(settings: Settings, client: Any, *, in_hand: int) -> Iterator[str]:
    """The name of the function, which is there as long as the context lasts.

    One that a killed run has left behind is replaced, unless `in_hand` of its events have not ended.

    Raises:
        FunctionInUse: a function of this name has events that have not ended.
        ClientError, BotoCoreError: the gateway refuses it, or is away.
    """
    if _exists(client):
        if in_hand:
            raise FunctionInUse(
                f"The function {NAME} is there, with {in_hand:,} events that have not ended: another load test "
                f"runs, or one was killed. Wait for it, or: aws lambda delete-function --function-name {NAME}"
            )
        client.delete_function(FunctionName=NAME)
    client.create_function(
        FunctionName=NAME,
        Runtime=f"python3.{sys.version_info.minor}",
        Handler="app.handler",
        Role=_ROLE.format(account=settings.account_id),
        Code={"ZipFile": _package()},
        Timeout=_TIMEOUT,
        Description="thrice bench --self-contained",
    )
    try:
        yield NAME
    finally:
        with contextlib.suppress(client.exceptions.ResourceNotFoundException):
            client.delete_function(FunctionName=NAME)


def _exists(client: Any) -> bool:
    try:
        client.get_function_configuration(FunctionName=NAME)
    except client.exceptions.ResourceNotFoundException:
        return False
    return True


def _package() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", _HANDLER)
    return buffer.getvalue()
