"""Deployment packages: a folder as a zip that is the same, byte for byte, as long as its files are.

Left out is what a project folder holds and a function does not need: version control, caches, virtual environments,
thrice's own data. Links to files and folders are followed, as an unpacked package has none.
"""

import io
import os
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

#: Names of folders that are left out, wherever they are.
JUNK_FOLDERS = frozenset(
    {
        ".git", ".hg", ".svn", "__pycache__", ".venv", ".thrice", ".aws-sam", ".pytest_cache", ".mypy_cache",
        ".ruff_cache", ".tox", ".nox", ".idea", ".vscode", ".terraform",
    }
)  # fmt: skip

#: Names and endings of files that are left out.
JUNK_FILES = frozenset({".DS_Store", ".gitignore", ".gitattributes"})
JUNK_ENDINGS = (".pyc", ".pyo", "~", ".swp")

#: Every file's time in a zip: the first that a zip can hold. A package must not differ because its files were copied.
_TIME = (1980, 1, 1, 0, 0, 0)


class NoPackage(Exception):
    """Raised for a folder that cannot become a package. The text says why."""


def files_of(folder: Path) -> dict[str, Path]:
    """The files of a package that is made of `folder`, by their names in it; or of the one file that `folder` is.

    Raises:
        NoPackage: there is no such folder, nothing in it, or a link leads round in a circle.
    """
    if folder.is_file():
        return {folder.name: folder}
    if not folder.is_dir():
        raise NoPackage(f"there is no folder {folder}")
    try:
        found = dict(sorted(_walk(folder, "", (folder.resolve(),))))
    except OSError as error:
        raise NoPackage(f"{error.filename} cannot be read: {error.strerror}") from None
    if not found:
        raise NoPackage(f"there is nothing in {folder}")
    return found


def _walk(folder: Path, prefix: str, inside: tuple[Path, ...]) -> Iterator[tuple[str, Path]]:
    with os.scandir(folder) as scanned:
        entries = list(scanned)
    for entry in entries:
        path = folder / entry.name
        if entry.is_dir():
            if entry.name in JUNK_FOLDERS or (path / "pyvenv.cfg").exists():
                continue
            real = path.resolve()
            if real in inside:
                raise NoPackage(f"{path} is a link that leads back to {real}")
            yield from _walk(path, f"{prefix}{entry.name}/", (*inside, real))
        elif entry.is_file() and entry.name not in JUNK_FILES and not entry.name.endswith(JUNK_ENDINGS):
            yield prefix + entry.name, path


def zipped(files: Mapping[str, Path]) -> bytes:
    """A package of `files`. Their permissions come down to two: executable by all, or not.

    Raises:
        NoPackage: a file cannot be read.
    """
    contents = {}
    for name, path in files.items():
        try:
            contents[name] = (path.read_bytes(), bool(path.stat().st_mode & 0o111))
        except OSError as error:
            raise NoPackage(f"{path} cannot be read: {error.strerror}") from None
    return zip_of(contents)


def zip_of(contents: Mapping[str, tuple[bytes, bool]]) -> bytes:
    """A zip of contents, each with whether it is executable, in the order of their names."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(contents):
            content, is_executable = contents[name]
            entry = zipfile.ZipInfo(name, _TIME)
            entry.external_attr = (0o100755 if is_executable else 0o100644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return buffer.getvalue()
