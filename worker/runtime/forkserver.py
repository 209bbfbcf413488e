"""What runs inside a fork server: an interpreter that has everything imported which the bootstrap needs, and forks.

The bootstrap calls `serve`, which returns only in the processes that it forks: there `sys.argv`, the variables, the
folder and the outputs are as if the process had been started by itself, and the bootstrap goes on as it always does.
The server itself does what the worker asks, one thing after the other, and ends when the worker's end of the socket
closes, in whatever way. It does not look at its children: the worker does, and says when a number may be given back.

A message is JSON, in one packet of the socket. "folder", "variables" and "arguments" (of the bootstrap, after the
descriptors), with three descriptors (control, lifeline, output): fork, and say "pid" or "error". "reap", a pid: say its
exit "status".

Only the standard library, and only what Python 3.9 has. It is gone from `sys.modules` before a handler is imported.
"""

import _socket
import array
import gc
import json
import os
import sys
import time
from typing import Any

#: More than the variables of a function can have, in bytes.
LARGEST_REQUEST = 1 << 20

_THREE = _socket.CMSG_SPACE(3 * array.array("i").itemsize)


def serve(descriptor: int) -> None:
    """Fork for the worker at the other end of the socket `descriptor`. Returns in each forked process."""
    worker = _socket.socket(fileno=descriptor)
    gc.collect()
    gc.freeze()  # the collector does not touch, and thereby copy, what the processes share
    while True:
        data, ancillary, _, _ = worker.recvmsg(LARGEST_REQUEST, _THREE, _socket.MSG_CMSG_CLOEXEC)
        if not data:
            os._exit(0)
        request = json.loads(data)
        if "reap" in request:
            _, status = os.waitpid(request["reap"], 0)
            worker.send(json.dumps({"status": os.waitstatus_to_exitcode(status)}).encode())
            continue
        descriptors = array.array("i")
        for _, _, packed in ancillary:
            descriptors.frombytes(packed)
        try:
            os.chdir(request["folder"])
            pid = os.fork()
        except OSError as error:
            answer: dict[str, Any] = {"error": str(error)}
        else:
            if pid == 0:
                worker.close()
                become(request, *descriptors)
                return
            answer = {"pid": pid}
        for number in descriptors:
            os.close(number)
        worker.send(json.dumps(answer).encode())


def become(request: "dict[str, Any]", control: int, lifeline: int, output: int) -> None:
    """Make of this forked process what a new one would be."""
    os.setsid()
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    zone = os.environ.get("TZ")
    os.environ.clear()
    os.environ.update(request["variables"])
    if os.environ.get("TZ") != zone:
        time.tzset()
    arguments = [str(control), str(lifeline), *request["arguments"]]
    sys.argv[1:] = arguments
    if hasattr(sys, "orig_argv"):  # since Python 3.10
        sys.orig_argv[-2:] = arguments
