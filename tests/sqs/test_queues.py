"""Queues: made, found, listed, told things, deleted; and what is refused."""

from typing import Any

import orjson
import pytest

from producers.errors import ApiError
from tests.conftest import FakeClock
from tests.sqs.conftest import Caller

BASE = "http://127.0.0.1:4566/000000000000/"
ARN = "arn:aws:sqs:us-east-1:000000000000:"


def refusal(call: Any, **parameters: Any) -> tuple[str, str]:
    """The code and the words of a refusal."""
    with pytest.raises(ApiError) as caught:
        call(**parameters)
    return caught.value.code, caught.value.message


MISSING = ("QueueDoesNotExist", "The specified queue does not exist.")


def test_a_new_queue_is_what_aws_makes_it(caller: Caller, clock: FakeClock):
    """All attributes, as texts, with AWS's defaults."""
    made_at = str(int(clock.now().timestamp()))

    url = caller.queue("q")
    shown = caller.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]

    assert url == BASE + "q"
    assert shown.pop("CreatedTimestamp") in (made_at, str(int(made_at) + 1))
    shown.pop("LastModifiedTimestamp")
    assert shown == {
        "QueueArn": ARN + "q",
        "ApproximateNumberOfMessages": "0",
        "ApproximateNumberOfMessagesNotVisible": "0",
        "ApproximateNumberOfMessagesDelayed": "0",
        "DelaySeconds": "0",
        "MaximumMessageSize": "1048576",
        "MessageRetentionPeriod": "345600",
        "ReceiveMessageWaitTimeSeconds": "0",
        "VisibilityTimeout": "30",
        "SqsManagedSseEnabled": "false",
    }


@pytest.mark.parity("sqs.create.idempotent")
def test_making_a_queue_again_changes_nothing(caller: Caller):
    """Equal attributes or none are welcome; another value is refused in AWS's words."""
    url = caller.queue("q", DelaySeconds="3")

    assert caller.queue("q") == caller.queue("q", DelaySeconds="3") == caller.queue("q", VisibilityTimeout="30") == url
    assert refusal(caller.create_queue, QueueName="q", Attributes={"DelaySeconds": "4"}) == (
        "QueueNameExists",
        "A queue already exists with the same name and a different value for attribute DelaySeconds",
    )


@pytest.mark.parametrize("name", ["", "a" * 81, "a b", "a.b", "ä", "a/b", "q\n"])
def test_a_name_that_is_not_allowed_is_refused(caller: Caller, name: str):
    """In AWS's words."""
    assert refusal(caller.create_queue, QueueName=name) == (
        "InvalidParameterValue",
        "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
    )


def test_fifo_queues_are_refused(caller: Caller):
    """By name and by attribute, with what to do."""
    by_name = refusal(caller.create_queue, QueueName="q.fifo", Attributes={"FifoQueue": "true"})
    by_attribute = refusal(caller.create_queue, QueueName="q", Attributes={"FifoQueue": "true"})

    assert by_name == (
        "InvalidParameterValue",
        "Queue 'q.fifo' would be a FIFO queue; here are only standard queues. Choose a name without '.fifo'.",
    )
    assert by_attribute == (
        "InvalidAttributeName",
        "FifoQueue cannot be obeyed: there are only standard queues here.",
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DelaySeconds", "-1"),
        ("DelaySeconds", "901"),
        ("DelaySeconds", "1.5"),
        ("DelaySeconds", ""),
        ("MaximumMessageSize", "1023"),
        ("MaximumMessageSize", "1048577"),
        ("MessageRetentionPeriod", "59"),
        ("MessageRetentionPeriod", "1209601"),
        ("ReceiveMessageWaitTimeSeconds", "21"),
        ("VisibilityTimeout", "43201"),
        ("VisibilityTimeout", "²"),
        ("Policy", "no json"),
        ("Policy", "[]"),
    ],
)
def test_a_value_out_of_range_is_refused(caller: Caller, name: str, value: str):
    """When the queue is made and when it is changed."""
    expected = ("InvalidAttributeValue", f"Invalid value for the parameter {name}.")
    url = caller.queue("q")

    assert refusal(caller.create_queue, QueueName="r", Attributes={name: value}) == expected
    assert refusal(caller.set_queue_attributes, QueueUrl=url, Attributes={name: value}) == expected


@pytest.mark.parametrize("name", ["Nonsense", "QueueArn", "CreatedTimestamp", "KmsMasterKeyId", "DeduplicationScope"])
def test_an_attribute_that_cannot_be_obeyed_is_refused(caller: Caller, name: str):
    """Nothing is accepted and ignored."""
    code, words = refusal(caller.create_queue, QueueName="q", Attributes={name: "1"})

    assert code == "InvalidAttributeName"
    assert name in words


