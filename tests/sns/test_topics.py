"""Topics and subscriptions: made, found, listed, told things, deleted; and what is refused."""

from typing import Any

import pytest

from producers.errors import ApiError
from tests.sns.conftest import FUNCTION, QUEUE, TOPIC, Caller


def refusal(call: Any, **parameters: Any) -> tuple[str, str]:
    """The code and the words of a refusal."""
    with pytest.raises(ApiError) as caught:
        call(**parameters)
    return caught.value.code, caught.value.message


MISSING = ("NotFound", "Topic does not exist")


def test_a_new_topic_is_what_aws_makes_it(caller: Caller):
    """Its attributes are texts; making it again changes nothing."""
    arn = caller.topic("t", Attributes={"DisplayName": "d", "FifoTopic": "false"})
    caller.subscribed(arn, FUNCTION + "f")

    assert arn == caller.topic("t") == TOPIC + "t"
    assert caller.get_topic_attributes(TopicArn=arn) == {
        "Attributes": {
            "TopicArn": arn,
            "Owner": "000000000000",
            "DisplayName": "d",
            "SubscriptionsConfirmed": "1",
            "SubscriptionsPending": "0",
            "SubscriptionsDeleted": "0",
        }
    }


def test_making_a_topic_with_other_attributes_is_refused(caller: Caller):
    """In AWS's words; the same for tags."""
    caller.topic("t", Attributes={"DisplayName": "d"}, Tags=[{"Key": "a", "Value": "1"}])

    assert refusal(caller.topic, name="t", Attributes={"DisplayName": "e"}) == (
        "InvalidParameter",
        "Invalid parameter: Attributes Reason: Topic already exists with different attributes",
    )
    assert refusal(caller.topic, name="t", Tags=[{"Key": "a", "Value": "2"}]) == (
        "InvalidParameter",
        "Invalid parameter: Tags Reason: Topic already exists with different tags",
    )


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"name": ""}, "Invalid parameter: Topic Name"),
        ({"name": "a b"}, "Invalid parameter: Topic Name"),
        ({"name": "a" * 257}, "Invalid parameter: Topic Name"),
        (
            {"name": "t.fifo", "Attributes": {"FifoTopic": "true"}},
            (
                "Invalid parameter: Topic Name Reason: 't.fifo' would be a FIFO topic; here are only standard topics. "
                "Choose a name without '.fifo'."
            ),
        ),
        (
            {"name": "t", "Attributes": {"FifoTopic": "true"}},
            (
                "Invalid parameter: Attributes Reason: 'FifoTopic' is not supported here; the attributes are "
                "DisplayName and Policy."
            ),
        ),
        (
            {"name": "t", "Attributes": {"KmsMasterKeyId": "k"}},
            (
                "Invalid parameter: Attributes Reason: 'KmsMasterKeyId' is not supported here; the attributes are "
                "DisplayName and Policy."
            ),
        ),
        ({"name": "t", "Attributes": {"Policy": "no json"}}, "Invalid parameter: Policy Error: null"),
    ],
)
def test_a_topic_that_cannot_be_is_refused(caller: Caller, parameters: dict[str, Any], words: str):
    """Nothing is accepted and ignored."""
    assert refusal(caller.topic, **parameters) == ("InvalidParameter", words)


def test_topics_are_listed_in_pages_of_a_hundred(caller: Caller):
    """The pages together are the list, in order."""
    arns = [caller.topic(f"t-{n:03}") for n in range(101)]

    first = caller.list_topics()
    second = caller.list_topics(NextToken=first["NextToken"])

    assert [topic["TopicArn"] for topic in first["Topics"] + second["Topics"]] == arns
    assert (len(first["Topics"]), "NextToken" in second) == (100, False)
    assert refusal(caller.list_topics, NextToken="é") == ("InvalidParameter", "Invalid parameter: NextToken")


def test_a_topic_goes_with_its_subscriptions(caller: Caller):
    """Deleting it twice is as good as once."""
    arn = caller.topic()
    subscription = caller.subscribed(arn, FUNCTION + "f")

    for _ in range(2):
        caller.delete_topic(TopicArn=arn)

    assert caller.list_topics() == {"Topics": []}
    assert caller.list_subscriptions() == {"Subscriptions": []}
    assert refusal(caller.get_topic_attributes, TopicArn=arn) == MISSING
    assert refusal(caller.get_subscription_attributes, SubscriptionArn=subscription) == (
        "NotFound",
        "Subscription does not exist",
    )


