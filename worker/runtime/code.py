"""The code of the functions: kept in Redis as the zip that was uploaded, unpacked once on each machine that runs it.

Both places name it by the SHA-256 of the zip, so that what is there is right and never changes. `check_zip` says
whether a zip can be unpacked, before a function is made of it; it is the only judge, also when the zip is unpacked.
"""

import hashlib
import io
import os
import secrets
import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePosixPath

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError

from config import limits
from worker.errors import StoreUnavailable
from worker.keys import Keys

_CHUNK = 1_048_576

#: What a path of Linux can have: bytes in all, bytes of one name, and links on the way (more are a circle).
_MAX_PATH = 2_048
_MAX_NAME = 255
_MAX_LINKS = 40

#: `ZipInfo.create_system` of zips whose entries have a Unix mode.
_MADE_ON_UNIX = 3


class Reason(Enum):
    """Why a deployment package cannot be used."""

    NOT_A_ZIP = "not a zip"
    TOO_LARGE = "too large unzipped"
    TRAVERSAL = "leads outside"
    CONFLICT = "contradicts itself"


class UnusablePackage(Exception):
    """Raised when a deployment package cannot be unpacked. The text says which entry is to blame."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class CodeMissing(Exception):
    """Raised when Redis has no package of this name, although a function says so. The text is the name."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file or a link of a package."""

    info: zipfile.ZipInfo
    is_executable: bool
    link_target: str | None  # None: a file


class CodeStore:
    """Finds the unpacked code of a package, wherever it comes from. Any thread and any number of processes may ask."""

    def __init__(self, redis: Redis, keys: Keys, folder: Path) -> None:
        """Unpack into `folder`/code."""
        self._redis = redis
        self._keys = keys
        self._folder = folder / "code"

    def put(self, pipe: Pipeline, package: bytes) -> str:
        """Add to `pipe` the command that stores a zip, and say its name: the hex SHA-256."""
        sha256 = hashlib.sha256(package).hexdigest()
        pipe.set(self._keys.code(sha256), package)
        return sha256

    def root(self, sha256: str) -> Path:
        """The folder of the unpacked package. Its files cannot be written, unless by root.

        Raises:
            CodeMissing: Redis does not have it.
            UnusablePackage: it cannot be unpacked.
            StoreUnavailable: Redis did not answer.
            OSError: the folder cannot be written.
        """
        root = self._folder / sha256
        if not root.is_dir():
            self._unpack(sha256, root)
        return root

    def layers_root(self, sha256s: Sequence[str]) -> Path | None:
        """The folder in which layers lie over each other, the later ones on top; None if there are no layers.

        A set of layers in an order has one such folder, whoever asks. It shares the files of the packages.

        Raises:
            CodeMissing, UnusablePackage, StoreUnavailable, OSError: as `root`.
        """
        if not sha256s:
            return None
        layers = [self.root(sha256) for sha256 in sha256s]
        if len(layers) == 1:
            return layers[0]
        root = self._folder / f"layers-{hashlib.sha256(' '.join(sha256s).encode()).hexdigest()}"
        if not root.is_dir():
            self._fill(root, lambda new: lay_over_each_other(layers, new))
        return root

    def unzipped_size(self, sha256: str) -> int:
        """How many bytes a package has when it is unpacked.

        Raises:
            CodeMissing, StoreUnavailable: as `root`.
        """
        return unzipped_size(self._fetch(sha256))

    def _unpack(self, sha256: str, root: Path) -> None:
        package = self._fetch(sha256)
        self._fill(root, lambda new: unpack(package, new))

    def _fill(self, root: Path, fill: Callable[[Path], object]) -> None:
        """Have `fill` make a folder, and give it the name `root` when it is whole."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        unnamed = self._folder / f".{root.name}.{secrets.token_hex(4)}"
        try:
            fill(unnamed)
            unnamed.rename(root)
        except OSError:
            if not root.is_dir():  # else another worker was faster, with the same
                raise
        finally:
            shutil.rmtree(unnamed, ignore_errors=True)  # nothing is there if all went well

    def _fetch(self, sha256: str) -> bytes:
        try:
            package = self._redis.get(self._keys.code(sha256))
        except RedisError as error:
            raise StoreUnavailable(f"Redis did not hand out the package {sha256}: {error}") from error
        if not isinstance(package, bytes) or hashlib.sha256(package).hexdigest() != sha256:
            raise CodeMissing(sha256)
        return package


def check_zip(package: bytes) -> None:
    """See whether a zip can be unpacked: every entry is read once, to its checksum.

    Raises:
        UnusablePackage: it cannot, for the `Reason` given.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(package)) as archive:
            for entry in _entries(archive):
                with archive.open(entry.info) as content:
                    while content.read(_CHUNK):
                        pass
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError) as error:
        raise UnusablePackage(Reason.NOT_A_ZIP, f"The zip cannot be read: {error}") from error


def unzipped_size(package: bytes) -> int:
    """How many bytes the files of a zip have, that `check_zip` has found to be one."""
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        return sum(info.file_size for info in archive.infolist())


def lay_over_each_other(layers: Sequence[Path], root: Path) -> None:
    """Make the folder `root` of the files of all `layers`; of those with the same path the last one counts.

    Nothing is written through a link of a layer: what is in the way of a folder is replaced by one.

    Raises:
        OSError: the folder cannot be written.
    """
    root.mkdir(mode=0o755)
    for layer in layers:
        for folder, folders, files in os.walk(layer):
            inside = root / Path(folder).relative_to(layer)
            for name in folders + files:
                _lay(Path(folder, name), inside / name)


