"""What `thrice deploy` prints, and its exit status: 0 done, 1 the system refused or is away, 2 it cannot be done."""

import shlex
import sys
import time

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from config.settings import Settings
from console.clients import Clients
from console.deploy.apply import words_of
from console.deploy.deployment import DeploymentFailed, Prepared, Wanted, carry_out, counted, prepare, show
from console.deploy.problem import CannotDeploy
from console.deploy.steps import KINDS

DONE, REFUSED, IMPOSSIBLE = 0, 1, 2


def run(settings: Settings, wanted: Wanted, *, only_plan: bool) -> int:
    """Deploy, or only show what would be done; return the exit status."""
    console = Console(highlight=False, soft_wrap=True)
    started = time.monotonic()
    try:
        prepared = deploy(settings, Clients(settings), wanted, console, only_plan=only_plan)
    except CannotDeploy as error:
        print(f"thrice: {wanted.path} cannot be deployed as it is:\n{error}", file=sys.stderr)
        return IMPOSSIBLE
    except DeploymentFailed as error:
        print(f"thrice: {error}", file=sys.stderr)
        return REFUSED
    except (BotoCoreError, ClientError) as error:
        print(f"thrice: {away(settings, error)}", file=sys.stderr)
        return REFUSED
    took = time.monotonic() - started
    if only_plan:
        console.print("Nothing was changed: --dry-run only shows the plan.")
        return DONE
    console.print(f"Deployed in {took:.1f} s: {counted(prepared)}.")
    functions = prepared.plan.functions
    if functions:
        name = shlex.quote(functions[0].name)
        console.print(f"Next: thrice invoke {name} '{{}}' --wait   or   thrice logs -f {name}", markup=False)
    return DONE


def deploy(
    settings: Settings,
    clients: Clients,
    wanted: Wanted,
    console: Console,
    *,
    only_plan: bool = False,
    only_changes: bool = False,
) -> Prepared:
    """Prepare, show the plan (or of it only what changes), and carry it out.

    Raises:
        CannotDeploy: nothing was changed.
        DeploymentFailed: a part was done.
        BotoCoreError: the system does not answer.
    """
    waiting = Console(stderr=True)
    with waiting.status("looking at what is there"):
        prepared = prepare(wanted, settings, clients)
    if not only_changes:
        console.print(f"{wanted.title}   {prepared.file} → {settings.gateway_url}", markup=False)
    show(prepared, console, only_changes=only_changes)
    if not only_plan:
        with waiting.status("deploying") as line:
            carry_out(prepared, clients, lambda step: line.update(f"{KINDS[type(step)]} {step.name}"))
    return prepared


def away(settings: Settings, error: Exception) -> str:
    """What to say of an error of a client: that the system is not there, or what it said."""
    if isinstance(error, ClientError):
        return words_of(error)
    return (
        f"The gateway does not answer at {settings.gateway_url}: {error}. "
        "Is `thrice up` running with this THRICE_HOST, THRICE_PORT and THRICE_DATA_DIR?"
    )
