"""`thrice bench`, from the command line to the exit status.

That is 0 if all thresholds hold, 1 if not all do or nothing was accepted, 2 if it could not be run, 130 if it was
interrupted.
"""

import asyncio
import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
from botocore.exceptions import BotoCoreError, ClientError
from redis import Redis
from redis.exceptions import RedisError
from rich.console import Console

from config import redis as config_redis
from config.settings import Settings
from console.asking import GatewayAway, ask
from console.bench import table
from console.bench.clients import ClientsFailed
from console.bench.own_function import NAME, Behaviour, FunctionInUse, lambda_client, own_function
from console.bench.page import page
from console.bench.plan import NoPlan, Plan, milliseconds_of, plan_of, share_of
from console.bench.progress import Progress
from console.bench.result import NoResult, Result
from console.bench.run import LoadTest, Target
from console.bench.thresholds import NoThreshold, Threshold, judge, thresholds_of
from console.up import stop_signals
from worker.clock import SystemClock
from worker.duration import spelled
from worker.keys import Keys
from worker.ledger import Account, Ledger

HELD, BROKEN, UNUSABLE, INTERRUPTED = 0, 1, 2, 130


class CannotBench(Exception):
    """Raised when the system is not fit for a load test. The text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Files:
    """Where results go to, and where an earlier one is; None: nowhere."""

    json: Path | None = None
    html: Path | None = None
    compare: Path | None = None

    @classmethod
    def of(cls, *names: str | None) -> "Files":
        """By the names on the command line, in the order of the fields."""
        return cls(*(Path(name) if name is not None else None for name in names))


@dataclass(frozen=True, slots=True)
class Wishes:
    """What was written on the command line, as it was written."""

    function: str | None
    number: int | None
    connections: int
    rate: float | None
    duration: str | None
    arrivals: str
    seed: int
    payload: str
    is_synchronous: bool
    thresholds: str
    wait: str
    is_self_contained: bool
    fail: str | None
    sleep: str | None
    cpu: str | None


def main(settings: Settings, wishes: Wishes, files: Files) -> int:
    """Understand the command line and run the load test; return the exit status."""
    try:
        behaviour = _behaviour(wishes)
        thresholds = thresholds_of(wishes.thresholds)
        plan = plan_of(
            wishes.function or NAME,
            number=wishes.number,
            connections=wishes.connections,
            rate=wishes.rate,
            duration=wishes.duration,
            payload=_payload(wishes.payload),
            arrivals=wishes.arrivals,
            seed=wishes.seed,
            is_synchronous=wishes.is_synchronous,
            wait=wishes.wait,
        )
    except (NoPlan, NoThreshold) as problem:
        return _unusable(str(problem))
    return bench(settings, plan, thresholds, behaviour=behaviour, files=files)


def _behaviour(wishes: Wishes) -> Behaviour | None:
    """What the load test's own function is to do; None: the function is the user's.

    Raises:
        NoPlan: options contradict each other, or one has no meaning.
    """
    if wishes.is_self_contained == (wishes.function is not None):
        raise NoPlan("Name the function that is to be loaded, or say --self-contained. See thrice bench --help.")
    own = {"--fail": wishes.fail, "--sleep": wishes.sleep, "--cpu": wishes.cpu}
    if not wishes.is_self_contained:
        asked = [option for option, value in own.items() if value is not None]
        if asked:
            raise NoPlan(f"{', '.join(asked)}: only the function of --self-contained can be told what to do.")
        return None
    if wishes.payload != "{}":
        raise NoPlan("--payload: the function of --self-contained has a payload of its own.")
    return Behaviour(
        fail=share_of(wishes.fail or "0"),
        sleep_ms=milliseconds_of("--sleep", wishes.sleep or "0s"),
        cpu_ms=milliseconds_of("--cpu", wishes.cpu or "0s"),
    )


def _payload(written: str) -> bytes:
    """The payload, which may be in a file.

    Raises:
        NoPlan: the file cannot be read.
    """
    if not written.startswith("@"):
        return written.encode()
    try:
        return Path(written[1:]).read_bytes()
    except OSError as problem:
        raise NoPlan(f"--payload {written}: {problem.strerror}.") from None


def bench(
    settings: Settings, plan: Plan, thresholds: list[Threshold], *, behaviour: Behaviour | None, files: Files
) -> int:
    """Run a load test and tell of it; return the exit status.

    `behaviour` is of the function that the load test brings with it; None: `plan` names one of the user's.
    """
    redis = config_redis.connect(settings)
    try:
        earlier = _read_earlier(files.compare)
        _check_folders(files)
        with _function(settings, plan, behaviour, redis) as (plan, target):
            result = _run(settings, plan, target, redis)
        _judge(result, thresholds)
        table.show(Console(highlight=False, soft_wrap=True), result, earlier)
        _write(result, earlier, files)
    except ClientError as error:
        return _unusable(f"The gateway answers: {error}")
    except BotoCoreError as error:
        return _unusable(f"{error}. Is `thrice up` running with this THRICE_HOST and THRICE_PORT?")
    except RedisError as error:
        return _unusable(f"Redis does not answer: {error}. Is `thrice up` running with this data folder?")
    except (CannotBench, ClientsFailed, FunctionInUse, GatewayAway, NoPlan) as problem:
        return _unusable(str(problem))
    except KeyboardInterrupt:  # before there was anything to stop in order
        return INTERRUPTED
    finally:
        redis.close()
    if result.is_interrupted:
        return INTERRUPTED
    return HELD if result.counts["accepted"] and all(verdict["held"] for verdict in result.verdicts) else BROKEN


@contextlib.contextmanager
def _function(
    settings: Settings, plan: Plan, behaviour: Behaviour | None, redis: Redis
) -> Iterator[tuple[Plan, Target]]:
    """The plan and the function that it is for, which is made and deleted here if it is the load test's own."""
    _, clock = ask(settings, "clock")
    if clock["frozen"]:
        raise CannotBench("The system's clock stands still, so nothing could be measured. First: thrice clock resume")
    client = lambda_client(settings)
    with contextlib.ExitStack() as stack:
        if behaviour is not None:
            in_hand = _account(redis, NAME).in_hand
            stack.enter_context(own_function(settings, client, in_hand=in_hand))
            plan = replace(plan, function=NAME, payload=orjson.dumps(behaviour.document()), is_own=True)
        found: dict[str, Any] = client.get_function_configuration(FunctionName=plan.function)
        target = Target(found["FunctionName"], float(found["Timeout"]), bool(clock["virtual"]), clock["offset_ms"])
        yield plan, target