def _lay(source: Path, target: Path) -> None:
    is_folder = source.is_dir() and not source.is_symlink()
    is_taken_by_folder = target.is_dir() and not target.is_symlink()
    if is_folder and is_taken_by_folder:
        return
    if is_taken_by_folder:
        shutil.rmtree(target)
    else:
        target.unlink(missing_ok=True)
    if is_folder:
        target.mkdir(mode=0o755)
    elif source.is_symlink():
        target.symlink_to(source.readlink())
    else:
        target.hardlink_to(source)


def unpack(package: bytes, root: Path) -> None:
    """Unpack a zip into the new folder `root`.

    Raises:
        UnusablePackage: it cannot be unpacked; part of it may be there.
        OSError: the folder cannot be written.
    """
    check_zip(package)
    root.mkdir(mode=0o755)
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        entries = _entries(archive)
        for info in archive.infolist():
            if info.is_dir():
                (root / info.filename).mkdir(parents=True, exist_ok=True)
        # Links last: until they are there, no path can lead over one.
        for entry in sorted(entries, key=lambda entry: entry.link_target is not None):
            path = root / entry.info.filename
            path.parent.mkdir(parents=True, exist_ok=True)
            if entry.link_target is not None:
                path.symlink_to(entry.link_target)
                continue
            with archive.open(entry.info) as content, path.open("xb") as file:
                shutil.copyfileobj(content, file, _CHUNK)
            path.chmod(0o555 if entry.is_executable else 0o444)
    for folder, _, _ in os.walk(root):
        Path(folder).chmod(0o755)  # handlers may be another user than the worker, whatever its umask is


def _entries(archive: zipfile.ZipFile) -> list[_Entry]:
    """The files and links of a zip, the last of each name.

    Raises:
        UnusablePackage: they are too large together, lead outside, or contradict each other.
    """
    if len(archive.infolist()) > limits.MAX_ZIP_ENTRIES:
        raise UnusablePackage(
            Reason.TOO_LARGE,
            f"The zip has {len(archive.infolist())} entries, and {limits.MAX_ZIP_ENTRIES} are allowed.",
        )
    size = sum(info.file_size for info in archive.infolist())
    if size > limits.MAX_UNZIPPED:
        raise UnusablePackage(
            Reason.TOO_LARGE, f"The zip holds {size} bytes unzipped, and {limits.MAX_UNZIPPED} are allowed."
        )
    folders: set[PurePosixPath] = set()
    entries: dict[PurePosixPath, _Entry] = {}
    for info in archive.infolist():
        path = _path(info.filename)
        folders.update(path.parents)
        if info.is_dir():
            folders.add(path)
        elif path.parts:
            entries[path] = _entry(archive, info)
    for path in folders & entries.keys():
        raise UnusablePackage(Reason.CONFLICT, f"The zip has '{path}' as a file and as a folder.")
    _refuse_links_that_lead_outside(entries)
    return list(entries.values())


def _path(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise UnusablePackage(Reason.TRAVERSAL, f"The zip's entry '{name}' would lie outside the function's folder.")
    if len(os.fsencode(name)) > _MAX_PATH or any(len(os.fsencode(part)) > _MAX_NAME for part in path.parts):
        raise UnusablePackage(
            Reason.CONFLICT, f"The zip's entry '{name[:60]}…' has a longer name than a file can have."
        )
    return path


def _entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Entry:
    if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise UnusablePackage(Reason.NOT_A_ZIP, f"The zip's entry '{info.filename}' is neither stored nor deflated.")
    mode = info.external_attr >> 16 if info.create_system == _MADE_ON_UNIX else 0
    match stat.S_IFMT(mode):
        case 0 | stat.S_IFREG:
            return _Entry(info, bool(mode & 0o111), None)
        case stat.S_IFLNK if 0 < info.file_size <= _MAX_PATH:
            return _Entry(info, is_executable=False, link_target=os.fsdecode(archive.read(info)))
    raise UnusablePackage(Reason.CONFLICT, f"The zip's entry '{info.filename}' is neither a file nor a usable link.")


def _refuse_links_that_lead_outside(entries: dict[PurePosixPath, _Entry]) -> None:
    """Follow every link as the kernel would, also over other links."""
    links = {path: entry.link_target for path, entry in entries.items() if entry.link_target is not None}
    for path, target in links.items():
        if not _stays_inside(path, links):
            raise UnusablePackage(
                Reason.TRAVERSAL, f"The zip's link '{path}' to '{target}' would lead outside the function's folder."
            )


def _stays_inside(path: PurePosixPath, links: dict[PurePosixPath, str]) -> bool:
    at = PurePosixPath()
    left = list(reversed(path.parts))
    followed = 0
    while left:
        part = left.pop()
        if part == "..":
            if at == PurePosixPath():
                return False
            at = at.parent
            continue
        at /= part
        if at in links:
            followed += 1
            target = PurePosixPath(links[at])
            if target.is_absolute() or "\0" in links[at] or followed > _MAX_LINKS:
                return False
            left += reversed(target.parts)
            at = at.parent
    return True
