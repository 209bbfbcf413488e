"""What becomes of a message: sent, delayed, received, hidden, back again, too often, too old, deleted."""

from concurrent.futures import ThreadPoolExecutor

import orjson
import pytest
from redis import Redis

from producers.errors import ApiError
from tests.conftest import FakeClock
from tests.sqs.conftest import Caller
from worker.keys import Keys
from worker.message_document import message_document
from worker.message_store import MessageStore, Sent

ARN = "arn:aws:sqs:us-east-1:000000000000:"


def redrive(name: str, count: int) -> str:
    return orjson.dumps({"deadLetterTargetArn": ARN + name, "maxReceiveCount": count}).decode()


def test_messages_come_in_the_order_in_which_they_were_sent(caller: Caller, clock: FakeClock):
    """Also those of one batch; AWS promises nothing, but people read logs."""
    url = caller.queue()
    caller.send(url, "1")
    entries = [{"Id": str(n), "MessageBody": str(n)} for n in range(2, 8)]
    clock.advance(1)
    caller.send_message_batch(QueueUrl=url, Entries=entries)

    assert caller.bodies(url) == ["1", "2", "3", "4", "5", "6", "7"]


@pytest.mark.parity("sqs.visibility")
def test_a_received_message_is_hidden_until_its_timeout_and_then_comes_back(caller: Caller, clock: FakeClock):
    """The queue's timeout rules; the message is counted where it is; each receive has a new handle."""
    url = caller.queue(VisibilityTimeout="45")
    caller.send(url, "m")

    (first,) = caller.receive(url, AttributeNames=["All"])
    hidden = caller.counts(url), caller.bodies(url)
    clock.advance(44)
    still_hidden = caller.counts(url), caller.bodies(url)
    clock.advance(1.1)
    back = caller.counts(url)
    (second,) = caller.receive(url, AttributeNames=["All"])

    assert (hidden, still_hidden, back) == (((0, 1, 0), []), ((0, 1, 0), []), (1, 0, 0))
    assert second["MessageId"] == first["MessageId"]
    assert second["ReceiptHandle"] != first["ReceiptHandle"]
    counts = [message["Attributes"]["ApproximateReceiveCount"] for message in (first, second)]
    assert counts == ["1", "2"]
    times = {message["Attributes"]["ApproximateFirstReceiveTimestamp"] for message in (first, second)}
    assert len(times) == 1


def test_the_receiver_may_choose_another_timeout(caller: Caller, clock: FakeClock):
    """VisibilityTimeout of ReceiveMessage goes before the queue's; 0 hides nothing."""
    url = caller.queue()
    caller.send(url, "m")

    at_once = [caller.bodies(url, VisibilityTimeout=0) for _ in range(3)]
    caller.receive(url, VisibilityTimeout=100)
    clock.advance(99)
    hidden = caller.bodies(url)
    clock.advance(1.1)

    assert (at_once, hidden, caller.bodies(url)) == ([["m"]] * 3, [], ["m"])


@pytest.mark.parity("sqs.delay")
def test_a_delayed_message_comes_when_it_is_due(caller: Caller, clock: FakeClock):
    """The message's delay goes before the queue's, and 0 is a delay too."""
    url = caller.queue(DelaySeconds="20")
    caller.send(url, "queue's")
    caller.send(url, "own", DelaySeconds=5)
    caller.send(url, "none", DelaySeconds=0)

    at_first = caller.counts(url), caller.bodies(url)
    clock.advance(5)
    then = caller.counts(url), caller.bodies(url)
    clock.advance(15)
    finally_ = caller.bodies(url)

    assert at_first == ((1, 0, 2), ["none"])
    assert then == ((1, 1, 1), ["own"])
    assert finally_ == ["queue's"]


