"""`thrice doctor`: what it finds, and whether it lets a system start."""

import io
import itertools
import socket

import orjson
import pytest
from rich.console import Console

from config.settings import load
from console import doctor, preflight
from worker.runtime import confinement

REFUSED = {"namespaces": "Operation not permitted", "user_namespaces": "Operation not permitted", "landlock": 7}


@pytest.fixture
def free_settings(tmp_path):
    """Settings of a system that could be started."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return load(data_dir=tmp_path / "data", port=probe.getsockname()[1])


def test_healthy_machine(free_settings, capsys):
    """Everything that is needed is there; nothing is left behind."""
    status = doctor.show(free_settings, as_json=True)

    document = orjson.loads(capsys.readouterr().out)
    found = {finding["name"]: finding for finding in document["findings"]}
    assert (status, document["can_start"]) == (0, True)
    assert {"data folder", "disk", "port", "redis", "open files", "cores"} < set(found)
    assert all(finding["is_good"] for finding in found.values() if finding["is_required"])
    assert not free_settings.folder.exists()


def test_taken_port_and_folder_that_cannot_be_written(free_settings, tmp_path):
    """Both are needed, and there is something to do about them."""
    (tmp_path / "file").touch()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_settings.port))
        taken.listen()
        settings = load(data_dir=tmp_path / "file" / "data", port=free_settings.port)

        folder, _, port = itertools.islice(doctor.examine(settings), 3)

    assert [(each.name, each.is_good, each.is_required) for each in (folder, port)] == [
        ("data folder", False, True),
        ("port", False, True),
    ]
    assert "Set THRICE_DATA_DIR" in folder.advice
    assert "Set THRICE_PORT" in port.advice
    console = Console(width=200, file=io.StringIO())
    console.print(doctor.table([folder, port]))
    assert console.file.getvalue().count("needed ") == 2


@pytest.mark.parametrize(("isolation", "is_required"), [("best", False), ("strict", True)])
def test_walls_that_fall(isolation, is_required):
    """They are named with the kernel's reason and a way out; strict isolation cannot do without."""
    findings = {each.name: each for each in doctor.walls(confinement.decide(isolation, REFUSED))}

    files = findings["walls: files"]
    assert (files.is_good, files.is_required) == (False, is_required)
    assert "Operation not permitted" in files.found
    assert "user namespaces" in files.advice
    assert findings["walls: Landlock"].is_good


def test_strict_isolation_is_looked_at_before_anything_starts(free_settings, monkeypatch):
    """`thrice up` refuses at once where every handler would be refused later."""
    settings = load(data_dir=free_settings.folder, isolation="strict")
    monkeypatch.setattr(confinement, "_probe", lambda _: REFUSED)

    with pytest.raises(preflight.CannotStart, match="allows no namespaces: Operation not permitted"):
        preflight.check_isolation(settings)
