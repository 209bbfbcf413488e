"""How processes are started: forked where it makes no difference, by themselves where it would."""

import os
import signal
import socket
import sys

import orjson
import pytest

from tests.runtime.conftest import event, is_gone, messages, result
from tests.waiting import wait_until
from worker.invocation import Crashed, Succeeded
from worker.runtime.forking import CAN_FORK, ForkServer, ServerLost
from worker.runtime.launcher import Launch, needs_a_start

pytestmark = pytest.mark.skipif(not CAN_FORK, reason="This system has no descriptors of processes.")

PARENT = "import os\ndef handler(event, context): return os.getppid()\n"


@pytest.fixture
def can_fork():
    return True


@pytest.fixture
def server_pid(host):
    """The pid of the one fork server."""

    def server_pid():
        [pid] = host.launcher.server_pids()
        return pid

    return server_pid


@pytest.mark.parametrize("name", ["PYTHONPATH", "PYTHONHASHSEED", "LD_PRELOAD", "MALLOC_ARENA_MAX", "GLIBC_TUNABLES",
                                  "LC_ALL", "LANG"])  # fmt: skip
def test_variables_that_are_read_at_the_start(folder, name):
    """They mean something only to a program that starts."""
    assert needs_a_start(Launch("python", folder, {}, frozenset({name})))


def test_other_variables_are_read_later(folder):
    """The user's own names, and those that a handler can change itself."""
    assert not needs_a_start(Launch("python", folder, {}, frozenset({"TABLE", "TZ", "PATH"})))


LIBRARIES = {"lib/x.txt": True, "pkg/_native.so": True, "a/b/libz.so.1": True, "pkg/sofa.py": False, "so": False}


