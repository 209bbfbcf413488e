"""Requests that no boto3 writes: older clients, hand-made ones, and broken ones."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.errors import ApiError
from producers.gateway.model import Service
from producers.gateway.parse import parse, parse_form
from producers.gateway.route import Route
from tests.gateway.operations import all_operations
from tests.gateway.test_route import head

Services = dict[tuple[str, str], Service]


@pytest.mark.parametrize(
    ("form", "operation", "parameters"),
    [
        (
            (
                "Action=CreateQueue&Version=2012-11-05&QueueName=q&Attribute.1.Name=DelaySeconds&Attribute.1.Value=5"
                "&Attribute.2.Name=VisibilityTimeout&Attribute.2.Value=40&Tag.1.Key=k&Tag.1.Value=v"
            ),
            "CreateQueue",
            {
                "QueueName": "q",
                "Attributes": {"DelaySeconds": "5", "VisibilityTimeout": "40"},
                "tags": {"k": "v"},
            },
        ),
        (
            (
                "Action=ReceiveMessage&QueueUrl=u&MaxNumberOfMessages=5&AttributeName.10=SenderId&AttributeName.9=All"
                "&MessageAttributeName.1=a.*"
            ),
            "ReceiveMessage",
            {
                "QueueUrl": "u",
                "MaxNumberOfMessages": 5,
                "AttributeNames": ["All", "SenderId"],
                "MessageAttributeNames": ["a.*"],
            },
        ),
        (
            (
                "Action=SendMessage&QueueUrl=u&MessageBody=a+b%26c&MessageAttribute.1.Name=n"
                "&MessageAttribute.1.Value.DataType=Binary&MessageAttribute.1.Value.BinaryValue=YQ%3D%3D"
            ),
            "SendMessage",
            {
                "QueueUrl": "u",
                "MessageBody": "a b&c",
                "MessageAttributes": {"n": {"DataType": "Binary", "BinaryValue": b"a"}},
            },
        ),
        (
            "Action=DeleteMessage&ReceiptHandle=h",
            "DeleteMessage",
            {"QueueUrl": "http://127.0.0.1:4566/000000000000/q", "ReceiptHandle": "h"},
        ),
        (
            (
                "Action=SendMessageBatch&QueueUrl=u&SendMessageBatchRequestEntry.2.Id=b&SendMessageBatchRequestEntry.2."
                "MessageBody=2&SendMessageBatchRequestEntry.1.Id=a&SendMessageBatchRequestEntry.1.MessageBody=1"
            ),
            "SendMessageBatch",
            {"QueueUrl": "u", "Entries": [{"Id": "a", "MessageBody": "1"}, {"Id": "b", "MessageBody": "2"}]},
        ),
    ],
)
def test_sqs_reads_what_older_clients_write(
    form: str, operation: str, parameters: dict[str, Any], services: Services
) -> None:
    """The names are those of the API reference's examples."""
    service = services["sqs", "query"]
    request = head("POST", "/000000000000/q")
    fields = parse_form(request, form.encode())

    assert parse(Route(service.operations[operation]), request, b"", fields) == parameters


