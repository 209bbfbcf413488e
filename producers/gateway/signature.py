"""Who asks, and whether they may: AWS's signatures, verified.

Three forms are accepted: Signature Version 4 in the `Authorization` header, the same in a presigned URL, and in S3 the
older Version 2 in a presigned URL, which is boto3's default for custom endpoints. Everything is signed over the path as
it came over the wire; every service but S3 encodes it once more. The region of the scope is the caller's business.

Version 4 also signs the body's SHA-256. Where the head names it, the signature is verified before a byte of the body is
read, and the body is compared with it later; where it does not, `confirm` verifies once the body is here.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from urllib.parse import quote, unquote

from producers.errors import ApiError
from producers.gateway import refusals
from producers.gateway.head import Head
from producers.gateway.model import Service
from producers.gateway.signature_v2 import signature_v2
from worker.clock import Clock

#: How far a caller's clock may be off. Source: AWS General Reference, "Elements of an AWS API request signature".
MAX_SKEW = timedelta(minutes=15)

#: Longest validity of a presigned URL, in seconds. Source: Amazon S3 API reference, query parameter X-Amz-Expires.
MAX_PRESIGNED = 604_800

EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
UNSIGNED = "UNSIGNED-PAYLOAD"

_ALGORITHM = "AWS4-HMAC-SHA256"
_V4_HEADER = re.compile(
    rf"^{_ALGORITHM}\s+Credential=(?P<credential>[^,\s]+),\s*SignedHeaders=(?P<headers>[^,\s]+),"
    r"\s*Signature=(?P<signature>[^,\s]+)$"
)
_CANONICAL = re.compile(r"^(?:[A-Za-z0-9\-_.~]|%[0-9A-F]{2})*$")
_HEX_SHA256 = re.compile(r"^[0-9a-f]{64}$")
_STREAMING = "STREAMING-"


@dataclass(frozen=True, slots=True)
class _Scope:
    """`AKID/20260101/us-east-1/lambda/aws4_request`, taken apart."""

    access_key: str
    date: str
    region: str
    service: str

    def __str__(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


@dataclass(frozen=True, slots=True)
class ChunkSigner:
    """Verifies a body that is signed chunk by chunk: each signature covers the one before."""

    key: bytes
    timestamp: str
    scope: str
    seed: str  # the signature of the head

    def chunk(self, previous: str, sha256: str) -> str:
        """The signature of one chunk, whose bytes have this SHA-256."""
        return self._sign("PAYLOAD", previous, f"{EMPTY_SHA256}\n{sha256}")

    def trailer(self, previous: str, trailer: bytes) -> str:
        """The signature of the trailer: its lines `name:value`, each with its line feed."""
        return self._sign("TRAILER", previous, hashlib.sha256(trailer).hexdigest())

    def _sign(self, kind: str, previous: str, content: str) -> str:
        text = f"{_ALGORITHM}-{kind}\n{self.timestamp}\n{self.scope}\n{previous}\n{content}"
        return hmac.digest(self.key, text.encode(), "sha256").hex()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who signed a request, and what they said of its body."""

    access_key: str
    protocol: str
    payload: str | None  # the body's SHA-256 in hex, "UNSIGNED-PAYLOAD", "STREAMING-…"; None: only `pending` will tell
    chunks: ChunkSigner | None = None  # for bodies that are signed chunk by chunk
    pending: "_Pending | None" = None  # the signature still to verify once the body's hash is known

    def confirm(self, sha256: str) -> None:
        """Compare the body, whose SHA-256 is given in hex, with what was signed.

        Raises:
            ApiError: they differ.
        """
        if self.pending is not None:
            self.pending.verify(sha256)
        elif self.payload not in (UNSIGNED, sha256) and not str(self.payload).startswith(_STREAMING):
            if self.protocol == "rest-xml":
                text = "The provided 'x-amz-content-sha256' header does not match what was computed."
                raise ApiError("XAmzContentSHA256Mismatch", text)
            raise refusals.mismatch(self.protocol)


@dataclass(frozen=True, slots=True)
class _Pending:
    """A Version 4 signature, computed but for the body's hash."""

    protocol: str
    canonical_head: str  # the canonical request up to the body's hash
    timestamp: str
    scope: str
    key: bytes
    signature: str

    def verify(self, payload: str) -> None:
        """Raise unless the signature is right for a body with this hash."""
        canonical = hashlib.sha256(f"{self.canonical_head}\n{payload}".encode("latin-1")).hexdigest()
        text = f"{_ALGORITHM}\n{self.timestamp}\n{self.scope}\n{canonical}"
        expected = hmac.digest(self.key, text.encode("latin-1"), "sha256").hex()
        if not hmac.compare_digest(expected.encode(), self.signature.encode()):
            raise refusals.mismatch(self.protocol)


