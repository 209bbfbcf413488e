"""What a client may call of SNS, and what publishes from inside.

A message goes to functions and to queues; publishing it writes everything that its subscribers get in one transaction,
so that all get it or, if Redis does not answer, none. There are standard topics only.
"""
# ruff: noqa: ARG002 - every operation is handed the request

import base64
import binascii
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

import orjson
from redis.client import Pipeline

from config import limits
from producers.errors import ApiError
from producers.seams import Request, Seams, TargetMissing
from producers.sns import batch, fan_out, subscription, topic
from producers.sns.message import Message as Publication
from producers.sns.message import check_message
from producers.sns.subscription import Subscription
from producers.sns.topic import Topic, Topics, missing
from worker.message_document import Attributes as KeptAttributes
from worker.message_document import size_of
from worker.scripts import source as script

#: How many topics or subscriptions one page lists. Source: Amazon SNS API Reference, ListTopics.
PAGE = 100

AttributeValues = dict[str, dict[str, Any]]
T = TypeVar("T")


class Sns:
    """The SNS service."""

    def __init__(self, seams: Seams) -> None:
        self._redis = seams.redis
        self._keys = seams.keys
        self._clock = seams.clock
        self._deliver = seams.deliver
        self._region = seams.settings.region
        self._account = seams.settings.account_id
        self._topics = Topics(self._region, self._account)
        self._change_record = seams.redis.register_script(script("change_record"))
        self._subscribe = seams.redis.register_script(script("subscribe"))

    # --- topics -------------------------------------------------------------------------------------------------

    def create_topic(
        self,
        request: Request,
        Name: str,
        Attributes: dict[str, str] | None = None,
        Tags: list[dict[str, str]] | None = None,
    ) -> dict[str, Any]:
        """Make a topic; the same once more changes nothing."""
        topic.check_name(Name)
        attributes = topic.check_attributes(Attributes or {})
        tags = {tag["Key"]: tag["Value"] for tag in Tags or []}
        if not self._redis.hsetnx(self._keys.topics, Name, Topic(attributes, tags).to_json()):
            existing = self._topic(Name)
            if any(existing.attributes.get(name) != value for name, value in attributes.items()):
                raise _invalid("Attributes Reason: Topic already exists with different attributes")
            if tags and tags != existing.tags:
                raise _invalid("Tags Reason: Topic already exists with different tags")
        return {"TopicArn": self._topics.arn(Name)}

    def list_topics(self, request: Request, NextToken: str | None = None) -> dict[str, Any]:
        """List topics by name."""
        arns, token = _page(sorted(map(self._topics.arn, self._names())), NextToken, lambda arn: arn)
        return {"Topics": [{"TopicArn": arn} for arn in arns]} | token

    def get_topic_attributes(self, request: Request, TopicArn: str) -> dict[str, Any]:
        """Tell everything about a topic."""
        name = self._topics.name_in(TopicArn)
        found = self._topic(name)
        return {
            "Attributes": {
                "DisplayName": "",
                **found.attributes,
                "TopicArn": TopicArn,
                "Owner": self._account,
                "SubscriptionsConfirmed": str(self._redis.hlen(self._keys.subscriptions(name))),
                "SubscriptionsPending": "0",
                "SubscriptionsDeleted": "0",
            }
        }

    def set_topic_attributes(
        self, request: Request, TopicArn: str, AttributeName: str, AttributeValue: str = ""
    ) -> None:
        """Change one attribute of a topic."""
        self._change_topic(TopicArn, {"attributes": topic.check_attributes({AttributeName: AttributeValue})})

    def delete_topic(self, request: Request, TopicArn: str) -> None:
        """Delete a topic with its subscriptions; one that is gone is as good as deleted."""
        name = self._topics.name_in_arn(TopicArn)
        if name is None:
            raise _invalid("TopicArn")
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.hdel(self._keys.topics, name)
            pipe.delete(self._keys.subscriptions(name))
            pipe.execute()

    def list_tags_for_resource(self, request: Request, ResourceArn: str) -> dict[str, Any]:
        """Tell the tags of a topic."""
        tags = self._topic(self._topics.name_in(ResourceArn, "ResourceArn")).tags
        return {"Tags": [{"Key": name, "Value": value} for name, value in tags.items()]}

    def tag_resource(self, request: Request, ResourceArn: str, Tags: list[dict[str, str]]) -> dict[str, Any]:
        """Add tags to a topic, and change those that are there."""
        self._change_topic(ResourceArn, {"tags": {tag["Key"]: tag["Value"] for tag in Tags}})
        return {}

    def untag_resource(self, request: Request, ResourceArn: str, TagKeys: list[str]) -> dict[str, Any]:
        """Take tags away from a topic."""
        self._change_topic(ResourceArn, {"tags": dict.fromkeys(TagKeys)})
        return {}

    # --- subscriptions ------------------------------------------------------------------------------------------

    def subscribe(
        self,
        request: Request,
        TopicArn: str,
        Protocol: str,
        Endpoint: str | None = None,
        Attributes: dict[str, str] | None = None,
        ReturnSubscriptionArn: bool = False,
    ) -> dict[str, Any]:
        """Subscribe a function or a queue; the same once more changes nothing.

        Nothing has to be confirmed here, so the ARN is always returned.
        """
        name = self._topics.name_in(TopicArn)
        endpoint = subscription.check_endpoint(Protocol, Endpoint, self._region, self._account)
        given = subscription.check_attributes(
            Protocol, Attributes or {}, {}, prefix="Invalid parameter: Attributes Reason: "
        )
        attributes = {key: value for key, value in given.items() if value is not None}
        arn = subscription.subscription_arn(TopicArn, Protocol, endpoint)
        wanted = Subscription(arn, Protocol, endpoint, attributes)
        answer = self._subscribe([self._keys.topics, self._keys.subscriptions(name)], [name, arn, wanted.to_json()])
        if answer is None:
            raise missing()
        if answer != b"subscribed":
            existing = Subscription.from_json(arn, answer)
            if any(existing.attributes.get(key) != value for key, value in given.items()):
                raise _invalid("Attributes Reason: Subscription already exists with different attributes")
        return {"SubscriptionArn": arn}

    def unsubscribe(self, request: Request, SubscriptionArn: str) -> None:
        """End a subscription; one that is gone is as good as ended."""
        name = self._topics.name_in_arn(SubscriptionArn.rpartition(":")[0])
        if name is None:
            raise _invalid("SubscriptionArn")
        self._redis.hdel(self._keys.subscriptions(name), SubscriptionArn)

    def list_subscriptions(self, request: Request, NextToken: str | None = None) -> dict[str, Any]:
        """List all subscriptions."""
        everything = [found for name in self._names() for found in self._subscriptions(name)]
        return self._listed(everything, NextToken)

    def list_subscriptions_by_topic(
        self, request: Request, TopicArn: str, NextToken: str | None = None
    ) -> dict[str, Any]:
        """List the subscriptions of one topic."""
        name = self._topics.name_in(TopicArn)
        self._topic(name)
        return self._listed(self._subscriptions(name), NextToken)

    def get_subscription_attributes(self, request: Request, SubscriptionArn: str) -> dict[str, Any]:
        """Tell everything about a subscription."""
        return {"Attributes": self._subscription(SubscriptionArn)[1].shown(self._account)}

    def set_subscription_attributes(
        self, request: Request, SubscriptionArn: str, AttributeName: str, AttributeValue: str = ""
    ) -> None:
        """Change one attribute of a subscription; an empty policy is taken away."""
        name, existing = self._subscription(SubscriptionArn)
        changes = subscription.check_attributes(
            existing.protocol,
            {AttributeName: AttributeValue},
            existing.attributes,
            prefix="Invalid parameter: ",
        )
        change = orjson.dumps({"attributes": changes})
        if not self._change_record([self._keys.subscriptions(name)], [SubscriptionArn, change]):
            raise _no_subscription()

    # --- messages -----------------------------------------------------------------------------------------------

    def publish(
        self,
        request: Request,
        Message: str,
        TopicArn: str | None = None,
        TargetArn: str | None = None,
        Subject: str | None = None,
        MessageStructure: str | None = None,
        MessageAttributes: AttributeValues | None = None,
    ) -> dict[str, Any]:
        """Publish one message."""
        arn = TopicArn or TargetArn
        if not arn:
            raise _invalid("TopicArn or TargetArn Reason: no value for required parameter")
        name = self._topics.name_in(arn, "TopicArn" if TopicArn else "TargetArn")
        message = check_message(Message, Subject, MessageStructure, MessageAttributes)
        self._topic(name)
        return {"MessageId": self._publish(name, [message], request.trace_header)[0]}

    def publish_batch(
        self, request: Request, TopicArn: str, PublishBatchRequestEntries: list[dict[str, Any]]
    ) -> dict[str, Any]:
        """Publish up to ten messages in one transaction; those that are refused do not stop the others."""
        name = self._topics.name_in(TopicArn)
        batch.check_entries(PublishBatchRequestEntries)
        messages: dict[str, Publication] = {}
        failed = []
        for entry in PublishBatchRequestEntries:
            try:
                messages[entry["Id"]] = _check_entry(**entry)
            except ApiError as error:
                failed.append({"Id": entry["Id"], "Code": error.code, "Message": error.message, "SenderFault": True})
        batch.check_size(list(messages.values()))
        self._topic(name)
        ids = self._publish(name, list(messages.values()), request.trace_header)
        successful = [
            {"Id": entry_id, "MessageId": message_id} for entry_id, message_id in zip(messages, ids, strict=True)
        ]
        return {"Successful": successful, "Failed": failed}

    def deliver(
        self,
        pipe: Pipeline,
        target_arn: str,
        payload: bytes,
        *,
        source: str,
        trace_header: str | None = None,
        attributes: KeptAttributes | None = None,
    ) -> None:
        """Add to `pipe` the publishing of `payload` as a message; see `producers.seams.Deliver`."""
        name = self._topics.name_in_arn(target_arn)
        if name is None or not self._redis.hexists(self._keys.topics, name):
            raise TargetMissing(target_arn)
        text = payload.decode()
        size = size_of(text, attributes or {})
        if size > limits.MAX_SNS_MESSAGE:
            raise TargetMissing(f"{target_arn} takes messages of {limits.MAX_SNS_MESSAGE} bytes; this one has {size}")
        message = Publication({"default": text}, None, attributes or {})
        self._fan_out(pipe, self._subscriptions(name), message, trace_header)

    # --- what the operations share ------------------------------------------------------------------------------

    def _publish(self, name: str, messages: Sequence[Publication], trace_header: str | None) -> list[str]:
        """Publish `messages` in one transaction, and tell their ids."""
        subscriptions = self._subscriptions(name)
        with self._redis.pipeline(transaction=True) as pipe:
            ids = [self._fan_out(pipe, subscriptions, message, trace_header) for message in messages]
            pipe.execute()
        return ids

    def _fan_out(
        self, pipe: Pipeline, subscriptions: Sequence[Subscription], message: Publication, trace_header: str | None
    ) -> str:
        message_id = str(uuid.uuid4())
        fan_out.add(
            pipe,
            self._deliver,
            subscriptions,
            message,
            message_id=message_id,
            published_at=self._clock.now(),
            trace_header=trace_header,
        )
        return message_id

    def _names(self) -> list[str]:
        return sorted(name.decode() for name in cast("list[bytes]", self._redis.hkeys(self._keys.topics)))

    def _topic(self, name: str) -> Topic:
        record = self._redis.hget(self._keys.topics, name)
        if record is None:
            raise missing()
        return Topic.from_json(record)

    def _change_topic(self, arn: str, change: Mapping[str, Any]) -> None:
        if not self._change_record([self._keys.topics], [self._topics.name_in(arn), orjson.dumps(change)]):
            raise missing()

    def _subscriptions(self, name: str) -> list[Subscription]:
        records = cast("dict[bytes, bytes]", self._redis.hgetall(self._keys.subscriptions(name)))
        return [Subscription.from_json(arn.decode(), record) for arn, record in records.items()]

    def _subscription(self, arn: str) -> tuple[str, Subscription]:
        """A subscription, and the name of its topic."""
        name = self._topics.name_in_arn(arn.rpartition(":")[0])
        record = self._redis.hget(self._keys.subscriptions(name), arn) if name else None
        if name is None or record is None:
            raise _no_subscription()
        return name, Subscription.from_json(arn, record)

    def _listed(self, found: Sequence[Subscription], token: str | None) -> dict[str, Any]:
        in_order = sorted(found, key=lambda each: each.arn)
        page, next_token = _page(in_order, token, lambda each: each.arn)
        return {"Subscriptions": [each.listed(self._account) for each in page]} | next_token


