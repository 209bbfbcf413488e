"""What a forked process does to itself before it becomes a handler's: it gives up all that a handler may not have.

In order, because each step takes away what the one before needed: its own /proc, its own user, the limits, the
capabilities, the hope for new ones, and last Landlock's rules for what is left of the file system. Where the kernel has
no namespaces for us, limits and Landlock are all there is.

Only the standard library, and only what Python 3.9 has: this runs in the interpreter of the function.
"""

import os
import resource
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from worker.runtime import room, syscalls
else:
    import room
    import syscalls

#: Open files, and processes with their threads, of one environment. Source: Lambda Developer Guide, "Lambda quotas".
MAX_FILES = 1_024
MAX_PROCESSES = 1_024

#: When the machine runs out of memory the kernel ends a handler first.
_FIRST_TO_GO = "1000"

# Landlock's rights to files, as linux/landlock.h numbers them.
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE = 1 << 14  # version 3
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
_SCOPED = 0b11  # version 6: abstract sockets and signals of processes outside

#: The oldest version of Landlock that is used: before it, files could not be moved between folders.
OLDEST_LANDLOCK = 2


def close_in(confinement: "dict[str, Any]") -> None:
    """Confine this process. "apart" says whether it has namespaces; see `confinement.py` for the rest.

    Raises:
        OSError: a wall that was found to stand does not. The process must not go on.
    """
    apart = confinement["apart"]
    if apart:
        room.mount_processes()
        if apart["user"]:
            user, group = os.getuid(), os.getgid()
            syscalls.unshare(syscalls.CLONE_NEWUSER)  # processes are counted for each user of each namespace
            room.map_self(user, group)
    _limit(confinement)
    if apart:
        syscalls.drop_bounding_set()
        if not apart["user"]:
            os.setgroups([])
            os.setresgid(confinement["gid"], confinement["gid"], confinement["gid"])
            os.setresuid(confinement["uid"], confinement["uid"], confinement["uid"])
    syscalls.drop_capabilities()
    syscalls.be_dumpable()
    syscalls.forbid_new_privileges()
    if confinement["landlock"]:
        _landlock(confinement["landlock"], confinement["read"], confinement["write"])


def _limit(confinement: "dict[str, Any]") -> None:
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write(_FIRST_TO_GO)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_NOFILE, MAX_FILES)
    if confinement["apart"]:
        _lower(resource.RLIMIT_NPROC, MAX_PROCESSES)  # elsewhere all processes of the operator would count
    else:
        _lower(resource.RLIMIT_FSIZE, confinement["storage"] << 20)  # elsewhere its /tmp has a size


def _lower(limit: int, value: int) -> None:
    _, most = resource.getrlimit(limit)
    value = value if most == resource.RLIM_INFINITY else min(value, most)
    resource.setrlimit(limit, (value, value))


def _landlock(version: int, read: "list[str]", write: "list[str]") -> None:
    everything = (1 << 15) - 1 if version >= 3 else (1 << 14) - 1
    ruleset = syscalls.landlock_ruleset(everything, _SCOPED if version >= 6 else 0)
    try:
        for paths, rights in ((read, _READ), (write, everything)):
            for path in paths:
                _allow(ruleset, path, rights)
        syscalls.landlock_restrict(ruleset)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # it is not there, or not for us: nothing to allow
    try:
        syscalls.landlock_allow(ruleset, parent, rights if os.path.isdir(path) else rights & _OF_FILES)
    finally:
        os.close(parent)
