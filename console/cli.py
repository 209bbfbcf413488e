"""The command `thrice`. Everything heavy is imported by the command that needs it, so that `--help` is quick."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from console import local_cli

if TYPE_CHECKING:
    from config.settings import Settings

app = typer.Typer(
    help="AWS Lambda's asynchronous invocation, self-hosted: every accepted event is kept, tried three times, "
    "and ends as a success or as a dead letter.",
    epilog="Settings are environment variables, THRICE_…: see docs/settings.md. "
    "Start with `thrice up`, then use boto3 or the AWS CLI with --endpoint-url http://127.0.0.1:4566.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def up() -> None:
    """Run the whole system on this machine until Ctrl-C: Redis, gateway, workers, scheduler.

    Data stays in THRICE_DATA_DIR (default ./.thrice) between runs. The first start writes the credentials that callers
    sign with to the file `credentials` there: point AWS_SHARED_CREDENTIALS_FILE at it.
    """
    from console.preflight import CannotStart
    from console.screen import Screen
    from console.up import up as run

    settings = _settings()
    try:
        asyncio.run(run(settings, Screen(settings)))
    except CannotStart as error:
        _fail(str(error))


@app.command()
def demo() -> None:
    """Run the main job on real input, in a system of its own, and check that nothing was lost.

    Deploys the functions under examples/ with boto3, then uploads files, publishes to a topic, lets a schedule fire and
    fires 1,000 invocations at once, of which some always fail. Prints the ledger and one dead letter. The exit status
    is not zero if an event is unaccounted for.
    """
    from console.demo import main as run

    sys.exit(run())


local_cli.register(app)


@app.command()
def doctor(
    as_json: bool = typer.Option(False, "--json", help="Print JSON: `can_start`, and every finding."),
) -> None:
    """Say what this machine has of what thrice needs, and what to do about the rest.

    Looks at the data folder, the disk, the port, Redis, limits, the walls around handlers (docs/isolation.md) and the
    interpreter of each runtime, by trying them. What is marked `missing` thrice can do without; what is marked `needed`
    it cannot. The exit status is 0 if a system can start here, else 1.
    """
    from console.doctor import show

    sys.exit(show(_settings(), as_json=as_json))


@app.command()
def gateway() -> None:
    """Run the gateway alone: the HTTP endpoint of all services. `thrice up` runs it for you."""
    from producers.gateway.__main__ import main as serve

    serve()


@app.command()
def scheduler() -> None:
    """Run a scheduler alone; any number may run. `thrice up` runs one for you."""
    from producers.scheduler.__main__ import main as run

    run()


@app.command()
def ledger(
    as_json: bool = typer.Option(False, "--json", help="Print JSON, as GET /_thrice/ledger answers it."),
) -> None:
    """Show what became of every accepted event. The exit status is 1 if the sum does not balance."""
    from console.ledger import show

    sys.exit(show(_settings(), as_json=as_json))


clock_app = typer.Typer(
    help="Show and move the clock by which events become due and grow old, schedules fire, messages become visible. "
    "Moving it needs a system that was started with THRICE_CLOCK=virtual; leases and running handlers do not notice.",
    epilog="Three attempts in a second: invoke a function that fails, `thrice clock next` twice, `thrice await --all`.",
    no_args_is_help=True,
)
app.add_typer(clock_app, name="clock")


@clock_app.command("show")
def clock_show(
    as_json: bool = typer.Option(False, "--json", help="Print JSON, as GET /_thrice/clock answers it."),
) -> None:
    """Show what the clock shows, and how far ahead of the real time that is."""
    from console.clock import show

    sys.exit(show(_settings(), as_json=as_json))


@clock_app.command("advance")
def clock_advance(
    length: str = typer.Argument(help="How much time passes: 90s, 2m, 1h30m, 500ms, or seconds."),
) -> None:
    """Let time pass at once. All that is due by then happens now."""
    from console.clock import move

    sys.exit(move(_settings(), {"advance": length}))


@clock_app.command("next")
def clock_next() -> None:
    """Go to the moment at which the next thing is due, and say what it is.

    That is the next attempt of an event, a schedule, or a message that becomes visible. The exit status is 1 if nothing
    will be due.
    """
    from console.clock import move

    sys.exit(move(_settings(), {"next": True}))


@clock_app.command("freeze")
def clock_freeze() -> None:
    """Stop the clock. It can still be moved, and then nothing becomes due that it was not moved to."""
    from console.clock import move

    sys.exit(move(_settings(), {"freeze": True}))


@clock_app.command("resume")
def clock_resume() -> None:
    """Let a stopped clock go on, from where it stands."""
    from console.clock import move

    sys.exit(move(_settings(), {"resume": True}))


@app.command("await")
def await_(
    request_id: str | None = typer.Argument(
        None, help="Of an invocation: x-amzn-requestid of its answer, ResponseMetadata.RequestId in boto3."
    ),
    wait_for_all: bool = typer.Option(False, "--all", help="Wait until nothing at all is in hand."),
    timeout: str = typer.Option("60s", help="How long to wait, in real time: 90s, 2m, 1h30m, or seconds."),
) -> None:
    """Wait until an event has ended, with everything that it caused.

    That is what its handler invoked, published and put into buckets, and what came of it. The exit status is 0 if all
    of it succeeded, 1 if something was dead-lettered or dropped, 2 if there is no such event, 124 if the time was up.
    """
    from console.awaiting import wait

    if wait_for_all == (request_id is not None):
        print("thrice: name one event by its request id, or say --all. See thrice await --help.", file=sys.stderr)
        sys.exit(2)
    sys.exit(wait(_settings(), request_id, timeout))


@app.command()
def restart() -> None:
    """Replace the processes of a running system one after the other, as after an upgrade; callers do not notice.

    The new gateway works before the old one ends, and the port is never closed. Each worker settles what it runs, hands
    back what waits, and another takes its place. Sends SIGHUP to `thrice up`, which must run with the same data folder.
    """
    from console.restart import restart as run

    sys.exit(run(_settings()))


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="Where to write it, as a .tar.gz. One that exists is left as it is.")],
) -> None:
    """Write everything that is kept into one file: queue, functions, objects, credentials.

    The system may run meanwhile; the backup is of one moment. It is loaded and read before it is packed.
    """
    from console.backup import backup as run

    sys.exit(run(_settings(), file))


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="What `thrice backup` wrote.", exists=True, dir_okay=False)],
) -> None:
    """Fill an empty data folder (THRICE_DATA_DIR) from a backup. Then start it with `thrice up`."""
    from console.backup import restore as run

    sys.exit(run(_settings(), file))


@app.command("bench")
def bench(
    function: str | None = typer.Argument(None, help="The function, or with --self-contained nothing."),
    number: int | None = typer.Option(None, "-n", help="How many requests; 10000 unless there is a --duration."),
    connections: int = typer.Option(50, "-c", help="How many connections."),
    rate: float | None = typer.Option(
        None, help="Requests a second, whatever becomes of them; else as fast as answered."
    ),
    duration: str | None = typer.Option(None, help="How long to send: 60s, 5m."),
    arrivals: str = typer.Option("even", help="With --rate: even, or poisson."),
    seed: int = typer.Option(1, help="Of poisson arrivals: the same number, the same moments."),
    payload: str = typer.Option("{}", help="JSON, or @file."),
    sync: bool = typer.Option(False, "--sync", help="RequestResponse instead of Event."),
    threshold: Annotated[
        list[str] | None, typer.Option(help="What must hold: 'p99<2s,failed<1%'; may be given several times.")
    ] = None,
    wait: str = typer.Option("0s", help="How long to wait at the end for events whose next attempt is due later."),
    self_contained: bool = typer.Option(False, "--self-contained", help="Make a function for it, and delete it after."),
    fail: str | None = typer.Option(None, help="With --self-contained: the share of attempts that fail, as 5%."),
    sleep: str | None = typer.Option(None, help="With --self-contained: how long the handler sleeps, as 20ms."),
    cpu: str | None = typer.Option(None, help="With --self-contained: how long it computes, as 5ms."),
    json: str | None = typer.Option(None, metavar="FILE", help="Write the result to this file, as JSON."),
    html: str | None = typer.Option(None, metavar="FILE", help="Write a report to this file, one page of HTML."),
    compare: str | None = typer.Option(None, metavar="FILE", help="An earlier --json: the table tells the ratios."),
) -> None:
    """Load a function with requests through the gateway, and say how it went.

    The exit status is 0 if all thresholds hold (lost==0 always is one), 1 if not, 2 if there was nothing to be run.
    docs/load-testing.md tells what is measured, and has the metrics of thresholds.
    """
    from console.bench import command

    wishes = command.Wishes(
        function=function, number=number, connections=connections, rate=rate, duration=duration, arrivals=arrivals,
        seed=seed, payload=payload, is_synchronous=sync, thresholds=",".join(threshold or ()), wait=wait,
        is_self_contained=self_contained, fail=fail, sleep=sleep, cpu=cpu,
    )  # fmt: skip
    sys.exit(command.main(_settings(), wishes, command.Files.of(json, html, compare)))


def main() -> None:
    """The entry point of the command."""
    app()


def _settings() -> "Settings":
    from config import settings

    try:
        return settings.load()
    except settings.SettingsError as error:
        _fail(str(error))


def _fail(message: str) -> NoReturn:
    print(f"thrice: {message}", file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    main()