class SignatureVerifier:
    """Knows the access keys and their secrets, and verifies requests against them."""

    def __init__(self, credentials: Mapping[str, str], clock: Clock) -> None:
        self._credentials = credentials
        self._clock = clock

    def authenticate(self, head: Head, service: Service) -> Caller:
        """Tell who asks.

        Raises:
            ApiError: nobody we know, or the signature is missing, wrong or too old.
        """
        protocol = service.protocol
        if "authorization" in head.headers:
            return self._header(head, service)
        if head.query and "X-Amz-Signature" in head.fields:
            return self._presigned(head, service)
        if head.query and protocol == "rest-xml" and {"AWSAccessKeyId", "Signature"} <= head.fields.keys():
            return self._presigned_v2(head)
        raise refusals.missing_signature(protocol)

    def _header(self, head: Head, service: Service) -> Caller:
        protocol = service.protocol
        match = _V4_HEADER.match(head.headers["authorization"])
        if match is None:
            text = "The Authorization header is not of the form 'AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, "
            raise refusals.incomplete_signature(protocol, f"{text}Signature=…'; thrice verifies no other in a header.")
        timestamp, moment = _signing_time(head, protocol)
        self._check_skew(moment, timestamp, protocol)
        scope = _scope(match["credential"], timestamp[:8], protocol)
        payload = head.headers.get("x-amz-content-sha256")
        if payload is None and protocol == "rest-xml":
            raise ApiError("InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
        return self._verify(head, service, scope, timestamp, match["headers"], match["signature"], payload)

    def _presigned(self, head: Head, service: Service) -> Caller:
        protocol = service.protocol
        needed = ("X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Signature", "X-Amz-Expires")
        given = {name: head.field(name) or "" for name in needed}
        missing = [name for name, value in given.items() if not value]
        if missing or head.field("X-Amz-Algorithm") != _ALGORITHM:
            text = f"The presigned URL needs {', '.join(missing) or f'X-Amz-Algorithm={_ALGORITHM}'}."
            raise refusals.incomplete_signature(protocol, text)
        timestamp = given["X-Amz-Date"]
        moment = _moment(timestamp, protocol)
        self._check_validity(moment, given["X-Amz-Expires"], protocol)
        scope = _scope(given["X-Amz-Credential"], timestamp[:8], protocol)
        # A URL is made before there is a body: S3 signs the words "unsigned payload", the others an empty one.
        unsaid = UNSIGNED if protocol == "rest-xml" else None
        payload = head.headers.get("x-amz-content-sha256", unsaid)
        signed_headers, signature = given["X-Amz-SignedHeaders"], given["X-Amz-Signature"]
        return self._verify(head, service, scope, timestamp, signed_headers, signature, payload)

    def _verify(
        self,
        head: Head,
        service: Service,
        scope: _Scope,
        timestamp: str,
        signed_headers: str,
        signature: str,
        payload: str | None,
    ) -> Caller:
        protocol = service.protocol
        secret = self._credentials.get(scope.access_key)
        if secret is None:
            raise refusals.unknown_key(protocol)
        names = signed_headers.split(";")
        _check_signed_headers(head, names, protocol)
        key = _signing_key(secret, scope.date, scope.region, scope.service)
        pending = _Pending(
            protocol, _canonical_head(head, service, names), timestamp, str(scope), key, signature.lower()
        )
        if payload is None:
            return Caller(scope.access_key, protocol, None, pending=pending)
        pending.verify(payload)
        if payload != UNSIGNED and not payload.startswith(_STREAMING) and not _HEX_SHA256.match(payload):
            text = f"x-amz-content-sha256 must be {UNSIGNED}, {_STREAMING}…, or a valid sha256 value."
            raise ApiError("InvalidArgument", text)
        chunks = None
        if payload.startswith("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"):
            chunks = ChunkSigner(key, timestamp, str(scope), pending.signature)
        return Caller(scope.access_key, protocol, payload, chunks=chunks)

    def _check_skew(self, moment: datetime, timestamp: str, protocol: str) -> None:
        now = self._clock.now()
        if abs(now - moment) <= MAX_SKEW:
            return
        if protocol == "rest-xml":
            text = "The difference between the request time and the current time is too large."
            raise ApiError("RequestTimeTooSkewed", text, 403)
        limit = (now - MAX_SKEW if moment < now else now + MAX_SKEW).strftime("%Y%m%dT%H%M%SZ")
        here = now.strftime("%Y%m%dT%H%M%SZ")
        if moment < now:
            text = f"Signature expired: {timestamp} is now earlier than {limit} ({here} - 15 min.)"
        else:
            text = f"Signature not yet current: {timestamp} is still later than {limit} ({here} + 15 min.)"
        raise refusals.mismatch(protocol, text)

    def _check_validity(self, moment: datetime, expires: str, protocol: str) -> None:
        if not expires.isdecimal() or not 0 < int(expires) <= MAX_PRESIGNED:
            text = f"X-Amz-Expires is '{expires}'; it must be between 1 and {MAX_PRESIGNED} seconds."
            raise refusals.incomplete_signature(protocol, text)
        now = self._clock.now()
        if now - moment > timedelta(seconds=int(expires)):
            raise _expired(protocol, "Request has expired")
        if moment - now > MAX_SKEW:
            raise _expired(protocol, "Request is not valid yet")

    def _presigned_v2(self, head: Head) -> Caller:
        access_key, expires = head.field("AWSAccessKeyId") or "", head.field("Expires") or ""
        secret = self._credentials.get(access_key)
        if secret is None:
            raise refusals.unknown_key("rest-xml")
        if not expires.isdecimal() or len(expires) > 12:
            raise ApiError("AccessDenied", f"Invalid date (should be seconds since epoch): {expires}", 403)
        if self._clock.now().timestamp() > int(expires):
            raise _expired("rest-xml", "Request has expired")
        expected = signature_v2(secret, head, expires)
        if not hmac.compare_digest(expected, (head.field("Signature") or "").encode("utf-8", "replace")):
            raise refusals.mismatch("rest-xml")
        return Caller(access_key, "rest-xml", UNSIGNED)


def _expired(protocol: str, text: str) -> ApiError:
    return ApiError("AccessDenied", text, 403) if protocol == "rest-xml" else refusals.mismatch(protocol, text)


@lru_cache(maxsize=256)
def _scope(credential: str, date: str, protocol: str) -> _Scope:
    """What was signed for, on a day such as `20260131`; the same for all requests of a client on it."""
    parts = credential.rsplit("/", 4)
    if len(parts) != 5 or parts[4] != "aws4_request" or parts[1] != date:
        text = f"The credential '{credential}' is not of the form '<key>/{date}/<region>/<service>/aws4_request'."
        raise refusals.incomplete_signature(protocol, text)
    return _Scope(*parts[:4])


def _signing_time(head: Head, protocol: str) -> tuple[str, datetime]:
    """When the request was signed: as it stands in the string to sign, and as a moment."""
    timestamp = head.headers.get("x-amz-date")
    if timestamp is not None:
        return timestamp, _moment(timestamp, protocol)
    try:
        moment = parsedate_to_datetime(head.headers.get("date", ""))
    except ValueError:
        text = "The request has neither a header X-Amz-Date nor a readable header Date."
        raise refusals.incomplete_signature(protocol, text) from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ"), moment


@lru_cache(maxsize=64)
def _moment(timestamp: str, protocol: str) -> datetime:
    """A signing time as a moment. It has seconds, so many requests have the same."""
    try:
        return datetime.strptime(timestamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        text = f"The date '{timestamp}' is not of the form 20260131T235959Z."
        raise refusals.incomplete_signature(protocol, text) from None


def _check_signed_headers(head: Head, names: Iterable[str], protocol: str) -> None:
    if "host" not in names:
        raise refusals.incomplete_signature(protocol, "'Host' must be among the signed headers.")
    if protocol == "rest-xml":
        unsigned = [name for name in head.headers if name.startswith("x-amz-") and name not in names]
        if unsigned:
            text = f"There were headers present in the request which were not signed: {', '.join(sorted(unsigned))}"
            raise ApiError("AccessDenied", text, 403)


@lru_cache(maxsize=256)
def _signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """The key of one day, region and service; the same for all requests of a day."""
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def _canonical_head(head: Head, service: Service, names: Iterable[str]) -> str:
    path = head.path if service.protocol == "rest-xml" else _encoded_path(head.path)
    names = sorted(names)
    headers = "\n".join(f"{name}:{' '.join(head.headers.get(name, '').split())}" for name in names)
    return f"{head.method}\n{path}\n{_canonical_query(head.query)}\n{headers}\n\n{';'.join(names)}"


@lru_cache(maxsize=1024)
def _encoded_path(path: str) -> str:
    """The path as every service but S3 signs it: encoded once more than it came."""
    return quote(_normalized(path), safe="/~", encoding="latin-1")


def _normalized(path: str) -> str:
    """The path without empty, `.` and `..` segments, as every service but S3 signs it."""
    if "//" not in path and "/." not in path:
        return path
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            segments = segments[:-1]
        elif segment not in ("", "."):
            segments.append(segment)
    end = "/" if path.endswith("/") and segments else ""
    return "/" + "/".join(segments) + end


def _canonical_query(query: str) -> str:
    if not query:
        return ""
    pairs = [part.partition("=")[::2] for part in query.split("&")]
    encoded = [(_encoded(name), _encoded(value)) for name, value in pairs if name != "X-Amz-Signature"]
    return "&".join(f"{name}={value}" for name, value in sorted(encoded))


def _encoded(text: str) -> str:
    """One name or value of the query in the one spelling that is signed: what needs no `%` has none."""
    if _CANONICAL.match(text):
        return text
    return quote(unquote(text, encoding="latin-1"), safe="-_.~", encoding="latin-1")