def test_visibility_can_be_made_longer_and_shorter(caller: Caller, clock: FakeClock):
    """From the moment of the change, not of the receive."""
    url = caller.queue()
    caller.send(url, "m")
    (message,) = caller.receive(url)
    handle = {"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]}

    clock.advance(20)
    caller.change_message_visibility(**handle, VisibilityTimeout=60)
    clock.advance(59)
    hidden = caller.bodies(url)
    caller.change_message_visibility(**handle, VisibilityTimeout=0)

    assert (hidden, caller.bodies(url)) == ([], ["m"])


def test_visibility_can_only_be_changed_in_flight(caller: Caller, clock: FakeClock):
    """Not after its timeout, not by an older receipt, not beyond 12 hours after the receive."""
    url = caller.queue()
    caller.send(url, "m")
    (message,) = caller.receive(url)
    handle = {"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]}

    def refusal(timeout: int) -> tuple[str, str]:
        with pytest.raises(ApiError) as caught:
            caller.change_message_visibility(**handle, VisibilityTimeout=timeout)
        return caught.value.code, caught.value.message.partition("Reason: ")[2]

    clock.advance(1)
    too_long = refusal(43_200)
    clock.advance(30)
    visible = refusal(10)
    caller.receive(url)
    received_again = refusal(10)

    assert too_long == (
        "InvalidParameterValue",
        "Total VisibilityTimeout for the message is beyond the limit [43200 seconds].",
    )
    assert visible == ("MessageNotInflight", "")
    assert received_again == (
        "InvalidParameterValue",
        "Message does not exist or is not available for visibility timeout change.",
    )


def test_a_deleted_message_is_gone_from_every_key(caller: Caller, redis: Redis, keys: Keys):
    """Deleting twice is as good as once; only the bell may still be rung."""
    url = caller.queue()
    caller.send(url, "m")
    (message,) = caller.receive(url)

    for _ in range(2):
        caller.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    assert caller.counts(url) == (0, 0, 0)
    assert {key.decode() for key in redis.scan_iter()} <= {keys.queues, keys.queue_doorbell("q")}


def test_a_message_can_be_deleted_after_its_timeout_but_not_by_an_older_receipt(caller: Caller, clock: FakeClock):
    """Who was too slow must not delete what somebody else is working on."""
    url = caller.queue()
    caller.send(url, "late")
    (late,) = caller.receive(url)
    clock.advance(31)
    caller.delete_message(QueueUrl=url, ReceiptHandle=late["ReceiptHandle"])
    after_late = caller.counts(url)
    caller.send(url, "stale")
    (stale,) = caller.receive(url)
    clock.advance(31)
    caller.receive(url)

    caller.delete_message(QueueUrl=url, ReceiptHandle=stale["ReceiptHandle"])

    assert (after_late, caller.counts(url)) == ((0, 0, 0), (0, 1, 0))


@pytest.mark.parametrize("handle", ["", "x", "bm8=", "cXxhfGJ8Yw==", "b3RoZXJ8aWR8dG9rZW4=", "é"])
def test_a_handle_of_nothing_is_refused(caller: Caller, handle: str):
    """No base64, too few or too many parts, another queue's."""
    url = caller.queue()

    for operation, more in (("delete_message", {}), ("change_message_visibility", {"VisibilityTimeout": 1})):
        with pytest.raises(ApiError) as caught:
            getattr(caller, operation)(QueueUrl=url, ReceiptHandle=handle, **more)
        assert caught.value.code == "ReceiptHandleIsInvalid"
        assert caught.value.message == f'The input receipt handle "{handle}" is not a valid receipt handle.'


def test_messages_vanish_when_the_queue_has_kept_them_long_enough(caller: Caller, clock: FakeClock):
    """Whether they can be received, are in flight, or are delayed."""
    url = caller.queue(MessageRetentionPeriod="120", VisibilityTimeout="600")
    caller.send(url, "in flight")
    caller.receive(url)
    caller.send(url, "visible")
    caller.send(url, "delayed", DelaySeconds=900)
    clock.advance(60)
    caller.send(url, "younger")

    before = caller.counts(url)
    clock.advance(61)

    assert (before, caller.counts(url), caller.bodies(url)) == ((2, 1, 1), (1, 0, 0), ["younger"])


@pytest.mark.parity("sqs.redrive")
def test_a_message_that_was_received_too_often_goes_to_the_dead_letter_queue(caller: Caller, clock: FakeClock):
    """With its id, age and counts, its attributes, and the name of where it came from."""
    dead = caller.queue("dead")
    url = caller.queue(RedrivePolicy=redrive("dead", 2), VisibilityTimeout="10")
    message_id = caller.send(url, "poison", MessageAttributes={"a": {"DataType": "String", "StringValue": "v"}})
    (first,) = caller.receive(url, AttributeNames=["All"])
    clock.advance(11)
    twice = caller.bodies(url)
    clock.advance(11)

    third = caller.bodies(url)

    assert (twice, third) == (["poison"], [])
    assert (caller.counts(url), caller.counts(dead)) == ((0, 0, 0), (1, 0, 0))
    (letter,) = caller.receive(dead, AttributeNames=["All"], MessageAttributeNames=["All"])
    assert letter["MessageId"] == message_id
    assert letter["Body"] == "poison"
    assert letter["MessageAttributes"] == {"a": {"DataType": "String", "StringValue": "v"}}
    assert letter["Attributes"] == {
        **first["Attributes"],
        "ApproximateReceiveCount": "3",
        "DeadLetterQueueSourceArn": ARN + "q",
    }


def test_a_dead_letter_is_as_old_as_the_message_was(caller: Caller, clock: FakeClock):
    """Retention counts from the first sending, as AWS warns."""
    dead = caller.queue("dead", MessageRetentionPeriod="60")
    url = caller.queue(RedrivePolicy=redrive("dead", 1), VisibilityTimeout="0")
    caller.send(url, "m")
    clock.advance(50)
    caller.receive(url)
    caller.receive(url)

    arrived = caller.counts(dead)
    clock.advance(11)

    assert (arrived, caller.counts(dead)) == ((1, 0, 0), (0, 0, 0))


def test_without_its_dead_letter_queue_a_message_stays(caller: Caller):
    """A dead-letter queue that was deleted must not swallow messages."""
    dead = caller.queue("dead")
    url = caller.queue(RedrivePolicy=redrive("dead", 1), VisibilityTimeout="0")
    caller.send(url, "m")
    caller.delete_queue(QueueUrl=dead)

    assert [caller.bodies(url) for _ in range(3)] == [["m"]] * 3


@pytest.mark.parity("sqs.purge")
def test_a_purge_takes_everything_and_rests_for_a_minute(caller: Caller, clock: FakeClock):
    """Visible, in flight and delayed; a second one within 60 s is refused in AWS's words."""
    url = caller.queue()
    caller.send(url, "in flight")
    caller.receive(url)
    caller.send(url, "visible")
    caller.send(url, "delayed", DelaySeconds=10)
    before = caller.counts(url)

    caller.purge_queue(QueueUrl=url)
    after = caller.counts(url)
    clock.advance(59)
    with pytest.raises(ApiError) as caught:
        caller.purge_queue(QueueUrl=url)
    clock.advance(1)
    caller.purge_queue(QueueUrl=url)

    assert (before, after) == ((1, 1, 1), (0, 0, 0))
    refusal = caught.value
    assert (refusal.code, refusal.status, refusal.message) == (
        "PurgeQueueInProgress",
        403,
        "Only one PurgeQueue operation on q is allowed every 60 seconds.",
    )


def test_receivers_at_the_same_time_never_get_the_same_message(caller: Caller, redis: Redis, keys: Keys):
    """Eight threads empty a queue of 300: every message is handed out exactly once."""
    caller.queue()
    store = MessageStore(redis, keys, ARN)
    sent = [message_document(str(n), sender="test") for n in range(300)]
    assert set(store.send("q", sent)) == {Sent.SENT}

    def take_all(_: int) -> list[str]:
        taken: list[str] = []
        while messages := store.receive("q", maximum=3).messages:
            taken += [message.message_id for message in messages]
        return taken

    with ThreadPoolExecutor(8) as pool:
        taken = [message_id for ids in pool.map(take_all, range(8)) for message_id in ids]

    assert sorted(taken) == sorted(document.message_id for document in sent)


def test_a_message_that_is_sent_again_under_its_id_is_there_once(caller: Caller, redis: Redis, keys: Keys):
    """A script whose answer was lost with the connection is run a second time."""
    url = caller.queue()
    store = MessageStore(redis, keys, ARN)
    document = message_document("m", sender="test")

    store.send("q", [document])
    received = store.receive("q")
    again = store.send("q", [document])

    assert (len(received.messages), again, caller.counts(url)) == (1, [Sent.SENT], (0, 1, 0))


def test_a_queue_that_is_gone_takes_nothing(redis: Redis, keys: Keys):
    """The script says so and writes nothing at all."""
    store = MessageStore(redis, keys, ARN)

    outcome = store.send("gone", [message_document("m", sender="test")])

    assert (outcome, redis.keys()) == ([Sent.MISSING], [])
