"""Where peers are installed: `build/peers/<name>`, made once from a lock with hashes, and made anew when that changes.

A peer that cannot be installed here (no registry, no Node.js) is no reason to end the run: `NotInstalled` says why, and
the table has a line with it.
"""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

_FOLDER = Path(__file__).parent
_BUILD = Path(__file__).parents[2] / "build" / "peers"

#: What tells that an installation was finished, and from which lock.
_MARK = ".is-installed"

#: How long one installation may take, in seconds.
_PATIENCE = 900.0


class NotInstalled(Exception):
    """Raised when a peer cannot be had on this machine. The text says why."""


def python(name: str) -> Path:
    """The interpreter of the environment `name`, which `requirements/<name>.txt` pins; made at the first call.

    Raises:
        NotInstalled: pip did not do it.
    """
    lock = _FOLDER / "requirements" / f"{name}.txt"
    folder = _BUILD / name
    interpreter = folder / "bin" / "python"
    if not _is_installed(folder, lock):
        _start_anew(folder)
        _run([sys.executable, "-m", "venv", str(folder)], folder)
        pip = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, "--require-hashes", "--prefer-binary", "-r", str(lock)], folder)
        _finished(folder, lock)
    return interpreter


def node_modules(name: str) -> Path:
    """The folder in which `requirements/<name>/package-lock.json` is installed, for Node.js; made at the first call.

    Raises:
        NotInstalled: there is no npm, or it did not do it.
    """
    source = _FOLDER / "requirements" / name
    folder = _BUILD / name
    if not _is_installed(folder, source / "package-lock.json"):
        if shutil.which("npm") is None:
            raise NotInstalled("there is no npm on the PATH")
        _start_anew(folder)
        for file in ("package.json", "package-lock.json"):
            shutil.copy(source / file, folder)
        _run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], folder)
        _finished(folder, source / "package-lock.json")
    return folder


def _start_anew(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _run(command: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalled(f"{Path(command[0]).name} did not end well: {error}") from error
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip().splitlines() or ["it said nothing"]
        raise NotInstalled(f"{Path(command[0]).name} ended with {done.returncode}: {words[-1]}")


def _is_installed(folder: Path, lock: Path) -> bool:
    mark = folder / _MARK
    return mark.exists() and mark.read_text() == _fingerprint(lock)


def _finished(folder: Path, lock: Path) -> None:
    (folder / _MARK).write_text(_fingerprint(lock))


def _fingerprint(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()
