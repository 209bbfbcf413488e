"""Real clients over real sockets: boto3, the AWS CLI, and raw HTTP where no client writes what is to be tested."""

import hashlib
import http.client
import io
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore import UNSIGNED
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from config.settings import load
from tests.gateway.capture import ACCESS_KEY, SECRET, catching_client, client, written
from tests.gateway.echo import EchoServer, listening
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EchoServer]:
    """A gateway that listens, with services that echo."""
    settings = load(data_dir=tmp_path_factory.mktemp("data"))
    with listening(EchoServer(settings, tmp_path_factory.mktemp("objects"))) as server:
        yield server


def post(echo: EchoServer, service: str, path: str, body: bytes, headers: dict[str, str], method: str = "POST") -> Any:
    """Send a signed request that no client would write; status, headers, body."""
    request = AWSRequest(method, f"{echo.url}{path}", headers=headers, data=body)
    signer = S3SigV4Auth if service == "s3" else SigV4Auth
    signer(Credentials(ACCESS_KEY, SECRET), service, "us-east-1").add_auth(request)
    return raw(echo, method, path, body, dict(request.headers.items()))


def raw(echo: EchoServer, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, Any, bytes]:
    """Send a request as it is."""
    connection = http.client.HTTPConnection("127.0.0.1", echo.port, timeout=20)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def refused(call: Any) -> tuple[int, str, str]:
    """Status, code and message of the error that boto3 raises."""
    with pytest.raises(ClientError) as error:
        call()
    answer = error.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"], answer["Error"]["Message"]


# --- Lambda ---------------------------------------------------------------------------------------------------------


def test_an_event_is_answered_202_with_nothing_in_it(echo: EchoServer) -> None:
    """No body, no version; the request's id in the header."""
    answer = client("lambda", endpoint=echo.url).invoke(FunctionName="f", InvocationType="Event", Payload=b'{"a": 1}')

    assert (answer["StatusCode"], answer["Payload"].read()) == (202, b"")
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-amzn-requestid"] == answer["ResponseMetadata"]["RequestId"]
    assert headers["content-length"] == "0"
    assert "x-amz-executed-version" not in headers


def test_a_synchronous_answer_is_the_payload_byte_for_byte(echo: EchoServer) -> None:
    """Whatever the spelling of the JSON; and the method knows the request's id."""
    lambda_ = client("lambda", endpoint=echo.url)

    answer = lambda_.invoke(FunctionName="f", Payload=b'{ "b":1.0 ,"a": "\\u00e9"}')
    asked = lambda_.invoke(FunctionName="arn:aws:lambda:us-east-1:000000000000:function:f:al", Qualifier="al")

    assert answer["Payload"].read() == b'{ "b":1.0 ,"a": "\\u00e9"}'
    assert answer["ExecutedVersion"] == "$LATEST"
    assert json.loads(asked["Payload"].read()) == {
        "name": "arn:aws:lambda:us-east-1:000000000000:function:f:al",
        "qualifier": "al",
        "id": asked["ResponseMetadata"]["RequestId"],
        "base": echo.url,
    }


def test_a_payload_over_the_limit_is_refused_by_its_kind(echo: EchoServer) -> None:
    """1 MiB for events, 6 MiB for calls; the size that counts is named."""
    lambda_ = client("lambda", endpoint=echo.url)
    largest = b'"' + b"a" * (1_048_576 - 2) + b'"'

    assert lambda_.invoke(FunctionName="f", InvocationType="Event", Payload=largest)["StatusCode"] == 202
    assert refused(lambda: lambda_.invoke(FunctionName="f", InvocationType="Event", Payload=largest + b" ")) == (
        413,
        "RequestEntityTooLargeException",
        "1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)",
    )
    assert lambda_.invoke(FunctionName="f", Payload=largest + b" ")["StatusCode"] == 200


