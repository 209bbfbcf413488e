"""What runs inside the environment, as far as it can be looked at from outside."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from worker.runtime import bootstrap, confine, forkserver, probe, room, syscalls, wire

#: The files that are run by a function's interpreter.
INSIDE = [Path(module.__file__) for module in (bootstrap, forkserver, room, confine, syscalls, probe)]


@pytest.mark.parametrize("source", INSIDE, ids=lambda path: path.stem)
def test_inside_the_standard_library_is_all_there_is(source):
    """The handler's interpreter has nothing of ours, so what runs there must not need it."""
    imported = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").partition(".")[0])

    neighbours = {path.stem for path in INSIDE} | {"worker"}  # the latter for whoever looks from outside
    foreign = imported - set(sys.stdlib_module_names) - neighbours

    assert foreign == set()


@pytest.mark.parametrize("source", INSIDE, ids=lambda path: path.stem)
def test_inside_everything_is_written_in_the_oldest_supported_python(source):
    """Python 3.9 can parse it: no match statement, no newer syntax."""
    ast.parse(source.read_text(), feature_version=(3, 9))


def test_both_halves_of_the_wire_mean_the_same():
    """Kinds and layout of a frame are written down on both sides of the socket, and agree."""
    names = ["INVOKE", "READY", "INIT_ERROR", "RESULT", "ERROR", "TOO_LARGE"]

    inside = {name: getattr(bootstrap, name) for name in names} | {"HEAD": bootstrap.HEAD.format}

    assert inside == {name: getattr(wire, name) for name in names} | {"HEAD": wire.HEAD.format}


def test_a_thread_kills_the_group_where_the_kernel_does_not():
    """Without the kernel's help, an endless loop still ends when the other end of the pipe closes."""
    code = (
        "import sys, _thread, os; from worker.runtime.bootstrap import kill_at_end\n"
        "_thread.start_new_thread(kill_at_end, (int(sys.argv[1]), os.getpgrp())); print('up', flush=True)\n"
        "while True: pass"
    )
    reading, writing = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-c", code, str(reading)],
        pass_fds=(reading,),
        start_new_session=True,
        stdout=subprocess.PIPE,
    ) as process:
        os.close(reading)
        assert process.stdout.readline() == b"up\n"

        os.close(writing)

        assert process.wait(timeout=10) == -9


def test_decimals_keep_their_digits_and_strings_keep_their_quotes():
    """A Decimal becomes a number with exactly its digits, wherever it stands, and nothing else changes."""
    from decimal import Decimal

    marshal = bootstrap.Marshaller("AWS_Lambda_python3.12")

    text = marshal({"a": Decimal("1.10"), 'q"': ['"', Decimal("-1E+3")], "ü": 'x"y'})

    assert text.decode() == '{"a": 1.10, "q\\"": ["\\"", -1E+3], "ü": "x\\"y"}'


@pytest.mark.parity("object.ensure-ascii")
def test_newer_runtimes_do_not_escape():
    """From python3.12 on, characters are written as they are."""
    texts = [bootstrap.Marshaller(f"AWS_Lambda_python3.{minor}")("ü") for minor in (9, 11, 12, 14)]

    assert texts == [rb'"\u00fc"', rb'"\u00fc"', '"ü"'.encode(), '"ü"'.encode()]


def test_context_shows_itself():
    """Printing the context helps: it names what it knows, and not what is private."""
    context = bootstrap.Context({"id": "RID", "arn": "ARN", "ms": 1000.0}, bootstrap.fixed_context(), sys.stdout)

    text = repr(context)

    assert re.match(r"LambdaContext\(\[aws_request_id=RID,invoked_function_arn=ARN,", text)
    assert "_deadline" not in text