def test_attributes_and_tags_of_a_topic_change(caller: Caller):
    """What is not named stays."""
    arn = caller.topic("t", Attributes={"DisplayName": "d"}, Tags=[{"Key": "a", "Value": "1"}])

    caller.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue="{}")
    caller.tag_resource(ResourceArn=arn, Tags=[{"Key": "b", "Value": "2"}])
    caller.untag_resource(ResourceArn=arn, TagKeys=["a"])

    attributes = caller.get_topic_attributes(TopicArn=arn)["Attributes"]
    assert (attributes["DisplayName"], attributes["Policy"]) == ("d", "{}")
    assert caller.list_tags_for_resource(ResourceArn=arn) == {"Tags": [{"Key": "b", "Value": "2"}]}


def test_a_subscription_is_listed_and_told_of(caller: Caller):
    """Subscribing again changes nothing; nothing has to be confirmed."""
    arn = caller.topic()
    policy = '{"kind":["order"]}'

    subscription = caller.subscribed(arn, QUEUE + "q", FilterPolicy=policy)
    again = caller.subscribed(arn, QUEUE + "q", FilterPolicy=policy)

    listed = {
        "SubscriptionArn": subscription,
        "Owner": "000000000000",
        "Protocol": "sqs",
        "Endpoint": QUEUE + "q",
        "TopicArn": arn,
    }
    assert again == subscription
    assert subscription.startswith(arn + ":")
    assert caller.list_subscriptions() == {"Subscriptions": [listed]}
    assert caller.list_subscriptions_by_topic(TopicArn=arn) == {"Subscriptions": [listed]}
    assert caller.get_subscription_attributes(SubscriptionArn=subscription) == {
        "Attributes": {
            **listed,
            "PendingConfirmation": "false",
            "ConfirmationWasAuthenticated": "true",
            "RawMessageDelivery": "false",
            "FilterPolicy": policy,
            "FilterPolicyScope": "MessageAttributes",
        }
    }
    assert refusal(caller.subscribed, topic=arn, endpoint=QUEUE + "q", FilterPolicy='{"a":["b"]}') == (
        "InvalidParameter",
        "Invalid parameter: Attributes Reason: Subscription already exists with different attributes",
    )


@pytest.mark.parametrize(
    ("protocol", "endpoint", "words"),
    [
        (
            "email",
            "a@b.example",
            "Protocol Reason: 'email' is not supported here; the protocols are lambda and sqs.",
        ),
        ("lambda", None, "Endpoint"),
        ("lambda", "f", "Lambda endpoint ARN"),
        ("lambda", QUEUE + "q", "Lambda endpoint ARN"),
        ("sqs", "http://127.0.0.1:4566/000000000000/q", "SQS endpoint ARN"),
        (
            "sqs",
            QUEUE + "q.fifo",
            "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics",
        ),
        (
            "sqs",
            "arn:aws:sqs:eu-west-1:000000000000:q",
            (
                "Endpoint Reason: arn:aws:sqs:eu-west-1:000000000000:q is outside of us-east-1 and account "
                "000000000000, which are all that there is here."
            ),
        ),
    ],
)
def test_an_endpoint_that_nothing_can_be_delivered_to_is_refused(
    caller: Caller, protocol: str, endpoint: str | None, words: str
):
    """Saying what can be subscribed."""
    arn = caller.topic()

    assert refusal(caller.subscribe, TopicArn=arn, Protocol=protocol, Endpoint=endpoint) == (
        "InvalidParameter",
        f"Invalid parameter: {words}",
    )


