"""`thrice demo`: the main job on real input."""

import signal
import subprocess

from tests.system.running import BIN, environment, free_port
from tests.waiting import wait_until


def test_demo_runs_and_balances(tmp_path):
    """Exit status 0, the ledger with 20 dead letters of 1,005 events, one dead letter with its three attempts."""
    done = subprocess.run(
        [BIN / "thrice", "demo"], env=environment(tmp_path, free_port()), cwd=tmp_path, capture_output=True, text=True,
        timeout=100, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    total = next(line.split() for line in done.stdout.splitlines() if line.split()[:1] == ["all"])
    attempts = [line for line in done.stdout.splitlines() if "ValueError: job" in line]
    assert total == ["all", "1,005", "985", "40", "20", "0", "0", "0"]
    assert len(attempts) == 3
    assert "0, 1 and 2 s" in done.stdout


def test_demo_can_be_interrupted(tmp_path):
    """Ctrl-C ends it, and everything that it started."""
    output = (tmp_path / "out").open("w+")
    with subprocess.Popen(
        [BIN / "thrice", "demo"],
        env=environment(tmp_path, free_port(), TMPDIR=str(tmp_path)),
        cwd=tmp_path,
        stdout=output,
        stderr=output,
    ) as demo:
        wait_until(lambda: "deployed" in (tmp_path / "out").read_text(), "it has begun", 60)
        demo.send_signal(signal.SIGINT)
        code = demo.wait(40)
    output.close()

    assert code == 130
    assert list(tmp_path.glob("thrice-demo-*")) == []
