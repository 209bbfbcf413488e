"""botocore's service models, prepared for the server's side.

They tell which operations there are and where each member travels; beside each stands the method of ours that answers.
A service speaks the protocol that its model names. SQS and CloudWatch speak two: today's clients JSON, older ones the
query protocol. Of that today's model of SQS no longer holds the wire names; the table below gives them back.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from botocore import xform_name
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel, Shape, StructureShape

#: Names of SQS's lists and maps in the query protocol: shape -> (name on the wire, name of a map's key, of its value).
#: Source: the SQS API reference's examples of query requests.
_SQS_QUERY_NAMES: Mapping[str, tuple[str, str, str]] = {
    "AWSAccountIdList": ("AWSAccountId", "", ""),
    "ActionNameList": ("ActionName", "", ""),
    "AttributeNameList": ("AttributeName", "", ""),
    "BatchResultErrorEntryList": ("BatchResultErrorEntry", "", ""),
    "BinaryList": ("BinaryListValue", "", ""),
    "ChangeMessageVisibilityBatchRequestEntryList": ("ChangeMessageVisibilityBatchRequestEntry", "", ""),
    "ChangeMessageVisibilityBatchResultEntryList": ("ChangeMessageVisibilityBatchResultEntry", "", ""),
    "DeleteMessageBatchRequestEntryList": ("DeleteMessageBatchRequestEntry", "", ""),
    "DeleteMessageBatchResultEntryList": ("DeleteMessageBatchResultEntry", "", ""),
    "ListMessageMoveTasksResultEntryList": ("ListMessageMoveTasksResultEntry", "", ""),
    "MessageAttributeNameList": ("MessageAttributeName", "", ""),
    "MessageBodyAttributeMap": ("MessageAttribute", "Name", "Value"),
    "MessageBodySystemAttributeMap": ("MessageSystemAttribute", "Name", "Value"),
    "MessageList": ("Message", "", ""),
    "MessageSystemAttributeList": ("MessageSystemAttributeName", "", ""),
    "MessageSystemAttributeMap": ("Attribute", "Name", "Value"),
    "QueueAttributeMap": ("Attribute", "Name", "Value"),
    "QueueUrlList": ("QueueUrl", "", ""),
    "SendMessageBatchRequestEntryList": ("SendMessageBatchRequestEntry", "", ""),
    "SendMessageBatchResultEntryList": ("SendMessageBatchResultEntry", "", ""),
    "StringList": ("StringListValue", "", ""),
    "TagKeyList": ("TagKey", "", ""),
    "TagMap": ("Tag", "Key", "Value"),
}

_JSON = "application/json"

#: The XML namespace of SQS's answers in the query protocol.
_SQS_NAMESPACE = "http://queue.amazonaws.com/doc/2012-11-05/"


@dataclass(frozen=True, slots=True)
class Member:
    """One member of an operation's input or output that does not travel inside the body's structure."""

    name: str
    location: str  # "uri", "querystring", "header", "headers", "statusCode", or "payload"
    wire_name: str  # headers in lower case
    shape: Shape


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the members of an input or output travel."""

    shape: StructureShape
    members: tuple[Member, ...]
    payload: Member | None
    has_body: bool  # there are members that travel in a body of several

    @classmethod
    def of(cls, shape: StructureShape | None) -> "Layout | None":
        """Read a structure's locations."""
        if shape is None:
            return None
        payload_name = shape.serialization.get("payload")
        members, payload, has_body = [], None, False
        for name, member in shape.members.items():
            location = member.serialization.get("location")
            wire_name = member.serialization.get("name", name)
            if name == payload_name:
                # XML names its root by the member, or by the shape if the member says nothing.
                payload = Member(name, "payload", member.serialization.get("name", member.name), member)
            elif location:
                wire_name = wire_name.lower() if location.startswith("header") else wire_name
                members.append(Member(name, location, wire_name, member))
            else:
                has_body = True
        return cls(shape, tuple(members), payload, has_body)


@dataclass(frozen=True)
class Operation:
    """One operation of one service, in one protocol."""

    service: "Service"
    name: str  # AWS's: "CreateFunction"
    model: OperationModel
    method: Callable[..., Any] | None  # None: not implemented
    accepts: frozenset[str]  # the members that the method obeys

    @cached_property
    def input(self) -> Layout | None:
        """Where the members of the request travel."""
        return Layout.of(self.model.input_shape)

    @cached_property
    def output(self) -> Layout | None:
        """Where the members of the answer travel."""
        return Layout.of(self.model.output_shape)

    @cached_property
    def is_async(self) -> bool:
        """The method is a coroutine function and runs on the event loop."""
        return inspect.iscoroutinefunction(self.method)

    @cached_property
    def checks_body(self) -> bool:
        """The headers `x-amz-checksum-…` are of the request's body; elsewhere they are of a whole object."""
        return "requestAlgorithmMember" in self.model.http_checksum

    @cached_property
    def success_status(self) -> int:
        """The status of an answer that says nothing else."""
        return int(self.model.http.get("responseCode", 200))

    def __str__(self) -> str:
        return f"{self.service.name}:{self.name}"