@pytest.mark.parity("control.create.request-size")
@pytest.mark.parametrize(
    ("path", "length", "words"),
    [
        (
            "/2015-03-31/functions/f/invocations", 2_000_000,
            b"2000000 byte payload is too large for the Event invocation type",
        ),
        (
            "/2015-03-31/functions", 70_167_212,
            b"Request must be smaller than 70167211 bytes for the CreateFunction operation",
        ),
    ],
)  # fmt: skip
def test_a_body_that_says_it_is_too_large_is_not_read(echo: EchoServer, path: str, length: int, words: bytes) -> None:
    """The answer comes before the first byte of the body was sent."""
    request = AWSRequest("POST", f"{echo.url}{path}", headers={"X-Amz-Invocation-Type": "Event"})
    SigV4Auth(Credentials(ACCESS_KEY, SECRET), "lambda", "us-east-1").add_auth(request)
    lines = [f"{name}: {value}" for name, value in request.headers.items()]
    start = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{echo.port}", f"Content-Length: {length}", *lines]
    with socket.create_connection(("127.0.0.1", echo.port), timeout=20) as connection:
        connection.sendall("\r\n".join([*start, "", ""]).encode())
        response = http.client.HTTPResponse(connection)
        response.begin()

        assert (response.status, response.headers["x-amzn-errortype"]) == (413, "RequestEntityTooLargeException")
        assert words in response.read()


def test_a_payload_that_does_not_tell_its_length_is_counted(echo: EchoServer) -> None:
    """With chunked transfer encoding the limit is met while reading."""
    path, body = "/2015-03-31/functions/f/invocations", b"a" * 1_100_000
    request = AWSRequest("POST", f"{echo.url}{path}", headers={"X-Amz-Invocation-Type": "Event"}, data=body)
    SigV4Auth(Credentials(ACCESS_KEY, SECRET), "lambda", "us-east-1").add_auth(request)
    connection = http.client.HTTPConnection("127.0.0.1", echo.port, timeout=20)
    pieces = (body[start : start + 65_536] for start in range(0, len(body), 65_536))
    connection.request("POST", path, pieces, dict(request.headers.items()), encode_chunked=True)
    response = connection.getresponse()

    assert (response.status, response.headers["x-amzn-errortype"]) == (413, "RequestEntityTooLargeException")
    connection.close()


def test_code_of_many_megabytes_is_taken(echo: EchoServer) -> None:
    """The limit of CreateFunction is another one."""
    code = {"ZipFile": b"z" * 10_000_000}
    role = "arn:aws:iam::000000000000:role/r"

    answer = client("lambda", endpoint=echo.url).create_function(FunctionName="f", Role=role, Code=code)

    assert answer["CodeSize"] == 10_000_000


@pytest.mark.parity("error.503")
def test_a_store_that_does_not_answer_is_a_503(echo: EchoServer) -> None:
    """The caller may try again; nothing of our inside is shown."""
    lambda_ = client("lambda", endpoint=echo.url)
    expected = (503, "ServiceException", "The store did not answer, so this was not accepted for certain. Try again.")

    assert refused(lambda: lambda_.get_function(FunctionName="redis")) == expected
    assert refused(lambda: lambda_.get_function(FunctionName="store")) == expected


def test_a_bug_of_ours_shows_the_request_id_and_no_trace(echo: EchoServer, caplog: pytest.LogCaptureFixture) -> None:
    """The trace is in the log, below the same id."""
    with caplog.at_level(logging.ERROR, "thrice.gateway"), pytest.raises(ClientError) as error:
        client("lambda", endpoint=echo.url).get_function(FunctionName="bug")

    request_id = error.value.response["ResponseMetadata"]["RequestId"]
    assert error.value.response["Error"] == {
        "Message": f"thrice failed; its log has the reason under the request id {request_id}.",
        "Code": "ServiceException",
    }
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    record = next(record for record in caplog.records if request_id in record.getMessage())
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


