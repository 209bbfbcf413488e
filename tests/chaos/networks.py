"""Networks of their own for the parts of a system: what a machine sees of the others when a cable is pulled.

Each place is a network namespace of the kernel. The first, `hub`, has a bridge; every other one is joined to it by a
pair of virtual interfaces, as by a cable. Pulling one drops what is sent, in both directions, and tells nobody: no
connection is closed. Nothing of it is seen outside of these namespaces, whose names nobody else has. Needs root, and
`ip` of iproute2.
"""

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Sequence

#: Where Redis and the gateway are.
HUB = "hub"

#: The address of the hub, and the port of Redis there. The other places have the following addresses, in their order.
ADDRESS = "10.203.0.1"
PORT = 6379

_BRIDGE = "bridge"
_CABLE = "cable"


def why_not() -> str | None:
    """Why there can be no networks here; None if there can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "network namespaces need Linux and root"
    if missing := [name for name in ("ip", "nsenter") if shutil.which(name) is None]:
        return f"no {' and no '.join(missing)} on the PATH to make network namespaces: install iproute2 and util-linux"
    probe = f"thrice-probe-{uuid.uuid4().hex[:8]}"
    tried = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        return f"this machine allows no network namespaces: {tried.stderr.strip()}"
    _ip("netns", "delete", probe)
    return None


class Networks:
    """The hub, and a place for each of `names`, which have 15 characters at most, as names of interfaces."""

    def __init__(self, names: Sequence[str]) -> None:
        """Make and join them."""
        self._own = f"thrice-{uuid.uuid4().hex[:8]}"
        self._made: list[str] = []
        try:
            self._make(HUB, ADDRESS, _BRIDGE)
            for number, name in enumerate(names, 2):
                self._make(name, ADDRESS.removesuffix("1") + str(number), _CABLE)
        except BaseException:
            self.close()
            raise

    def _make(self, name: str, address: str, interface: str) -> None:
        place = self._place(name)
        _ip("netns", "add", place)
        self._made.append(place)
        _ip("-n", place, "link", "set", "lo", "up")
        if name == HUB:
            _ip("-n", place, "link", "add", interface, "type", "bridge")
        else:
            _ip("-n", self._place(HUB), "link", "add", name, "type", "veth", "peer", "name", interface, "netns", place)
            _ip("-n", self._place(HUB), "link", "set", name, "master", _BRIDGE, "up")
        _ip("-n", place, "address", "add", f"{address}/24", "dev", interface)
        _ip("-n", place, "link", "set", interface, "up")

    def _place(self, name: str) -> str:
        return f"{self._own}-{name}"

    def inside(self, name: str) -> list[str]:
        """What a command line begins with whose program is to run in that place. The process stays the same."""
        nsenter = shutil.which("nsenter")
        assert nsenter is not None, "why_not() was not asked"
        return [nsenter, f"--net=/run/netns/{self._place(name)}", "--"]

    def cut(self, name: str) -> None:
        """Pull the cable of a place."""
        _ip("-n", self._place(HUB), "link", "set", name, "down")

    def heal(self, name: str) -> None:
        """Plug it in again."""
        _ip("-n", self._place(HUB), "link", "set", name, "up")

    def close(self) -> None:
        """Take them all away. Processes that are still inside keep theirs until they end."""
        while self._made:
            _ip("netns", "delete", self._made.pop())


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], capture_output=True, check=True)
