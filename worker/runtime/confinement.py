"""Which walls stand around a handler's process: decided once per worker, from what the machine allows.

There are two ways. With namespaces a process has a root of its own, in which nothing of the machine is but programs and
its own code, its own /tmp of the size that its function asked for, its own process numbers, and a user of its own; root
may make them, and anyone else where the system allows user namespaces. Without them Landlock says which files
can be opened, and limits do what they can. What the machine allows is found by trying (`probe.py`), not by asking.

`room.py` and `confine.py` build the walls, inside the process; nothing here does.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from worker.runtime import confine, interpreter, room
from worker.runtime.child import CannotStart

Isolation = Literal["strict", "best", "off"]

#: What every program may need, where the machine has it.
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/sys/devices/system/cpu")

#: Where boto3 and what runs inside a handler's process lie in the room.
RUNTIME = Path("/var/runtime")
PROGRAMS = Path("/var/lang/thrice")

#: Users of environments when the worker is root: this one and the million after it, by the environment's name.
FIRST_USER = 200_000
USERS = 1_000_000

#: How long trying takes at most, in seconds; it takes a tenth.
PATIENCE = 30.0

_OWN = Path(__file__).parent
_PROGRAMS = ("bootstrap.py", "bootstrap.mjs")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


@dataclass(frozen=True, slots=True)
class Walls:
    """What this machine has."""

    isolation: Isolation
    namespaces: Literal["root", "user"] | None = None  # by which right they are made
    landlock: int = 0  # version; 0: none
    no_namespaces: str = ""  # the reason
    no_landlock: str = ""

    @property
    def code_root(self) -> Path | None:
        """Where a handler sees its code, if not where it lies."""
        return Path(room.TASK) if self.namespaces else None

    @property
    def layers(self) -> Path | None:
        """Where a handler sees its layers, if not where they lie."""
        return Path(room.LAYERS) if self.namespaces else None

    @property
    def temporary(self) -> Path | None:
        """Where a handler sees its temporary folder, if not where it lies."""
        return Path(room.TEMPORARY) if self.namespaces else None

    @property
    def runtime(self) -> Path | None:
        """Where a handler sees boto3, if not where it lies."""
        return RUNTIME if self.namespaces else None

    def refusal(self) -> str | None:
        """Why nothing may be started: isolation is to be strict, and the walls that it means are not there."""
        if self.isolation != "strict" or self.namespaces:
            return None
        return (
            f"THRICE_ISOLATION=strict, and this machine allows no namespaces: {self.no_namespaces}. No handler is "
            "started without them. Run as root or allow user namespaces (docs/isolation.md), or set "
            "THRICE_ISOLATION=best."
        )


#: As if the machine had none.
NO_WALLS = Walls("off", no_namespaces="THRICE_ISOLATION=off", no_landlock="THRICE_ISOLATION=off")


@dataclass(frozen=True, slots=True)
class Confinement:
    """What belongs to one environment."""

    environment: str  # its name, a part of a path
    temporary: Path
    storage: int  # MB of /tmp
    layers: Path | None = None  # a folder that is shown at /opt


def find(isolation: Isolation, folder: Path) -> Walls:
    """The walls of this machine; `folder`, of the data folder, is used for trying."""
    if isolation == "off":
        return NO_WALLS
    if sys.platform != "linux":
        reason = f"{sys.platform} has no such thing"
        return Walls(isolation, no_namespaces=reason, no_landlock=reason)
    return decide(isolation, _probe(folder / "root"))


def decide(isolation: Isolation, found: Mapping[str, Any]) -> Walls:
    """The walls, from what `probe.py` printed."""
    namespaces: Literal["root", "user"] | None = None
    reason = ""
    if found["namespaces"] is None:
        namespaces = "root"
    elif found["user_namespaces"] is None:
        namespaces = "user"
    else:
        reason = f"{found['namespaces']}; with a user namespace: {found['user_namespaces']}"
    version = found["landlock"]
    if isinstance(version, str):
        return Walls(isolation, namespaces, no_namespaces=reason, no_landlock=version)
    if version < confine.OLDEST_LANDLOCK:
        old = f"version {version} of it is too old"
        return Walls(isolation, namespaces, no_namespaces=reason, no_landlock=old)
    return Walls(isolation, namespaces, version, no_namespaces=reason)


@cache
def _probe(root: Path) -> Mapping[str, Any]:
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    asked = json.dumps({"root": str(root), "binds": [(path, path) for path in SYSTEM]})
    try:
        answer = subprocess.run(
            [interpreter.base().path, "-I", "-S", "-c", _START, str(_OWN), asked],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=True,
        )
        found: dict[str, Any] = json.loads(answer.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        said = getattr(error, "stderr", None) or str(error)
        reason = f"trying failed: {said.strip()[-300:]}"
        return {"namespaces": reason, "user_namespaces": reason, "landlock": reason}
    return found


#: Runs `probe.py` beside its neighbours, with no other folder of ours on the path.
_START = "import sys; sys.path.insert(0, sys.argv.pop(1)); import json, probe; probe.main(json.loads(sys.argv[1]))"


def plan(walls: Walls, runtime_folder: Path, paths: tuple[str, ...]) -> dict[str, Any]:
    """What `room.enter` builds: system, boto3, our own programs, and the `paths` of those that are to run there."""
    root = runtime_folder.parent / "root"
    root.mkdir(mode=0o700, exist_ok=True)
    binds = [(path, path) for path in (*SYSTEM, *_name_service(), *paths)]
    binds += [(target, str(RUNTIME / Path(target).name)) for target in targets(runtime_folder)]
    binds += [(str(_OWN / name), str(PROGRAMS / name)) for name in _PROGRAMS]
    return {"root": str(root), "user": walls.namespaces == "user", "binds": binds}


def targets(runtime_folder: Path) -> list[str]:
    """Where the packages that are linked in the runtime folder really lie."""
    return [str(link.resolve()) for link in sorted(runtime_folder.glob("[!.]*"))]


def _name_service() -> list[str]:
    """The file that /etc/resolv.conf leads to, if that is elsewhere."""
    target = os.path.realpath("/etc/resolv.conf")
    return [] if target.startswith("/etc/") else [target]


def program_paths(programs: tuple[str, ...]) -> list[str]:
    """What a program needs beside the system: its installation if it has one, and itself."""
    paths = []
    for program in programs:
        real = Path(os.path.realpath(program))
        if any(real.is_relative_to(folder) for folder in SYSTEM):
            continue
        prefix = real.parent.parent
        if real.parent.name == "bin" and (prefix / "lib").is_dir() and prefix != Path.home():
            paths.append(str(prefix))
        paths += [str(real), program]
    return paths


def inside(walls: Walls, path: str, code_root: Path, layers_root: Path | None = None) -> str:
    """Where a path of the machine is seen in the room: the code's, the layers', our programs', or the same."""
    if walls.namespaces is None:
        return path
    places = [(code_root, room.TASK), *((_OWN / name, str(PROGRAMS / name)) for name in _PROGRAMS)]
    if layers_root is not None:
        places.append((layers_root, room.LAYERS))
    for outer, inner in places:
        if path == str(outer) or path.startswith(f"{outer}/"):
            return inner + path[len(str(outer)) :]
    return path