@pytest.mark.parity("client.not-implemented")
def test_what_thrice_does_not_implement_is_named_and_not_tried_again(echo: EchoServer) -> None:
    """An operation, a field, a service; with the status that the SDKs do not retry."""
    retrying = {"retries": {"max_attempts": 3}}
    lambda_ = client("lambda", endpoint=echo.url, **retrying)
    text = (
        "thrice does not implement the field 'LogType' of Invoke, so it refused the request and changed nothing. "
        "Leave the field out."
    )

    with pytest.raises(ClientError) as error:
        lambda_.list_layers()
    assert (
        error.value.response["Error"]["Message"] == "thrice does not implement lambda:ListLayers. Nothing was changed."
    )
    assert error.value.response["ResponseMetadata"]["RetryAttempts"] == 0
    assert refused(lambda: lambda_.invoke(FunctionName="f", LogType="Tail")) == (501, "NotImplemented", text)
    events = client("events", endpoint=echo.url, **retrying)
    assert refused(events.list_rules)[:2] == (400, "NotImplemented")
    for service, call in (("dynamodb", "list_tables"), ("iam", "list_users"), ("apigateway", "get_rest_apis")):
        answer = refused(getattr(client(service, endpoint=echo.url, **retrying), call))
        assert answer[1] == "NotImplemented"
        assert answer[2].startswith(f"thrice has no service '{service}'; it has events, lambda, s3, sns, sqs.")
    assert refused(lambda: client("s3", endpoint=echo.url).get_bucket_acl(Bucket="b")) == (
        501,
        "NotImplemented",
        "thrice does not implement s3:GetBucketAcl. Nothing was changed.",
    )


# --- S3 -------------------------------------------------------------------------------------------------------------


class _Stream(io.RawIOBase):
    """Bytes whose length boto3 cannot know beforehand... but may seek."""

    def __init__(self, data: bytes) -> None:
        self._inner = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        """Some bytes."""
        return self._inner.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        """As any file."""
        return self._inner.seek(offset, whence)

    def tell(self) -> int:
        """As any file."""
        return self._inner.tell()


