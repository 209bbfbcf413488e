"""Whatever botocore signs verifies; whatever was changed on the way does not."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSPreparedRequest, AWSRequest, HTTPHeaders
from botocore.credentials import Credentials

from producers.errors import ApiError
from producers.gateway.head import Head
from producers.gateway.model import Service
from producers.gateway.signature import ChunkSigner, SignatureVerifier, _signing_key
from tests.gateway.capture import ACCESS_KEY, SECRET, catching_client, client, received, written
from worker.clock import SystemClock

Services = dict[tuple[str, str], Service]


class ShiftedClock(SystemClock):
    """The machine's clock, `shift` later."""

    def __init__(self, shift: timedelta = timedelta(0)) -> None:
        self._shift = shift

    def now(self) -> datetime:
        """The present moment, shifted."""
        return super().now() + self._shift


def verify(head: Head, body: bytes, service: Service, *, shift: timedelta = timedelta(0)) -> str:
    """The access key that signed; raises ApiError as the gateway would."""
    verifier = SignatureVerifier({ACCESS_KEY: SECRET, "OTHER": "other"}, ShiftedClock(shift))
    caller = verifier.authenticate(head, service)
    caller.confirm(hashlib.sha256(body).hexdigest())
    return caller.access_key


def of_url(method: str, url: str, headers: dict[str, str] | None = None) -> Head:
    """What arrives when somebody opens a presigned URL."""
    return received(AWSPreparedRequest(method, url, HTTPHeaders.from_dict(headers or {}), b"", False))[0]


def signed_requests() -> Iterator[tuple[str, Head, bytes]]:
    """A request of each kind of service, with what makes signing hard: colons, spaces, ARNs, queries, sessions."""
    catching = catching_client("lambda")
    names = ("f:al", "arn:aws:lambda:us-east-1:000000000000:function:f:1", "f")
    for name in names:
        call = {"FunctionName": name, "Payload": b'{"a": 1}', "InvocationType": "Event", "Qualifier": "1"}
        yield "lambda", *received(written(catching, "Invoke", call))
    yield "sqs", *received(written(catching_client("sqs"), "ListQueues", {"QueueNamePrefix": "é"}))
    yield "sns", *received(written(catching_client("sns"), "CreateTopic", {"Name": "t"}))
    catching = catching_client("s3")
    for key in ("a b/c+d//e", "é%2F~", "plain"):
        put = {"Bucket": "b", "Key": key, "Body": b"body", "Metadata": {"m": "a  b"}}
        yield "s3", *received(written(catching, "PutObject", put))
    yield "s3", *received(written(catching, "ListObjectsV2", {"Bucket": "b", "Prefix": "a b&c", "Delimiter": "/"}))


KINDS = [(f"{number}-{name}", name, head, body) for number, (name, head, body) in enumerate(signed_requests())]
each_kind = pytest.mark.parametrize(
    ("name", "head", "body"), [kind[1:] for kind in KINDS], ids=[kind[0] for kind in KINDS]
)


def service_of(services: Services, name: str) -> Service:
    return next(service for (known, _), service in services.items() if known == name)


@each_kind
def test_what_botocore_signs_verifies(name: str, head: Head, body: bytes, services: Services) -> None:
    """Header signatures of every service; S3's paths are encoded once, the others' twice."""
    assert verify(head, body, service_of(services, name)) == ACCESS_KEY


