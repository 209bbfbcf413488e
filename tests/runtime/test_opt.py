"""What a handler finds of its layers: Python packages before boto3, programs, libraries, as below `/opt` on AWS."""

import os

import pytest

from tests.runtime.conftest import event, result
from worker.runtime.interpreter import own_runtime

HANDLER = """
    import os, subprocess, sys
    import both, plain, shared

    def handler(event, context):
        return {
            "modules": [both.SOURCE, plain.SOURCE, shared.SOURCE],
            "program": subprocess.run(["from-layer"], capture_output=True, text=True).stdout,
            "variables": {name: os.environ.get(name, "") for name in ("PATH", "LD_LIBRARY_PATH")},
            "boto3": __import__("boto3").__name__,
        }
"""


@pytest.fixture
def opt(folder):
    """The layers of a function: two modules on each of the paths, one of them on both, and a program."""
    root = folder / "opt"
    files = {
        f"python/lib/{own_runtime()}/site-packages/both.py": "SOURCE = 'site-packages'",
        "python/both.py": "SOURCE = 'python'",
        "python/plain.py": "SOURCE = 'python'",
        "python/shared.py": "SOURCE = 'python'",
        "bin/from-layer": "#!/bin/sh\necho found\n",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / "bin/from-layer").chmod(0o755)
    return root


@pytest.mark.parity("layer.paths")
def test_a_handler_finds_what_layers_bring(make, write_code, opt):
    """The function's own modules come first, then site-packages of the layers, then the rest of them, then boto3."""
    environment = make(write_code(HANDLER, shared="SOURCE = 'own'"), opt=opt, runtime=own_runtime())

    found = result(environment.invoke(event()))

    assert found["modules"] == ["site-packages", "python", "own"]
    assert (found["program"], found["boto3"]) == ("found\n", "boto3")
    ends = {"PATH": opt / "bin", "LD_LIBRARY_PATH": opt / "lib"}
    assert {name: str(end) for name, end in ends.items()} == {
        name: value.split(":")[-1] for name, value in found["variables"].items()
    }


def test_a_path_of_the_users_own_comes_before_layers(make, write_code, folder, opt):
    """PYTHONPATH may be set; what layers bring is found after it, and boto3 too."""
    own = folder / "own"
    own.mkdir()
    (own / "plain.py").write_text("SOURCE = 'own path'")
    environment = make(write_code(HANDLER), opt=opt, runtime=own_runtime(), environment={"PYTHONPATH": os.fspath(own)})

    found = result(environment.invoke(event()))

    assert found["modules"] == ["site-packages", "own path", "python"]
    assert found["boto3"] == "boto3"
