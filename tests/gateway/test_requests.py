"""Whatever a boto3 client writes is routed, verified and read as it was meant."""

import hashlib
from typing import Any

import pytest

from producers.gateway.body import without_aws_chunked
from producers.gateway.model import Operation, Service
from producers.gateway.parse import parse, parse_form
from producers.gateway.route import Router
from producers.gateway.signature import SignatureVerifier
from tests.gateway.capture import ACCESS_KEY, SECRET, catching_client, received, written
from tests.gateway.operations import OPERATIONS, all_operations
from tests.gateway.shapes import ShapeValues
from worker.clock import SystemClock

#: Members that botocore adds by itself.
ADDED = {
    "EncodingType",
    "ContentLength",
    "ContentMD5",
    "ContentType",
    "ChecksumAlgorithm",
    "ChecksumCRC32",
    "ChecksumMode",
}

#: Members that are left out of the generated requests: botocore computes or forbids them, or streams them elsewhere.
SKIPPED = {
    "s3": ADDED
    | {"Body", "CopySource", "MFA", "ContentEncoding", "Tagging", "IfMatchSize"}
    | {f"Checksum{kind}" for kind in ("CRC32C", "CRC64NVME", "SHA1", "SHA256", "SHA512", "MD5", "Type")}
    | {f"ChecksumXXHASH{kind}" for kind in ("3", "64", "128")}
    | {"SSECustomerKey", "SSECustomerKeyMD5", "CopySourceSSECustomerKey", "CopySourceSSECustomerKeyMD5"},
    "lambda": {"ClientContext"},
    "events": {"EndpointId"},
}

#: How many requests are made of each operation.
ROUNDS = 12

_CLIENTS: dict[str, Any] = {}


def _client(service: str) -> Any:
    if service not in _CLIENTS:
        _CLIENTS[service] = catching_client(service)
    return _CLIENTS[service]


def parameters_of(operation: Operation, seed: int) -> dict[str, Any]:
    """Generated parameters of a call that botocore's own validation lets through."""
    service = operation.service.name
    shape = operation.model.input_shape
    if shape is None:
        return {}
    values = ShapeValues(f"{operation}{seed}").structure(shape, skip=frozenset(SKIPPED.get(service, ())))
    if service == "s3" and "Bucket" in values:
        values["Bucket"] = f"bucket-{seed}"
    if operation.name in ("CopyObject", "UploadPartCopy"):
        values["CopySource"] = "other/key"
    return values


@pytest.mark.parametrize(("service_name", "operation_name"), list(all_operations()))
def test_what_botocore_writes_is_read_as_it_was_meant(
    service_name: str, operation_name: str, services: dict[tuple[str, str], Service], router: Router
) -> None:
    """Service, operation, caller and parameters come out of the raw request exactly."""
    verifier = SignatureVerifier({ACCESS_KEY: SECRET}, SystemClock())
    for seed in range(ROUNDS):
        service = next(known for (name, _), known in services.items() if name == service_name)
        sent = parameters_of(service.operations[operation_name], seed)
        head, body = received(written(_client(service_name), operation_name, sent))

        found = router.service_of(head)
        caller = verifier.authenticate(head, found)
        caller.confirm(hashlib.sha256(body).hexdigest())
        form = parse_form(head, body) if found.protocol == "query" else {}
        route = router.route(head, found, form)
        read = parse(route, without_aws_chunked(head), body, form)

        assert (service_name, operation_name) == (found.name, route.operation.name)
        assert caller.access_key == ACCESS_KEY
        assert {name: value for name, value in read.items() if name in sent or name not in ADDED} == sent


@pytest.mark.parametrize("service_name", list(OPERATIONS))
def test_every_operation_of_the_model_is_routed(
    service_name: str, services: dict[tuple[str, str], Service], router: Router
) -> None:
    """Also what thrice does not implement is recognised, so that the refusal can name it."""
    confused = {}
    service = next(known for (name, _), known in services.items() if name == service_name)
    for name, operation in service.operations.items():
        if operation.model.has_event_stream_input or operation.model.endpoint or name in SAME_ON_THE_WIRE:
            continue
        head, body = received(written(_client(service_name), name, parameters_of(operation, 1)))
        found = router.service_of(head)
        form = parse_form(head, body) if found.protocol == "query" else {}
        chosen = router.route(head, found, form).operation
        if (found.name, chosen.name) != (service_name, name):
            confused[name] = str(chosen)

    assert confused == {}


#: Operations that cannot be told from another one: deprecated forms, and those of other kinds of buckets.
SAME_ON_THE_WIRE = {
    "GetBucketLifecycle",
    "GetBucketNotification",
    "ListDirectoryBuckets",
    "PutBucketLifecycle",
    "PutBucketNotification",
}
