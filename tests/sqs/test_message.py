"""What may be in a message, and the digests by which clients check that nothing was changed on the way."""

import base64
import hashlib

import pytest
from moto.sqs.models import Message as MotoMessage

from producers.errors import ApiError
from producers.sqs.message import check_attributes, check_body
from worker.message_document import attributes_md5, message_document

TEXT = {"DataType": "String", "StringValue": "vé"}
NUMBER = {"DataType": "Number.int", "StringValue": "-12.5e3"}
BINARY = {"DataType": "Binary.gif", "BinaryValue": base64.b64encode(b"\x00\xff").decode()}


@pytest.mark.parity("sqs.md5")
@pytest.mark.parametrize(
    "attributes", [{"a": TEXT}, {"n": NUMBER}, {"b": BINARY}, {"z": TEXT, "a": BINARY, "M": NUMBER, "m.x-y_z": TEXT}]
)
def test_the_digest_of_attributes_is_what_another_implementation_computes(attributes: dict[str, dict[str, str]]):
    """moto's, which the SDKs that verify digests are tested with."""
    other = MotoMessage("id", "body", {})
    other.message_attributes = {
        name: {**value, "BinaryValue": base64.b64decode(value["BinaryValue"])} if "BinaryValue" in value else value
        for name, value in attributes.items()
    }

    assert attributes_md5(attributes) == other.attribute_md5


def test_a_document_tells_its_digests_and_its_size():
    """The size counts the body and names, types and values of attributes, in bytes."""
    document = message_document("bödy", {"a": TEXT, "b": BINARY}, sender="s", trace_header="Root=1")

    assert document.md5_of_body == hashlib.md5("bödy".encode()).hexdigest()
    assert document.size == 5 + (1 + 6 + 3) + (1 + 10 + 2)
    trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1"}}
    assert document.md5_of_system_attributes == attributes_md5(trace)
    assert message_document("b", sender="s").md5_of_attributes is None


@pytest.mark.parametrize("body", ["\t\n\r ~", "\ud7ff\ue000\ufffd", "\U00010000\U0010ffff", "{}"])
def test_a_body_of_allowed_characters_passes(body: str):
    """Whatever XML can carry."""
    check_body(body)


@pytest.mark.parametrize("body", ["\0", "a\x0bb", "\x1f", "\ud800", "\ufffe", "\uffff"])
def test_a_body_with_other_characters_is_refused(body: str):
    """As AWS refuses it."""
    with pytest.raises(ApiError) as caught:
        check_body(body)
    assert caught.value.code == "InvalidMessageContents"


def test_an_empty_body_is_a_missing_one():
    """In AWS's words."""
    with pytest.raises(ApiError) as caught:
        check_body("")
    refusal = caught.value
    assert (refusal.code, refusal.message) == (
        "MissingParameter",
        "The request must contain the parameter MessageBody.",
    )


def test_attributes_are_kept_with_binary_values_in_base64():
    """Text stays as it is; a custom type stays a type."""
    checked = check_attributes(
        {"a": TEXT, "b": {"DataType": "Binary.gif", "BinaryValue": b"\x00\xff"}, "n": NUMBER},
    )

    assert checked == {"a": TEXT, "b": BINARY, "n": NUMBER}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("AWS.x", TEXT, "name 'AWS.x' is invalid"),
        ("amazon.x", TEXT, "name 'amazon.x' is invalid"),
        (".a", TEXT, "name '.a' is invalid"),
        ("a.", TEXT, "name 'a.' is invalid"),
        ("a..b", TEXT, "name 'a..b' is invalid"),
        ("a b", TEXT, "name 'a b' is invalid"),
        ("a" * 257, TEXT, "is invalid"),
        ("", TEXT, "name '' is invalid"),
        ("a", {"StringValue": "v"}, "must contain a non-empty message attribute type"),
        ("a", {"DataType": "", "StringValue": "v"}, "must contain a non-empty message attribute type"),
        ("a", {"DataType": "Text", "StringValue": "v"}, "the set of supported type prefixes is Binary, Number, and"),
        ("a", {"DataType": "string", "StringValue": "v"}, "the set of supported type prefixes is Binary, Number, and"),
        ("a", {"DataType": "String", "StringValue": ""}, "must contain a non-empty message attribute value"),
        ("a", {"DataType": "String", "BinaryValue": b"x"}, "must contain a non-empty message attribute value"),
        ("a", {"DataType": "Binary", "StringValue": "x"}, "must contain a non-empty message attribute value"),
        ("a", {"DataType": "Number", "StringValue": "ten"}, "Can't cast the value of message (user) attribute 'a'"),
        ("a", {"DataType": "String", "StringValue": "\x00"}, "Invalid characters found"),
        ("a", {"DataType": "String", "StringListValues": ["x"]}, "list values in SendMessage operation are not"),
    ],
)
def test_an_attribute_that_is_not_allowed_is_refused(name: str, value: dict[str, str], words: str):
    """With words that name it."""
    with pytest.raises(ApiError, match=r".+") as caught:
        check_attributes({name: value})
    assert words in caught.value.message


def test_more_than_ten_attributes_are_refused():
    """Ten are not."""
    check_attributes({str(n): TEXT for n in range(10)})
    with pytest.raises(ApiError) as caught:
        check_attributes({str(n): TEXT for n in range(11)})
    assert caught.value.message == "Number of message attributes [11] exceeds the allowed maximum [10]."
