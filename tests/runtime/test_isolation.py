"""The walls around a handler, each tried by a handler that means harm; in every way this machine has to build them."""

import os
import socket
from pathlib import Path

import orjson
import pytest

from tests.runtime.conftest import configure, event, is_gone, make_host, messages, result
from tests.runtime.driver import Driven
from tests.runtime.test_launcher import LOOKS
from tests.waiting import wait_until
from worker.runtime import confinement
from worker.runtime.child import CannotStart
from worker.runtime.environment import ExecutionEnvironment
from worker.runtime.forking import CAN_FORK
from worker.runtime.launcher import Launch
from worker.runtime.memory import descendants

pytestmark = pytest.mark.skipif(not CAN_FORK, reason="This system has no descriptors of processes.")

REFUSED = {"namespaces": "refused by the test", "user_namespaces": "refused by the test"}


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """What this machine has."""
    return dict(confinement._probe(tmp_path_factory.mktemp("probe") / "root"))


def walls_of(machine, way):
    """The walls as they are where only this way to build them is allowed."""
    if way == "root":
        found = machine
    elif way == "user":
        found = {**machine, "namespaces": REFUSED["namespaces"]}
    else:
        found = {**machine, **REFUSED}
    walls = confinement.decide("best", found)
    if walls.namespaces != (way if way != "landlock" else None) or (way == "landlock" and not walls.landlock):
        pytest.skip(f"This machine has no such walls: {walls.no_namespaces or walls.no_landlock}")
    return walls


@pytest.fixture
def can_fork():
    return True


@pytest.fixture
def walled(folder, driver, can_fork, sunk, machine):
    """Make environments behind walls: `walled(way, app, **changes of the function)`."""
    hosts, made = {}, []

    def make(way, app, **changes):
        if way not in hosts:
            temporary = folder / f"temporary-{way}"
            temporary.mkdir()
            sink = lambda *handed_on: sunk.append(handed_on)  # noqa: E731
            hosts[way] = make_host(folder, temporary, driver, can_fork, sink, walls_of(machine, way))
        root = folder / f"code-{os.urandom(4).hex()}"
        root.mkdir()
        (root / "app.py").write_text(app)
        made.append(Driven(ExecutionEnvironment(configure(**changes), root, hosts[way]), driver))
        return made[-1]

    yield make
    for one in made:
        one.close()
    for host in hosts.values():
        host.chores.close()
        host.launcher.close()


@pytest.fixture(params=["root", "user", "landlock"])
def way(request):
    """Every way to build walls."""
    return request.param


@pytest.fixture(params=["root", "user"])
def apart(request):
    """The ways that have namespaces."""
    return request.param


HOSTILE = """
import ctypes, os, pathlib, socket, subprocess
def name(deed):
    try:
        deed()
    except Exception as error:
        return type(error).__name__
    return "done"
def connect(path):
    with socket.socket(socket.AF_UNIX) as sock: sock.connect(path)
def open_many():
    files = []
    try:
        for _ in range(5000): files.append(open("/dev/null"))
    finally:
        for file in files: file.close()
def handler(event, context):
    root = os.environ["LAMBDA_TASK_ROOT"]
    return {
        "credentials": name(lambda: open(event["credentials"]).read()),
        "socket": name(lambda: connect(event["socket"])),
        "code of another": name(lambda: open(event["other"]).read()),
        "data folder": name(lambda: os.listdir(event["folder"])),
        "own code": name(lambda: open(os.path.join(root, "new"), "w")),
        "own handler": name(lambda: open(os.path.join(root, "app.py"), "a")),
        "system": name(lambda: open("/etc/new", "w")),
        "home": name(lambda: os.listdir("/root")),
        "worker": name(lambda: os.kill(event["worker"], 0)),
        "process 1": [name(lambda: os.kill(1, number)) for number in event["signals"]],
        "memory of process 1": name(lambda: open("/proc/1/mem").read(1)),
        "memory of the worker": name(lambda: open(f"/proc/{event['worker']}/environ").read()),
        "root of the worker": name(lambda: os.listdir(f"/proc/{event['worker']}/root/")),
        "files": name(open_many),
        "mount": ctypes.CDLL(None).mount(b"none", b"/tmp", b"tmpfs", 0, None),
        "setuid": ctypes.CDLL(None).setuid(0) if os.getuid() else -1,
        "su": subprocess.run(["su", "-c", "id -u"], capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout,
        "capabilities": [line.split()[1] for line in open("/proc/self/status")
                         if line.startswith(("CapPrm", "CapEff", "CapAmb"))],
        "no new privileges": [line.split()[1] for line in open("/proc/self/status") if line.startswith("NoNew")],
        "own files": name(lambda: pathlib.Path(os.environ["TMPDIR"], "mine").write_text("x")),
        "boto3": name(lambda: __import__("boto3").client("s3")),
    }
"""