@pytest.mark.parametrize("kind", ["bytes", "file", "stream", "empty"])
def test_an_object_comes_back_as_it_was_put(kind: str, echo: EchoServer, tmp_path: Path) -> None:
    """From bytes, a file or a stream; boto3 waits for 100 Continue with each."""
    data = b"" if kind == "empty" else os.urandom(1_000_000)
    (tmp_path / "file").write_bytes(data)
    s3 = client("s3", endpoint=echo.url)
    with (tmp_path / "file").open("rb") as file:
        body: Any = {"bytes": data, "empty": data, "file": file, "stream": _Stream(data)}[kind]
        put = s3.put_object(Bucket="b", Key="a b+c", Body=body)

    got = s3.get_object(Bucket="b", Key="a b+c")

    assert got["Body"].read() == data
    assert got["ContentLength"] == len(data)
    assert put["ETag"] == f'"{hashlib.md5(data).hexdigest()}"'
    spooled = echo.s3.requests[-1].body
    assert spooled is not None
    assert (spooled.size, spooled.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert list(spooled.checksums) == ["CRC32"]
    assert not list(echo.uploads.iterdir())


def test_part_of_an_object(echo: EchoServer) -> None:
    """A range is answered 206 with just these bytes."""
    s3 = client("s3", endpoint=echo.url)
    s3.put_object(Bucket="b", Key="part", Body=b"abcdef")

    part = s3.get_object(Bucket="b", Key="part", Range="bytes=2-4")

    assert (part["ResponseMetadata"]["HTTPStatusCode"], part["Body"].read()) == (206, b"cde")
    head = s3.head_object(Bucket="b", Key="part")
    assert (head["ContentLength"], head["ResponseMetadata"]["HTTPHeaders"]["content-length"]) == (6, "6")


def test_a_missing_object(echo: EchoServer) -> None:
    """HEAD has no body to say more; a file that is gone is worth another try."""
    s3 = client("s3", endpoint=echo.url)

    assert refused(lambda: s3.head_object(Bucket="b", Key="none"))[:2] == (404, "404")
    assert refused(lambda: s3.get_object(Bucket="b", Key="none"))[:2] == (503, "ServiceUnavailable")


def test_what_the_service_leaves_of_an_upload_is_removed(echo: EchoServer) -> None:
    """A refused PutObject leaves no file behind, and S3's ids are on the answer."""
    with pytest.raises(ClientError) as error:
        client("s3", endpoint=echo.url).put_object(Bucket="b", Key="left", Body=b"x" * 300_000)

    metadata = error.value.response["ResponseMetadata"]
    assert error.value.response["Error"]["Code"] == "NoSuchBucket"
    assert metadata["HTTPHeaders"]["x-amz-request-id"] == metadata["RequestId"]
    assert metadata["HTTPHeaders"]["x-amz-id-2"] == metadata["RequestId"]
    wait_until(lambda: not list(echo.uploads.iterdir()), "the upload is removed")


def test_a_chunked_upload_with_a_trailer_as_boto3_writes_it_over_tls(echo: EchoServer) -> None:
    """Captured from a client that believes in https, and replayed; the framing is gone, the checksum verified."""
    data = os.urandom(100_000)
    catching = catching_client("s3", endpoint=echo.url.replace("http:", "https:"))
    request = written(catching, "PutObject", {"Bucket": "b", "Key": "chunked", "Body": io.BytesIO(data)})
    framed = request.body.read()
    headers = {name: value if isinstance(value, str) else value.decode() for name, value in request.headers.items()}
    headers.pop("Transfer-Encoding", None)
    headers.pop("Expect", None)

    status, _, _ = raw(echo, "PUT", "/b/chunked", framed, headers)
    damaged = raw(echo, "PUT", "/b/chunked", framed.replace(data[:5], b"other", 1), headers)
    cut = raw(echo, "PUT", "/b/chunked", framed[: len(framed) // 2], headers)

    assert headers["X-Amz-Content-SHA256"] == "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    assert len(framed) > len(data)
    assert status == 200
    assert client("s3", endpoint=echo.url).get_object(Bucket="b", Key="chunked")["Body"].read() == data
    spooled, ours = echo.s3.requests[-1].body, echo.s3.requests[-1].headers
    assert spooled is not None
    assert (spooled.size, list(spooled.checksums)) == (100_000, ["CRC32"])
    assert "content-encoding" not in ours
    assert (damaged[0], b"<Code>BadDigest</Code>" in damaged[2]) == (400, True)
    assert (cut[0], b"<Code>IncompleteBody</Code>" in cut[2]) == (400, True)


def test_a_body_that_is_not_what_was_signed_or_announced(echo: EchoServer) -> None:
    """S3's own codes for a wrong hash and a wrong Content-MD5."""
    request = AWSRequest("PUT", f"{echo.url}/b/k", data=b"signed")
    S3SigV4Auth(Credentials(ACCESS_KEY, SECRET), "s3", "us-east-1").add_auth(request)

    other = raw(echo, "PUT", "/b/k", b"other!", dict(request.headers.items()))
    digest = post(echo, "s3", "/b/k", b"body", {"Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg=="}, "PUT")
    checksum = post(echo, "s3", "/b/k", b"body", {"x-amz-checksum-crc32c": "AAAAAA=="}, "PUT")
    unknown = post(echo, "s3", "/b/k", b"body", {"x-amz-checksum-xxhash64": "AAAAAAAAAAA="}, "PUT")
    framed = post(echo, "s3", "/b/k", b"4\r\nbody\r\n0\r\n\r\n", {"Content-Encoding": "aws-chunked"}, "PUT")

    assert (other[0], b"XAmzContentSHA256Mismatch" in other[2]) == (400, True)
    assert (digest[0], b"BadDigest" in digest[2]) == (400, True)
    assert (checksum[0], b"BadDigest" in checksum[2]) == (400, True)
    assert (unknown[0], b"InvalidRequest" in unknown[2]) == (400, True)
    assert (framed[0], b"InvalidRequest" in framed[2]) == (400, True)


def test_the_body_is_asked_for_only_after_the_signature_was_verified(echo: EchoServer) -> None:
    """A client that expects 100 Continue gets it if it is known, and 403 at once if it is not."""
    good = AWSRequest("PUT", f"{echo.url}/b/k", data=b"body")
    S3SigV4Auth(Credentials(ACCESS_KEY, SECRET), "s3", "us-east-1").add_auth(good)
    bad = AWSRequest("PUT", f"{echo.url}/b/k", data=b"body")
    S3SigV4Auth(Credentials(ACCESS_KEY, "guessed"), "s3", "us-east-1").add_auth(bad)

    def first_line(request: AWSRequest) -> str:
        lines = [f"{name}: {value}" for name, value in request.headers.items()]
        text = "\r\n".join(
            ["PUT /b/k HTTP/1.1", f"Host: 127.0.0.1:{echo.port}", "Content-Length: 4", "Expect: 100-continue", *lines]
        )
        with socket.create_connection(("127.0.0.1", echo.port), timeout=20) as connection:
            connection.sendall(f"{text}\r\n\r\n".encode())
            return connection.recv(1_000).split(b"\r\n", 1)[0].decode()

    assert first_line(good) == "HTTP/1.1 100 Continue"
    assert first_line(bad) == "HTTP/1.1 403 Forbidden"


@pytest.mark.parity("signature.presigned")
@pytest.mark.parametrize("version", ["s3v4", None])
def test_a_presigned_url_opens_without_any_client(version: str | None, echo: EchoServer) -> None:
    """The most common snippet with boto3: presign, then open with anything."""
    s3 = client("s3", endpoint=echo.url, **({"signature_version": version} if version else {}))
    s3.put_object(Bucket="b", Key="shared", Body=b"for you")
    get = s3.generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "shared"})
    put = s3.generate_presigned_url("put_object", Params={"Bucket": "b", "Key": "given"})

    with urllib.request.urlopen(get, timeout=20) as answer:
        assert answer.read() == b"for you"
    target = put.removeprefix(echo.url)
    assert raw(echo, "PUT", target, b"from you", {})[0] == 200
    assert s3.get_object(Bucket="b", Key="given")["Body"].read() == b"from you"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(get.replace("shared", "secret"), timeout=20)


# --- the others -----------------------------------------------------------------------------------------------------


@pytest.mark.parity("sqs.protocols", "sqs.missing")
def test_sqs_over_json_and_over_the_older_query_protocol(echo: EchoServer) -> None:
    """Both see the same code, and so does boto3's own exception class."""
    sqs = client("sqs", endpoint=echo.url)
    url = f"{echo.url}/000000000000/q"
    with pytest.raises(sqs.exceptions.QueueDoesNotExist) as error:
        sqs.send_message(QueueUrl=url, MessageBody="m")

    form = b"Action=SendMessage&Version=2012-11-05&MessageBody=m&QueueUrl=u"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    status, _, body = post(echo, "sqs", "/000000000000/q", form, headers)

    assert error.value.response["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue"
    assert (status, b"<Code>AWS.SimpleQueueService.NonExistentQueue</Code>" in body) == (400, True)
    assert refused(lambda: sqs.delete_queue(QueueUrl=url))[1] == "NotImplemented"


def test_sns_and_events(echo: EchoServer) -> None:
    """The query protocol and JSON 1.1, there and back."""
    published = client("sns", endpoint=echo.url).publish(TopicArn="arn:aws:sns:us-east-1:000000000000:t", Message="é<&")
    entries = [{"Source": "s", "DetailType": "d", "Detail": "{}"}]
    put = client("events", endpoint=echo.url).put_events(Entries=entries)

    assert published["MessageId"] == "é<&"
    assert put["Entries"] == [{"EventId": "0"}]


def test_a_caller_who_hangs_up_takes_the_waiting_call_along(echo: EchoServer) -> None:
    """A long poll that nobody waits for must not take a message away from others."""
    body = json.dumps({"QueueUrl": "u", "WaitTimeSeconds": 20}).encode()
    request = AWSRequest("POST", f"{echo.url}/", headers={"X-Amz-Target": "AmazonSQS.ReceiveMessage"}, data=body)
    SigV4Auth(Credentials(ACCESS_KEY, SECRET), "sqs", "us-east-1").add_auth(request)
    connection = http.client.HTTPConnection("127.0.0.1", echo.port, timeout=20)
    connection.request("POST", "/", body, dict(request.headers.items()))
    wait_until(echo.sqs.waiting.is_set, "the method waits")

    connection.close()

    wait_until(echo.sqs.cancelled.is_set, "the method was cancelled")


@pytest.mark.parametrize(
    ("service", "call"),
    [
        ("lambda", lambda known: known.invoke(FunctionName="f")),
        ("events", lambda known: known.put_events(Entries=[{"Source": "s"}])),
        ("sqs", lambda known: known.send_message(QueueUrl="http://127.0.0.1/0/q", MessageBody="m")),
        ("sns", lambda known: known.publish(TopicArn="t", Message="m")),
        ("s3", lambda known: known.put_object(Bucket="b", Key="k", Body=b"x" * 2_000_000)),
    ],
)
def test_who_is_not_known_is_refused_with_403(service: str, call: Any, echo: EchoServer) -> None:
    """A wrong secret, an unknown key, no signature at all; in every protocol."""
    for options in ({"secret": "guessed"}, {"key": "NOBODY"}, {"signature_version": UNSIGNED}):
        assert refused(lambda options=options: call(client(service, endpoint=echo.url, **options)))[0] == 403


JUNK = [b"", b"{", b"[]", b"null", b"\xff\xfe", b"<", b"<a/>", b"a=b&c", b"%", b"\x00" * 50, b'{"FunctionName": 1}']


@pytest.mark.parametrize(
    ("service", "method", "path", "headers"),
    [
        ("lambda", "POST", "/2015-03-31/functions", {}),
        ("lambda", "POST", "/2015-03-31/functions/%00/invocations?Qualifier=%ff", {"X-Amz-Invocation-Type": "Event"}),
        ("lambda", "PUT", "/%", {}),
        ("sqs", "POST", "/", {"X-Amz-Target": "AmazonSQS.SendMessage"}),
        ("sqs", "POST", "/0/q", {"Content-Type": "application/x-www-form-urlencoded"}),
        ("sns", "POST", "/", {"Content-Type": "application/x-www-form-urlencoded"}),
        ("events", "POST", "/", {"X-Amz-Target": "AWSEvents.PutEvents"}),
        ("events", "POST", "/", {"X-Amz-Target": ""}),
        ("s3", "PUT", "/b?notification", {}),
        ("s3", "POST", "/b?delete", {}),
        ("s3", "PUT", "/b/k", {"Content-Encoding": "aws-chunked", "x-amz-decoded-content-length": "x"}),
        ("s3", "PUT", "/b/k", {"Content-Encoding": "aws-chunked"}),
    ],
)
def test_junk_is_never_a_500(
    service: str, method: str, path: str, headers: dict[str, str], echo: EchoServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever is sent with a right signature is answered or refused; nothing lands in the log as a failure."""
    statuses = [post(echo, service, path, junk, dict(headers), method)[0] for junk in JUNK]

    assert not [status for status in statuses if status >= 500 and status != 501]
    assert not caplog.records


def test_the_pages_of_thrice_are_not_awss(echo: EchoServer) -> None:
    """Below /_thrice/ nothing is signed, and another application answers."""
    assert raw(echo, "GET", "/_thrice/health", b"", {})[::2] == (200, b"ok")


def test_the_hooks_run_with_the_server(tmp_path: Path) -> None:
    """In their order: plain ones and coroutines, before the first request and after the last."""
    echo = EchoServer(load(data_dir=tmp_path), tmp_path)
    with listening(echo):
        assert echo.events == ["startup", "started"]

    assert echo.events == ["startup", "started", "shutdown"]


def test_many_callers_at_once(echo: EchoServer) -> None:
    """Threads and the loop do not mix up their answers."""
    lambda_ = client("lambda", endpoint=echo.url, max_pool_connections=20)
    answers: dict[int, bytes] = {}

    def call(number: int) -> None:
        answers[number] = lambda_.invoke(FunctionName="f", Payload=b"%d" % number)["Payload"].read()

    threads = [threading.Thread(target=call, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == {number: b"%d" % number for number in range(20)}


def test_the_aws_cli_sends_an_event(echo: EchoServer, tmp_path: Path) -> None:
    """Unmodified: it prints the status and writes an empty file."""
    environment = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
    }
    program = Path(sys.executable).with_name("aws")
    command = [program, "--endpoint-url", echo.url, "lambda", "invoke", "--function-name", "f"]
    command += ["--invocation-type", "Event", "--payload", '{"a": 1}', tmp_path / "out"]

    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {"StatusCode": 202}
    assert (tmp_path / "out").read_bytes() == b""
