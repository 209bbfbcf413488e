"""Every setting of thrice: an environment variable `THRICE_…` with its unit, its default, and who reads it.

`load()` reads them all at once; a wrong value ends the start with a `SettingsError` that names the variable, the value
and what is allowed. `docs/settings.md` is checked against this file.
"""

import os
import re
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

#: So many gateways accept more than one Redis can store.
MOST_GATEWAYS = 4


class SettingsError(Exception):
    """A variable has a value that thrice cannot work with. The text names it and says what is allowed."""


class Settings(BaseSettings):
    """What an operator may decide. Read once, when a process starts."""

    model_config = SettingsConfigDict(env_prefix="THRICE_", extra="forbid", frozen=True)

    data_dir: Path = Field(
        default=Path(".thrice"),
        description="Folder for everything that is kept: queue, objects, code, credentials. Read by every part.",
    )
    host: str = Field(
        default="127.0.0.1", min_length=1, description="Address that the gateway listens on. Read by the gateway."
    )
    port: int = Field(
        default=4566, ge=1, le=65_535, description="Port that the gateway listens on. Read by the gateway."
    )
    endpoint_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^/]+$",
        description="Address at which functions reach the gateway, as http://host:port. "
        "Unset: THRICE_HOST and THRICE_PORT. Read by the workers.",
    )
    redis_url: str | None = Field(
        default=None,
        description="A Redis or Valkey server of yours, as redis://, rediss:// or redis+socket:// URL. "
        "Unset: `thrice up` starts its own. Read by every part.",
    )
    gateways: int = Field(
        default_factory=lambda: min(os.cpu_count() or 1, MOST_GATEWAYS),
        ge=1,
        le=64,
        description="Gateway processes that `thrice up` starts, behind one port; default one per core, at most four. "
        "Read by `thrice up`.",
    )
    workers: int = Field(
        default_factory=lambda: os.cpu_count() or 1,
        ge=1,
        le=1_024,
        description="Celery worker processes that `thrice up` starts; default one per core. Read by `thrice up`.",
    )
    concurrency: int = Field(
        default=16,
        ge=1,
        le=1_024,
        description="Invocations that one worker process runs at the same time. Read by the workers.",
    )
    account_concurrency: int = Field(
        default=1_000,
        ge=100,
        le=1_000_000,
        description="Invocations of all functions together that may run at the same time; what functions reserve is "
        "part of it. Read by the workers and the gateway.",
    )
    retry_countdowns: Annotated[tuple[float, ...], NoDecode] = Field(
        default=(0.0, 60.0, 120.0),
        description="Seconds of countdown before each attempt, comma-separated: as many numbers as attempts. "
        "Read by the workers.",
    )
    region: str = Field(
        default="us-east-1",
        pattern=r"^[a-z]{2}(-[a-z]+)+-\d$",
        description="The AWS region that thrice plays. Read by every part.",
    )
    account_id: str = Field(
        default="000000000000",
        pattern=r"^\d{12}$",
        description="The AWS account that thrice plays: 12 digits. Read by every part.",
    )
    clock: Literal["system", "virtual"] = Field(
        default="system",
        description="system, or virtual for tests and demonstrations: `thrice clock` may then move the time by which "
        "events are due, schedules fire and messages become visible. Read by the gateway and `thrice up`.",
    )
    isolation: Literal["strict", "best", "off"] = Field(
        default="best",
        description="The walls around handlers (docs/isolation.md): best builds those that the machine allows, strict "
        "starts no handler where it allows no namespaces, off builds none. Read by the workers and `thrice up`.",
    )
    event_retention: int = Field(
        default=3_600,
        ge=1,
        le=1_209_600,
        description="Seconds for which the record of an event that succeeded or was dropped can still be looked up. "
        "Read by the workers.",
    )

    shutdown_grace: float = Field(
        default=10.0,
        ge=0,
        le=900,
        description="Seconds that handlers have to end when the system stops. What still runs then is handed back, "
        "and runs again at the next start. Read by `thrice up`.",
    )

    @field_validator("retry_countdowns", mode="before")
    @classmethod
    def _parse_countdowns(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(float(part) for part in value.split(","))
        return value

    @field_validator("retry_countdowns")
    @classmethod
    def _check_countdowns(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not 1 <= len(value) <= 3:
            raise ValueError("there must be one to three countdowns, as AWS knows one to three attempts")
        if any(not 0 <= seconds <= 21_600 for seconds in value):
            raise ValueError("a countdown is between 0 and 21600 seconds")
        return value

    @field_validator("redis_url")
    @classmethod
    def _check_redis_url(cls, value: str | None) -> str | None:
        if value is not None and not re.match(r"^(redis|rediss|redis\+socket|unix)://", value):
            raise ValueError("the URL starts with redis://, rediss://, redis+socket:// or unix://")
        return value

    @cached_property
    def folder(self) -> Path:
        """The data folder as an absolute path."""
        return self.data_dir.expanduser().absolute()

    @property
    def gateway_url(self) -> str:
        """How a client on this machine reaches the gateway."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - compared, not bound
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def as_environment(self) -> dict[str, str]:
        """The variables by which another process reads these very settings. The data folder is spelled absolutely."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        values |= {"data_dir": self.folder, "retry_countdowns": ",".join(f"{s:g}" for s in self.retry_countdowns)}
        return {f"THRICE_{name.upper()}": str(value) for name, value in values.items() if value is not None}

    @property
    def credentials_file(self) -> Path:
        """The AWS credentials that callers sign with, in INI form, as the AWS CLI and the SDKs read it."""
        return self.folder / "credentials"


def load(**overrides: Any) -> Settings:
    """Read the settings from the environment.

    Raises:
        SettingsError: a variable's value is not allowed, or a variable named THRICE_… is not known.
    """
    _refuse_unknown_variables()
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(problem) for problem in error.errors())) from None


def _refuse_unknown_variables() -> None:
    known = {f"THRICE_{name.upper()}" for name in Settings.model_fields}
    unknown = sorted(name for name in os.environ if name.startswith("THRICE_") and name not in known)
    if unknown:
        raise SettingsError(
            f"{', '.join(unknown)}: there is no such setting. The settings are: {', '.join(sorted(known))}."
        )


def _explain(problem: Any) -> str:
    name = str(problem["loc"][0])
    given = problem["input"] if not isinstance(problem["input"], tuple) else ",".join(map(str, problem["input"]))
    about = Settings.model_fields[name].description
    reason = problem["msg"].removeprefix("Value error, ")
    return f"THRICE_{name.upper()}={given!s}: {reason}. {about}"
