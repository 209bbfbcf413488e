"""What a function declares, under AWS's names: its configuration, and how its asynchronous events are to be treated.

The configuration in force is the one at the moment an attempt *runs*, not the one when its event was accepted: events
that wait while a function is updated run with the new code and the new settings, as on AWS.
"""

from pydantic import BaseModel, ConfigDict

from config import limits


class EventInvokeConfig(BaseModel):
    """How asynchronous events of a function are treated. None means: not set by the user."""

    model_config = ConfigDict(frozen=True)

    maximum_retry_attempts: int | None = None
    maximum_event_age: int | None = None  # seconds
    on_success: str | None = None  # ARN
    on_failure: str | None = None  # ARN
    last_modified: float = 0.0  # seconds since the epoch


class FunctionConfiguration(BaseModel):
    """One function, as stored below `Keys.functions` under its name."""

    model_config = ConfigDict(frozen=True)

    v: int = 1
    name: str
    arn: str  # unqualified
    runtime: str
    handler: str
    role: str
    description: str = ""
    timeout: int = limits.DEFAULT_TIMEOUT  # seconds
    memory_size: int = limits.DEFAULT_MEMORY_MB  # MB
    environment: dict[str, str] | None = None  # None: the user sent none, which the API tells apart from {}
    architecture: str = "x86_64"
    code_sha256: str  # hex; the API shows it in base64
    code_size: int  # bytes of the zip
    dead_letter_arn: str | None = None
    tags: dict[str, str] = {}
    last_modified: str  # as the API shows it: 2026-01-02T03:04:05.678+0000
    revision_id: str  # changes with every change of code or configuration: what a warm environment is keyed by
    reserved_concurrency: int | None = None
    event_invoke_config: EventInvokeConfig | None = None

    @property
    def qualified_arn(self) -> str:
        """The ARN with `:$LATEST`, as records of destinations carry it."""
        return f"{self.arn}:$LATEST"

    @property
    def maximum_event_age(self) -> int:
        """Seconds after which an event of this function is given up."""
        config = self.event_invoke_config
        age = config.maximum_event_age if config else None
        return limits.DEFAULT_EVENT_AGE if age is None else age

    @property
    def maximum_retry_attempts(self) -> int | None:
        """Retries after the first attempt that the function itself asked for; None leaves it to the schedule."""
        return self.event_invoke_config.maximum_retry_attempts if self.event_invoke_config else None
