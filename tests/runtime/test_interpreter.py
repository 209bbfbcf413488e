"""Which Python runs a handler."""

import sys

import pytest

from worker.runtime import interpreter
from worker.runtime.interpreter import Interpreter
from worker.runtime.runtimes import RUNTIMES

BASE = Interpreter(sys._base_executable, sys.version_info[:3])
OTHER = next(name for name, version in RUNTIMES.items() if version != sys.version_info[:2])


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


FOUND = {
    "one that starts": ("echo /opt/python; echo {major} {minor} 7", "/opt/python"),
    "one that only pretends": ("exit 127", None),
    "one of another version": ("echo /opt/python; echo 2 7 18", None),
}


@pytest.mark.parametrize("case", FOUND)
def test_interpreter_of_the_path(folder, monkeypatch, case):
    """Another version is taken from the PATH if it starts and is what its name says; else the base stands in."""
    text, path = FOUND[case]
    major, minor = RUNTIMES[OTHER]
    program(folder, OTHER, text.format(major=major, minor=minor))
    monkeypatch.setenv("PATH", f"{folder}:/bin")

    found = interpreter.find(OTHER)

    assert found == (Interpreter(path, (major, minor, 7)) if path else BASE)


def test_stand_in_says_so():
    """The log shows when the interpreter is not of the function's version."""
    assert Interpreter("p", (3, 12, 4)).describe("python3.12") == "python:3.12.4"
    assert Interpreter("p", (3, 11, 7)).describe("python3.12") == "python:3.11.7 (in place of python3.12)"