@dataclass(frozen=True, eq=False)
class Service:
    """One service, in one protocol."""

    name: str  # botocore's: "lambda", "events"
    protocol: str  # "json", "query", "rest-json", "rest-xml"
    model: ServiceModel
    operations: Mapping[str, Operation] = field(default_factory=dict, repr=False)

    @property
    def is_query_compatible(self) -> bool:
        """Its JSON errors carry the code of the older query protocol in a header."""
        return self.protocol == "json" and "awsQueryCompatible" in self.model.metadata

    @cached_property
    def namespace(self) -> str:
        """The XML namespace of its answers."""
        fallback = _SQS_NAMESPACE if self.name == "sqs" else "http://s3.amazonaws.com/doc/2006-03-01/"
        return str(self.model.metadata.get("xmlNamespace", fallback))

    @cached_property
    def error_shapes(self) -> Mapping[str, StructureShape]:
        """The modelled errors, by code and by the shape's own name."""
        shapes = list(self.model.error_shapes)
        return {shape.name: shape for shape in shapes} | {shape.error_code: shape for shape in shapes}


def json_content_type(service: Service) -> str:
    """The type of a service's JSON."""
    return f"application/x-amz-json-{service.model.metadata['jsonVersion']}" if service.protocol == "json" else _JSON


def load_services(targets: Mapping[str, object]) -> tuple[Service, ...]:
    """Read the models of the services that `targets` names, and find the method of each operation."""
    loader = Loader()
    return tuple(service for name, target in targets.items() for service in _load(loader, name, target))


def _load(loader: Any, name: str, target: object) -> Iterator[Service]:
    description = loader.load_service_model(name, "service-2")
    model = ServiceModel(description, name)
    yield _service(name, model.resolved_protocol, model, target)
    if name == "sqs":
        model = ServiceModel(_with_query_names(description), name)
        yield _service(name, "query", model, target)
    elif model.resolved_protocol == "json" and "query" in model.metadata.get("protocols", ()):
        yield _service(name, "query", model, target)


def _service(name: str, protocol: str, model: ServiceModel, target: object) -> Service:
    operations: dict[str, Operation] = {}
    service = Service(name, protocol, model, operations)
    for operation in model.operation_names:
        method = getattr(target, xform_name(operation), None)
        shape = model.operation_model(operation)
        accepts = _accepted(method, shape) if method else frozenset()
        operations[operation] = Operation(service, operation, shape, method, accepts)
    return service


def _accepted(method: Callable[..., Any], model: OperationModel) -> frozenset[str]:
    """The members that a method has parameters for, after `request`.

    Raises:
        TypeError: it has one that the model does not know, and that therefore would never be given.
    """
    members = set(model.input_shape.members) if model.input_shape else set()
    names = [name for name in inspect.signature(method).parameters if name != "self"][1:]
    unknown = [name for name in names if name not in members]
    if unknown:
        raise TypeError(f"{method.__qualname__} has a parameter '{unknown[0]}', which {model.name} has not on AWS.")
    return frozenset(names)


def _with_query_names(description: Mapping[str, Any]) -> dict[str, Any]:
    """SQS's description with the names that the query protocol has for its lists and maps."""
    amended = deepcopy(dict(description))
    for shape in amended["shapes"].values():
        for member in shape.get("members", {}).values():
            if member["shape"] in _SQS_QUERY_NAMES:
                member["locationName"] = _SQS_QUERY_NAMES[member["shape"]][0]
    for name, (wire_name, key, value) in _SQS_QUERY_NAMES.items():
        shape = amended["shapes"][name]
        shape["flattened"] = True
        if key:
            shape["key"]["locationName"], shape["value"]["locationName"] = key, value
        else:
            shape["member"]["locationName"] = wire_name
    return amended


def implemented_operations(services: Mapping[str, object]) -> dict[str, list[str]]:
    """The operations that each service answers, by AWS's names, sorted: what the coverage page is made of.

    `services` maps botocore's service names to objects or classes; an operation counts when there is a method of its
    name in snake case.
    """
    return {service.name: sorted(_implemented(service.operations.values())) for service in load_services(services)}


def _implemented(operations: Iterable[Operation]) -> Iterator[str]:
    return (operation.name for operation in operations if operation.method is not None)
