"""What handlers write down before they answer: one line `number time` for each run, which outlives whatever is killed.

A second file has a line `number worker` for each run that began. The handler below is the function of every scenario.
Its event says what it is to do besides: `takes` (seconds), `fails` (always), `fails_once` (at its first run only),
`kills` (its own worker, by SIGKILL).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

#: The handler. Each line is one write to a file that is opened for appending, so that runs never cut each other's.
SOURCE = r"""
import os, pathlib, signal, time

def handler(event, context):
    number = event['number']
    write('JOURNAL_OF_BEGINS', f'{number} {worker()}')
    time.sleep(event.get('takes', 0))
    is_first = f'\n{number} ' not in pathlib.Path(os.environ['JOURNAL']).read_text()
    write('JOURNAL', f'{number} {time.time():.3f}')
    if event.get('kills'):
        os.kill(worker(), signal.SIGKILL)
        time.sleep(60)
    if event.get('fails') or event.get('fails_once') and is_first:
        raise ValueError(f'event {number} fails')
    return number

def write(journal, line):
    descriptor = os.open(os.environ[journal], os.O_WRONLY | os.O_APPEND)
    os.write(descriptor, f'{line}\n'.encode())
    os.close(descriptor)

def worker():
    "The Celery worker that this process descends from: the last of its line that is one."
    pid, found = os.getppid(), None
    while pid > 1:
        words = pathlib.Path(f'/proc/{pid}/cmdline').read_bytes().split(b'\0')
        if {b'celery', b'worker'} <= set(words):  # as words of their own: a file that is tested may be test_celery.py
            found = pid
        pid = int(pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[1])
    return found
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One line: the event of that number ran, and was about to answer at that time, in seconds since the epoch."""

    number: int
    time: float


@dataclass(frozen=True, slots=True)
class Journal:
    """The files of one function."""

    path: Path

    @classmethod
    def create(cls, path: Path) -> "Journal":
        """Make empty files. The first line is empty, so that a number always stands between a line feed and a blank."""
        journal = cls(path)
        path.write_text("\n")
        journal.begins_path.touch()
        return journal

    @property
    def begins_path(self) -> Path:
        """The second file."""
        return self.path.with_suffix(".begins")

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables that tell the handler where to write."""
        return {"JOURNAL": str(self.path), "JOURNAL_OF_BEGINS": str(self.begins_path)}

    def runs(self) -> Sequence[Run]:
        """Every run so far, in their order."""
        lines = (line.split() for line in self.path.read_text().splitlines() if line)
        return [Run(int(number), float(time)) for number, time in lines]

    def times_run(self) -> Counter[int]:
        """Number of an event -> how often it ran so far."""
        return Counter(run.number for run in self.runs())

    def begun_by(self, worker: int) -> set[int]:
        """The events that the worker process of that id has begun to run."""
        lines = (line.split() for line in self.begins_path.read_text().splitlines())
        return {int(number) for number, pid in lines if pid == str(worker)}