REDRIVE = {"deadLetterTargetArn": ARN + "dead", "maxReceiveCount": 3}


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        ("{", "Redrive policy is not a valid JSON map."),
        ("[]", "Redrive policy is not a valid JSON map."),
        ({}, "Redrive policy does not contain mandatory attribute: maxReceiveCount."),
        ({"maxReceiveCount": 1}, "Redrive policy does not contain mandatory attribute: deadLetterTargetArn."),
        (
            {**REDRIVE, "maxReceiveCount": 0},
            "Invalid value for maxReceiveCount: 0, valid values are from 1 to 1000 both inclusive.",
        ),
        (
            {**REDRIVE, "maxReceiveCount": "x"},
            "Invalid value for maxReceiveCount: x, valid values are from 1 to 1000 both inclusive.",
        ),
        ({**REDRIVE, "deadLetterTargetArn": "dead"}, "Invalid value for deadLetterTargetArn."),
        ({**REDRIVE, "deadLetterTargetArn": ARN + "gone"}, "Dead letter target does not exist."),
        (
            {**REDRIVE, "deadLetterTargetArn": "arn:aws:sqs:eu-west-1:000000000000:dead"},
            "Dead letter target does not exist.",
        ),
        ({**REDRIVE, "deadLetterTargetArn": ARN + "q"}, "Dead letter target must be another queue."),
        (
            {**REDRIVE, "deadLetterTargetArn": ARN + "closed"},
            f"The RedriveAllowPolicy of {ARN}closed does not permit this queue to use it.",
        ),
        (
            {**REDRIVE, "deadLetterTargetArn": ARN + "other"},
            f"The RedriveAllowPolicy of {ARN}other does not permit this queue to use it.",
        ),
    ],
)
def test_a_redrive_policy_that_cannot_be_obeyed_is_refused(caller: Caller, policy: Any, reason: str):
    """In AWS's words where it has some."""
    caller.queue("dead")
    caller.queue("closed", RedriveAllowPolicy='{"redrivePermission":"denyAll"}')
    caller.queue("other", RedriveAllowPolicy=f'{{"redrivePermission":"byQueue","sourceQueueArns":["{ARN}else"]}}')
    url = caller.queue("q")
    text = policy if isinstance(policy, str) else orjson.dumps(policy).decode()

    code, words = refusal(caller.set_queue_attributes, QueueUrl=url, Attributes={"RedrivePolicy": text})

    assert code == "InvalidParameterValue"
    assert words.startswith("Value ")
    assert words.partition(" for parameter RedrivePolicy is invalid. Reason: ")[2] == reason


def test_a_redrive_policy_is_kept_in_one_form_and_taken_away_by_an_empty_one(caller: Caller):
    """The count is a number whatever the caller wrote; the sources of a dead-letter queue can be listed."""
    dead = caller.queue("dead", RedriveAllowPolicy=f'{{"redrivePermission":"byQueue","sourceQueueArns":["{ARN}q"]}}')
    url = caller.queue("q", RedrivePolicy=orjson.dumps({**REDRIVE, "maxReceiveCount": "3"}).decode())

    def policy() -> dict[str, Any]:
        return dict(caller.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"]))

    def sources() -> dict[str, Any]:
        return dict(caller.list_dead_letter_source_queues(QueueUrl=dead))

    before = policy(), sources()
    caller.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": ""})

    kept = f'{{"deadLetterTargetArn":"{ARN}dead","maxReceiveCount":3}}'
    assert before == ({"Attributes": {"RedrivePolicy": kept}}, {"queueUrls": [url]})
    assert (policy(), sources()) == ({}, {"queueUrls": []})


def test_attributes_that_are_not_named_stay(caller: Caller, clock: FakeClock):
    """Only the time of the change changes with them."""
    url = caller.queue("q", DelaySeconds="3")
    before = caller.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    clock.advance(100)

    caller.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "7", "Policy": '{"Version":"1"}'})

    after = caller.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert int(after["LastModifiedTimestamp"]) - int(before["LastModifiedTimestamp"]) in (100, 101)
    modified = {"LastModifiedTimestamp": after["LastModifiedTimestamp"]}
    assert after == {**before, **modified, "VisibilityTimeout": "7", "Policy": '{"Version":"1"}'}


def test_only_what_is_asked_for_is_told(caller: Caller):
    """Nothing asked, nothing told; nonsense is refused."""
    url = caller.queue("q")

    assert caller.get_queue_attributes(QueueUrl=url) == {}
    asked = caller.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn", "Policy"])
    assert asked == {"Attributes": {"QueueArn": ARN + "q"}}
    assert refusal(caller.get_queue_attributes, QueueUrl=url, AttributeNames=["Nonsense"]) == (
        "InvalidAttributeName",
        "Unknown Attribute Nonsense.",
    )


