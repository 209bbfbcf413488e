"""Which service is asked, and which of its operations.

The service is told by the signature's scope, else by `X-Amz-Target`, else by the query protocol's marks, else by the
path: Lambda's begin with a date, all others are S3's. The operation is told as the service's protocol does: by
`X-Amz-Target`, by `Action`, or by method, path and query together. The tables are made once, at start.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import unquote

from producers.errors import ApiError
from producers.gateway import refusals
from producers.gateway.head import Head
from producers.gateway.model import Operation, Service

#: The service's name in `Credential=AKID/20260101/us-east-1/lambda/aws4_request`.
_SCOPE = re.compile(r"(?:^|Credential=)[^/,\s]*/\d{8}/[^/,]*/(?P<service>[^/,]+)/aws4_request")
_DATED_PATH = re.compile(r"^/20\d\d-\d\d-\d\d/")

#: The matches of so many paths up to this length are remembered: most requests are for what was asked for before.
_REMEMBERED = 2048
_LONGEST_REMEMBERED = 256

_FORM = "application/x-www-form-urlencoded"


class UnknownService(Exception):
    """Raised when the request is for a service that thrice does not have. `protocol` is our guess of the caller's."""

    def __init__(self, name: str, protocol: str) -> None:
        super().__init__(name)
        self.name = name
        self.protocol = protocol


@dataclass(frozen=True, slots=True)
class Route:
    """An operation, and what its labels stand for in this request's path, decoded."""

    operation: Operation
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Candidate:
    """One operation among those that share a path and differ in the query or in headers."""

    operation: Operation
    labels: tuple[str, ...]  # in the order of the path
    literals: Mapping[str, str]  # `list-type=2`; a name alone has the value ''
    needed_fields: tuple[str, ...]
    needed_headers: tuple[str, ...]

    def literals_match(self, head: Head) -> bool:
        return all(name in head.fields and value in ("", head.field(name)) for name, value in self.literals.items())

    def needs_met(self, head: Head) -> bool:
        return all(name in head.fields for name in self.needed_fields) and all(
            name in head.headers for name in self.needed_headers
        )


class _Node:
    """One segment of the paths, and what may come after it."""

    def __init__(self) -> None:
        self.literal: dict[str, _Node] = {}
        self.label: _Node | None = None
        self.greedy: _Node | None = None
        self.candidates: dict[str, list[_Candidate]] = {}  # by method


class Router:
    """Finds the service and the operation of a request."""

    def __init__(self, services: Sequence[Service]) -> None:
        self._services = services
        self._by_name: dict[str, dict[str, Service]] = {}
        self._by_target: dict[str, Service] = {}
        self._by_version: dict[str, Service] = {}
        self._trees: dict[str, _Node] = {}
        self._subresources: dict[str, frozenset[str]] = {}
        self._remembered = lru_cache(maxsize=_REMEMBERED)(self._match_path)
        for service in services:
            metadata = service.model.metadata
            name = service.model.signing_name
            self._by_name.setdefault(name, {})[service.protocol] = service
            if service.protocol == "json":
                self._by_target[metadata["targetPrefix"]] = service
            elif service.protocol == "query":
                self._by_version[metadata["apiVersion"]] = service
            else:
                self._plant(service)

    def _plant(self, service: Service) -> None:
        root = self._trees[service.name] = _Node()
        subresources: set[str] = set()
        for operation in service.operations.values():
            candidate = _candidate(operation)
            subresources |= {name for name, value in candidate.literals.items() if not value}
            node = root
            for segment in _template_path(operation).split("/")[1:]:
                node = _grow(node, segment)
            node.candidates.setdefault(operation.model.http["method"], []).append(candidate)
        self._subresources[service.name] = frozenset(subresources)
        for node in _all_nodes(root):
            for candidates in node.candidates.values():
                candidates.sort(key=_most_specific_first)

    def service_of(self, head: Head) -> Service:
        """The service that is asked.

        Raises:
            UnknownService: thrice has no such service.
        """
        name = _scope_of(head)
        target = head.headers.get("x-amz-target")
        if name is not None:
            return self._named(name, head, target)
        if target is not None:
            prefix = target.rpartition(".")[0]
            if prefix not in self._by_target:
                raise UnknownService(prefix, "json")
            return self._by_target[prefix]
        if head.headers.get("content-type", "").startswith(_FORM) or head.field("Action") is not None:
            return self._of_query_protocol(head)
        return self._of_path(head)

    def _named(self, name: str, head: Head, target: str | None) -> Service:
        protocols = self._by_name.get(name)
        if protocols is None:
            is_form = head.headers.get("content-type", "").startswith(_FORM)
            raise UnknownService(name, "json" if target else "query" if is_form else "rest-json")
        if len(protocols) == 1:
            return next(iter(protocols.values()))
        return protocols["json" if target else "query"]

    def _of_query_protocol(self, head: Head) -> Service:
        """Told by the version if the query has it.

        A form has it in the body only, which nobody reads for a request without a signature: then the path says enough
        for the refusal, since queue URLs have one and SNS has none.
        """
        version = head.field("Version")
        if version is None:
            version = "2010-03-31" if head.path == "/" else "2012-11-05"
        if version not in self._by_version:
            raise UnknownService(f"query API of {version}", "query")
        return self._by_version[version]

    def _of_path(self, head: Head) -> Service:
        wanted = "rest-json" if _DATED_PATH.match(head.path) else "rest-xml"
        for service in self._services:
            if service.protocol == wanted:
                return service
        raise UnknownService(head.path, "rest-json")

    def route(self, head: Head, service: Service, form: Mapping[str, str]) -> Route:
        """The operation that is asked. `form` is the decoded body or query of the query protocol, else empty.

        Raises:
            ApiError: the service has no such operation.
        """
        if service.protocol == "json":
            asked = head.headers.get("x-amz-target", "").rpartition(".")[2]
        elif service.protocol == "query":
            asked = form.get("Action", "")
        else:
            return self._match(head, service)
        operation = service.operations.get(asked)
        if operation is None:
            raise refusals.unknown_operation(service.protocol, asked or "a request that names none")
        return Route(operation)

    def _match(self, head: Head, service: Service) -> Route:
        path = head.path
        if service.protocol == "rest-xml" and head.host_bucket:
            path = f"/{head.host_bucket}{path}"
        match = self._remembered if len(path) <= _LONGEST_REMEMBERED else self._match_path
        candidates, values = match(service, head.method, path)
        chosen = candidates[0] if len(candidates) == 1 and not head.query else self._choose(head, service, candidates)
        return Route(chosen.operation, dict(zip(chosen.labels, values, strict=True)))

    def _match_path(self, service: Service, method: str, path: str) -> tuple[Sequence[_Candidate], Sequence[str]]:
        """The operations that share a path and a method, and what stands for the labels in it."""
        found = _descend(self._trees[service.name], path.split("/")[1:])
        candidates = found[0].candidates.get(method) if found else None
        if found is None or candidates is None:
            raise refusals.unknown_operation(service.protocol, f"{method} {path}")
        return candidates, [_decoded(segment, service) for segment in found[1]]

    def _choose(self, head: Head, service: Service, candidates: Sequence[_Candidate]) -> _Candidate:
        """The most specific operation whose parts of the query and headers are there.

        One that is named by its subresource (`?acl`) is chosen even when what else it needs is missing: falling back
        to the operation without one would, for instance, store `PUT /b/k?tagging` as an object.
        """
        named = [candidate for candidate in candidates if candidate.literals_match(head)]
        given = self._subresources[service.name].intersection(head.fields)
        if given:
            named = [candidate for candidate in named if candidate.literals]
        if not named:
            subresource = f"?{min(given)}" if given else ""
            raise refusals.unknown_operation(service.protocol, f"{head.method} {head.path}{subresource}")
        return next((candidate for candidate in named if candidate.needs_met(head)), named[-1])


