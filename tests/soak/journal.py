"""What handlers tell while they run: when they begin, and when they are about to answer. Kept outside of the system.

Handlers live behind walls and see no file of ours; the network is the machine's, so they tell it over loopback, and
wait until it is written down. Nothing that is done to the system reaches this process: what was told stays told.

The answer to a line is how often the event of that number had been about to answer before: what is to fail at its first
run only needs to know.
"""

import json
import socketserver
import threading
import time
from collections import Counter
from dataclasses import dataclass

#: What every handler of the night begins with. Its address comes by the environment.
TELL = r"""
import json, os, socket

connection = None

def tell(what, event, context):
    global connection
    if connection is None:
        host, port = os.environ['JOURNAL'].split(':')
        connection = socket.create_connection((host, int(port)), 20).makefile('rwb')
    line = {'what': what, 'function': context.function_name, 'number': event['number'], 'id': context.aws_request_id}
    connection.write(json.dumps(line).encode() + b'\n')
    connection.flush()
    return int(connection.readline())
"""


@dataclass(frozen=True, slots=True)
class Told:
    """One line: when, on `time.monotonic`, the event of a number of a function began, or was about to answer."""

    at: float
    number: int
    request_id: str


class Journal:
    """Listens on loopback, and keeps what it is told."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begins: dict[str, list[Told]] = {}
        self._ends: dict[str, list[Told]] = {}
        self._times_ended: Counter[tuple[str, int]] = Counter()
        journal = self

        class Line(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                try:
                    for line in self.rfile:
                        self.wfile.write(b"%d\n" % journal.note(json.loads(line)))
                except ConnectionError:
                    return  # a handler was killed between its line and our answer

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False
            request_queue_size = 128

        self._server = Server(("127.0.0.1", 0), Line)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)
        self._thread.start()

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables that a function needs to tell us."""
        host, port = self._server.server_address[:2]
        return {"JOURNAL": f"{host!s}:{port}"}

    def note(self, line: dict[str, object]) -> int:
        """Keep one line; how often the event had been about to answer before."""
        function, number = str(line["function"]), int(str(line["number"]))
        told = Told(time.monotonic(), number, str(line["id"]))
        with self._lock:
            before = self._times_ended[function, number]
            if line["what"] == "ends":
                self._times_ended[function, number] += 1
                self._ends.setdefault(function, []).append(told)
            else:
                self._begins.setdefault(function, []).append(told)
        return before

    def begins(self, function: str) -> list[Told]:
        """Every run of a function that began."""
        with self._lock:
            return list(self._begins.get(function, ()))

    def ends(self, function: str) -> list[Told]:
        """Every run of a function that was about to answer."""
        with self._lock:
            return list(self._ends.get(function, ()))

    def has_ended(self, function: str, number: int) -> bool:
        """Whether the event of that number was about to answer at least once."""
        with self._lock:
            return self._times_ended[function, number] > 0

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()