@pytest.mark.parametrize("name", LIBRARIES)
def test_packages_with_libraries(folder, name):
    """A `lib` folder and shared objects are looked for where variables said at the start."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()

    assert needs_a_start(Launch("python", folder, {}, frozenset())) == LIBRARIES[name]


@pytest.mark.parametrize("mine", [{}, {"PYTHONUNBUFFERED": "1"}])
def test_who_is_the_parent(environment, server_pid, host, mine):
    """The fork server of an ordinary function; the worker of one that needs a start of its own."""
    parent = result(environment(PARENT, environment=mine).invoke(event()))

    assert parent == (os.getpid() if mine else server_pid())


SOCKETS = """
import os
def handler(event, context):
    links = {int(name): f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")}
    return [os.get_blocking(fd) for fd, link in links.items() if os.path.exists(link) and "socket" in os.readlink(link)]
"""


@pytest.mark.parametrize("mine", [{}, {"PYTHONUNBUFFERED": "1"}])
def test_process_that_is_started_while_celery_shuts_down(environment, mine):
    """New sockets of the worker have a time limit then, and do not block; the handler's end of its socket does."""
    socket.setdefaulttimeout(5.0)
    try:
        blocking = result(environment(SOCKETS, environment=mine).invoke(event()))
    finally:
        socket.setdefaulttimeout(None)

    assert blocking == [True]


LOOKS = """
import gc, os, signal, sys, threading
def handler(event, context):
    main = sys.modules["__main__"]
    frame, names = sys._getframe(), []
    while frame is not None:
        names.append([os.path.basename(frame.f_code.co_filename), frame.f_code.co_name])
        frame = frame.f_back
    return {
        "main": [main.__name__, os.path.basename(main.__file__), main.__spec__, sorted(vars(main))],
        "modules": sorted(sys.modules),
        "flags": repr(sys.flags), "argv": [os.path.basename(part) for part in sys.argv],
        "orig_argv": [os.path.basename(part) for part in sys.orig_argv][:3] + [len(sys.orig_argv)],
        "path": sys.path[1:], "prefix": [sys.prefix, sys.executable, sys.exec_prefix],
        "frames": names,
        "signals": {number: repr(signal.getsignal(number)) for number in sorted(signal.valid_signals())},
        "mask": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "streams": [[s.encoding, s.errors, s.line_buffering, s.isatty(), s.fileno()] for s in (sys.stdout, sys.stderr)],
        "stdin": os.readlink("/proc/self/fd/0"),
        "leader": [os.getpid() == os.getpgrp(), os.getpid() == os.getsid(0)],
        "threads": [thread.name for thread in threading.enumerate()],
        "gc": [gc.isenabled(), gc.get_threshold()],
        "umask": os.umask(0o22), "nice": os.nice(0), "cwd": os.getcwd() == os.environ["LAMBDA_TASK_ROOT"],
        "locale": [sys.getfilesystemencoding(), sys.getdefaultencoding()],
        "argv0": open("/proc/self/cmdline", "rb").read().split(b"\\0")[0].decode(),
        "importers": sorted(path for path in sys.path_importer_cache if "code-" not in path),
    }
"""


def test_handler_cannot_tell_the_difference(make, write_code, host):
    """A forked process looks as one that was started: modules, frames, flags, signals, streams, descriptors."""
    root = write_code(LOOKS)
    assert not needs_a_start(Launch("", root, {}, frozenset()))

    forked = result(make(root).invoke(event()))
    started = result(make(root, environment={"MALLOC_ARENA_MAX": "2"}).invoke(event()))

    assert forked == started


def test_memory_of_a_forked_process_is_fair(environment):
    """It is about that of one that was started: what is shared with the server is what every process has."""
    app = "def handler(event, context): pass\n"

    forked = environment(app).invoke(event()).max_memory_mb
    started = environment(app, environment={"MALLOC_ARENA_MAX": "2"}).invoke(event()).max_memory_mb

    assert 0 < forked <= started + 2


def test_processes_of_one_server_do_not_share_chance(environment):
    """Numbers that are drawn at random differ between two processes."""
    app = "import random, uuid\ndef handler(event, context): return [random.random(), str(uuid.uuid4())]\n"

    drawn = [result(environment(app).invoke(event())) for _ in range(2)]

    assert drawn[0][0] != drawn[1][0]
    assert drawn[0][1] != drawn[1][1]


def test_time_zone_of_a_forked_process(environment):
    """Local time is that of the function's own TZ, and UTC without one."""
    app = "import time\ndef handler(event, context): return [time.tzname[0], time.localtime(0).tm_hour]\n"

    seen = [result(environment(app, environment=mine).invoke(event())) for mine in ({}, {"TZ": "Asia/Tokyo"}, {})]

    assert seen == [["UTC", 0], ["JST", 9], ["UTC", 0]]


def test_death_of_the_server_costs_nobody_an_invocation(environment, server_pid, sunk):
    """What it had forked runs on, ends as it should, and what comes next has a new server."""
    app = """
    import os, subprocess, time
    def handler(event, context):
        if event == "hang": time.sleep(60)
        if event == "exit": os._exit(3)
        return [os.getpid(), subprocess.Popen(["sleep", "600"]).pid]
    """
    running, hanging = environment(app), environment(app, timeout=1)
    before, other = result(running.invoke(event())), result(hanging.invoke(event()))
    server = server_pid()

    os.kill(server, signal.SIGKILL)
    wait_until(lambda: is_gone(server), "the server has ended")

    assert result(running.invoke(event()))[0] == before[0]
    assert hanging.invoke(event("hang")).outcome.error_type == "Sandbox.Timedout"
    wait_until(lambda: all(map(is_gone, other)), "the process has ended, and what it had started")
    assert type(running.invoke(event("exit")).outcome) is Crashed
    assert type(running.invoke(event()).outcome) is Succeeded
    assert server_pid() != server


def test_server_that_dies_while_it_is_asked(environment, host, monkeypatch):
    """The next one is asked; if that one dies as well, the process is started by itself."""
    asked = []

    def fork(self, *_):
        asked.append(self.pid)
        self._process.kill()
        self._process.wait()
        raise ServerLost

    monkeypatch.setattr(ForkServer, "fork", fork)

    assert result(environment(PARENT).invoke(event())) == os.getpid()
    assert len(set(asked)) == 2


def test_server_ends_with_its_worker(host):
    """Nothing needs to be told: its socket ends."""
    server = ForkServer(sys._base_executable, {"PATH": "/usr/bin:/bin"})

    try:
        server._socket.shutdown(socket.SHUT_RDWR)

        assert server._process.wait(timeout=60) == 0
    finally:
        server.close()


def test_last_words_of_a_server(host, monkeypatch, folder):
    """A server that cannot start says why."""
    broken = folder / "broken.py"
    broken.write_text("raise RuntimeError('no such luck')")
    monkeypatch.setattr("worker.runtime.forking._BOOTSTRAP", broken)
    server = ForkServer(sys._base_executable, {"PATH": "/usr/bin:/bin"})
    server._process.wait(timeout=60)

    try:
        with pytest.raises(ServerLost, match="no such luck"):
            server.fork(folder, {}, [0, 1, 2])
    finally:
        server.close()


def test_largest_variables(environment):
    """A function may have 4 KB of variables of its own, of any characters."""
    mine = {f"V{number}": "ü€😀" * 20 for number in range(15)}
    app = "import os\ndef handler(event, context): return {n: v for n, v in os.environ.items() if n[0] == 'V'}\n"

    assert result(environment(app, environment=mine).invoke(event())) == mine


def test_process_that_ends_at_once(environment):
    """Its exit code is exact, although its parent is another process."""
    attempt = environment("import os; os._exit(17)").invoke(event())

    assert orjson.loads(attempt.outcome.response)["errorMessage"].endswith("exit status 17")
    assert any("Phase: invoke" in line for line in messages(attempt))
