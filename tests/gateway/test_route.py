"""Which service and operation a request is for, case by case."""

from typing import Any

import pytest

from producers.errors import ApiError
from producers.gateway.head import Head
from producers.gateway.model import Service
from producers.gateway.parse import parse
from producers.gateway.route import Router, UnknownService

Services = dict[tuple[str, str], Service]


def head(method: str, target: str, **headers: str) -> Head:
    """A request line with headers, whose names are written with underscores."""
    path, _, query = target.partition("?")
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Head(method, path, query, {"host": "127.0.0.1:4566", **named}, "http", "127.0.0.1")


def scope(service: str) -> str:
    """An Authorization header of that service."""
    return (
        f"AWS4-HMAC-SHA256 Credential=AKID/20260102/eu-west-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
    )


@pytest.mark.parity("client.routing")
@pytest.mark.parametrize(
    ("request_head", "service"),
    [
        (head("POST", "/", authorization=scope("lambda")), ("lambda", "rest-json")),
        (head("POST", "/", authorization=scope("sqs"), x_amz_target="AmazonSQS.SendMessage"), ("sqs", "json")),
        (head("POST", "/000000000000/q", authorization=scope("sqs")), ("sqs", "query")),
        (head("GET", "/?Action=ListQueues", authorization=scope("sqs")), ("sqs", "query")),
        (head("GET", "/?X-Amz-Credential=AKID%2F20260102%2Fus-east-1%2Fsns%2Faws4_request"), ("sns", "query")),
        (head("POST", "/", x_amz_target="AWSEvents.PutEvents"), ("events", "json")),
        (head("POST", "/", x_amz_target="Logs_20140328.GetLogEvents"), ("logs", "json")),
        (head("GET", "/?Action=Publish&Version=2010-03-31"), ("sns", "query")),
        (head("GET", "/?Action=ListQueues&Version=2012-11-05"), ("sqs", "query")),
        (head("POST", "/000000000000/q", content_type="application/x-www-form-urlencoded"), ("sqs", "query")),
        (head("POST", "/", content_type="application/x-www-form-urlencoded; charset=utf-8"), ("sns", "query")),
        (head("GET", "/2015-03-31/functions"), ("lambda", "rest-json")),
        (head("GET", "/bucket/key"), ("s3", "rest-xml")),
        (head("GET", "/"), ("s3", "rest-xml")),
    ],
)
def test_the_service(request_head: Head, service: tuple[str, str], router: Router) -> None:
    """Scope, target, query protocol, path: in this order."""
    found = router.service_of(request_head)

    assert (found.name, found.protocol) == service


@pytest.mark.parametrize(
    ("request_head", "name", "protocol"),
    [
        (
            head("POST", "/", authorization=scope("dynamodb"), x_amz_target="DynamoDB_20120810.PutItem"),
            "dynamodb",
            "json",
        ),
        (
            head("POST", "/", authorization=scope("iam"), content_type="application/x-www-form-urlencoded"),
            "iam",
            "query",
        ),
        (head("GET", "/v1/x", authorization=scope("apigateway")), "apigateway", "rest-json"),
        (head("POST", "/", x_amz_target="DynamoDB_20120810.PutItem"), "DynamoDB_20120810", "json"),
        (head("GET", "/?Action=ListUsers&Version=2010-05-08"), "query API of 2010-05-08", "query"),
    ],
)
def test_an_unknown_service_is_named(request_head: Head, name: str, protocol: str, router: Router) -> None:
    """And its protocol guessed, so that the refusal can be read."""
    with pytest.raises(UnknownService) as unknown:
        router.service_of(request_head)

    assert (unknown.value.name, unknown.value.protocol) == (name, protocol)


INVOKE = "/2015-03-31/functions/{}/invocations"
ARN = "arn:aws:lambda:us-east-1:000000000000:function:f:1"


@pytest.mark.parametrize(
    ("request_head", "operation", "parameters"),
    [
        (head("POST", INVOKE.format("f")), "Invoke", {"FunctionName": "f"}),
        (head("POST", INVOKE.format("f") + "/"), "Invoke", {"FunctionName": "f"}),
        (head("POST", INVOKE.format("f%3Aal") + "?Qualifier=1"), "Invoke", {"FunctionName": "f:al", "Qualifier": "1"}),
        (head("POST", INVOKE.format(ARN)), "Invoke", {"FunctionName": ARN}),
        (head("POST", INVOKE.format(ARN.replace(":", "%3A"))), "Invoke", {"FunctionName": ARN}),
        (head("POST", INVOKE.format("a%253Ab")), "Invoke", {"FunctionName": "a%3Ab"}),
        (
            head("POST", "/2014-11-13/functions/f/invoke-async/"),
            "InvokeAsync",
            {"FunctionName": "f", "InvokeArgs": b""},
        ),
        (head("GET", "/2015-03-31/functions/"), "ListFunctions", {}),
        (
            head("DELETE", f"/2017-03-31/tags/{ARN}?tagKeys=a&tagKeys=b"),
            "UntagResource",
            {"Resource": ARN, "TagKeys": ["a", "b"]},
        ),
        (head("GET", "/2019-09-25/functions/f/event-invoke-config/list"), "ListFunctionEventInvokeConfigs", None),
        (head("GET", "/2019-09-25/functions/f/event-invoke-config"), "GetFunctionEventInvokeConfig", None),
    ],
)
def test_lambdas_operations(
    request_head: Head, operation: str, parameters: dict[str, Any] | None, services: Services, router: Router
) -> None:
    """Labels are decoded once; one slash more at the end changes nothing."""
    route = router.route(request_head, services["lambda", "rest-json"], {})

    assert route.operation.name == operation
    if parameters is not None:
        assert parse(route, request_head, b"", {}) == parameters