def _run(settings: Settings, plan: Plan, target: Target, redis: Redis) -> Result:
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(_beginning(plan, target, settings), markup=False)
    with Progress(console, plan) as progress:

        async def run() -> Result:
            stop = stop_signals()
            test = LoadTest(settings, plan, target, redis=redis, clock=SystemClock(), stop=stop, show=progress.show)
            return await test.run()

        return asyncio.run(run())


def _beginning(plan: Plan, target: Target, settings: Settings) -> str:
    kind = "synchronous requests" if plan.is_synchronous else "events"
    number = f"{plan.expected:,} {kind}" if plan.expected else f"{kind} for {plan.duration:g} s"
    pace = f"{plan.rate:,.10g} a second ({plan.arrivals}, open loop)" if plan.rate else "as fast as they are answered"
    lines = [
        f"thrice bench: {number} for {target.name} at {settings.gateway_url}, {pace}, {plan.connections} connections"
    ]
    if not plan.is_synchronous and target.is_virtual:
        lines.append("  The clock is virtual: it is moved when events wait for their next attempt.")
    elif not plan.is_synchronous:
        patience = f"waited for up to {spelled(plan.wait)}" if plan.wait else "not waited for without --wait"
        lines.append(f"  An attempt that fails is followed by another after a countdown: {patience}.")
    return "\n".join(lines)


def _judge(result: Result, thresholds: list[Threshold]) -> None:
    verdicts = judge(thresholds, result.measured(), result.counts["accepted"])
    result.verdicts = [
        verdict.document()
        | {"found_text": table.value_of(verdict.threshold.metric, verdict.found, is_share=verdict.threshold.is_share)}
        for verdict in verdicts
    ]


def _account(redis: Redis, function: str) -> Account:
    return Ledger.of(redis.hgetall(Keys().ledger)).functions.get(function, Account())


def _read_earlier(path: Path | None) -> Result | None:
    """The result that this one is to be compared with.

    Raises:
        CannotBench: the file is not there, or holds no such result.
    """
    if path is None:
        return None
    try:
        return Result.of(orjson.loads(path.read_bytes()))
    except OSError as problem:
        raise CannotBench(f"--compare {path}: {problem.strerror}. Name a file that --json wrote.") from None
    except (orjson.JSONDecodeError, NoResult) as problem:
        raise CannotBench(f"--compare {path} holds no result: {problem}. Name a file that --json wrote.") from None


def _check_folders(files: Files) -> None:
    """See that results can be written, before there are any.

    Raises:
        CannotBench: a file's folder is not there.
    """
    for path in (files.json, files.html):
        if path is not None and not path.absolute().parent.is_dir():
            raise CannotBench(f"{path} cannot be written: there is no folder {path.absolute().parent}. Make it first.")


def _write(result: Result, earlier: Result | None, files: Files) -> None:
    try:
        if files.json is not None:
            files.json.write_bytes(orjson.dumps(result.document(), option=orjson.OPT_INDENT_2))
        if files.html is not None:
            files.html.write_text(page(result, earlier), "utf-8")
    except OSError as problem:
        raise CannotBench(f"The result could not be written to {problem.filename}: {problem.strerror}.") from None
    for path in (files.json, files.html):
        if path is not None:
            print(f"  written: {path}")


def _unusable(message: str) -> int:
    print(f"thrice: {message}", file=sys.stderr)
    return UNUSABLE