def test_queues_are_listed_by_prefix_and_in_pages(caller: Caller):
    """The pages together are the list, in order."""
    names = ["a-1", "a-2", "a-3", "b-1"]
    for name in reversed(names):
        caller.queue(name)

    pages, token = [], None
    while True:
        answer = caller.list_queues(QueueNamePrefix="a-", MaxResults=2, **({"NextToken": token} if token else {}))
        pages.append(answer["QueueUrls"])
        token = answer.get("NextToken")
        if token is None:
            break

    assert pages == [[BASE + "a-1", BASE + "a-2"], [BASE + "a-3"]]
    assert caller.list_queues() == {"QueueUrls": [BASE + name for name in names]}
    assert caller.list_queues(QueueNamePrefix="c") == {}
    assert refusal(caller.list_queues, MaxResults=0)[0] == "InvalidParameterValue"
    assert refusal(caller.list_queues, MaxResults=1, NextToken="é")[0] == "InvalidParameterValue"


@pytest.mark.parity("sqs.url")
def test_a_queue_is_found_under_any_host(caller: Caller):
    """Containers know the machine by other names; the account and the path's end are what counts."""
    caller.queue("q")

    assert caller.get_queue_url(QueueName="q") == {"QueueUrl": BASE + "q"}
    for url in ("http://gateway:4566/000000000000/q", "https://sqs.us-east-1.example/000000000000/q/"):
        assert caller.send(url, "m")
    assert refusal(caller.send, url="q", body="m") == (
        "InvalidAddress",
        "The address q is not valid for this endpoint.",
    )
    assert refusal(caller.send, url="http://h/111111111111/q", body="m") == MISSING
    assert refusal(caller.get_queue_url, QueueName="q", QueueOwnerAWSAccountId="111111111111") == MISSING


@pytest.mark.parity("sqs.missing")
def test_nothing_can_be_done_with_a_queue_that_is_not_there(caller: Caller):
    """Every operation says the same."""
    url = caller.queue("q")
    caller.send(url, "m")
    (message,) = caller.receive(url)
    caller.delete_queue(QueueUrl=url)
    handle = message["ReceiptHandle"]
    entry = {"Id": "1", "ReceiptHandle": handle}

    refusals = [
        refusal(caller.get_queue_url, QueueName="q"),
        refusal(caller.get_queue_attributes, QueueUrl=url, AttributeNames=["All"]),
        refusal(caller.set_queue_attributes, QueueUrl=url, Attributes={"DelaySeconds": "1"}),
        refusal(caller.send_message, QueueUrl=url, MessageBody="m"),
        refusal(caller.send_message_batch, QueueUrl=url, Entries=[{"Id": "1", "MessageBody": "m"}]),
        refusal(caller.receive_message, QueueUrl=url),
        refusal(caller.delete_message, QueueUrl=url, ReceiptHandle=handle),
        refusal(caller.delete_message_batch, QueueUrl=url, Entries=[entry]),
        refusal(caller.change_message_visibility, QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=1),
        refusal(caller.change_message_visibility_batch, QueueUrl=url, Entries=[entry]),
        refusal(caller.purge_queue, QueueUrl=url),
        refusal(caller.delete_queue, QueueUrl=url),
        refusal(caller.list_queue_tags, QueueUrl=url),
        refusal(caller.tag_queue, QueueUrl=url, Tags={"a": "b"}),
        refusal(caller.list_dead_letter_source_queues, QueueUrl=url),
    ]

    assert set(refusals) == {MISSING}


def test_a_queue_of_the_same_name_begins_empty(caller: Caller):
    """Deleting a queue deletes its messages."""
    url = caller.queue("q")
    caller.send(url, "m")
    caller.delete_queue(QueueUrl=url)

    assert caller.counts(caller.queue("q")) == (0, 0, 0)


def test_tags_come_and_go(caller: Caller):
    """Attributes are not touched by it."""
    url = caller.create_queue(QueueName="q", tags={"a": "1", "b": "2"})["QueueUrl"]

    caller.tag_queue(QueueUrl=url, Tags={"b": "3", "c": "4"})
    caller.untag_queue(QueueUrl=url, TagKeys=["a", "never"])
    some = caller.list_queue_tags(QueueUrl=url)
    caller.untag_queue(QueueUrl=url, TagKeys=["b", "c"])

    assert some == {"Tags": {"b": "3", "c": "4"}}
    assert caller.list_queue_tags(QueueUrl=url) == {}
    assert caller.counts(url) == (0, 0, 0)