@pytest.mark.parity("environment.read-only", "environment.walls", "environment.processes")
def test_what_a_handler_cannot_reach(walled, way, folder):
    """Neither our secrets, nor others' code, nor more than its rights; its own folder and boto3 it can use."""
    hostile = walled(way, HOSTILE)
    other = walled(way, "secret = 1")
    (folder / "credentials").write_text("[default]")
    (folder / "credentials").chmod(0o600)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(folder / "redis.sock"))
    listening.listen()

    with listening:
        seen = result(
            hostile.invoke(
                event(
                    {
                        "credentials": str(folder / "credentials"),
                        "socket": str(folder / "redis.sock"),
                        "other": str(other._code_root / "app.py"),
                        "folder": str(folder),
                        "worker": os.getpid(),
                        "signals": [9, 19] if way != "landlock" else [],
                    }
                )
            )
        )

    assert seen["own handler"] in {"OSError", "PermissionError"}
    signalled = "PermissionError" if hostile._host.walls.landlock >= 6 else "done"
    absent = "FileNotFoundError" if way != "landlock" else "PermissionError"
    assert seen == {
        "credentials": absent,
        "socket": "FileNotFoundError" if way != "landlock" else "done",  # Landlock knows nothing of paths of sockets
        "code of another": absent,
        "data folder": absent,
        "own code": "OSError" if way != "landlock" else "PermissionError",
        "own handler": seen["own handler"],
        "system": "OSError" if way != "landlock" else "PermissionError",
        "home": seen["home"],  # it may be that of the interpreter
        "worker": "ProcessLookupError" if way != "landlock" else signalled,
        "process 1": seen["process 1"],  # the kernel takes no such signal to it: what follows shows that it lives
        "memory of process 1": "PermissionError" if way != "landlock" else seen["memory of process 1"],
        "memory of the worker": absent,
        "root of the worker": absent,
        "files": "OSError",
        "mount": -1,
        "setuid": -1,
        "su": "" if way != "landlock" or os.getuid() else seen["su"],
        "capabilities": ["0000000000000000"] * 3,
        "no new privileges": ["1"],
        "own files": "done",
        "boto3": "done",
    }


PLACES = """
import os, sys, tempfile
def handler(event, context):
    names = ("LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR", "HOME", "PWD")
    return [os.getcwd(), tempfile.gettempdir(), *(os.environ[name] for name in names), sys.path[0], __file__,
            sorted(os.listdir("/")), os.listdir("/tmp"), [int(n) for n in os.listdir("/proc") if n.isdigit()],
            os.getpid(), os.getpgid(0), os.getsid(0)]
"""


@pytest.mark.parity("environment.task-root", "environment.tmp")
@pytest.mark.parametrize("mine", [{}, {"PYTHONUNBUFFERED": "1"}])
def test_places_are_those_of_lambda(walled, apart, mine):
    """Code is at /var/task, temporary files are in /tmp, and no other process is to be seen; started anew as well."""
    seen = result(walled(apart, PLACES, environment=mine).invoke(event()))

    assert seen[:6] == ["/var/task", "/tmp", "/var/task", "/var/runtime", "/tmp", "/var/task"]
    assert seen[6:8] == ["/var/task", "/var/task/app.py"]
    assert not {".host", ".rooms"} - set(seen[8]), "the folders are there, and empty"
    assert seen[9:] == [[], [1, 2], 2, 2, 2]


def test_handler_cannot_tell_the_difference_behind_walls(walled, apart):
    """A forked process looks as one that was started anew."""
    forked, started = (
        result(walled(apart, LOOKS, environment=mine).invoke(event())) for mine in ({}, {"MALLOC_ARENA_MAX": "2"})
    )

    for seen in (forked, started):  # but for where our own files lie, which a forked process has read before
        ours = {str(confinement.PROGRAMS), str(Path(confinement.__file__).parent)}
        seen["importers"] = [path for path in seen["importers"] if not any(path.startswith(own) for own in ours)]
    assert forked == started


