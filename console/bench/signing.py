"""Requests to Invoke, signed by Signature Version 4, as bytes that can be sent. Pure.

A signature covers the second in which it was made, so requests of one second with one payload are the same bytes and
are made once: signing never is what a load test waits for. The gateway takes a signature for a quarter of an hour.
Source: AWS General Reference, "Create a signed AWS API request".
"""

import hashlib
import hmac
from dataclasses import dataclass
from urllib.parse import quote

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who signs, and where the request goes."""

    access_key: str
    secret_key: str
    region: str
    host: str  # as the header Host says it, with the port


def invoke_request(caller: Caller, function: str, invocation_type: str, payload: bytes, timestamp: str) -> bytes:
    """A whole HTTP/1.1 request; `timestamp` is the signing time as `20260131T235959Z`.

    `function` is a name, a name with a qualifier, or an ARN.
    """
    path = f"/2015-03-31/functions/{quote(function, safe='')}/invocations"
    signed = {"host": caller.host, "x-amz-date": timestamp, "x-amz-invocation-type": invocation_type}
    authorization = _authorization(caller, path, signed, payload, timestamp)
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in signed.items())]
    lines += [f"authorization: {authorization}", f"content-length: {len(payload)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + payload


def _authorization(caller: Caller, path: str, signed: dict[str, str], payload: bytes, timestamp: str) -> str:
    """The header Authorization. Every service but S3 signs the path encoded once more than it is sent."""
    names = ";".join(sorted(signed))
    headers = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
    body = hashlib.sha256(payload).hexdigest()
    canonical = f"POST\n{quote(path, safe='/~')}\n\n{headers}\n{names}\n{body}"
    scope = f"{timestamp[:8]}/{caller.region}/lambda/aws4_request"
    text = f"{_ALGORITHM}\n{timestamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(_key(caller, timestamp[:8]), text.encode(), hashlib.sha256).hexdigest()
    return f"{_ALGORITHM} Credential={caller.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"


def _key(caller: Caller, date: str) -> bytes:
    key = f"AWS4{caller.secret_key}".encode()
    for part in (date, caller.region, "lambda", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
