"""System calls that Python has no words for, by ctypes: namespaces, mounts, capabilities, Landlock.

Used inside fork servers only, before a handler is there. Only the standard library, and only what Python 3.9 has.
Each function does one call and raises `OSError` with the kernel's reason. The numbers of the newer calls are the same
on every architecture that Linux has gained since 2011.
"""

import ctypes
import os
from typing import Any

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000

MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000

ATTR_RDONLY = 0x1
ATTR_NOSUID = 0x2
ATTR_NODEV = 0x4

_MNT_DETACH = 2
_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000

_MOUNT_SETATTR = 442
_LANDLOCK_CREATE_RULESET = 444
_LANDLOCK_ADD_RULE = 445
_LANDLOCK_RESTRICT_SELF = 446

_PR_SET_DUMPABLE = 4
_PR_CAPBSET_DROP = 24
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4

_LAST_CAPABILITY = 63
_CAPABILITY_VERSION_3 = 0x20080522

_LANDLOCK_CREATE_RULESET_VERSION = 1
_LANDLOCK_RULE_PATH_BENEATH = 1

_libc = ctypes.CDLL(None, use_errno=True)


class _MountAttributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "userns")]


class _Ruleset(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("files", "network", "scoped")]


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32)]


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _call(what: str, number: int, *arguments: Any) -> int:
    return _check(_libc.syscall(ctypes.c_long(number), *arguments), what)


def _bytes(path: "str | None") -> "bytes | None":
    return None if path is None else os.fsencode(path)


def unshare(flags: int) -> None:
    """Leave namespaces for new ones; a new PID namespace is entered by the children."""
    _check(_libc.unshare(ctypes.c_int(flags)), "unshare")


def mount(source: str, target: str, kind: "str | None" = None, flags: int = 0, options: "str | None" = None) -> None:
    """Mount `source` at `target`."""
    result = _libc.mount(_bytes(source), _bytes(target), _bytes(kind), ctypes.c_ulong(flags), _bytes(options))
    _check(result, f"mount {source} at {target}")


def bind(source: str, target: str) -> None:
    """Let `target` show what is at `source`, with all that is mounted below it."""
    mount(source, target, None, MS_BIND | MS_REC)


def restrict_mount(target: str, attributes: int, *, deep: bool = True) -> None:
    """Add attributes to what is mounted at `target`, and below it if `deep` (Linux 5.12)."""
    asked = _MountAttributes(set=attributes)
    flags = _AT_RECURSIVE if deep else 0
    size = ctypes.c_size_t(ctypes.sizeof(asked))
    what = f"mount_setattr {target}"
    _call(
        what, _MOUNT_SETATTR, ctypes.c_int(_AT_FDCWD), _bytes(target), ctypes.c_uint(flags), ctypes.byref(asked), size
    )


def detach(target: str) -> None:
    """Take away what is mounted at `target`, with all below it, at once; what is in use ends with its last user."""
    _check(_libc.umount2(_bytes(target), ctypes.c_int(_MNT_DETACH)), f"umount {target}")


def pivot_root(new: str, old: str) -> None:
    """Make the mount at `new` the root, and put the old root at `old`, which is a folder in `new`."""
    number = 41 if os.uname().machine == "aarch64" else 155
    _call("pivot_root", number, _bytes(new), _bytes(old))


def _prctl(what: str, option: int, *arguments: int) -> None:
    given = [ctypes.c_ulong(argument) for argument in (*arguments, 0, 0, 0, 0)[:4]]
    _check(_libc.prctl(ctypes.c_int(option), *given), what)


def be_dumpable() -> None:
    """Own one's files below /proc/self again, which a change of user takes away."""
    _prctl("PR_SET_DUMPABLE", _PR_SET_DUMPABLE, 1)


def adopt_orphans() -> None:
    """Become the parent of those descendants whose parent dies."""
    _prctl("PR_SET_CHILD_SUBREAPER", _PR_SET_CHILD_SUBREAPER, 1)


def forbid_new_privileges() -> None:
    """Never again gain anything by running a program, for this process and all that descend from it."""
    _prctl("PR_SET_NO_NEW_PRIVS", _PR_SET_NO_NEW_PRIVS, 1)


def drop_bounding_set() -> None:
    """Give up every capability for ever. Needs CAP_SETPCAP."""
    for capability in range(_LAST_CAPABILITY + 1):
        try:
            _prctl("PR_CAPBSET_DROP", _PR_CAPBSET_DROP, capability)
        except OSError as error:
            if error.errno == 22:  # EINVAL: the kernel knows no more than those before
                return
            raise


def drop_capabilities() -> None:
    """Give up the capabilities that this process has."""
    _prctl("PR_CAP_AMBIENT", _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _check(_libc.capset(header, nothing), "capset")


def landlock_version() -> int:
    """Which version of Landlock the kernel has.

    Raises:
        OSError: it has none, or it is switched off.
    """
    size, flags = ctypes.c_size_t(0), ctypes.c_uint32(_LANDLOCK_CREATE_RULESET_VERSION)
    return _call("landlock_create_ruleset", _LANDLOCK_CREATE_RULESET, None, size, flags)


def landlock_ruleset(files: int, scoped: int) -> int:
    """A descriptor of new rules: what of files, and of other processes, is forbidden unless it is allowed."""
    asked = _Ruleset(files=files, scoped=scoped)
    size = ctypes.c_size_t(24 if scoped else 8)  # older kernels know only the first member
    return _call("landlock_create_ruleset", _LANDLOCK_CREATE_RULESET, ctypes.byref(asked), size, ctypes.c_uint32(0))


def landlock_allow(ruleset: int, parent: int, allowed: int) -> None:
    """Allow something at and below what the descriptor `parent` stands for."""
    rule = _PathBeneath(allowed=allowed, parent=parent)
    kind, flags = ctypes.c_int(_LANDLOCK_RULE_PATH_BENEATH), ctypes.c_uint32(0)
    _call("landlock_add_rule", _LANDLOCK_ADD_RULE, ctypes.c_int(ruleset), kind, ctypes.byref(rule), flags)


def landlock_restrict(ruleset: int) -> None:
    """Keep to the rules from now on, with all that descend from this process. Needs `forbid_new_privileges`."""
    _call("landlock_restrict_self", _LANDLOCK_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
