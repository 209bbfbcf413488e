"""The service `logs` over logs that a test writes as the workers do."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore import xform_name
from redis import Redis

from config.settings import Settings
from producers.errors import ApiError
from producers.logs.api import Logs
from producers.seams import Seams
from tests.conftest import FakeClock
from tests.lambda_.conftest import deliver_nowhere
from tests.lambda_.system import check_answer, request
from worker.function import FunctionConfiguration
from worker.invocation import LogEvent
from worker.keys import Keys
from worker.log_entry import attempt_json
from worker.registry import FunctionRegistry


class LogSystem:
    """Calls operations of the service, and checks every answer against AWS's service model."""

    def __init__(self, service: Logs, redis: Redis, keys: Keys) -> None:
        self.service = service
        self._redis = redis
        self._keys = keys

    def call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """The answer."""
        answer: dict[str, Any] = getattr(self.service, xform_name(operation))(
            request(operation, service="logs"), **parameters
        )
        check_answer("logs", operation, answer)
        return answer

    def refusal(self, operation: str, **parameters: Any) -> tuple[str, int, str]:
        """Code, status and message of the error that the call is answered with."""
        try:
            answer = self.call(operation, **parameters)
        except ApiError as error:
            return error.code, error.status, error.message
        raise AssertionError(f"{operation} was not refused but answered {answer}")

    def create_function(self, name: str) -> None:
        """A function that never ran."""
        FunctionRegistry(self._redis, self._keys).create(
            FunctionConfiguration(
                name=name, arn=name, runtime="python3.12", handler="a.h", role="r", code_sha256="", code_size=0,
                last_modified="", revision_id="",
            ),
            lambda _: None,
        )  # fmt: skip

    def write(self, function: str, stream: str, *events: tuple[int, str], entry_id: str = "*") -> None:
        """What a worker appends for one attempt."""
        attempt = attempt_json(stream, "RID", [LogEvent(*event) for event in events])
        fields: dict[Any, Any] = {"attempts": b"[" + attempt + b"]"}
        self._redis.xadd(self._keys.log(function), fields, id=entry_id)


@pytest.fixture
def logs(settings: Settings, redis: Redis, keys: Keys, clock: FakeClock) -> LogSystem:
    """The service, without any log."""
    seams = Seams(settings=settings, redis=redis, keys=keys, clock=clock, deliver=deliver_nowhere)
    return LogSystem(Logs(seams), redis, keys)


@pytest.fixture
def messages() -> Callable[[dict[str, Any]], list[str]]:
    """The messages of an answer, in its order."""
    return lambda answer: [event["message"] for event in answer["events"]]