B, K = {"Bucket": "b"}, {"Bucket": "b", "Key": "k"}
COPY = {"x_amz_copy_source": "o/k"}


@pytest.mark.parametrize(
    ("request_head", "operation", "labels"),
    [
        (head("GET", "/"), "ListBuckets", {}),
        (head("GET", "/b"), "ListObjects", B),
        (head("GET", "/b/"), "ListObjects", B),
        (head("GET", "/b?list-type=2&prefix=a"), "ListObjectsV2", B),
        (head("GET", "/b?notification"), "GetBucketNotificationConfiguration", B),
        (head("PUT", "/b?notification="), "PutBucketNotificationConfiguration", B),
        (head("GET", "/b?acl"), "GetBucketAcl", B),
        (head("GET", "/b?analytics"), "ListBucketAnalyticsConfigurations", B),
        (head("GET", "/b?analytics&id=1"), "GetBucketAnalyticsConfiguration", B),
        (head("POST", "/b?delete"), "DeleteObjects", B),
        (head("PUT", "/b/k"), "PutObject", K),
        (head("PUT", "/b/k?x-id=PutObject"), "PutObject", K),
        (head("PUT", "/b/k", **COPY), "CopyObject", K),
        (head("PUT", "/b/k?partNumber=1&uploadId=u"), "UploadPart", K),
        (head("PUT", "/b/k?partNumber=1&uploadId=u", **COPY), "UploadPartCopy", K),
        (head("PUT", "/b/k?tagging"), "PutObjectTagging", K),
        (head("PUT", "/b/k?annotation"), "PutObjectAnnotation", K),
        (head("GET", "/b/k?uploadId=u"), "ListParts", K),
        (head("DELETE", "/b/k?uploadId=u"), "AbortMultipartUpload", K),
        (head("DELETE", "/b/k"), "DeleteObject", K),
        (head("HEAD", "/b/k?versionId=1"), "HeadObject", K),
        (head("GET", "/b//k"), "GetObject", {"Bucket": "b", "Key": "/k"}),
        (head("GET", "/b//"), "GetObject", {"Bucket": "b", "Key": "/"}),
        (head("GET", "/b/a/b/"), "GetObject", {"Bucket": "b", "Key": "a/b/"}),
        (head("GET", "/b/a%2Fb%20c+d%252F"), "GetObject", {"Bucket": "b", "Key": "a/b c+d%2F"}),
        (head("GET", "/k", host="b.s3.example.org"), "GetObject", K),
        (head("GET", "/", host="b.s3.localhost:4566"), "ListObjects", B),
        (head("GET", "/k", host="b.s3-eu-west-1.amazonaws.com"), "GetObject", K),
        (head("GET", "/k", host="b.localhost:4566"), "GetObject", K),
        (head("GET", "/k", host="my.dotted.b.s3.localhost"), "GetObject", {"Bucket": "my.dotted.b", "Key": "k"}),
        (head("GET", "/b/k", host="s3.localhost:4566"), "GetObject", K),
        (head("GET", "/b/k", host="s3.us-east-1.localhost"), "GetObject", K),
    ],
)
def test_s3s_operations(
    request_head: Head, operation: str, labels: dict[str, str], services: Services, router: Router
) -> None:
    """Path style and virtual hosts, subresources, and operations that differ in the query or a header only."""
    route = router.route(request_head, services["s3", "rest-xml"], {})

    assert (route.operation.name, dict(route.labels)) == (operation, labels)


@pytest.mark.parametrize(
    ("request_head", "service", "code", "status"),
    [
        (head("POST", "/2015-03-31/nothing"), ("lambda", "rest-json"), "UnknownOperationException", 404),
        (head("PATCH", "/2015-03-31/functions"), ("lambda", "rest-json"), "UnknownOperationException", 404),
        (head("POST", "/2015-03-31/functions//invocations"), ("lambda", "rest-json"), "UnknownOperationException", 404),
        (head("POST", INVOKE.format("%ff")), ("lambda", "rest-json"), "SerializationException", 400),
        (head("POST", "/"), ("s3", "rest-xml"), "MethodNotAllowed", 405),
        (head("DELETE", "/b/k?acl"), ("s3", "rest-xml"), "MethodNotAllowed", 405),
        (head("DELETE", "/b/k?website"), ("s3", "rest-xml"), "MethodNotAllowed", 405),
        (head("GET", "/b/%ff"), ("s3", "rest-xml"), "InvalidURI", 400),
        (head("POST", "/", x_amz_target="AmazonSQS.Nothing"), ("sqs", "json"), "UnknownOperationException", 400),
        (head("POST", "/"), ("sns", "query"), "InvalidAction", 400),
    ],
)
def test_what_is_no_operation(
    request_head: Head, service: tuple[str, str], code: str, status: int, services: Services, router: Router
) -> None:
    """A subresource that has no such method never falls back to the object itself."""
    with pytest.raises(ApiError) as refused:
        router.route(request_head, services[service], {})

    assert (refused.value.code, refused.value.status) == (code, status)
