"""A benchmark suite as a process, and what of it still lives."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

_ROOT = Path(__file__).parents[2]


def start(folder: Path, *arguments: str, module: str = "benchmarks") -> "subprocess.Popen[str]":
    """The suite `module` with sizes that mean nothing; all that it makes is in `folder`."""
    command = [sys.executable, "-m", module, "--tiny", "--output", str(folder / "bench.json"), *arguments]
    environment = {**os.environ, "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"}
    with (folder / "output.txt").open("w") as output:
        return subprocess.Popen(command, cwd=_ROOT, env=environment, stdout=output, stderr=output, text=True)


def systems_in(folder: Path) -> list[str]:
    """The command lines of all processes that work in the suite's temporary folder or were told of it."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            command = (entry / "cmdline").read_text()
            told = str(folder) in command + (entry / "environ").read_text(errors="replace")
            if (told or (entry / "cwd").readlink().is_relative_to(folder)) and "--tiny" not in command:
                found.append(command)
    return found
