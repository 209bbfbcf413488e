"""The machine that is measured on, and how much of it was busy with something else meanwhile. Linux only."""

import os
import platform
import resource
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from config import redis as config_redis

_TICKS = os.sysconf("SC_CLK_TCK")


def description() -> Mapping[str, str | int]:
    """What figures were measured on, and when."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    memory = int(Path("/proc/meminfo").read_text().split()[1])
    return {
        "date": time.strftime("%Y-%m-%d"), "cores": os.cpu_count() or 0, "cpu": model, "memory_gb": round(memory / 1e6),
        "kernel": platform.release().partition("-")[0], "python": platform.python_version(),
        "server": config_redis.find_server().name,
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Watch:
    """A moment, to tell later how busy others were since then."""

    at: float
    busy: float  # CPU seconds of the whole machine, those that the hypervisor took among them
    own: float  # those of this process and of all that it started and waited for

    @classmethod
    def start(cls) -> "Watch":
        """From now on."""
        return cls(time.monotonic(), _busy(), _own())

    def foreign_percent(self) -> float:
        """The part of the machine that went elsewhere. All that was started since must have ended."""
        seconds = (time.monotonic() - self.at) * (os.cpu_count() or 1)
        return max(0.0, (_busy() - self.busy) - (_own() - self.own)) / seconds * 100


def _busy() -> float:
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(
        int, Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    )
    return (user + nice + system + irq + softirq + steal) / _TICKS


def _own() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)
