"""Every command of the README's first screen is run, as it stands there."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.system.running import RunningSystem
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def shell_blocks() -> list[str]:
    """The README's blocks of shell commands."""
    return re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_make_targets_of_the_readme_exist():
    """Every `make …` in the README is a target, and `make` alone lists them all with a line each."""
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = set(re.findall(r"^  make (\w+)  +\S", listed, re.MULTILINE))

    assert set(re.findall(r"`?make (\w+)", README)) <= targets
    assert {"setup", "up", "demo", "test", "check"} <= targets


def test_first_block_sets_up_and_serves():
    """It consists of the two targets that the other tests use through the command `thrice`."""
    commands = [line.split("#")[0].strip() for line in shell_blocks()[0].splitlines()]

    assert commands == ["make setup", "make up"]
    subprocess.run(["make", "setup"], cwd=ROOT, check=True)
    dry = subprocess.run(["make", "-n", "up"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "exec thrice up" in dry.splitlines()


def test_aws_commands_work_as_they_stand(start_up: Callable[..., RunningSystem], tmp_path: Path):
    """The second block, in a shell beside the data folder: the function is created, invoked, and its log is read."""
    system = start_up(THRICE_DATA_DIR=".thrice", THRICE_WORKERS="1", HOME=str(tmp_path))
    script = shell_blocks()[1].replace("http://127.0.0.1:4566", system.url)
    create, read = script.rsplit("aws logs", 1)

    subprocess.run(["sh", "-euc", create], env=system.variables, cwd=tmp_path, check=True, timeout=90)
    wait_until(lambda: system.ledger()["functions"].get("hello", {}).get("succeeded") == 1, "the function has run")
    logs = subprocess.run(
        ["sh", "-euc", create.split("cat >")[0] + "aws logs" + read],
        env=system.variables, cwd=tmp_path, check=True, timeout=30, capture_output=True, text=True,
    ).stdout  # fmt: skip

    assert "START RequestId: " in logs
    assert "REPORT RequestId: " in logs


def test_what_up_prints_is_what_the_readme_shows(up: RunningSystem):
    """The sample in the README has the words of the real thing, whatever the number of cores."""
    sample = re.search(r"^```\n(thrice .*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert sample is not None
    numbers = r" \(\d+ processes\)|\d[\d.]*( ms)?|data: \S+|http\S+"
    words, printed = re.sub(numbers, "", sample[1]), re.sub(numbers, "", up.printed)

    for line in filter(None, (" ".join(line.split()) for line in words.splitlines())):
        assert line in " ".join(printed.split())