@pytest.mark.parity("sns.raw")
@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("FilterPolicy", "{", "FilterPolicy: failed to parse JSON."),
        ("FilterPolicy", '{"a":[{"x":1}]}', "FilterPolicy: Unrecognized match type x"),
        (
            "FilterPolicy",
            '{"a":{"b":["x"]}}',
            "FilterPolicy: Filter policy scope MessageAttributes does not support nested filter policy",
        ),
        (
            "FilterPolicyScope",
            "Body",
            "FilterPolicyScope: Invalid value [Body]. Please use either MessageBody or MessageAttributes",
        ),
        ("RawMessageDelivery", "yes", "RawMessageDelivery: Invalid value [yes]. Must be true or false."),
        (
            "RawMessageDelivery",
            "true",
            "RawMessageDelivery: Delivery protocol [lambda] does not support raw message delivery.",
        ),
        ("RedrivePolicy", "x", "RedrivePolicy: failed to parse JSON."),
        ("RedrivePolicy", '{"deadLetterTargetArn":"q"}', "RedrivePolicy: deadLetterTargetArn is an invalid arn"),
    ],
)
def test_an_attribute_that_cannot_be_obeyed_is_refused(caller: Caller, name: str, value: str, words: str):
    """When subscribing and later; the words differ in what they begin with, as AWS's do."""
    arn = caller.topic()
    subscription = caller.subscribed(arn, FUNCTION + "f")

    assert refusal(caller.subscribed, topic=arn, endpoint=FUNCTION + "g", **{name: value}) == (
        "InvalidParameter",
        f"Invalid parameter: Attributes Reason: {words}",
    )
    assert refusal(
        caller.set_subscription_attributes, SubscriptionArn=subscription, AttributeName=name, AttributeValue=value
    ) == ("InvalidParameter", f"Invalid parameter: {words}")


def test_an_unknown_attribute_is_refused(caller: Caller):
    """DeliveryPolicy is for HTTP, which is not spoken here."""
    assert refusal(caller.subscribed, topic=caller.topic(), endpoint=QUEUE + "q", DeliveryPolicy="{}") == (
        "InvalidParameter",
        (
            "Invalid parameter: AttributeName Reason: 'DeliveryPolicy' is not supported here; the attributes are "
            "FilterPolicy, FilterPolicyScope, RawMessageDelivery, RedrivePolicy."
        ),
    )


def test_a_scope_that_the_policy_does_not_fit_is_refused(caller: Caller):
    """The two are looked at together, whichever is changed."""
    subscription = caller.subscribed(
        caller.topic(), QUEUE + "q", FilterPolicy='{"a":{"b":["x"]}}', FilterPolicyScope="MessageBody"
    )

    assert refusal(
        caller.set_subscription_attributes,
        SubscriptionArn=subscription,
        AttributeName="FilterPolicyScope",
        AttributeValue="MessageAttributes",
    ) == (
        "InvalidParameter",
        "Invalid parameter: FilterPolicy: Filter policy scope MessageAttributes does not support nested filter policy",
    )


def test_a_subscription_ends(caller: Caller):
    """Once or twice; then nothing is known of it."""
    arn = caller.topic()
    subscription = caller.subscribed(arn, QUEUE + "q")

    for _ in range(2):
        caller.unsubscribe(SubscriptionArn=subscription)

    assert caller.list_subscriptions_by_topic(TopicArn=arn) == {"Subscriptions": []}
    assert refusal(
        caller.set_subscription_attributes,
        SubscriptionArn=subscription,
        AttributeName="RawMessageDelivery",
        AttributeValue="true",
    ) == ("NotFound", "Subscription does not exist")


@pytest.mark.parity("sns.errors")
def test_nothing_can_be_done_with_a_topic_that_is_not_there(caller: Caller):
    """Every operation says the same; what is no ARN is refused as such."""
    gone = TOPIC + "gone"

    refusals = [
        refusal(caller.get_topic_attributes, TopicArn=gone),
        refusal(caller.set_topic_attributes, TopicArn=gone, AttributeName="DisplayName", AttributeValue="d"),
        refusal(caller.subscribe, TopicArn=gone, Protocol="sqs", Endpoint=QUEUE + "q"),
        refusal(caller.list_subscriptions_by_topic, TopicArn=gone),
        refusal(caller.publish, TopicArn=gone, Message="m"),
        refusal(caller.publish, TopicArn="arn:aws:sns:eu-west-1:000000000000:t", Message="m"),
        refusal(caller.publish_batch, TopicArn=gone, PublishBatchRequestEntries=[{"Id": "1", "Message": "m"}]),
        refusal(caller.list_tags_for_resource, ResourceArn=gone),
        refusal(caller.tag_resource, ResourceArn=gone, Tags=[]),
    ]

    assert set(refusals) == {MISSING}
    assert refusal(caller.publish, TopicArn="t", Message="m") == (
        "InvalidParameter",
        "Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 1",
    )
    assert refusal(caller.publish, Message="m") == (
        "InvalidParameter",
        "Invalid parameter: TopicArn or TargetArn Reason: no value for required parameter",
    )
