"""What runs inside a fork server: an interpreter that has everything imported which the bootstrap needs, and forks.

The bootstrap calls `serve`, which returns only in the processes that it forks: there `sys.argv`, the variables, the
folder and the outputs are as if the process had been started by itself, and the bootstrap goes on as it always does.
The server itself does what the worker asks, one thing after the other, and ends when the worker's end of the socket
closes, in whatever way. It does not look at its children: the worker does, and says when a number may be given back.

A message is JSON, in one packet of the socket, and so is its answer:

- "enter", a plan (`room.py`): live in a root of its own from now on. Answer: maybe an "error".
- "folder", "variables", "arguments" (of the bootstrap, after the descriptors), "program" (None, or the start of a
  command that runs the bootstrap anew), "confinement" (None, or what `confine.py` needs), with three descriptors
  (control, lifeline, output): fork. Answer: the "pid", and of a process in a PID namespace its "init"; or an "error".
- "reap", a pid, with "init": give both numbers back. Answer: the exit "status".
- "forget", the name of an environment: let go of its /tmp. Answer: maybe an "error".

A process with namespaces is made in three forks. A helper leaves the server's namespaces; its first child is process 1
of the new PID namespace, whose end ends all in it, and which ends with the worker; its second child is the handler's
process, which is so a process like any other and may be killed by any signal. Then the helper ends, and both are the
server's children, under the numbers that the worker sees.

Only the standard library, and only what Python 3.9 has. It is gone from `sys.modules` before a handler is imported.
"""

import _socket
import array
import gc
import json
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from worker.runtime import confine, room
else:
    import confine
    import room

#: More than the variables of a function can have, in bytes.
LARGEST_REQUEST = 1 << 20

_THREE = _socket.CMSG_SPACE(3 * array.array("i").itemsize)

#: No descriptor of a server is higher.
_DESCRIPTORS = 256


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
        descriptors = array.array("i")
        for _, _, packed in ancillary:
            descriptors.frombytes(packed)
        try:
            answer = obey(request, descriptors, worker)
        except OSError as error:
            answer = {"error": str(error)}
        if answer is None:
            return
        for number in descriptors:
            os.close(number)
        worker.send(json.dumps(answer).encode())


def obey(request: "dict[str, Any]", descriptors: "array.array[int]", worker: _socket.socket) -> "dict[str, Any] | None":
    """Do what is asked, and give the answer; None in a forked process."""
    if "reap" in request:
        return reap(request["reap"], request["init"])
    if "enter" in request:
        room.enter(request["enter"])
        return {}
    if "forget" in request:
        room.forget(request["forget"])
        return {}
    if request["confinement"] is not None and request["confinement"]["apart"]:
        return fork_apart(request, descriptors, worker)
    return fork(request, descriptors, worker)


def reap(pid: int, init: "int | None") -> "dict[str, Any]":
    """How a process has ended; its number, and that of its namespace's process 1, are nobody's any more."""
    _, status = os.waitpid(pid, 0)
    if init is not None:
        os.kill(init, signal.SIGKILL)
        os.waitpid(init, 0)
    return {"status": os.waitstatus_to_exitcode(status)}


def fork(request: "dict[str, Any]", descriptors: "array.array[int]", worker: _socket.socket) -> "dict[str, Any] | None":
    """A process in the server's own namespaces."""
    os.chdir(request["folder"])
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        worker.close()
        os.close(reading)
        become(request, writing, *descriptors)
        return None
    os.close(writing)
    said = read_all(reading)
    if "error" in said:
        os.waitpid(pid, 0)
        return said
    return {"pid": pid, "init": None}


def fork_apart(
    request: "dict[str, Any]", descriptors: "array.array[int]", worker: _socket.socket
) -> "dict[str, Any] | None":
    """A process in namespaces of its own."""
    confinement = request["confinement"]
    room.provide(confinement["environment"], confinement["storage"], confinement["uid"], confinement["gid"])
    reading, writing = os.pipe()
    helper = os.fork()
    if helper == 0:
        worker.close()
        os.close(reading)
        if is_handler(request, writing, descriptors[1]):
            become(request, writing, *descriptors)
            return None
        os._exit(0)
    os.close(writing)
    said = read_all(reading)
    os.waitpid(helper, 0)
    if "error" in said and "pid" in said:
        os.waitpid(said["pid"], 0)
        os.kill(said["init"], signal.SIGKILL)
        os.waitpid(said["init"], 0)
    return said or {"error": "A process ended while it was confined."}


def is_handler(request: "dict[str, Any]", writing: int, lifeline: int) -> bool:
    """As the helper: fork process 1 and the handler's. True in the latter."""
    confinement = request["confinement"]
    init = None
    try:
        room.separate(request["folder"], confinement["layers"], confinement["environment"])
        init = os.fork()
        if init == 0:
            be_init(lifeline)
        pid = os.fork()
    except OSError as error:
        if init is not None:
            os.kill(init, signal.SIGKILL)
            os.waitpid(init, 0)
        say(writing, {"error": str(error)})
        return False
    if pid == 0:
        return True
    say(writing, {"pid": pid, "init": init})
    return False


def be_init(lifeline: int) -> None:
    """Be process 1: let orphans go when they have ended, and end, with all, when the worker does."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    os.dup2(lifeline, 0)
    os.closerange(1, _DESCRIPTORS)
    os.read(0, 1)
    os._exit(0)


def become(request: "dict[str, Any]", writing: int, control: int, lifeline: int, output: int) -> None:
    """Make of this forked process what a new one would be, and confine it. A failure goes to the pipe `writing`."""
    os.setsid()
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    arguments = [str(control), str(lifeline), *request["arguments"]]
    try:
        if request["confinement"] is not None:
            confine.close_in(request["confinement"])
            if request["confinement"]["apart"]:
                os.chdir(room.TASK)
        if request["program"] is not None:
            for number in (control, lifeline):
                os.set_inheritable(number, True)
            program = request["program"]
            os.execve(program[0], [*program, *arguments], request["variables"])  # noqa: S606 - closes `writing`
    except OSError as error:
        say(writing, {"error": str(error)})
        os._exit(1)
    os.close(writing)
    zone = os.environ.get("TZ")
    os.environ.clear()
    os.environ.update(request["variables"])
    if os.environ.get("TZ") != zone:
        time.tzset()
    sys.argv[1:] = arguments
    if hasattr(sys, "orig_argv"):  # since Python 3.10
        sys.orig_argv[-2:] = arguments


def say(writing: int, said: "dict[str, Any]") -> None:
    """Tell the server something, in one line."""
    os.write(writing, json.dumps(said).encode() + b"\n")  # short enough to go in one piece


def read_all(reading: int) -> "dict[str, Any]":
    """What was said into a pipe until its last writer closed it."""
    data = b""
    while True:
        part = os.read(reading, 65_536)
        if not part:
            break
        data += part
    os.close(reading)
    said: dict[str, Any] = {}
    for line in data.splitlines():
        said.update(json.loads(line))
    return said