def _scope_of(head: Head) -> str | None:
    credential = head.headers.get("authorization") or (head.query and head.field("X-Amz-Credential"))
    match = _SCOPE.search(credential) if credential else None
    return match["service"] if match else None


def _template_path(operation: Operation) -> str:
    return str(operation.model.http["requestUri"]).partition("?")[0]


def _candidate(operation: Operation) -> _Candidate:
    path, _, query = str(operation.model.http["requestUri"]).partition("?")
    literals = {name: value for name, _, value in (part.partition("=") for part in query.split("&") if part)}
    shape = operation.model.input_shape
    required = set(shape.required_members) if shape is not None else set()
    members = operation.input.members if operation.input else ()
    needed = [member for member in members if member.name in required]
    return _Candidate(
        operation=operation,
        labels=tuple(label.rstrip("+") for label in re.findall(r"{(.*?)}", path)),
        literals=literals,
        needed_fields=tuple(member.wire_name for member in needed if member.location == "querystring"),
        needed_headers=tuple(member.wire_name for member in needed if member.location == "header"),
    )


def _most_specific_first(candidate: _Candidate) -> tuple[int, int, bool, str]:
    needs = len(candidate.needed_fields) + len(candidate.needed_headers)
    return -len(candidate.literals), -needs, candidate.operation.model.deprecated, candidate.operation.name


def _grow(node: _Node, segment: str) -> _Node:
    if segment.startswith("{") and segment.endswith("+}"):
        node.greedy = node.greedy or _Node()
        return node.greedy
    if segment.startswith("{"):
        node.label = node.label or _Node()
        return node.label
    return node.literal.setdefault(segment, _Node())


def _all_nodes(node: _Node) -> Iterable[_Node]:
    yield node
    children = [*node.literal.values(), *(child for child in (node.label, node.greedy) if child is not None)]
    for child in children:
        yield from _all_nodes(child)


def _descend(node: _Node, segments: Sequence[str]) -> tuple[_Node, list[str]] | None:
    """The node at the end of the path, and the segments that stand for labels, in order. A literal wins over a label.

    One slash more at the end changes nothing, except where a greedy label takes it as part of a key.
    """
    if not segments or (segments[0] == "" and len(segments) == 1 and node.candidates):
        return (node, []) if node.candidates else None
    first, rest = segments[0], segments[1:]
    if first in node.literal:
        found = _descend(node.literal[first], rest)
        if found is not None:
            return found
    if node.greedy is not None and segments != [""]:
        return node.greedy, ["/".join(segments)]
    if node.label is not None and first:
        found = _descend(node.label, rest)
        if found is not None:
            return found[0], [first, *found[1]]
    return None


def _decoded(segment: str, service: Service) -> str:
    """A label, percent-decoded once."""
    if "%" not in segment:
        return segment.encode("latin-1").decode("utf-8", "replace")
    try:
        return unquote(segment, errors="strict")
    except UnicodeDecodeError:
        if service.protocol == "rest-xml":
            raise ApiError("InvalidURI", "Couldn't parse the specified URI: it is not UTF-8.") from None
        raise refusals.malformed(service.protocol, f"The path's '{segment}' is not UTF-8.") from None
