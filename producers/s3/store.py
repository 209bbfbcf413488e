"""Where the bytes of objects are: files in `objects/<bucket>/` of the data folder, each under a name used once.

Never under the object's key, which may be any text: a record says which file is its own. A file is never written to
once a record can name it, and never replaced: a new version of an object is a new file, and the old one is unlinked
when no record names it any more. Whoever has it open goes on reading all of it.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from uuid_utils import uuid7


class ObjectStore:
    """The files of all buckets."""

    def __init__(self, folder: Path) -> None:
        self._root = folder / "objects"

    def path(self, bucket: str, file: str) -> Path:
        """Where a file is. `bucket` must be the name of an existing bucket, which cannot leave the folder."""
        return self._root / bucket / file

    def place(self, bucket: str, source: Path) -> str:
        """Move a file into a bucket, durably: its bytes and its name are on the disk when this returns its name."""
        with source.open("rb") as file:
            os.fsync(file.fileno())
        name = _new_name()
        target = self.path(bucket, name)
        try:
            source.rename(target)
        except FileNotFoundError:  # the first object of a bucket makes its folder
            self._make_folder(target.parent)
            source.rename(target)
        _sync_folder(target.parent)
        return name

    def link(self, bucket: str, source: Path) -> str:
        """Give the bytes of another object's file a second name, for a copy: neither is ever written to.

        Raises:
            FileNotFoundError: the source was replaced meanwhile.
        """
        name = _new_name()
        self._make_folder(self._root / bucket)
        self.path(bucket, name).hardlink_to(source)
        _sync_folder(self._root / bucket)
        return name

    def concatenate(self, bucket: str, files: Sequence[str]) -> str:
        """Join files of a bucket into a new one.

        Raises:
            FileNotFoundError: one of them is gone.
        """
        name = _new_name()
        try:
            with self.path(bucket, name).open("xb") as target:
                for file in files:
                    with self.path(bucket, file).open("rb") as source:
                        shutil.copyfileobj(source, target, 1 << 20)
                target.flush()
                os.fsync(target.fileno())
        except FileNotFoundError:
            self.remove(bucket, name)
            raise
        _sync_folder(self._root / bucket)
        return name

    def md5(self, bucket: str, file: str) -> str:
        """The MD5 of a file, in hex."""
        with self.path(bucket, file).open("rb") as source:
            return hashlib.file_digest(source, "md5").hexdigest()

    def remove(self, bucket: str, file: str) -> None:
        """Unlink a file that no record names; one that is gone already is fine."""
        self.path(bucket, file).unlink(missing_ok=True)

    def older_than(self, moment: datetime) -> Iterator[tuple[str, str]]:
        """Bucket and name of each file that was put where it is before `moment`."""
        for path in self._root.glob("*/*"):
            try:
                placed = path.stat().st_ctime  # rename and link set it, unlike the time of modification
            except FileNotFoundError:
                continue
            if placed < moment.timestamp():
                yield path.parent.name, path.name

    def remove_folder(self, bucket: str) -> None:
        """Remove the folder of a deleted bucket, unless something is in it (again)."""
        with suppress(OSError):
            self.path(bucket, "").rmdir()

    def _make_folder(self, folder: Path) -> None:
        if not folder.is_dir():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _sync_folder(self._root)


def _new_name() -> str:
    return uuid7().hex


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
