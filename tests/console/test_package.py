"""Deployment packages of folders, and what is found in them."""

import io
import os
import zipfile
from pathlib import Path

import pytest

from console.deploy import handler
from console.deploy.handler import NoHandler
from console.deploy.package import NoPackage, files_of, zipped


def written(folder: Path, **files: str) -> Path:
    """A folder with files; `__` in a name stands for a slash, `_dot_` for a dot."""
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_package_is_the_same_byte_for_byte(tmp_path: Path):
    """Copied files with other times make the same package; another content makes another."""
    one = written(tmp_path / "one", b_dot_py="b", a_dot_py="a", lib__c_dot_py="c")
    two = written(tmp_path / "two", lib__c_dot_py="c", a_dot_py="a", b_dot_py="b")
    os.utime(two / "a.py", (1, 1))

    assert zipped(files_of(one)) == zipped(files_of(two))
    (two / "a.py").write_text("A")
    assert zipped(files_of(one)) != zipped(files_of(two))


def test_junk_stays_outside_and_permissions_are_kept(tmp_path: Path):
    """Version control, caches and virtual environments are no part of a function; node_modules is."""
    folder = written(
        tmp_path, app_dot_py="", _dot_git__config="", lib____pycache__x_dot_pyc="", env__pyvenv_dot_cfg="",
        env__lib__x_dot_py="", node_modules__m__index_dot_js="", _dot_env="", run_dot_sh="",
    )  # fmt: skip
    (folder / "lib").mkdir(exist_ok=True)
    (folder / "lib" / "y.pyc").write_text("")
    (folder / "run.sh").chmod(0o755)

    with zipfile.ZipFile(io.BytesIO(zipped(files_of(folder)))) as archive:
        modes = {entry.filename: entry.external_attr >> 16 & 0o777 for entry in archive.infolist()}

    assert modes == {".env": 0o644, "app.py": 0o644, "node_modules/m/index.js": 0o644, "run.sh": 0o755}


def test_links_are_followed_but_not_in_circles(tmp_path: Path):
    """A link to a folder beside it comes into the package as files; one to the folder itself is refused."""
    written(tmp_path / "shared", x_dot_py="x")
    folder = written(tmp_path / "f", app_dot_py="")
    (folder / "shared").symlink_to(tmp_path / "shared")

    assert sorted(files_of(folder)) == ["app.py", "shared/x.py"]
    (folder / "round").symlink_to(folder)
    with pytest.raises(NoPackage, match="leads back"):
        files_of(folder)


def test_folder_without_anything_is_refused(tmp_path: Path):
    """So is one that is not there."""
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(NoPackage):
            files_of(folder)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"app.py": "def handler(e, c): ..."}, ("app.handler", handler.PYTHON_RUNTIME)),
        (
            {"lambda_function.py": "def lambda_handler(e, c): ..."},
            ("lambda_function.lambda_handler", handler.PYTHON_RUNTIME),
        ),
        ({"index.py": "handler = make()"}, ("index.handler", handler.PYTHON_RUNTIME)),
        ({"resize.py": "from a import run as handler", "b.py": ""}, ("resize.handler", handler.PYTHON_RUNTIME)),
        (
            {"app.py": "async def handler(e, c): ...", "z.py": "def handler(): ..."},
            ("app.handler", handler.PYTHON_RUNTIME),
        ),
        ({"index.mjs": ""}, ("index.handler", "nodejs22.x")),
        ({"bootstrap": "#!/bin/sh"}, ("bootstrap", "provided.al2023")),
    ],
)
def test_handler_and_runtime_are_found(files: dict[str, str], expected: tuple[str, str]):
    """By the names that people use, else by the only file that defines a handler."""
    found = handler.find(readers(files), None, None, lambda: "nodejs22.x")

    assert (found.handler, found.runtime) == expected


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"a.py": "def handler(): ...", "b.py": "def handler(): ..."}, "several handlers: a.handler, b.handler"),
        ({"a.py": "def main(): ..."}, "no handler was found.*There is: a.py"),
        ({"index.js": ""}, "no `node` is on the PATH"),
    ],
)
def test_handler_that_cannot_be_told_is_asked_for(files: dict[str, str], words: str):
    """The text says what there is."""
    with pytest.raises(NoHandler, match=words):
        handler.find(readers(files), None, None, lambda: None)


def test_syntax_errors_are_shown_with_their_line():
    """As the interpreter would show them."""
    problems = handler.broken({"app.py": b"x = 1\ndef (\n", "fine.py": b"x = 1\n", "data.json": b"def ("})

    assert problems == ["app.py:2: SyntaxError: invalid syntax\n    def ("]


def readers(files: dict[str, str]) -> dict:
    return {name: text.encode for name, text in files.items()}
