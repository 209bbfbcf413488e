"""Which Python runs a handler."""

import sys

import pytest

from tests.runtime.conftest import event, messages, result
from worker.runtime import interpreter
from worker.runtime.interpreter import Interpreter, InterpreterMissing
from worker.runtime.runtimes import RUNTIMES, Family

BASE = Interpreter(sys._base_executable, sys.version_info[:3])
OTHER = next(
    name
    for name, runtime in RUNTIMES.items()
    if runtime.family is Family.PYTHON and runtime.version != sys.version_info[:2]
)


@pytest.fixture(autouse=True)
def forget():
    """Nothing is remembered from one test to the next."""
    interpreter.find.cache_clear()
    yield
    interpreter.find.cache_clear()


def program(folder, name, text):
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_base_interpreter_runs_its_own_version(monkeypatch):
    """The version that we run on needs no look at the PATH, and is never a virtual environment's."""
    monkeypatch.setenv("PATH", "")

    assert interpreter.find(f"python3.{sys.version_info[1]}") == BASE


STARTS = "echo /opt/{name}; echo {version}"

FOUND = {
    "a Python that starts": (OTHER, OTHER, STARTS, True),
    "one that only pretends": (OTHER, OTHER, "exit 127", False),
    "one of another version": (OTHER, OTHER, "echo /opt/python; echo 2.7.18", False),
    "one that says odd things": (OTHER, OTHER, "echo hello", False),
    "one of pyenv that is not switched on": (OTHER, "versions/{short}.7/bin/" + OTHER, STARTS, True),
    "a Node": ("nodejs22.x", "node", STARTS, True),
    "a Node with its version in its name": ("nodejs22.x", "node22", STARTS, True),
    "a Node of another version": ("nodejs22.x", "node", "echo /opt/node; echo 18.0.0", False),
}


@pytest.mark.parametrize("case", FOUND)
def test_interpreter_of_the_machine(folder, monkeypatch, case):
    """What is on the PATH is taken if it starts and is what its name says. Nothing else stands in."""
    runtime, name, text, is_found = FOUND[case]
    version = (*RUNTIMES[runtime].version, 7, 1)[:3]
    short = ".".join(map(str, RUNTIMES[runtime].version))
    path = folder / name.format(short=short)
    path.parent.mkdir(parents=True, exist_ok=True)
    program(path.parent, path.name, text.format(name=path.name, version=".".join(map(str, version))))
    monkeypatch.setenv("PATH", f"{folder}:{folder}/shims")
    monkeypatch.delenv("NVM_DIR", raising=False)

    if is_found:
        assert interpreter.find(runtime) == Interpreter(f"/opt/{path.name}", version)
        return
    with pytest.raises(InterpreterMissing, match=rf"'{runtime}' needs .* {short}, .*Install .* {short} there"):
        interpreter.find(runtime)


def test_what_is_missing_is_looked_for_again(folder, monkeypatch):
    """Who installs what was missing needs no new worker."""
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("NVM_DIR", raising=False)
    with pytest.raises(InterpreterMissing):
        interpreter.find("nodejs24.x")

    program(folder, "node", "echo /opt/node; echo 24.1.0")

    assert interpreter.find("nodejs24.x") == Interpreter("/opt/node", (24, 1, 0))


@pytest.mark.parity("runtime.versions")
def test_function_whose_interpreter_is_missing(folder, monkeypatch, environment, sunk):
    """Each attempt fails with an error that says what to install; the log has it as a failed init."""
    monkeypatch.setenv("PATH", str(folder))

    attempt = environment("def handler(event, context): return 1", runtime=OTHER).invoke(event())

    assert attempt.outcome.error_type == "Runtime.NotInstalled"
    assert f"Runtime '{OTHER}' needs Python" in attempt.outcome.error_message
    assert f"'{interpreter.own_runtime()}' always is" in attempt.outcome.error_message
    end = "Phase: init\tStatus: error\tError Type: Runtime.NotInstalled"
    assert any(line.endswith(end) for line in messages(attempt, sunk))


@pytest.mark.parity("runtime.versions")
@pytest.mark.parametrize("runtime", [name for name, runtime in RUNTIMES.items() if runtime.family is Family.PYTHON])
def test_every_python_runs_handlers(environment, runtime):
    """Whatever version the machine has: the bootstrap works in it, and the handler sees that version."""
    try:
        interpreter.find(runtime)
    except InterpreterMissing as missing:
        pytest.skip(str(missing))

    app = "import sys\ndef handler(event, context): return sys.version_info[:2]"
    attempt = environment(app, runtime=runtime).invoke(event())

    assert result(attempt) == list(RUNTIMES[runtime].version)
