"""What a handler finds without bringing it along: boto3 and what it needs, as on Lambda.

It is our own boto3, reached through a folder of links, because the rest of our packages must stay out of sight: the
handler's bundle may well have a `config` or a `worker` of its own.
"""

import importlib.util
import secrets
from pathlib import Path

#: boto3 and all that it imports, each in pure Python.
PACKAGES = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six")


def runtime_folder(data_folder: Path) -> Path:
    """The folder that has to be on a handler's path. Made on first use; any number of workers may do so at once.

    Raises:
        OSError: the folder cannot be written.
    """
    folder = data_folder / "runtime" / "python"
    folder.mkdir(parents=True, exist_ok=True)
    for package in PACKAGES:
        _link(folder, _location(package))
    return folder


def _location(package: str) -> Path:
    """The folder of a package, or the file of a module."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"'{package}' is not installed beside thrice; boto3 does not work without it.")
    origin = Path(spec.origin)
    return origin.parent if spec.submodule_search_locations else origin


def _link(folder: Path, target: Path) -> None:
    """Let `folder` have a link to `target`; an older one, of another installation, is replaced in one step."""
    link = folder / target.name
    if link.is_symlink() and link.readlink() == target:
        return
    new = folder / f".{target.name}.{secrets.token_hex(4)}"
    new.symlink_to(target)
    new.replace(link)
