"""What a boto3 client writes: its finished, signed request, caught before it is sent."""

from collections.abc import Mapping
from typing import Any

import boto3
from botocore.awsrequest import AWSPreparedRequest
from botocore.config import Config

from producers.gateway.head import Head

ACCESS_KEY = "AKIDEXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
ENDPOINT = "http://127.0.0.1:4566"


class _Caught(Exception):
    """Carries a request out of botocore instead of sending it."""

    def __init__(self, request: AWSPreparedRequest) -> None:
        super().__init__(request.url)
        self.request = request


def client(
    service: str, *, endpoint: str = ENDPOINT, secret: str = SECRET, key: str = ACCESS_KEY, **config: Any
) -> Any:
    """A boto3 client of ours."""
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(**{"retries": {"max_attempts": 0}, "read_timeout": 20, **config}),
    )


def catching_client(service: str, **options: Any) -> Any:
    """A client whose requests are caught; for `written`."""
    catching = client(service, **options)

    def catch(request: AWSPreparedRequest, **_: Any) -> None:
        raise _Caught(request)

    catching.meta.events.register("before-send.*", catch)
    return catching


def written(catching: Any, operation: str, parameters: Mapping[str, Any]) -> AWSPreparedRequest:
    """The request that the client writes for a call."""
    try:
        catching._make_api_call(operation, dict(parameters))
    except _Caught as caught:
        return caught.request
    raise AssertionError("the request was not caught")


def received(request: AWSPreparedRequest) -> tuple[Head, bytes]:
    """The same request as the gateway receives it."""
    body = request.body or b""
    if hasattr(body, "read"):
        body = body.read()
    return Head.of(scope_of(request)), body.encode() if isinstance(body, str) else bytes(body)


def scope_of(request: AWSPreparedRequest) -> dict[str, Any]:
    """The ASGI scope of a caught request."""
    _, _, rest = request.url.partition("://")
    host, _, path = rest.partition("/")
    path, _, query = f"/{path}".partition("?")
    headers = [(b"host", host.encode())]
    for name, value in request.headers.items():
        raw = value if isinstance(value, bytes) else str(value).encode("utf-8")
        headers.append((name.lower().encode(), raw))
    return {
        "type": "http",
        "method": request.method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": headers,
        "scheme": "http",
        "client": ("127.0.0.1", 50_000),
    }
