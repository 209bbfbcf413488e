"""`--install`: what requirements.txt names comes into the package."""

import zipfile
from pathlib import Path

import pytest

from console.deploy.build import Builder, key_of
from console.deploy.handler import PYTHON_RUNTIME
from console.deploy.install import installed
from console.deploy.package import NoPackage
from console.deploy.steps import Folder, Function


def wheel(folder: Path) -> Path:
    """A wheel of one module, made by hand."""
    path = folder / "thing-1.0-py3-none-any.whl"
    info = "thing-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("thing.py", "X = 1\n")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", f"thing.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return path


def test_requirements_are_installed_once_and_beside_the_own_files(tmp_path: Path):
    """The second deployment asks pip no more, and the package is the same; without --install it is said."""
    folder = tmp_path / "f"
    folder.mkdir()
    (folder / "app.py").write_text("import thing\n")
    (folder / "requirements.txt").write_text(f"--no-index\n{wheel(tmp_path)}\n")
    step = Function("f", Folder(Path("f")), {"Runtime": PYTHON_RUNTIME})
    notes: list[str] = []
    build = Builder(tmp_path, None, tmp_path / "cache", installs=True).build

    first, problems = build((step,), notes.append)
    (tmp_path / "thing-1.0-py3-none-any.whl").unlink()
    second, _ = build((step,), notes.append)
    plain, _ = Builder(tmp_path, None, tmp_path / "cache", installs=False).build((step,), notes.append)

    assert problems == []
    assert first == second
    assert first != plain
    (tmp_path / "p.zip").write_bytes(first[key_of(step)])
    with zipfile.ZipFile(tmp_path / "p.zip") as archive:
        names = [name for name in archive.namelist() if ".dist-info" not in name]
    assert names == ["app.py", "requirements.txt", "thing.py"]
    assert [("requirements.txt is not installed" in note) for note in notes] == [True]


def test_what_cannot_be_installed_is_told(tmp_path: Path):
    """By pip's own words, or because the runtime is none that pip installs for."""
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("--no-index\nno-such-package\n")

    with pytest.raises(NoPackage, match="no-such-package"):
        installed(requirements, PYTHON_RUNTIME, tmp_path / "cache")
    with pytest.raises(NoPackage, match="--install is for Python"):
        installed(requirements, "nodejs22.x", tmp_path / "cache")
