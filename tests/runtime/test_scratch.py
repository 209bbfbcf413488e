"""Folders of workers that were killed are removed by the next one."""

import subprocess
import sys
from pathlib import Path

from worker.runtime.scratch import Scratch


def test_folder_goes_with_its_owner(folder):
    """A folder lives while its owner does, and is removed when the owner ends in order."""
    first, second = Scratch(folder), Scratch(folder)
    assert first.path.is_dir()
    assert second.path.is_dir()

    first.close()

    assert [path.name for path in folder.iterdir()] == [second.path.name]
    second.close()


def test_folder_of_a_killed_worker_is_removed_by_the_next(folder):
    """The lock of a dead owner is free, which is how the next one knows."""
    code = (
        "import os, sys; from pathlib import Path; from worker.runtime.scratch import Scratch\n"
        "scratch = Scratch(Path(sys.argv[1])); (scratch.path / 'file').touch(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, folder], check=False, cwd=Path(__file__).parents[2])
    assert len(list(folder.iterdir())) == 1

    scratch = Scratch(folder)

    assert [path.name for path in folder.iterdir()] == [scratch.path.name]
    scratch.close()