@pytest.mark.parametrize(
    ("service", "operation", "body", "code"),
    [
        (("lambda", "rest-json"), "CreateFunction", b"{", "SerializationException"),
        (("lambda", "rest-json"), "CreateFunction", b"[]", "SerializationException"),
        (("lambda", "rest-json"), "CreateFunction", b"\xff", "SerializationException"),
        (("lambda", "rest-json"), "CreateFunction", b'{"Timeout": "3"}', "SerializationException"),
        (("lambda", "rest-json"), "CreateFunction", b'{"Timeout": true}', "SerializationException"),
        (("lambda", "rest-json"), "CreateFunction", b'{"FunctionName": 1}', "SerializationException"),
        (("lambda", "rest-json"), "CreateFunction", b'{"Code": {"ZipFile": "%"}}', "SerializationException"),
        (("lambda", "rest-json"), "CreateFunction", b'{"Code": []}', "SerializationException"),
        (("lambda", "rest-json"), "CreateFunction", b'{"Layers": {}}', "SerializationException"),
        (("lambda", "rest-json"), "CreateFunction", b'{"NewInNextYear": 1}', "NotImplemented"),
        (("lambda", "rest-json"), "CreateFunction", b'{"Code": {"NewInNextYear": 1}}', "NotImplemented"),
        (("events", "json"), "PutEvents", b'{"Entries": [{"Time": "soon"}]}', "SerializationException"),
        (("s3", "rest-xml"), "CreateBucket", b"<a", "MalformedXML"),
        (("s3", "rest-xml"), "CreateBucket", b"", None),
        (("s3", "rest-xml"), "CreateBucket", b"<Other/>", "MalformedXML"),
        (
            ("s3", "rest-xml"),
            "CreateBucket",
            b"<CreateBucketConfiguration><No/></CreateBucketConfiguration>",
            "MalformedXML",
        ),
        (("s3", "rest-xml"), "DeleteObjects", b"<Delete><Quiet>maybe</Quiet></Delete>", "MalformedXML"),
        (
            ("s3", "rest-xml"),
            "DeleteObjects",
            b"<Delete><Quiet>true</Quiet><Quiet>true</Quiet></Delete>",
            "MalformedXML",
        ),
        (
            ("s3", "rest-xml"),
            "DeleteObjects",
            b'<!DOCTYPE Delete [<!ENTITY a "b">]><Delete><Object><Key>&a;</Key></Object></Delete>',
            "MalformedXML",
        ),
        (("s3", "rest-xml"), "DeleteObjects", b'<?xml version="1.0" encoding="nonsense"?><Delete/>', "MalformedXML"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(
    service: tuple[str, str], operation: str, body: bytes, code: str | None, services: Services
) -> None:
    """In the words of the protocol; a field that nobody knows is named."""
    route = Route(services[service].operations[operation], {"Bucket": "b"})
    if code is None:
        assert parse(route, head("PUT", "/b"), body, {}) == {"Bucket": "b"}
        return
    with pytest.raises(ApiError) as refused:
        parse(route, head("PUT", "/b"), body, {})

    assert refused.value.code == code


def test_the_field_that_nobody_knows_is_named_with_its_path(services: Services) -> None:
    """The text says what was refused, by whom, and what to do."""
    route = Route(services["lambda", "rest-json"].operations["CreateFunction"])
    with pytest.raises(ApiError) as refused:
        parse(route, head("POST", "/"), b'{"Code": {"Zap": 1}}', {})

    assert refused.value.message == (
        "thrice does not know the field 'Code.Zap' of lambda:CreateFunction, so it refused the request and changed "
        "nothing. Leave the field out, or look for a newer thrice."
    )


@pytest.mark.parametrize(
    ("target", "headers"), [("/b?max-keys=x", {}), ("/b?max-keys=1_0", {}), ("/b?fetch-owner=1", {})]
)
def test_text_of_the_wrong_type_is_refused(target: str, headers: dict[str, str], services: Services) -> None:
    """A number in a query that is none."""
    route = Route(services["s3", "rest-xml"].operations["ListObjectsV2"], {"Bucket": "b"})
    with pytest.raises(ApiError, match="InvalidArgument"):
        parse(route, head("GET", target, **headers), b"", {})


def test_null_means_absent(services: Services) -> None:
    """As AWS reads it, at every depth."""
    route = Route(services["lambda", "rest-json"].operations["UpdateFunctionConfiguration"], {"FunctionName": "f"})
    body = b'{"Description": null, "Environment": {"Variables": {"A": null, "B": "b"}}}'

    parameters = parse(route, head("PUT", "/"), body, {})

    assert parameters == {"FunctionName": "f", "Environment": {"Variables": {"B": "b"}}}


def test_timestamps_are_read_in_every_spelling(services: Services) -> None:
    """Seconds since the epoch and ISO 8601, with and without a zone, are one moment in UTC."""
    route = Route(services["events", "json"].operations["PutEvents"])

    def time_of(text: bytes) -> str:
        entry = parse(route, head("POST", "/"), b'{"Entries": [{"Time": %s}]}' % text, {})["Entries"][0]
        return str(entry["Time"].isoformat())

    expected = "2026-01-02T03:04:05+00:00"
    spellings = (b"1767323045", b'"2026-01-02T03:04:05Z"', b'"2026-01-02T03:04:05"', b'"2026-01-02T04:04:05+01:00"')
    assert {time_of(spelling) for spelling in spellings} == {expected}
    assert time_of(b'"Fri, 02 Jan 2026 03:04:05 GMT"') == expected


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data())
def test_no_body_whatever_makes_a_reader_fail(data: st.DataObject, services: Services) -> None:
    """Any bytes are read or refused: nothing but an ApiError ever comes out."""
    name, operation_name = data.draw(st.sampled_from(list(all_operations())))
    service = data.draw(st.sampled_from([service for (known, _), service in services.items() if known == name]))
    operation = service.operations[operation_name]
    members = list(operation.model.input_shape.members) if operation.model.input_shape else ["x"]
    body = data.draw(
        st.binary(max_size=40)
        | st.dictionaries(st.sampled_from(members), _JSON, max_size=4).map(lambda value: json.dumps(value).encode())
        | st.text('<>/a=& "DeleteObjectKey', max_size=40).map(str.encode)
        | st.text("=&.%1aAction", max_size=40).map(str.encode)
    )
    request = head("POST", "/b/k?" + data.draw(st.text("=&%1ax-", max_size=20)))
    labels = {"Bucket": "b", "Key": "k", "FunctionName": "f", "StatementId": "s", "Resource": "r"}
    with contextlib.suppress(ApiError):
        form = parse_form(request, body) if service.protocol == "query" else {}
        parse(Route(operation, labels), request, body, form)
