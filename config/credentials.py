"""The AWS credentials that callers sign with, made by the first `thrice up`.

The file is what `AWS_SHARED_CREDENTIALS_FILE` may point at: INI, a profile `[default]`, readable by the owner alone.
"""

import configparser
import os
import secrets
import string
from dataclasses import dataclass
from pathlib import Path

from config.settings import Settings, SettingsError


@dataclass(frozen=True, slots=True)
class Credentials:
    """One access key and its secret."""

    access_key: str
    secret_key: str


def read_credentials(settings: Settings) -> Credentials:
    """The credentials in the data folder; made if there are none yet.

    Raises:
        SettingsError: the file is there but has no complete profile `[default]`.
    """
    path = settings.credentials_file
    if not path.exists():
        _write(path, settings)
    parser = configparser.ConfigParser()
    parser.read(path)
    try:
        profile = parser["default"]
        return Credentials(profile["aws_access_key_id"], profile["aws_secret_access_key"])
    except KeyError as missing:
        raise SettingsError(
            f"{path} has no {missing}: callers could not sign their requests. "
            "Complete it, or delete it and new credentials are made at the next start."
        ) from None


def _write(path: Path, settings: Settings) -> None:
    """Write new credentials, whole or not at all, and never over those that another process has just written."""
    alphabet = string.ascii_uppercase + "234567"
    key = "AKIA" + "".join(secrets.choice(alphabet) for _ in range(16))
    text = (
        "[default]\n"
        f"aws_access_key_id = {key}\n"
        f"aws_secret_access_key = {secrets.token_urlsafe(30)}\n"
        f"region = {settings.region}\n"
    )
    settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
