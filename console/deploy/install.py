"""`--install`: what requirements.txt names, beside the function's own files, as `pip install --target` would put it.

The interpreter of the function's own version installs, for wheels are made for one. What was installed is kept in the
data folder under the hash of the list, so that the next deployment does not ask the registry again.
"""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from console.deploy.handler import PYTHON_RUNTIME
from console.deploy.package import NoPackage


def installed(requirements: Path, runtime: str, cache: Path) -> Path:
    """A folder with everything that `requirements` names.

    Raises:
        NoPackage: the runtime is not Python, its interpreter is not here, or pip did not succeed.
    """
    python = _interpreter(runtime)
    digest = hashlib.sha256(f"{runtime}\n{requirements.read_text()}".encode()).hexdigest()[:24]
    done = cache / digest
    if done.is_dir():
        return done
    draft = cache / f"{digest}.draft"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    ran = subprocess.run(
        [*command, "--target", draft, "-r", requirements],
        capture_output=True,
        text=True,
        check=False,
        cwd=requirements.parent,
    )
    if ran.returncode:
        raise NoPackage(f"pip could not install {requirements.name}: {(ran.stderr or ran.stdout).strip()}")
    draft.rename(done)
    return done


def _interpreter(runtime: str) -> str:
    if not runtime.startswith("python"):
        raise NoPackage(f"--install is for Python, and the runtime is {runtime}")
    python = sys.executable if runtime == PYTHON_RUNTIME else shutil.which(runtime)
    if python is None:
        raise NoPackage(f"--install needs the interpreter {runtime}, which is not on the PATH")
    return python