def _changes(head: Head, body: bytes) -> Iterator[tuple[str, Head, bytes]]:
    """Every part of a request, changed by one character or byte."""
    for position in range(len(head.path)):
        yield f"path {position}", replace(head, path=_flipped(head.path, position)), body
    for position in range(len(head.query)):
        changed = _flipped(head.query, position)
        yield f"query {position}", replace(head, query=changed), body
    yield "method", replace(head, method="PATCH"), body
    yield "another query", replace(head, query=f"{head.query}&more=1".lstrip("&")), body
    for position in range(len(body)):
        yield f"body {position}", head, body[:position] + bytes([body[position] ^ 1]) + body[position + 1 :]
    yield "longer body", head, body + b" "
    signed = head.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    for header in signed:
        value = head.headers[header]
        for position in range(len(value)):
            if value[position] != " ":
                yield (
                    f"{header} {position}",
                    head.with_headers({**head.headers, header: _flipped(value, position)}),
                    body,
                )
        without = {known: text for known, text in head.headers.items() if known != header}
        yield f"without {header}", head.with_headers(without), body
    authorization = head.headers["authorization"]
    for position in range(authorization.index("Signature="), len(authorization)):
        changed = _flipped(authorization, position)
        yield f"signature {position}", head.with_headers({**head.headers, "authorization": changed}), body


def _flipped(text: str, position: int) -> str:
    return text[:position] + chr(ord(text[position]) ^ 1) + text[position + 1 :]


@each_kind
def test_any_change_is_noticed(name: str, head: Head, body: bytes, services: Services) -> None:
    """No part of path, query, signed headers, signature or body can be changed by a single bit."""
    service = service_of(services, name)
    unnoticed = [what for what, changed, data in _changes(head, body) if not _is_refused(changed, data, service)]

    assert unnoticed == []


def _is_refused(head: Head, body: bytes, service: Service) -> bool:
    try:
        verify(head, body, service)
    except ApiError as error:
        return error.status in (400, 403)
    return False


@pytest.mark.parity("signature.verified", "signature.status")
@pytest.mark.parametrize(
    ("name", "unknown_key", "wrong_secret", "missing", "skewed"),
    [
        (
            "lambda",
            "UnrecognizedClientException",
            "InvalidSignatureException",
            "MissingAuthenticationToken",
            "InvalidSignatureException",
        ),
        (
            "events",
            "UnrecognizedClientException",
            "InvalidSignatureException",
            "MissingAuthenticationToken",
            "InvalidSignatureException",
        ),
        ("sns", "InvalidClientTokenId", "SignatureDoesNotMatch", "MissingAuthenticationToken", "SignatureDoesNotMatch"),
        ("s3", "InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied", "RequestTimeTooSkewed"),
    ],
)
def test_refusals_have_the_codes_of_the_service_and_status_403(
    name: str, unknown_key: str, wrong_secret: str, missing: str, skewed: str, services: Services
) -> None:
    """Unknown key, wrong secret, no signature, a clock that is 16 minutes off."""
    service = service_of(services, name)
    listing = {"lambda": "ListFunctions", "events": "ListRules", "sns": "ListTopics", "s3": "ListBuckets"}[name]
    right = received(written(catching_client(name), listing, {}))
    stranger = received(written(catching_client(name, key="NOBODY"), listing, {}))
    forger = received(written(catching_client(name, secret="guessed"), listing, {}))
    bare = right[0].with_headers({"host": "127.0.0.1"}), right[1]

    def refusal(request: tuple[Head, bytes], shift: timedelta = timedelta(0)) -> tuple[str, int]:
        with pytest.raises(ApiError) as refused:
            verify(*request, service, shift=shift)
        return refused.value.code, refused.value.status

    assert refusal(stranger) == (unknown_key, 403)
    assert refusal(forger) == (wrong_secret, 403)
    assert refusal(bare) == (missing, 403)
    for shift in (timedelta(minutes=16), timedelta(minutes=-16)):
        assert refusal(right, shift) == (skewed, 403)
    assert verify(*right, service, shift=timedelta(minutes=14)) == ACCESS_KEY


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "nonsense",
        "AWS AKID:signature",
        "AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=0",
        "Bearer x",
    ],
)
@pytest.mark.parametrize("name", ["lambda", "events", "sns", "s3"])
def test_a_header_that_cannot_be_read_is_refused(authorization: str, name: str, services: Services) -> None:
    """Also a header of another kind gets 403, never a trace."""
    listing = {"lambda": "ListFunctions", "events": "ListRules", "sns": "ListTopics", "s3": "ListBuckets"}[name]
    head, body = received(written(catching_client(name), listing, {}))

    assert _is_refused(
        head.with_headers({**head.headers, "authorization": authorization}), body, service_of(services, name)
    )