def request(walls: Walls, confinement: Confinement, code_root: Path, reachable: tuple[str, ...]) -> dict[str, Any]:
    """What `confine.py` needs for one process; `reachable`: what else it has to read where there are no namespaces."""
    user = user_of(confinement.environment) if walls.namespaces == "root" else os.getuid()
    group = user if walls.namespaces == "root" else os.getgid()
    layers = confinement.layers
    if walls.namespaces:
        read, write = ["/"], [room.TEMPORARY, "/dev", "/proc"]
    else:
        read = [*SYSTEM, *_name_service(), "/proc", "/sys", "/dev", *reachable, str(code_root), str(_OWN)]
        read += [str(layers)] if layers else []
        write = [str(confinement.temporary), *_DEVICES]
    return {
        "apart": {"user": walls.namespaces == "user"} if walls.namespaces else None,
        "environment": confinement.environment,
        "storage": confinement.storage,
        "layers": str(layers) if layers else None,
        "uid": user,
        "gid": group,
        "landlock": walls.landlock,
        "read": read,
        "write": write,
    }


def user_of(environment: str) -> int:
    """The user and group of an environment, which nobody else is to have."""
    return FIRST_USER + int.from_bytes(hashlib.sha256(environment.encode()).digest()[:8]) % USERS


def check(walls: Walls) -> None:
    """Refuse to start anything where isolation is to be strict and cannot be.

    Raises:
        CannotStart: so it is.
    """
    refusal = walls.refusal()
    if refusal is not None:
        raise CannotStart(refusal)
