"""Where an environment's Runtime API listens, and who is at the other end of a connection to it.

A port is no secret: every process on the machine may connect to it, and the handler of another function is one. So the
kernel is asked which socket is at the other end (sock_diag, by its number), and /proc whether the environment's process
or one that descends from it holds that socket. It costs some hundred microseconds for each connection, not for each
call. Where the kernel says nothing (no Linux, a sandbox around us) there is nothing to go by, and everyone is served.
"""

import errno
import secrets
import socket
import struct
import sys
from pathlib import Path

from worker.runtime.memory import descendants

#: From linux/netlink.h, linux/sock_diag.h and linux/inet_diag.h.
_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST = 1
_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_QUERY = struct.Struct("=BBBBI")  # family, protocol, extensions, padding, states
_SOCKET = struct.Struct("!HH16s16s")  # ports and addresses, of the one that is looked for and of its peer
_ANY = struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)  # interface, and no cookie
_ALL_STATES = 0xFFFFFFFF
_INODE = _HEADER.size + 4 + _SOCKET.size + len(_ANY) + 16  # where the answer has it
_ANSWER = _INODE + 4


def listen(backlog: int) -> socket.socket:
    """A listener on a loopback address that nobody else has: any of 127.0.0.0/8 on Linux, 127.0.0.1 elsewhere.

    Raises:
        OSError: there is none.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setblocking(False)
        listener.bind((_loopback_address(), 0))
        listener.listen(backlog)
    except OSError:
        listener.close()
        raise
    return listener


def _loopback_address() -> str:
    if sys.platform != "linux":
        return "127.0.0.1"
    return f"127.{1 + secrets.randbelow(254)}.{secrets.randbelow(256)}.{1 + secrets.randbelow(254)}"


def belongs_to(accepted: socket.socket, address: tuple[str, int], pid: int) -> bool:
    """Whether the client of a connection, which came from `address`, is the process `pid` or descends from it."""
    inode = _inode(address, accepted.getsockname())
    if inode is None:
        return True
    held = f"socket:[{inode}]"
    return any(_holds(one, held) for one in (pid, *descendants(pid)))


def _inode(client: tuple[str, int], server: tuple[str, int]) -> int | None:
    """The number of the client's socket, 0 if it is closed already; None if the kernel does not say."""
    if sys.platform != "linux":
        return None
    ends = _SOCKET.pack(client[1], server[1], socket.inet_aton(client[0]), socket.inet_aton(server[0]))
    query = _QUERY.pack(socket.AF_INET, socket.IPPROTO_TCP, 0, 0, _ALL_STATES) + ends + _ANY
    header = _HEADER.pack(_HEADER.size + len(query), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 1, 0)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_SOCK_DIAG) as diag:
            diag.settimeout(1)  # the kernel answers within the call
            diag.send(header + query)
            answer = diag.recv(1024)
    except OSError:
        return None
    _, kind, _, _, _ = _HEADER.unpack_from(answer)
    if kind != _SOCK_DIAG_BY_FAMILY or len(answer) < _ANSWER:
        return 0 if -struct.unpack_from("=i", answer, _HEADER.size)[0] == errno.ENOENT else None
    inode: int = struct.unpack_from("=I", answer, _INODE)[0]
    return inode


def _holds(pid: int, held: str) -> bool:
    try:
        links = list(Path(f"/proc/{pid}/fd").iterdir())
    except FileNotFoundError:
        return False  # it has ended
    except PermissionError:
        return True  # nothing to go by
    return any(_target(link) == held for link in links)


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""  # closed meanwhile