@pytest.mark.parametrize(("version", "mark"), [("s3v4", "X-Amz-Signature"), (None, "AWSAccessKeyId")])
def test_presigned_urls_verify_until_they_expire(version: str | None, mark: str, services: Services) -> None:
    """Version 4, and the Version 2 that boto3 makes by default for an endpoint of one's own."""
    signing = client("s3", signature_version=version) if version else client("s3")
    service = services["s3", "rest-xml"]
    for operation, parameters in (
        ("get_object", {"Bucket": "b", "Key": "a b/c+d"}),
        ("get_object", {"Bucket": "b", "Key": "k", "ResponseContentType": "text/x y", "VersionId": "1"}),
        ("put_object", {"Bucket": "b", "Key": "k"}),
        ("list_objects_v2", {"Bucket": "b", "Prefix": "p/"}),
    ):
        url = signing.generate_presigned_url(operation, Params=parameters, ExpiresIn=60)
        method = "PUT" if operation == "put_object" else "GET"
        head = of_url(method, url)

        assert mark in url
        assert verify(head, b"whatever", service, shift=timedelta(seconds=50)) == ACCESS_KEY
        for shift in (timedelta(seconds=70), timedelta(days=8)):
            assert _expired(head, service, shift) == ("AccessDenied", "Request has expired", 403)


def _expired(head: Head, service: Service, shift: timedelta) -> tuple[str, str, int]:
    with pytest.raises(ApiError) as refused:
        verify(head, b"", service, shift=shift)
    return refused.value.code, refused.value.message, refused.value.status


@pytest.mark.parametrize("version", ["s3v4", None])
def test_a_presigned_url_cannot_be_changed(version: str | None, services: Services) -> None:
    """Neither its path, nor a value of its query, nor the method."""
    signing = client("s3", signature_version=version) if version else client("s3")
    parameters = {"Bucket": "bucket", "Key": "key", "ResponseContentType": "text/plain"}
    url = signing.generate_presigned_url("get_object", Params=parameters, ExpiresIn=60)
    head = of_url("GET", url)
    service = services["s3", "rest-xml"]
    path_start, query = len("http://127.0.0.1:4566/"), head.query

    unnoticed = [
        url[:position] + chr(ord(url[position]) ^ 1) + url[position + 1 :]
        for position in range(path_start, url.index("?"))
        if not _is_refused(
            of_url("GET", url[:position] + chr(ord(url[position]) ^ 1) + url[position + 1 :]), b"", service
        )
    ]
    for position, character in enumerate(query):
        if character.isalnum() and not _is_refused(replace(head, query=_flipped(query, position)), b"", service):
            unnoticed.append(f"query {position}: {_flipped(query, position)}")

    assert unnoticed == []
    assert _is_refused(replace(head, method="PUT"), b"", service)


@pytest.mark.parity("signature.presigned")
def test_a_version_2_url_carries_headers(services: Services) -> None:
    """boto3 writes the headers of a presigned PUT into the query; they count as sent, and a sent one must agree."""
    parameters = {"Bucket": "b", "Key": "k", "ContentType": "text/plain", "Metadata": {"m": "v"}}
    url = client("s3").generate_presigned_url("put_object", Params=parameters, ExpiresIn=60)
    service = services["s3", "rest-xml"]

    assert verify(of_url("PUT", url), b"", service) == ACCESS_KEY
    assert verify(of_url("PUT", url, {"Content-Type": "text/plain", "x-amz-meta-m": "v"}), b"", service) == ACCESS_KEY
    assert _is_refused(of_url("PUT", url, {"Content-Type": "text/html"}), b"", service)