DAEMON = """
import os, subprocess, time
def handler(event, context):
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        held = b"x" * (event << 20)
        time.sleep(600)
        os._exit(0)
    time.sleep(event)
"""


def test_daemon_ends_with_its_environment(walled, apart):
    """A process that left the group, the session and its parent is still in the environment, and ends with it."""
    leaving = walled(apart, DAEMON)
    leaving.invoke(event(0))
    init = leaving._process._child.init
    wait_until(lambda: descendants(init), "the daemon belongs to process 1")
    [daemon] = descendants(init)

    leaving.close()

    assert is_gone(daemon)
    assert is_gone(init)


@pytest.mark.parity("memory.daemons")
def test_memory_of_daemons_counts(walled, apart):
    """It is the environment's memory that is limited, whoever in it holds it."""
    attempt = walled(apart, DAEMON, timeout=60, memory_size=128).invoke(event(300))

    assert attempt.outcome.error_type == "Runtime.OutOfMemory"


def test_all_end_with_the_worker(walled, apart, folder, driver):
    """When the other end of the lifeline closes, process 1 goes, and with it all in the namespace."""
    one = walled(apart, DAEMON)
    one.invoke(event(0))
    child = one._process._child
    wait_until(lambda: descendants(child.init), "the daemon belongs to process 1")
    pids = [child.pid, *descendants(child.init)]  # process 1 itself waits until the others are given back

    nowhere = os.open("/dev/null", os.O_WRONLY)
    os.dup2(nowhere, child.lines.lifeline)  # closes it
    os.close(nowhere)

    wait_until(lambda: all(map(is_gone, pids)), "all of the environment has ended")
    init = child.init
    one.close()
    assert is_gone(init)


BOMB = """
import os, time
def handler(event, context):
    count = 0
    try:
        while count < 1500:
            if os.fork() == 0:
                time.sleep(600)
                os._exit(0)
            count += 1
    except BlockingIOError:
        return count
"""


@pytest.mark.parity("environment.processes")
def test_fork_bomb_is_bounded(walled, apart):
    """An environment has 1,024 processes at most; the worker goes on, and they are gone with the environment."""
    if apart == "user" and os.getuid() == 0:
        pytest.skip("The kernel does not count the processes of root, not even in a user namespace.")
    bomb = walled(apart, BOMB, timeout=120, memory_size=10_240)
    forked = result(bomb.invoke(event()))
    init = bomb._process._child.init

    assert 900 < forked <= 1_024
    bomb.close()
    assert is_gone(init)


FILL = """
import os, time
def handler(event, context):
    if event == "hang": time.sleep(60)
    if event == "list": return os.listdir(os.environ["TMPDIR"])
    with open(os.path.join(os.environ["TMPDIR"], "large"), "wb", buffering=0) as file:
        try:
            for _ in range(1024): file.write(bytes(65536))
        except OSError as error:
            return [type(error).__name__, error.errno, os.path.getsize(file.name)]
"""


@pytest.mark.parity("limit.ephemeral-storage")
def test_disk_is_as_large_as_asked_for(walled, way):
    """Beyond EphemeralStorage there is no space; where /tmp has no size, no file is larger."""
    full = result(walled(way, FILL, ephemeral_storage=2).invoke(event()))

    assert full == ["OSError", 28 if way != "landlock" else 27, 2 << 20]


@pytest.mark.parity("environment.tmp")
def test_files_outlive_a_process_but_not_the_environment(walled, apart):
    """/tmp is the environment's: after a timeout the next process finds it; another environment has its own."""
    first = walled(apart, FILL, timeout=1, ephemeral_storage=1)
    first.invoke(event())

    hung = first.invoke(event("hang"))

    assert hung.outcome.error_type == "Sandbox.Timedout"
    assert result(first.invoke(event("list"))) == ["large"]
    assert result(walled(apart, FILL).invoke(event("list"))) == []


