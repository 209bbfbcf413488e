"""A network that can fail in the quietest way: what was connected stays so, and nothing comes through any more."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Proxy:
    """Forwards connections from a loopback port to a Unix socket, until they are frozen."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._frozen: set[socket.socket] = set()
        self._is_closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def live(self) -> int:
        """How many connections are forwarded."""
        return sum(inner.fileno() >= 0 and inner not in self._frozen for inner, _ in self._pairs)

    def freeze(self) -> None:
        """Nothing passes any more through the connections that there are. New ones are as good as ever."""
        for pair in self._pairs:
            self._frozen.update(pair)

    def close(self) -> None:
        """End everything."""
        self._is_closed = True
        self._listener.close()
        for pair in self._pairs:
            for end in pair:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()

    def _accept(self) -> None:
        while not self._is_closed:
            try:
                inner, _ = self._listener.accept()
            except OSError:
                return
            outer = socket.socket(socket.AF_UNIX)
            outer.connect(self._target)
            self._pairs.append((inner, outer))
            for source, sink in ((inner, outer), (outer, inner)):
                threading.Thread(target=self._forward, args=(source, sink), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        """Pass on what comes, until an end; what a frozen connection sends is swallowed, its end too."""
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if source not in self._frozen:
                    sink.sendall(data)
            if source not in self._frozen:
                sink.shutdown(socket.SHUT_WR)


@contextmanager
def proxy(target: str) -> Iterator[Proxy]:
    """A network to a server while the test runs."""
    started = Proxy(target)
    try:
        yield started
    finally:
        started.close()
