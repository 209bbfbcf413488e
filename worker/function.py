"""What a function declares, under AWS's names: its configuration, and how its asynchronous events are to be treated.

The configuration in force is the one at the moment an attempt *runs*, not the one when its event was accepted: events
that wait while a function is updated run with the new code and the new settings, as on AWS.

One document below `Keys.functions` holds all that belongs to a function and can change: `$LATEST`, the aliases, and
what is set for each qualifier. So one compare-and-swap is enough for any change, and a claim hands a worker all that it
needs to find out what an event is for (`worker/qualifier.py`). A published version never changes; it has a document of
its own below `Keys.versions`, which is read when it is to run and not known yet.
"""

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict

from config import limits

#: The qualifier, and the version, of what can still be changed.
LATEST = "$LATEST"

#: How the names of internal functions begin.
INTERNAL_PREFIX = "thrice:"


class EventInvokeConfig(BaseModel):
    """How asynchronous events of a function are treated. None means: not set by the user."""

    model_config = ConfigDict(frozen=True)

    maximum_retry_attempts: int | None = None
    maximum_event_age: int | None = None  # seconds
    on_success: str | None = None  # ARN
    on_failure: str | None = None  # ARN
    last_modified: float = 0.0  # seconds since the epoch


class Alias(BaseModel):
    """A name for a version, and for a second one that gets a share of the invocations."""

    model_config = ConfigDict(frozen=True)

    version: str  # number or $LATEST
    description: str = ""
    weights: dict[str, float] = {}  # further version -> its share, 0.0 to 1.0; one at most
    revision_id: str


class LayerVersion(BaseModel):
    """A version of a layer, as a function uses it: it stays usable when the layer is deleted."""

    model_config = ConfigDict(frozen=True)

    arn: str  # with the version's number
    code_sha256: str  # hex
    code_size: int  # bytes of the zip
    unzipped_size: int = 0  # bytes


class FunctionConfiguration(BaseModel):
    """One function, as stored below `Keys.functions` under its name; or one of its versions, below `Keys.versions`."""

    model_config = ConfigDict(frozen=True)

    v: int = 1
    name: str
    version: str = LATEST  # or a number
    arn: str  # unqualified
    runtime: str
    handler: str
    role: str
    description: str = ""
    timeout: int = limits.DEFAULT_TIMEOUT  # seconds
    memory_size: int = limits.DEFAULT_MEMORY_MB  # MB
    environment: dict[str, str] | None = None  # None: the user sent none, which the API tells apart from {}
    architecture: str = "x86_64"
    ephemeral_storage: int = limits.DEFAULT_STORAGE_MB  # MB of /tmp
    layers: tuple[LayerVersion, ...] = ()  # in the order in which they are laid over each other
    code_sha256: str  # hex; the API shows it in base64
    code_size: int  # bytes of the zip
    dead_letter_arn: str | None = None
    tags: dict[str, str] = {}
    last_modified: str  # as the API shows it: 2026-01-02T03:04:05.678+0000
    revision_id: str  # changes with every change of code or configuration: what a warm environment is keyed by
    reserved_concurrency: int | None = None
    recursive_loop: str = "Terminate"  # or Allow
    event_invoke_config: EventInvokeConfig | None = None  # of $LATEST; of what `of` found for a qualifier

    # What else belongs to the function; its versions' documents have none of it.
    published: dict[str, str] = {}  # number of a version -> its revision id
    dead_letter_arns: dict[str, str] = {}  # number of a version -> its dead-letter target, where it has one
    last_version: int = 0  # the highest number that was ever given
    aliases: dict[str, Alias] = {}  # by name
    event_invoke_configs: dict[str, EventInvokeConfig] = {}  # by alias or number of a version

    qualifier: str | None = None  # never stored: under which an event asked for it; see `worker/qualifier.py`

    @property
    def qualified_arn(self) -> str:
        """The ARN with its qualifier, `$LATEST` where none was asked for: as destinations' records carry it."""
        return f"{self.arn}:{self.qualifier or self.version}"

    @property
    def label(self) -> str:
        """What environments of this version are told apart by: `name:version`."""
        return f"{self.name}:{self.version}"

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

    def packages(self) -> Iterator[str]:
        """The SHA-256 of every package that it needs: its code, and its layers."""
        yield self.code_sha256
        for layer in self.layers:
            yield layer.code_sha256
