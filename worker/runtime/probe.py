"""Finds out which walls this machine allows, by building them: run as a program, with a plan of `room.py` as argument.

It prints JSON: for "namespaces" and "user_namespaces" None if they work, else what the kernel said; for "landlock" the
version, or what the kernel said. Each try is a process of its own, because nobody comes back from a new root.

Only the standard library: the interpreter is the base one, without our packages.
"""

import json
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from worker.runtime import confine, forkserver, room, syscalls
else:
    import confine
    import forkserver
    import room
    import syscalls

#: A user and a group that nobody has, for the try.
_NOBODY = 65_534


def main(plan: "dict[str, Any]") -> None:
    """Try everything, and print what came of it."""
    found = {
        "namespaces": tried({**plan, "user": False}),
        "user_namespaces": tried({**plan, "user": True}),
        "landlock": landlock(),
    }
    print(json.dumps(found))


def landlock() -> "int | str":
    """The version, or why there is none."""
    try:
        return syscalls.landlock_version()
    except OSError as error:
        return str(error)


def tried(plan: "dict[str, Any]") -> "str | None":
    """Build all walls around a process that does nothing. None if they stand, else the reason."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        try:
            reason = walled_in(plan)
        except OSError as error:
            reason = str(error)
        os.write(writing, json.dumps(reason).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        said = file.read()
    os.waitpid(pid, 0)
    answer: str | None = json.loads(said) if said else "the process ended"
    return answer


def walled_in(plan: "dict[str, Any]") -> "str | None":
    """Enter a new root and make one process as the fork server would. None, or the reason why it could not be made."""
    room.enter(plan)
    lifeline, _ = os.pipe()
    room.provide("probe", 1, os.getuid(), os.getgid())
    reading, writing = os.pipe()
    helper = os.fork()
    confinement = {"apart": plan, "uid": _NOBODY, "gid": _NOBODY, "landlock": 0, "layers": None, "environment": "probe"}
    if helper == 0:
        request = {"folder": plan["root"], "confinement": confinement}
        if forkserver.is_handler(request, writing, lifeline):
            try:
                confine.close_in(confinement)
            except OSError as error:
                forkserver.say(writing, {"error": str(error)})
        os._exit(0)
    os.close(writing)
    said = forkserver.read_all(reading)
    return said.get("error")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
