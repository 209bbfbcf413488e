"""A small disk of its own for the data folder, so that it can be filled without harm to anything else.

It is a tmpfs, and mounting one takes root (or CAP_SYS_ADMIN). Where that is not permitted there is no such disk.
"""

import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

#: Its size. It lies in memory, as far as it is used; Redis rewrites its file when that has grown by 64 MB.
SIZE = 512 << 20


class NotMounted(Exception):
    """Raised when this machine does not let us mount. The text says why."""


@dataclass(frozen=True, slots=True)
class Disk:
    """One that is mounted."""

    path: Path

    @classmethod
    def mount(cls, path: Path) -> "Disk":
        """Mount an empty one at a new folder.

        Raises:
            NotMounted: it is not permitted, or not known how.
        """
        path.mkdir(parents=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0700", "tmpfs", str(path)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        except FileNotFoundError:
            raise NotMounted("there is no command mount") from None
        if done.returncode != 0:
            raise NotMounted(done.stderr.strip() or f"mount ended with {done.returncode}")
        return cls(path)

    @property
    def ballast(self) -> Path:
        """The file that fills it."""
        return self.path / "ballast"

    def fill(self) -> None:
        """Take all that is free, to the last byte."""
        with self.ballast.open("ab", buffering=0) as file:
            for size in (1 << 20, 4096):
                with suppress(OSError):
                    while True:
                        file.write(bytes(size))

    def free(self) -> None:
        """Give it back."""
        self.ballast.unlink(missing_ok=True)

    def unmount(self) -> None:
        """Remove it, and all that is on it."""
        subprocess.run(["umount", "--lazy", str(self.path)], check=True, timeout=20)