def _check_entry(
    Id: str,  # noqa: ARG001 - checked with all others
    Message: str,
    Subject: str | None = None,
    MessageStructure: str | None = None,
    MessageAttributes: AttributeValues | None = None,
    **others: Any,
) -> Publication:
    """Read one entry of PublishBatch."""
    if others:
        raise _invalid(f"{min(others)} Reason: there are only standard topics here")
    return check_message(Message, Subject, MessageStructure, MessageAttributes)


def _page(items: Sequence[T], token: str | None, key_of: Callable[[T], str]) -> tuple[list[T], dict[str, str]]:
    """The items after the token, in the order of their keys, and the token of the next page if there is one."""
    after = ""
    if token:
        try:
            after = base64.b64decode(token, validate=True).decode("ascii")
        except (binascii.Error, ValueError):
            raise _invalid("NextToken") from None
    rest = [item for item in items if key_of(item) > after]
    page = rest[:PAGE]
    if len(rest) <= PAGE:
        return page, {}
    return page, {"NextToken": base64.b64encode(key_of(page[-1]).encode()).decode()}


def _invalid(what: str) -> ApiError:
    return ApiError("InvalidParameter", f"Invalid parameter: {what}")


def _no_subscription() -> ApiError:
    return ApiError("NotFound", "Subscription does not exist", 404)
