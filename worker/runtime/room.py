"""What a fork server builds before it forks: a root of its own, in which almost nothing of the machine is to be seen.

The root holds what programs need (`/usr`, `/etc`, the interpreter), all of it read-only; the old root lies below it
until a process for a handler is made. That one leaves for namespaces of its own, gets its code at `/var/task`, its
layers at `/opt` and its own `/tmp`, and then lets go of the old root, to which no way leads back. The data folder, the
credentials, the Redis socket, homes and the code of others are not forbidden but absent.

`/tmp` is a file system in memory, as large as the function's ephemeral storage. It belongs to the environment, not to
one process: the server keeps it mounted until it is told to `forget` it.

Only the standard library, and only what Python 3.9 has: this runs in the interpreter of the function.
"""

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from worker.runtime import syscalls
else:
    import syscalls

#: Where things lie inside, as on Lambda.
TASK = "/var/task"
LAYERS = "/opt"
TEMPORARY = "/tmp"  # noqa: S108 - it is nobody else's

#: The old root, and what will be the /tmp of each environment. No handler ever sees them.
_HOST = "/.host"
_ROOMS = "/.rooms"

_DEVICES = ("null", "zero", "full", "random", "urandom")
_STREAMS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}

#: Shared memory of one environment; semaphores and queues of a language's library live there.
_SHARED_MEMORY_MB = 64

_READ_ONLY = syscalls.ATTR_RDONLY | syscalls.ATTR_NOSUID | syscalls.ATTR_NODEV


def enter(plan: "dict[str, Any]") -> None:
    """Leave the machine's root for one made by the plan.

    The plan says "user" (whether a user namespace gives the right to do so), "root" (an empty folder of the machine)
    and "binds" (pairs of a path of the machine and where it is to be seen).

    Raises:
        OSError: the kernel does not allow it. The process is of no more use.
    """
    user, group = os.getuid(), os.getgid()
    syscalls.unshare(syscalls.CLONE_NEWNS | (syscalls.CLONE_NEWUSER if plan["user"] else 0))
    if plan["user"]:
        map_self(user, group)
    syscalls.mount("none", "/", None, syscalls.MS_REC | syscalls.MS_PRIVATE)  # what is done here stays here
    root = plan["root"]
    syscalls.mount("tmpfs", root, "tmpfs", syscalls.MS_NOSUID, "mode=0755,size=4m")
    for folder in (_HOST, _ROOMS, TASK, LAYERS, TEMPORARY, "/proc", "/dev/shm"):  # noqa: S108
        os.makedirs(root + folder, mode=0o755)
    for source, target in plan["binds"]:
        _show(source, root + target)
    for name in _DEVICES:
        _show(f"/dev/{name}", f"{root}/dev/{name}", 0)
    for name, target in _STREAMS.items():
        os.symlink(target, f"{root}/dev/{name}")
    syscalls.bind("/proc", root + "/proc")  # until each process has its own
    syscalls.pivot_root(root, root + _HOST)
    os.chdir("/")
    syscalls.mount("tmpfs", _ROOMS, "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, "mode=0711,size=4m")
    syscalls.restrict_mount("/", _READ_ONLY, deep=False)
    syscalls.adopt_orphans()


def _show(source: str, target: str, attributes: int = _READ_ONLY) -> None:
    """Let a path of the machine be seen at `target`; a link stays a link, and what is missing stays missing."""
    if os.path.lexists(target) or not os.path.lexists(source):
        return
    os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
    if os.path.islink(source):
        os.symlink(os.readlink(source), target)
        return
    if os.path.isdir(source):
        os.mkdir(target, 0o755)
    else:
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
    syscalls.bind(source, target)
    if attributes:
        syscalls.restrict_mount(target, attributes)


def map_self(user: int, group: int) -> None:
    """In a new user namespace, be who one was outside."""
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        descriptor = os.open(f"/proc/self/{name}", os.O_WRONLY)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)


def provide(name: str, megabytes: int, user: int, group: int) -> None:
    """See to it that there is a /tmp for the environment `name`."""
    folder = f"{_ROOMS}/{name}"
    if os.path.isdir(folder):
        return
    os.mkdir(folder)
    options = f"size={megabytes}m,mode=0700,uid={user},gid={group}"
    try:
        syscalls.mount("tmpfs", folder, "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, options)
    except OSError:
        os.rmdir(folder)
        raise


def forget(name: str) -> None:
    """Let go of the /tmp of an environment, if there is one; its memory is free when its last process has ended."""
    folder = f"{_ROOMS}/{name}"
    if os.path.isdir(folder):
        syscalls.detach(folder)
        os.rmdir(folder)


def separate(folder: str, layers: "str | None", name: str) -> None:
    """Leave the server's namespaces for new ones with the code in `folder` and the /tmp of the environment `name`.

    The PID namespace begins with the next child. `layers` is a folder of the machine.
    """
    syscalls.unshare(syscalls.CLONE_NEWNS | syscalls.CLONE_NEWPID)
    syscalls.bind(_HOST + folder, TASK)
    syscalls.restrict_mount(TASK, _READ_ONLY)
    if layers is not None:
        syscalls.bind(_HOST + layers, LAYERS)
        syscalls.restrict_mount(LAYERS, _READ_ONLY)
    syscalls.bind(f"{_ROOMS}/{name}", TEMPORARY)
    own = syscalls.MS_NOSUID | syscalls.MS_NODEV
    syscalls.mount("tmpfs", "/dev/shm", "tmpfs", own, f"mode=1777,size={_SHARED_MEMORY_MB}m")  # noqa: S108
    syscalls.detach(_HOST)
    syscalls.detach(_ROOMS)


def mount_processes() -> None:
    """Show the processes of this PID namespace at /proc, and no others."""
    syscalls.mount("proc", "/proc", "proc", syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC)
