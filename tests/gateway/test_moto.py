"""moto as a third opinion: its own codec reads what ours reads, and writes what ours writes."""

import pickle
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from botocore.awsrequest import HeadersDict
from botocore.parsers import create_parser

from producers.gateway.body import without_aws_chunked
from producers.gateway.model import Operation, Service
from producers.gateway.parse import parse, parse_form
from producers.gateway.route import Router
from producers.gateway.serialize import serialize
from tests.gateway.capture import catching_client, received, written
from tests.gateway.operations import OPERATIONS
from tests.gateway.test_answers import REQUEST_ID, read_by_botocore, result_of
from tests.gateway.test_requests import parameters_of

Services = dict[tuple[str, str], Service]
ROUNDS = 4


def ask_moto(questions: list[dict[str, Any]]) -> list[Any]:
    """The opinions, from a process of its own."""
    script = Path(__file__).with_name("moto_opinion.py")
    done = subprocess.run(
        [sys.executable, script], input=pickle.dumps(questions), capture_output=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr.decode()
    return list(pickle.loads(done.stdout))


def operations(services: Services) -> list[Operation]:
    """All operations, in the service's own protocol."""
    first: dict[str, Service] = {}
    for (name, _), service in services.items():
        first.setdefault(name, service)
    return [first[name].operations[operation] for name in OPERATIONS for operation in OPERATIONS[name]]


def test_moto_reads_the_same_parameters(services: Services, router: Router) -> None:
    """From the same raw requests."""
    clients = {name: catching_client(name) for name in OPERATIONS}
    questions, ours = [], []
    for operation in operations(services):
        for seed in range(ROUNDS):
            name = operation.service.name
            head, body = received(written(clients[name], operation.name, parameters_of(operation, seed)))
            form = parse_form(head, body) if operation.service.protocol == "query" else {}
            route = router.route(head, operation.service, form)
            head = without_aws_chunked(head)
            ours.append(parse(route, head, body, form))
            questions.append(
                {
                    "service": name,
                    "operation": operation.name,
                    "protocol": operation.service.protocol,
                    "fields": {field: [value] for field, value in form.items()} or dict(head.fields),
                    "body": body,
                    "headers": dict(head.headers),
                    "method": head.method,
                    "labels": dict(route.labels),
                    "path": head.path,
                }
            )

    different = [
        (question["operation"], _difference(mine, theirs))
        for question, mine, theirs in zip(questions, ours, ask_moto(questions), strict=True)
        if _difference(mine, theirs)
    ]

    assert different == []


def test_moto_writes_what_botocore_reads_as_ours(services: Services) -> None:
    """From the same results; compared after botocore read both."""
    questions, chosen = [], []
    for operation in operations(services):
        for seed in range(ROUNDS):
            questions.append(
                {
                    "service": operation.service.name,
                    "operation": operation.name,
                    "protocol": operation.service.protocol,
                    "result": result_of(operation, seed),
                }
            )
            chosen.append(operation)

    different = []
    for question, operation, opinion in zip(questions, chosen, ask_moto(questions), strict=True):
        mine = read_by_botocore(operation, serialize(operation, question["result"], REQUEST_ID))
        status, headers, body = opinion
        response = {"body": body, "headers": HeadersDict(headers), "status_code": status}
        theirs = create_parser(operation.service.protocol).parse(response, operation.model.output_shape)
        theirs.pop("ResponseMetadata", None)
        if _difference(mine, theirs):
            different.append((operation.name, _difference(mine, theirs)))

    assert different == []


def _difference(mine: dict[str, Any], theirs: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The members that differ, but for moto's own ways."""
    mine, theirs = _as_moto(mine), _as_moto(theirs)
    return {
        name: (mine.get(name), theirs.get(name))
        for name in sorted({*mine, *theirs})
        if mine.get(name) != theirs.get(name)
    }


#: Members that moto sets itself, or leaves as the text of the header.
_MOTOS_OWN = {"Expires", "ExpiresString", "StatusCode", "ContentType"}


def _as_moto(value: Any) -> Any:
    """As moto has it: times in whole seconds of UTC without a zone, and nothing for an empty structure."""
    if isinstance(value, dict):
        kept = {name: _as_moto(item) for name, item in value.items() if name not in _MOTOS_OWN}
        return {name: item for name, item in kept.items() if item not in ({}, [], "")}
    if isinstance(value, list):
        return [item for item in map(_as_moto, value) if item != {}]
    return value.replace(tzinfo=None, microsecond=0) if isinstance(value, datetime) else value