def test_a_bucket_in_the_host_is_part_of_a_version_2_signature(services: Services) -> None:
    """Virtual-host style signs the path with the bucket in front."""
    signing = client("s3", endpoint="http://s3.localhost:4566", s3={"addressing_style": "virtual"})
    url = signing.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "k"}, ExpiresIn=60)

    assert urlsplit(url).netloc == "bucket.s3.localhost:4566"
    assert verify(of_url("GET", url), b"", services["s3", "rest-xml"]) == ACCESS_KEY


def test_a_presigned_call_of_another_service(services: Services) -> None:
    """A presigned URL of Lambda signs an empty body."""
    url = client("lambda").generate_presigned_url("get_function", Params={"FunctionName": "f:1"}, ExpiresIn=60)
    service = services["lambda", "rest-json"]

    assert verify(of_url("GET", url), b"", service) == ACCESS_KEY
    assert _is_refused(of_url("GET", url), b"x", service)


def test_an_unsigned_header_of_s3_is_refused(services: Services) -> None:
    """Who holds a presigned URL cannot add an `x-amz-` header to it."""
    signing = client("s3", signature_version="s3v4")
    url = signing.generate_presigned_url("put_object", Params={"Bucket": "b", "Key": "k"}, ExpiresIn=60)
    service = services["s3", "rest-xml"]

    assert verify(of_url("PUT", url), b"", service) == ACCESS_KEY
    assert _is_refused(of_url("PUT", url, {"x-amz-acl": "public-read"}), b"", service)


def test_the_host_must_be_signed(services: Services) -> None:
    """Else a request for one server could be sent to another."""
    head, body = received(written(catching_client("lambda"), "ListFunctions", {}))
    authorization = head.headers["authorization"].replace("SignedHeaders=host;", "SignedHeaders=")
    with pytest.raises(ApiError) as refused:
        verify(
            head.with_headers({**head.headers, "authorization": authorization}), body, services["lambda", "rest-json"]
        )

    assert (refused.value.code, refused.value.status) == ("IncompleteSignature", 403)


@pytest.mark.parametrize(("payload", "code"), [(None, "InvalidRequest"), ("nonsense", "InvalidArgument")])
def test_s3_must_be_told_what_was_signed_of_the_body(payload: str | None, code: str, services: Services) -> None:
    """Without a word on the body, a right signature would cover anything."""
    request = AWSRequest("PUT", "http://127.0.0.1:4566/b/k", data=b"x")
    if payload:
        request.headers["X-Amz-Content-SHA256"] = payload
    SigV4Auth(Credentials(ACCESS_KEY, SECRET), "s3", "us-east-1").add_auth(request)
    with pytest.raises(ApiError) as refused:
        verify(*received(request.prepare()), services["s3", "rest-xml"])

    assert refused.value.code == code


def test_any_region_is_as_good_as_another(services: Services) -> None:
    """The scope's region is the caller's own."""
    request = AWSRequest("GET", "http://127.0.0.1:4566/2015-03-31/functions?MaxItems=1", data=b"")
    SigV4Auth(Credentials(ACCESS_KEY, SECRET, "a session token"), "lambda", "eu-central-1").add_auth(request)

    assert verify(*received(request.prepare()), services["lambda", "rest-json"]) == ACCESS_KEY


def test_chunk_signatures_are_those_of_the_s3_documentation() -> None:
    """The example of the S3 API reference, "Signature calculations … transferring payload in multiple chunks"."""
    key = _signing_key("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "20130524", "us-east-1", "s3")
    seed = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
    signer = ChunkSigner(key, "20130524T000000Z", "20130524/us-east-1/s3/aws4_request", seed)

    first = signer.chunk(seed, hashlib.sha256(b"a" * 65_536).hexdigest())
    second = signer.chunk(first, hashlib.sha256(b"a" * 1_024).hexdigest())
    last = signer.chunk(second, hashlib.sha256(b"").hexdigest())

    assert [first, second, last] == [
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    ]
