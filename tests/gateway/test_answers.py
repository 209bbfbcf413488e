"""Whatever a service returns is read by botocore's parser as it was meant."""

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.awsrequest import HeadersDict
from botocore.parsers import create_parser

from producers.errors import ApiError
from producers.gateway.model import Operation, Service
from producers.gateway.serialize import Answer, serialize
from producers.seams import Response
from tests.gateway.operations import all_operations
from tests.gateway.shapes import ShapeValues

ROUNDS = 12
REQUEST_ID = "5e8ff9bf-55ba-3508-a199-31f4f1de9fe4"

Services = dict[tuple[str, str], Service]


def operation_of(services: Services, service_name: str, name: str, protocol: str | None = None) -> Operation:
    """One operation, in the service's first protocol or the one given."""
    return next(
        service.operations[name]
        for (known, spoken), service in services.items()
        if known == service_name and protocol in (None, spoken)
    )


def read_by_botocore(operation: Operation, answer: Answer) -> dict[str, Any]:
    """What boto3's caller gets, without the metadata."""
    parser = create_parser(operation.service.protocol)
    assert isinstance(answer.body, bytes)
    headers = HeadersDict({**answer.headers, "x-amzn-requestid": REQUEST_ID})
    response = {"body": answer.body, "headers": headers, "status_code": answer.status}
    parsed = parser.parse(response, operation.model.output_shape)
    assert parsed.pop("ResponseMetadata")["RequestId"] == REQUEST_ID
    return dict(parsed)


@pytest.mark.parametrize(("service_name", "operation_name"), list(all_operations()))
def test_what_is_written_is_read_by_botocore(service_name: str, operation_name: str, services: Services) -> None:
    """Every member of every answer arrives, with its type."""
    operation = operation_of(services, service_name, operation_name)
    for seed in range(ROUNDS):
        result = result_of(operation, seed)

        read = read_by_botocore(operation, serialize(operation, result, REQUEST_ID))

        payload = operation.output.payload if operation.output else None
        if payload is not None and payload.shape.type_name == "blob":
            read[payload.name] = read[payload.name].encode()
        assert _without_emptiness(read, operation) == _without_emptiness(result, operation)


def result_of(operation: Operation, seed: int) -> dict[str, Any]:
    """A generated result, with a status that is no error and a body that botocore's parser can show as text."""
    layout = operation.output
    if layout is None:
        return {}
    result = ShapeValues(f"{operation}{seed}").structure(layout.shape)
    result |= {member.name: 202 for member in layout.members if member.location == "statusCode"}
    if layout.payload is not None and layout.payload.shape.type_name == "blob":
        result[layout.payload.name] = b"the body"
        result |= {"ContentType": "text/plain"} if operation.service.protocol == "rest-xml" else {}
    return result


def _without_emptiness(value: Any, operation: Operation) -> Any:
    """Without empty structures and maps, which XML cannot tell from absent ones; JSON keeps them."""
    if operation.service.protocol in ("json", "rest-json"):
        return value
    if isinstance(value, dict):
        kept = {name: _without_emptiness(item, operation) for name, item in value.items()}
        return {name: item for name, item in kept.items() if item != {}}
    return value


def test_an_asynchronous_invocation_has_no_body_and_the_status_of_its_result(services: Services) -> None:
    """202, nothing in the body, and no type of content for it."""
    answer = serialize(operation_of(services, "lambda", "Invoke"), {"StatusCode": 202}, REQUEST_ID)

    assert answer == Answer(202, {}, b"")


def test_a_response_sets_status_and_headers(services: Services) -> None:
    """A status that the model does not know, and a further header, go out as the service says."""
    response = Response({"StatusCode": 200, "Payload": b"null"}, status=206, headers={"X-More": "1"})

    answer = serialize(operation_of(services, "lambda", "Invoke"), response, REQUEST_ID)

    assert answer == Answer(206, {"content-type": "application/json", "x-more": "1"}, b"null")


def test_an_answer_without_content_has_no_body(services: Services) -> None:
    """204 comes without a body, whatever the model's layout."""
    assert serialize(operation_of(services, "s3", "DeleteBucket"), {}, REQUEST_ID).status == 204
    deleted = serialize(operation_of(services, "lambda", "DeleteFunction"), {"StatusCode": 204}, REQUEST_ID)
    assert deleted == Answer(204, {}, b"")


def test_a_put_object_is_answered_with_an_empty_body(services: Services) -> None:
    """A PUT's body that is no XML is a failure for botocore, which sends the object five times."""
    answer = serialize(operation_of(services, "s3", "PutObject"), {"ETag": '"e"'}, REQUEST_ID)

    assert answer == Answer(200, {"etag": '"e"', "x-amz-request-id": REQUEST_ID}, b"")


