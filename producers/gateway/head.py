"""What is known of a request before its body: method, path and query as they came over the wire, and the headers.

Path and query stay percent-encoded, because the caller signed them so; whoever needs their meaning decodes once.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

#: Hosts in which a bucket stands before the endpoint's own name: `b.s3.example.org`, `b.s3-eu-west-1.…`, `b.localhost`.
_BUCKET_HOSTS = (
    re.compile(r"^(?P<bucket>[a-z0-9][a-z0-9.\-]*)\.s3[.\-]", re.IGNORECASE),
    re.compile(r"^(?!s3[.\-])(?P<bucket>[a-z0-9][a-z0-9.\-]*)\.localhost(?::\d+)?$", re.IGNORECASE),
)


@dataclass(frozen=True)
class Head:
    """The start of one request."""

    method: str
    path: str  # as received, percent-encoded
    query: str  # as received, without the question mark
    headers: Mapping[str, str]  # names in lower case; repeated ones joined by a comma; the bytes as Latin-1
    scheme: str
    source_ip: str

    @classmethod
    def of(cls, scope: Mapping[str, Any]) -> "Head":
        """Read an ASGI scope."""
        headers: dict[str, str] = {}
        for raw_name, raw_value in scope["headers"]:
            name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]},{value}" if name in headers else value
        return cls(
            method=scope["method"],
            path=scope["raw_path"].decode("latin-1") or "/",
            query=scope["query_string"].decode("latin-1"),
            headers=headers,
            scheme=scope["scheme"],
            source_ip=scope["client"][0] if scope.get("client") else "",
        )

    @cached_property
    def fields(self) -> Mapping[str, list[str]]:
        """The query, decoded: every value of every name. A name without a value has the value ''."""
        fields: dict[str, list[str]] = {}
        for name, value in parse_qsl(self.query, keep_blank_values=True) if self.query else ():
            fields.setdefault(name, []).append(value)
        return fields

    def field(self, name: str) -> str | None:
        """The first value of `name` in the query."""
        values = self.fields.get(name)
        return values[0] if values else None

    @cached_property
    def host_bucket(self) -> str | None:
        """The bucket that the host names (virtual-host style). Means nothing outside of S3."""
        host = self.headers.get("host", "")
        matches = (pattern.match(host) for pattern in _BUCKET_HOSTS)
        return next((match["bucket"] for match in matches if match), None)

    @property
    def base_url(self) -> str:
        """How the caller reached us, without a trailing slash."""
        return f"{self.scheme}://{self.headers.get('host', '')}"

    def with_headers(self, headers: Mapping[str, str]) -> "Head":
        """The same request with `headers` instead of its own."""
        return replace(self, headers=headers)
