"""Refusals, as botocore's parsers and the wire show them."""

from typing import Any

import orjson
import pytest
from botocore.awsrequest import HeadersDict
from botocore.parsers import create_parser

from producers.errors import ApiError
from producers.gateway.errors import serialize_error
from producers.gateway.model import Service
from producers.gateway.serialize import Answer

REQUEST_ID = "5e8ff9bf-55ba-3508-a199-31f4f1de9fe4"

Services = dict[tuple[str, str], Service]


def seen_by_boto3(service: Service, answer: Answer) -> tuple[int, str, str]:
    """Status, code and message of the ClientError."""
    parser = create_parser(service.protocol)
    headers = HeadersDict({**answer.headers, "x-amzn-requestid": REQUEST_ID})
    parsed = parser.parse({"body": answer.body, "headers": headers, "status_code": answer.status}, None)
    assert parsed["ResponseMetadata"]["RequestId"] == REQUEST_ID
    return answer.status, parsed["Error"]["Code"], parsed["Error"]["Message"]


@pytest.mark.parametrize(
    ("name", "protocol", "error", "seen"),
    [
        (
            "lambda",
            "rest-json",
            ApiError("ResourceNotFoundException", "m", 400),
            (404, "ResourceNotFoundException", "m"),
        ),
        ("lambda", "rest-json", ApiError("AccessDeniedException", "m", 403), (403, "AccessDeniedException", "m")),
        ("events", "json", ApiError("ResourceNotFoundException", "m"), (400, "ResourceNotFoundException", "m")),
        (
            "sqs",
            "json",
            ApiError("QueueDoesNotExist", "m"),
            (400, "AWS.SimpleQueueService.NonExistentQueue", "m"),
        ),
        (
            "sqs",
            "query",
            ApiError("QueueDoesNotExist", "m"),
            (400, "AWS.SimpleQueueService.NonExistentQueue", "m"),
        ),
        ("sqs", "json", ApiError("InvalidParameterValue", "m"), (400, "InvalidParameterValue", "m")),
        ("sns", "query", ApiError("NotFound", "m <&>"), (404, "NotFound", "m <&>")),
        ("sns", "query", ApiError("NotFoundException", "m"), (404, "NotFound", "m")),
        ("s3", "rest-xml", ApiError("NoSuchKey", "m", 404), (404, "NoSuchKey", "m")),
        ("s3", "rest-xml", ApiError("PreconditionFailed", "m", 412), (412, "PreconditionFailed", "m")),
    ],
)
def test_boto3_sees_status_code_and_message(
    name: str, protocol: str, error: ApiError, seen: tuple[int, str, str], services: Services
) -> None:
    """In each protocol; the model's status wins over the one of the refusal."""
    service = services[name, protocol]

    assert seen_by_boto3(service, serialize_error(service, error, REQUEST_ID)) == seen


@pytest.mark.parity("error.body-keys")
@pytest.mark.parametrize(
    ("error", "body", "headers"),
    [
        (ApiError("ResourceNotFoundException", "m"), {"Type": "User", "Message": "m"}, {}),
        (ApiError("InvalidParameterValueException", "m"), {"Type": "User", "message": "m"}, {}),
        (ApiError("ServiceException", "m"), {"Type": "Service", "Message": "m"}, {}),
        (ApiError("ValidationException", "m"), {"message": "m"}, {}),
        (ApiError("InvalidParameterValueException", "m", members={"Type": None}), {"message": "m"}, {}),
        (
            ApiError("TooManyRequestsException", "m", members={"Reason": "r", "retryAfterSeconds": "2"}),
            {"Type": "User", "message": "m", "Reason": "r"},
            {"retry-after": "2"},
        ),
    ],
)
def test_lambdas_bodies_are_spelled_as_the_model_says(
    error: ApiError, body: dict[str, Any], headers: dict[str, str], services: Services
) -> None:
    """`Message` or `message`, `Type` where the shape has it, and members that travel in a header."""
    answer = serialize_error(services["lambda", "rest-json"], error, REQUEST_ID)

    assert orjson.loads(answer.body) == body
    assert answer.headers == {"content-type": "application/json", "x-amzn-errortype": error.code, **headers}


@pytest.mark.parity("sqs.query-error")
def test_sqs_over_json_names_the_shape_in_the_body_and_the_older_code_in_a_header(services: Services) -> None:
    """Whichever of the two codes the service raises."""
    for code in ("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"):
        answer = serialize_error(services["sqs", "json"], ApiError(code, "m"), REQUEST_ID)

        assert orjson.loads(answer.body) == {"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "m"}
        assert answer.headers == {
            "content-type": "application/x-amz-json-1.0",
            "x-amzn-query-error": "AWS.SimpleQueueService.NonExistentQueue;Sender",
        }


def test_a_query_error_says_whose_fault_it_was(services: Services) -> None:
    """The whole document, as SNS writes it."""
    answer = serialize_error(services["sns", "query"], ApiError("InternalFailure", "m", 500), REQUEST_ID)

    assert answer == Answer(
        500,
        {"content-type": "text/xml"},
        (
            '<?xml version="1.0" encoding="UTF-8"?>\n<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">'
            "<Error><Type>Receiver</Type><Code>InternalFailure</Code><Message>m</Message></Error>"
            f"<RequestId>{REQUEST_ID}</RequestId></ErrorResponse>"
        ).encode(),
    )


def test_an_s3_error_has_its_members_the_resource_and_both_ids(services: Services) -> None:
    """The whole document, as S3 writes it."""
    error = ApiError("NoSuchKey", "m", members={"Key": "a&b"})

    answer = serialize_error(services["s3", "rest-xml"], error, REQUEST_ID, path="/bucket/a%26b")

    assert answer == Answer(
        404,
        {"content-type": "application/xml", "x-amz-request-id": REQUEST_ID},
        (
            '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code><Message>m</Message>'
            f"<Key>a&amp;b</Key><Resource>/bucket/a%26b</Resource><RequestId>{REQUEST_ID}</RequestId>"
            f"<HostId>{REQUEST_ID}</HostId></Error>"
        ).encode(),
    )