def test_a_member_that_the_model_does_not_know_is_a_bug_that_is_named(services: Services) -> None:
    """A typing error in a service cannot go unseen."""
    with pytest.raises(TypeError, match="sqs:ListQueues has no member QueueUrl;"):
        serialize(operation_of(services, "sqs", "ListQueues"), {"QueueUrl": []}, REQUEST_ID)


def test_a_header_cannot_begin_another(services: Services) -> None:
    """A line break in a value that came from the request is refused, not sent."""
    with pytest.raises(ApiError, match="InvalidArgument"):
        serialize(operation_of(services, "s3", "GetObject"), {"ContentType": "a\r\nSet-Cookie: b"}, REQUEST_ID)


def test_a_carriage_return_in_a_key_survives_xml(services: Services) -> None:
    """XML readers turn a bare one into a line feed, and the key would be another."""
    operation = operation_of(services, "s3", "ListObjectsV2")

    read = read_by_botocore(operation, serialize(operation, {"Contents": [{"Key": "a\r\nb&<c>"}]}, REQUEST_ID))

    assert read == {"Contents": [{"Key": "a\r\nb&<c>"}]}


def test_the_roots_of_s3_have_the_names_that_strict_clients_look_for(services: Services) -> None:
    """Clients in Go and Java read the root's name, which the model does not have."""
    listing = serialize(operation_of(services, "s3", "ListObjectsV2"), {"Name": "b"}, REQUEST_ID)
    location = serialize(operation_of(services, "s3", "GetBucketLocation"), {}, REQUEST_ID)

    namespace = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
    declaration = '<?xml version="1.0" encoding="UTF-8"?>\n'
    assert listing.body == f"{declaration}<ListBucketResult {namespace}><Name>b</Name></ListBucketResult>".encode()
    assert location.body == f"{declaration}<LocationConstraint {namespace}></LocationConstraint>".encode()


@pytest.mark.parity("sqs.protocols")
def test_sqs_answers_older_clients_in_their_xml(services: Services) -> None:
    """The names are those of the API reference, which today's model no longer has."""
    operation = operation_of(services, "sqs", "ReceiveMessage", "query")
    message = {
        "MessageId": "1",
        "Body": "b",
        "Attributes": {"SenderId": "s"},
        "MessageAttributes": {"n": {"DataType": "String", "StringValue": "v"}},
    }

    answer = serialize(operation, {"Messages": [message]}, REQUEST_ID)

    assert (
        answer.body
        == (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<ReceiveMessageResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><ReceiveMessageResult><Message>'
            "<MessageId>1</MessageId><Body>b</Body><Attribute><Name>SenderId</Name><Value>s</Value></Attribute>"
            "<MessageAttribute><Name>n</Name><Value><StringValue>v</StringValue><DataType>String</DataType></Value>"
            "</MessageAttribute></Message></ReceiveMessageResult>"
            f"<ResponseMetadata><RequestId>{REQUEST_ID}</RequestId></ResponseMetadata></ReceiveMessageResponse>"
        ).encode()
    )


def test_an_operation_without_a_result_has_no_result_element(services: Services) -> None:
    """SNS's Unsubscribe answers with its metadata alone."""
    answer = serialize(operation_of(services, "sns", "Unsubscribe"), None, REQUEST_ID)

    assert (
        answer.body
        == (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<UnsubscribeResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">'
            f"<ResponseMetadata><RequestId>{REQUEST_ID}</RequestId></ResponseMetadata></UnsubscribeResponse>"
        ).encode()
    )


def test_timestamps_go_out_as_each_place_wants_them(services: Services) -> None:
    """A number in JSON, RFC 822 in a header, ISO 8601 with milliseconds in XML."""
    moment = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)

    json = serialize(operation_of(services, "lambda", "GetFunctionEventInvokeConfig"), {"LastModified": moment}, "")
    header = serialize(operation_of(services, "s3", "HeadObject"), {"LastModified": moment}, "")
    xml = serialize(operation_of(services, "s3", "ListObjectsV2"), {"Contents": [{"LastModified": moment}]}, "")

    assert json.body == b'{"LastModified":1767323045.678}'
    assert header.headers["last-modified"] == "Fri, 02 Jan 2026 03:04:05 GMT"
    assert isinstance(xml.body, bytes)
    assert b"<LastModified>2026-01-02T03:04:05.678Z</LastModified>" in xml.body
