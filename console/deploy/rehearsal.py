"""Asks the running system what it would refuse, before anything is changed.

CreateFunction looks at all members before it opens the package, so a request with a package that is none is refused in
any case: for what is wrong with a member, and else for the package. What it says of the first kind is a problem. What
the plan makes itself (dead-letter queues, layers) cannot be there yet, and is left out of the question.
"""

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from console.clients import Clients
from console.deploy.problem import Problem
from console.deploy.steps import Alias, Function, Layer, Rule, Step, Version

_NO_PACKAGE = b"a rehearsal"

#: Members that name what the plan makes before.
_MADE_BEFORE = ("DeadLetterConfig", "Layers")


def rehearse(steps: tuple[Step, ...], clients: Clients) -> list[Problem]:
    """What the system would refuse."""
    return [*_functions(steps, clients), *_patterns(steps, clients), *_features(steps, clients)]


def _functions(steps: tuple[Step, ...], clients: Clients) -> Iterator[Problem]:
    for step in steps:
        if not isinstance(step, Function):
            continue
        members = {name: value for name, value in step.members.items() if name not in _MADE_BEFORE}
        try:
            clients.lambda_.create_function(
                FunctionName=step.name, Code={"ZipFile": _NO_PACKAGE}, Tags=dict(step.tags), **members
            )
        except ParamValidationError as error:
            yield Problem(step.line, step.name, " ".join(str(error).split()))
        except ClientError as error:
            message = error.response["Error"]["Message"]
            if error.response["Error"]["Code"] != "ResourceConflictException" and "unzip" not in message:
                yield Problem(step.line, step.name, message)


def _patterns(steps: tuple[Step, ...], clients: Clients) -> Iterator[Problem]:
    event = '{"id":"","account":"","source":"","time":"","region":"","resources":[],"detail-type":"","detail":{}}'
    for step in steps:
        if isinstance(step, Rule) and "EventPattern" in step.members:
            try:
                clients.events.test_event_pattern(EventPattern=step.members["EventPattern"], Event=event)
            except ClientError as error:
                yield Problem(step.line, step.name, error.response["Error"]["Message"])


def _features(steps: tuple[Step, ...], clients: Clients) -> Iterator[Problem]:
    """Versions, aliases and layers are asked for only by what there may not be, which tells the two apart."""
    for step in steps:
        if isinstance(step, Version | Alias) and not _offers(
            clients.lambda_.list_versions_by_function, FunctionName="no-such-function"
        ):
            yield Problem(0, step.name, "versions and aliases are not offered by this system")
        if isinstance(step, Layer) and not _offers(clients.lambda_.list_layers):
            yield Problem(step.line, step.name, "layers are not offered by this system")


def _offers(operation: Any, **members: str) -> bool:
    try:
        operation(**members)
    except ClientError as error:
        return bool(error.response["Error"]["Code"] != "NotImplemented")
    return True
