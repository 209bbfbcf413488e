"""The commands of the local loop: deploy, dev, invoke, logs. As in `cli.py`, a command imports what it needs itself."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from config.settings import Settings
    from console.deploy.deployment import Wanted

PANEL = "Your functions"

Source = Annotated[
    Path, typer.Argument(help="A folder with a handler, a zip, or a SAM or CloudFormation template (YAML, JSON).")
]
Name = Annotated[
    str | None, typer.Option(help="Of the function, or of the stack; default: the name of the folder or the zip.")
]
Runtime = Annotated[str | None, typer.Option(help="Such as python3.12; default: by the files, and this Python.")]
Handler = Annotated[str | None, typer.Option(help="Such as app.handler; default: the one that is found.")]
Variables = Annotated[
    list[str] | None, typer.Option("--env", metavar="K=V", help="An environment variable of the function; repeat it.")
]
Timeout = Annotated[int | None, typer.Option(help="Of the function, in seconds.")]
Memory = Annotated[int | None, typer.Option(help="Of the function, in MB.")]
Parameters = Annotated[
    list[str] | None, typer.Option("--parameter", metavar="K=V", help="A parameter of the template; repeat it.")
]
Skip = Annotated[bool, typer.Option("--skip", help="Leave out the resources and triggers that thrice does not have.")]
Install = Annotated[bool, typer.Option("--install", help="Put what requirements.txt names into the package, with pip.")]


def deploy(
    path: Source,
    name: Name = None,
    runtime: Runtime = None,
    handler: Handler = None,
    env: Variables = None,
    timeout: Timeout = None,
    memory: Memory = None,
    parameter: Parameters = None,
    skip: Skip = False,
    install: Install = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and change nothing.")] = False,
) -> None:
    """Bring a folder, a zip or a template into the running system.

    What is there is changed where it differs (~), what is not is made (+), and nothing is ever deleted. All that cannot
    be done is told first, with its line in the template, and nothing is changed: exit status 2. It is 1 if the system
    refuses a step or is away.

    thrice deploy ./hello

    thrice deploy ./hello --env STAGE=dev --timeout 30

    thrice deploy template.yaml --parameter Stage=dev --dry-run
    """
    from console.deploying import run

    wanted = _wanted(path, name, runtime, handler, env, timeout, memory, parameter, skips=skip, installs=install)
    sys.exit(run(_settings(), wanted, only_plan=dry_run))


def dev(
    path: Source,
    name: Name = None,
    runtime: Runtime = None,
    handler: Handler = None,
    env: Variables = None,
    timeout: Timeout = None,
    memory: Memory = None,
    parameter: Parameters = None,
    skip: Skip = False,
    install: Install = False,
) -> None:
    """Deploy, deploy again whenever a file is saved, and show the logs, until Ctrl-C.

    Events that are running end on the code they began with. Python that cannot be parsed is shown and not deployed.

    thrice dev ./hello

    thrice dev template.yaml --skip
    """
    import signal
    import threading

    from console.developing import Development

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    wanted = _wanted(path, name, runtime, handler, env, timeout, memory, parameter, skips=skip, installs=install)
    sys.exit(Development(_settings(), wanted).run(stop))


def invoke(
    function: Annotated[str, typer.Argument(help="Its name or its ARN.")],
    payload: Annotated[str, typer.Argument(help="JSON, @file, or - for standard input.")] = "{}",
    wait: Annotated[bool, typer.Option("--wait", help="Until the event has ended, and all that it caused.")] = False,
    sync: Annotated[bool, typer.Option("--sync", help="Call it, and print what it returns.")] = False,
    qualifier: Annotated[str | None, typer.Option(help="A version or an alias.")] = None,
    timeout: Annotated[str, typer.Option(help="How long --wait waits, in real time: 90s, 10m.")] = "10m",
) -> None:
    """Invoke a function with plain JSON; asynchronously, unless --sync says otherwise.

    Without an option it prints the request id as soon as the event is accepted. With --wait the exit status is 0 if all
    succeeded, 1 if something was dead-lettered or dropped, 124 if the time was up. With --sync it is 1 if the function
    failed; its log goes to standard error. It is 2 if nothing could be invoked.

    thrice invoke hello '{"name": "world"}' --wait

    thrice invoke hello @event.json --sync
    """
    from console.invoking import NoPayload, payload_of
    from console.invoking import invoke as run

    if wait and sync:
        _refuse("--wait is for events, --sync for a call that is answered: choose one.")
    try:
        content = payload_of(payload, sys.stdin.buffer.read)
    except NoPayload as error:
        _refuse(str(error))
    sys.exit(run(_settings(), function, content, qualifier=qualifier, waits=wait, is_sync=sync, timeout=timeout))


def logs(
    function: Annotated[str, typer.Argument(help="Its name.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    since: Annotated[str, typer.Option(help="How far back: 90s, 10m, 2h, 1d.")] = "10m",
    request: Annotated[str | None, typer.Option(metavar="ID", help="Only what this invocation logged.")] = None,
    pattern: Annotated[
        str, typer.Option("--filter", help='CloudWatch\'s pattern: ERROR, "a phrase", ?any ?of, -without.')
    ] = "",
) -> None:
    """Show what a function has logged.

    thrice logs -f hello

    thrice logs hello --since 1h --filter ERROR
    """
    from console.following import show

    sys.exit(show(_settings(), function, follows=follow, since=since, request_id=request, pattern=pattern))


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    for command in (deploy, dev, invoke, logs):
        app.command(rich_help_panel=PANEL)(command)


def _wanted(
    path: Path,
    name: str | None,
    runtime: str | None,
    handler: str | None,
    env: Sequence[str] | None,
    timeout: int | None,
    memory: int | None,
    parameter: Sequence[str] | None,
    *,
    skips: bool,
    installs: bool,
) -> "Wanted":
    from console.deploy.deployment import Wanted

    return Wanted(
        path,
        name,
        runtime,
        handler,
        _pairs("--env", env),
        timeout,
        memory,
        _pairs("--parameter", parameter),
        skips=skips,
        installs=installs,
    )


def _pairs(option: str, given: Sequence[str] | None) -> dict[str, str]:
    """What K=V options say."""
    pairs = {}
    for text in given or ():
        key, equals, value = text.partition("=")
        if not equals or not key:
            _refuse(f"{option} '{text}' is not of the form NAME=VALUE.")
        pairs[key] = value
    return pairs


def _settings() -> "Settings":
    from config import settings

    try:
        found = settings.load()
    except settings.SettingsError as error:
        print(f"thrice: {error}", file=sys.stderr)
        sys.exit(1)
    if not found.credentials_file.exists():
        _refuse(
            f"There is no {found.credentials_file}, which the first `thrice up` makes: no system keeps its data there. "
            "Start one here, or set THRICE_DATA_DIR to the folder that it names at its start."
        )
    return found


def _refuse(message: str) -> NoReturn:
    print(f"thrice: {message}", file=sys.stderr)
    sys.exit(2)
