"""docker-compose.yml and Dockerfile, without an engine: both are well-formed, and every service's command works."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from redis import Redis
from redis.exceptions import RedisError

from tests.system.running import BIN, RunningSystem, environment, free_port
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The file."""
    return dict(yaml.safe_load((ROOT / "docker-compose.yml").read_text()))


def test_compose_file_is_well_formed():
    """The schema of Compose, as check-jsonschema carries it."""
    subprocess.run(
        [BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", ROOT / "docker-compose.yml"], check=True
    )


def test_dockerfile_is_well_formed():
    """The linter hadolint finds nothing to say."""
    done = subprocess.run([BIN / "hadolint", ROOT / "Dockerfile"], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "")


def test_image_has_what_the_wheel_has():
    """Every package of the project is copied into the image."""
    copied = set(re.findall(r"^COPY (\w+) \1$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))

    assert copied == {"config", "worker", "producers", "console"}


def test_services_are_the_four_parts(compose):
    """Redis, gateway, worker, scheduler; the worker has no fixed port or name, so that it can be scaled."""
    assert set(compose["services"]) == {"redis", "gateway", "worker", "scheduler"}
    assert not {"ports", "container_name"} & set(compose["services"]["worker"])
    assert "noeviction" in compose["services"]["redis"]["command"]


def test_every_command_runs_and_an_event_goes_through(compose, tmp_path: Path):
    """The commands with their environment, as plain processes on a real Redis: an event is accepted and run."""
    redis_port, port = free_port(), free_port()
    addresses = {
        "redis://redis:6379/0": f"redis://127.0.0.1:{redis_port}/0",
        "http://gateway:4566": f"http://127.0.0.1:{port}",
        "/data": str(tmp_path / "data"),
        "0.0.0.0": "127.0.0.1",
    }
    services = compose["services"]
    processes = []
    try:
        processes.append(start_redis(services["redis"]["command"], redis_port, tmp_path))
        for name in ("gateway", "worker", "worker", "scheduler"):
            variables = {key: addresses.get(value, value) for key, value in services[name]["environment"].items()}
            env = environment(tmp_path, port, **variables)
            log = (tmp_path / f"{name}-{len(processes)}.log").open("w")
            command = [BIN / services[name]["command"][0], *services[name]["command"][1:]]
            number = len(processes)
            if name == "worker":
                command += ["-n", f"worker-{number}@%h"]  # a container has a host name of its own
            processes.append(subprocess.Popen(command, env=env, cwd=tmp_path, stdout=log, stderr=log))
            log.close()
        system = RunningSystem(tmp_path, port, processes[1], tmp_path / "gateway-1.log", {})
        wait_until(lambda: system.is_healthy, "the canary has gone round", 60)
        system.create_function("f", "def handler(event, context): return 1")

        system.client("lambda").invoke(FunctionName="f", InvocationType="Event")

        wait_until(lambda: system.ledger()["functions"].get("f", {}).get("succeeded") == 1, "the event has run")
        assert {process.poll() for process in processes} == {None}
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            process.wait(30)


def start_redis(command: list[str], port: int, folder: Path) -> "subprocess.Popen[bytes]":
    """The server of the compose file, from the binary that is here, on loopback."""
    from config.redis import find_server

    own = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    process = subprocess.Popen([find_server().path, *command[1:], *own], stdout=subprocess.DEVNULL)
    client = Redis(port=port)
    wait_until(lambda: answers(client), "Redis answers")
    client.close()
    return process


def answers(client: Redis) -> bool:
    """Whether the server answers yet."""
    try:
        return bool(client.ping())
    except RedisError:
        return False


def test_variables_of_the_compose_file_are_settings(compose):
    """A variable that no setting reads would be accepted and ignored."""
    from config.settings import Settings

    known = {f"THRICE_{name.upper()}" for name in Settings.model_fields}
    used = {name for service in compose["services"].values() for name in service.get("environment", {})}
    assert used <= known
