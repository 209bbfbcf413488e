"""`thrice deploy`: a folder, a zip or a template becomes what it says, in the running system.

First everything is found out and nothing changed: the template is read, the packages are built, the system is asked
what it would refuse and what is there already. All problems are told together. Then the plan is shown, and done.
"""

import subprocess
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from config.settings import Settings
from console.clients import Clients
from console.deploy import handler, plan, source, template
from console.deploy.apply import Apply, words_of
from console.deploy.build import Builder
from console.deploy.look import Difference, Look
from console.deploy.package import NoPackage, files_of
from console.deploy.plan import Plan
from console.deploy.problem import CannotDeploy, Problem
from console.deploy.references import Place
from console.deploy.rehearsal import rehearse
from console.deploy.steps import KINDS, Code, Folder, Function, Step, Zip

#: What a folder holds that is to be deployed by a template, in order of preference.
TEMPLATES = ("template.yaml", "template.yml", "template.json")


class DeploymentFailed(Exception):
    """Raised if the system refused a step. What was done before stays; the text says what failed."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the caller asks for."""

    path: Path
    name: str | None = None
    runtime: str | None = None
    handler: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    timeout: int | None = None
    memory: int | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    skips: bool = False
    installs: bool = False

    @property
    def title(self) -> str:
        """The name of the function or the stack, if none is given: the folder's."""
        own = (
            self.path.stem if self.path.is_file() and self.path.suffix == ".zip" else _folder(self.path).resolve().name
        )
        return self.name or "".join(c if c.isalnum() or c in "-_" else "-" for c in own).strip("-") or "function"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A deployment that nothing speaks against."""

    file: str
    plan: Plan
    differences: list[tuple[Step, Difference]]
    packages: Mapping[str, bytes]
    outcomes: dict[str, str]
    notes: tuple[str, ...]

    @property
    def is_nothing(self) -> bool:
        """Whether everything is as it is to be."""
        return all(difference.sign == "=" for _, difference in self.differences)


def _folder(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def template_of(path: Path) -> Path | None:
    """The template at `path`, or in the folder `path`; None if a function is meant."""
    if path.is_dir():
        return next((path / name for name in TEMPLATES if (path / name).is_file()), None)
    return path if path.suffix in (".yaml", ".yml", ".json", ".template") else None


def read_plan(wanted: Wanted, settings: Settings) -> Plan:
    """What is to be there, by the files alone.

    Raises:
        CannotDeploy: they do not say it, or want what thrice does not have.
    """
    file = template_of(wanted.path)
    if file is None:
        return _plan_of_function(wanted, settings)
    place = Place(settings.region, settings.account_id, settings.gateway_url)
    options = [name for name in ("runtime", "handler", "timeout", "memory", "environment") if getattr(wanted, name)]
    if options:
        text = f"{', '.join(options)}: these are for a folder or a zip; a template says them itself"
        raise CannotDeploy(str(file), [Problem(0, "", text)])
    try:
        text = file.read_text()
        read = source.parse(text, is_json=file.suffix == ".json")
    except (OSError, UnicodeError) as error:
        raise CannotDeploy(str(file), [Problem(0, "", f"it cannot be read: {error}")]) from None
    except source.Unreadable as error:
        raise CannotDeploy(str(file), [Problem(error.line, "", str(error))]) from None
    made, problems = plan.plan(
        template.read(read, place, wanted.title, wanted.parameters, skips=wanted.skips), skips=wanted.skips
    )
    if problems:
        raise CannotDeploy(str(file), problems)
    return made


def _plan_of_function(wanted: Wanted, settings: Settings) -> Plan:
    path = wanted.path
    if wanted.parameters:
        raise CannotDeploy(str(path), [Problem(0, "", "--parameter is for templates")])
    try:
        code, names = _contents(path)
        entrance = handler.find(names, wanted.handler, wanted.runtime, node_runtime)
    except (NoPackage, handler.NoHandler) as error:
        raise CannotDeploy(str(path), [Problem(0, "", str(error))]) from None
    members: dict[str, Any] = {
        "Runtime": entrance.runtime,
        "Handler": entrance.handler,
        "Role": Place(settings.region, settings.account_id, "").role("thrice"),
    }
    given = {"Timeout": wanted.timeout, "MemorySize": wanted.memory}
    members |= {name: value for name, value in given.items() if value is not None}
    if wanted.environment:
        members["Environment"] = {"Variables": dict(wanted.environment)}
    return Plan((Function(wanted.title, code, members),))


def _contents(path: Path) -> tuple[Code, dict[str, Callable[[], bytes]]]:
    """The code at `path`, and its files by name."""
    if path.is_dir():
        return Folder(Path()), {name: file.read_bytes for name, file in files_of(path).items()}
    if not path.is_file():
        raise NoPackage("there is no such file or folder")
    try:
        with zipfile.ZipFile(path) as archive:
            contents = {name: archive.read(name) for name in archive.namelist() if "/" not in name}
    except (zipfile.BadZipFile, OSError) as error:
        text = f"it is neither a folder, nor a zip ({error}), nor a template (.yaml, .yml, .json)"
        raise NoPackage(text) from None
    return Zip(Path(path.name)), {name: partial(bytes, content) for name, content in contents.items()}


def node_runtime() -> str | None:
    """The runtime of the Node that is on the PATH: `nodejs22.x`."""
    try:
        ran = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return None
    return f"nodejs{ran.stdout.strip().removeprefix('v').partition('.')[0]}.x"


def root_of(wanted: Wanted) -> Path:
    """The folder from which the paths of the plan are seen."""
    return _folder(wanted.path).resolve()


def prepare(wanted: Wanted, settings: Settings, clients: Clients) -> Prepared:
    """Find out everything, and change nothing.

    Raises:
        CannotDeploy: something speaks against it.
        BotoCoreError: the system does not answer.
    """
    made = read_plan(wanted, settings)
    file = str(template_of(wanted.path) or wanted.path)
    notes = list(made.notes)
    builder = Builder(root_of(wanted), clients.s3, settings.folder / "installed", wanted.installs)
    packages, problems = builder.build(made.steps, notes.append)
    problems += rehearse(made.steps, clients)
    if problems:
        raise CannotDeploy(file, problems)
    look = Look(clients, packages, Place(settings.region, settings.account_id, settings.gateway_url).arn)
    try:
        differences = [(step, look.at(step)) for step in made.steps]
    except ClientError as error:
        raise CannotDeploy(file, [Problem(0, "", words_of(error))]) from None
    return Prepared(file, made, differences, packages, look.outcomes, tuple(notes))


def carry_out(prepared: Prepared, clients: Clients, began: Callable[[Step], None]) -> None:
    """Do what is to be done; `began` hears of every step before it is done.

    Raises:
        DeploymentFailed: the system refused one.
    """
    apply = Apply(clients, prepared.packages, prepared.outcomes)
    for step, difference in prepared.differences:
        began(step)
        try:
            apply.do(step, difference)
        except (ClientError, BotoCoreError) as error:
            words = words_of(error) if isinstance(error, ClientError) else str(error)
            raise DeploymentFailed(
                f"{KINDS[type(step)]} {step.name}: {words}. What was done before stays; deploy again when it is mended."
            ) from None


def show(prepared: Prepared, console: Console, *, only_changes: bool = False) -> None:
    """Print the plan: a line for each step, then the notes; or only the lines of what changes."""
    width = max((len(KINDS[type(step)]) for step, _ in prepared.differences), default=0)
    colours = {"+": "green", "~": "yellow", "=": "dim"}
    for step, difference in prepared.differences:
        if only_changes and difference.sign == "=":
            continue
        what = f"   {difference.shown}" if difference.what else ""
        line = f"  {difference.sign} {KINDS[type(step)]:{width}}  {step.name}{_about(step)}{what}"
        console.print(line, style=colours[difference.sign], markup=False)
    for note in () if only_changes else prepared.notes:
        console.print(f"  note: {note}", style="dim", markup=False)


def _about(step: Step) -> str:
    if isinstance(step, Function):
        return f"   {step.members.get('Runtime', '')} {step.members.get('Handler', '')}".rstrip()
    return ""


def counted(prepared: Prepared) -> str:
    """`3 created, 1 updated, 2 as they were`."""
    signs = [difference.sign for _, difference in prepared.differences]
    words = {"+": "created", "~": "updated", "=": "as before"}
    return ", ".join(f"{signs.count(sign)} {word}" for sign, word in words.items() if sign in signs)