@pytest.mark.parametrize("number", [9, 11])
def test_own_death_is_told_as_ever(walled, apart, number):
    """The handler is not process 1, which signals could not kill."""
    attempt = walled(apart, f"import os\ndef handler(event, context): os.kill(os.getpid(), {number})").invoke(event())

    assert orjson.loads(attempt.outcome.response)["errorMessage"].partition("signal: ")[2] in {
        "killed",
        "segmentation fault",
    }


@pytest.mark.parity("layer.opt")
def test_layers_are_shown(walled, apart, folder):
    """A folder of layers is at /opt, read-only."""
    layers = folder / "layers"
    (layers / "python").mkdir(parents=True)
    (layers / "python" / "brought.py").write_text("x = 1")
    one = walled(apart, "import os\ndef handler(event, context): return os.listdir('/opt/python')")
    launch_of = one.environment._launch

    def launch(entry, api):
        plain = launch_of(entry, api)
        asked = confinement.Confinement(plain.confinement.environment, plain.confinement.temporary, 1, layers)
        return Launch(plain.interpreter, plain.folder, plain.variables, frozenset(), None, asked)

    one.environment._launch = launch

    assert result(one.invoke(event())) == ["brought.py"]


def test_many_at_once(walled, apart, driver):
    """Threads may start processes at the same time; each gets its own."""
    app = "import os\ndef handler(event, context): return [os.getpid(), os.listdir('/tmp'), event]"
    environments = [walled(apart, app) for _ in range(6)]
    results = {}
    for number, one in enumerate(environments):
        one.environment.invoke(event(number), lambda attempt, number=number: results.update({number: attempt}))
    driver.until(lambda: len(results) == len(environments), "all have answered")

    assert [result(results[number]) for number in range(6)] == [[2, [], number] for number in range(6)]


def test_numbers_are_given_back(walled, apart):
    """Nothing is left of an environment that is closed: no process, no descriptor, no mount in the server."""
    warm = walled(apart, "def handler(event, context): pass")
    warm.invoke(event())
    [server] = warm._host.launcher.server_pids()

    def held():
        mounts = Path(f"/proc/{server}/mounts").read_text().splitlines()
        return len(mounts), descendants(server), [len(list(Path(f"/proc/{p}/fd").iterdir())) for p in ("self", server)]

    before = held()

    for _ in range(3):
        one = walled(apart, "def handler(event, context): pass")
        one.invoke(event())
        one.close()

    assert held() == before


def test_strict_isolation_refuses_a_machine_without_walls(folder, driver, sunk):
    """Nothing is started, and the text says what is missing and what to do."""
    walls = confinement.decide("strict", {**REFUSED, "landlock": 7})
    temporary = folder / "temporary-strict"
    temporary.mkdir()
    host = make_host(folder, temporary, driver, True, lambda *_: None, walls)
    one = Driven(ExecutionEnvironment(configure(), folder, host), driver)

    with pytest.raises(CannotStart, match=r"THRICE_ISOLATION=strict.*refused by the test.*Run as root"):
        one.invoke(event())

    one.close()
    host.chores.close()
    host.launcher.close()


DECISIONS = {
    "root": ({"namespaces": None, "user_namespaces": None, "landlock": 7}, ("root", 7)),
    "user": ({"namespaces": "no", "user_namespaces": None, "landlock": 7}, ("user", 7)),
    "container": ({**REFUSED, "landlock": 3}, (None, 3)),
    "old Landlock": ({**REFUSED, "landlock": 1}, (None, 0)),
    "nothing": ({**REFUSED, "landlock": "Function not implemented"}, (None, 0)),
}


@pytest.mark.parametrize("case", DECISIONS)
def test_which_walls_are_built(case):
    """Those that stood when they were tried, by root's right if possible."""
    found, expected = DECISIONS[case]

    walls = confinement.decide("best", found)

    assert (walls.namespaces, walls.landlock) == expected
    assert bool(walls.no_namespaces) == (expected[0] is None)
    assert bool(walls.no_landlock) == (expected[1] == 0)


def test_no_walls_where_they_are_switched_off(folder):
    """Nothing is tried then."""
    assert confinement.find("off", folder / "nowhere") == confinement.NO_WALLS
    assert not (folder / "nowhere").exists()


def test_log_of_a_walled_handler(walled, apart):
    """What it prints comes as from any other."""
    attempt = walled(apart, "def handler(event, context): print('hello')").invoke(event())

    assert "hello" in "\n".join(messages(attempt))
