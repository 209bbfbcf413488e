"""The command `thrice`. Everything heavy is imported by the command that needs it, so that `--help` is quick."""

import asyncio
import sys
from typing import TYPE_CHECKING, NoReturn

import typer

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
