"""Makes and changes what a plan says, one step after the other, through the same API as every other client.

A step that fails ends the deployment: what was done stays, and the next deployment goes on from there. Functions are
waited for until they are active.
"""

from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from console.clients import Clients
from console.deploy.build import key_of
from console.deploy.intrinsics import filled_in
from console.deploy.look import Difference, subscription_arn
from console.deploy.steps import (
    Alias,
    Bucket,
    EventInvoke,
    Function,
    Layer,
    Notification,
    Permission,
    Queue,
    Rule,
    Step,
    Subscription,
    Topic,
    Version,
)

#: How often and how long it is looked whether a function is active: every second, for five minutes.
_WAITING = {"Delay": 1, "MaxAttempts": 300}


class Apply:
    """Does the steps. `outcomes` grows with what was published."""

    def __init__(self, clients: Clients, packages: Mapping[str, bytes], outcomes: dict[str, str]) -> None:
        self._clients = clients
        self._packages = packages
        self._outcomes = outcomes

    def do(self, step: Step, difference: Difference) -> None:
        """Do one step, as far as it differs.

        Raises:
            ClientError: the system refuses it.
        """
        if difference.sign != "=":
            _DOES[type(step)](self, step, difference)

    def _queue(self, step: Queue, difference: Difference) -> None:
        sqs = self._clients.sqs
        if difference.sign == "+":
            sqs.create_queue(QueueName=step.name, Attributes=dict(step.attributes), tags=dict(step.tags))
            return
        url = sqs.get_queue_url(QueueName=step.name)["QueueUrl"]
        changed = {name: value for name, value in step.attributes.items() if name in difference.what}
        if changed:
            sqs.set_queue_attributes(QueueUrl=url, Attributes=changed)
        if "Tags" in difference.what:
            sqs.tag_queue(QueueUrl=url, Tags=dict(step.tags))

    def _topic(self, step: Topic, difference: Difference) -> None:
        sns = self._clients.sns
        tags = [{"Key": name, "Value": value} for name, value in step.tags.items()]
        if difference.sign == "+":
            sns.create_topic(Name=step.name, Attributes=dict(step.attributes), Tags=tags)
            return
        arn = sns.create_topic(Name=step.name)["TopicArn"]  # the same once more changes nothing and tells the ARN
        for name, value in step.attributes.items():
            if name in difference.what:
                sns.set_topic_attributes(TopicArn=arn, AttributeName=name, AttributeValue=value)
        if "Tags" in difference.what:
            sns.tag_resource(ResourceArn=arn, Tags=tags)

    def _bucket(self, step: Bucket, _: Difference) -> None:
        region = self._clients.s3.meta.region_name
        elsewhere = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        self._clients.s3.create_bucket(Bucket=step.name, **elsewhere)

    def _layer(self, step: Layer, _: Difference) -> None:
        content = {"ZipFile": self._packages[key_of(step)]}
        answer = self._clients.lambda_.publish_layer_version(LayerName=step.name, Content=content, **step.members)
        self._outcomes[f"{step.id}.Arn"] = answer["LayerVersionArn"]

    def _function(self, step: Function, difference: Difference) -> None:
        client, package = self._clients.lambda_, self._packages[key_of(step)]
        members = filled_in(step.members, self._outcomes)
        if difference.sign == "+":
            client.create_function(FunctionName=step.name, Code={"ZipFile": package}, Tags=dict(step.tags), **members)
            client.get_waiter("function_active_v2").wait(FunctionName=step.name, WaiterConfig=_WAITING)
        else:
            self._update(step, members, package, difference)
        if step.concurrency is not None and (
            difference.sign == "+" or "ReservedConcurrentExecutions" in difference.what
        ):
            client.put_function_concurrency(FunctionName=step.name, ReservedConcurrentExecutions=step.concurrency)

    def _update(self, step: Function, members: Mapping[str, Any], package: bytes, difference: Difference) -> None:
        client = self._clients.lambda_
        updated = client.get_waiter("function_updated_v2")
        changed = {name: value for name, value in members.items() if name in difference.what}
        architectures = changed.pop("Architectures", None)
        if changed:
            client.update_function_configuration(FunctionName=step.name, **changed)
            updated.wait(FunctionName=step.name, WaiterConfig=_WAITING)
        if "code" in difference.what or architectures:
            extra = {"Architectures": architectures} if architectures else {}
            client.update_function_code(FunctionName=step.name, ZipFile=package, **extra)
            updated.wait(FunctionName=step.name, WaiterConfig=_WAITING)
        if "Tags" in difference.what:
            arn = client.get_function_configuration(FunctionName=step.name)["FunctionArn"]
            client.tag_resource(Resource=arn, Tags=dict(step.tags))

    def _version(self, step: Version, _: Difference) -> None:
        description = {"Description": step.description} if step.description else {}
        answer = self._clients.lambda_.publish_version(FunctionName=step.function, **description)
        self._outcomes[f"{step.id}.Version"] = answer["Version"]
        self._outcomes[f"{step.id}.Arn"] = answer["FunctionArn"]

    def _alias(self, step: Alias, difference: Difference) -> None:
        client = self._clients.lambda_
        operation = client.create_alias if difference.sign == "+" else client.update_alias
        operation(FunctionName=step.function, Name=step.alias, **filled_in(step.members, self._outcomes))

    def _event_invoke(self, step: EventInvoke, _: Difference) -> None:
        qualifier = {"Qualifier": step.qualifier} if step.qualifier else {}
        self._clients.lambda_.put_function_event_invoke_config(FunctionName=step.function, **qualifier, **step.members)

    def _permission(self, step: Permission, difference: Difference) -> None:
        client = self._clients.lambda_
        where = {"FunctionName": step.function} | ({"Qualifier": step.qualifier} if step.qualifier else {})
        if difference.sign == "~":
            client.remove_permission(StatementId=step.statement, **where)
        client.add_permission(StatementId=step.statement, **where, **step.members)

    def _subscription(self, step: Subscription, difference: Difference) -> None:
        sns = self._clients.sns
        if difference.sign == "+":
            sns.subscribe(
                TopicArn=step.topic_arn,
                Protocol=step.protocol,
                Endpoint=step.endpoint,
                Attributes=dict(step.attributes),
            )
            return
        arn = subscription_arn(self._clients, step)
        for name in difference.what:
            sns.set_subscription_attributes(
                SubscriptionArn=arn, AttributeName=name, AttributeValue=step.attributes.get(name, "")
            )

    def _notification(self, step: Notification, _: Difference) -> None:
        self._clients.s3.put_bucket_notification_configuration(
            Bucket=step.bucket, NotificationConfiguration=dict(step.configuration)
        )

    def _rule(self, step: Rule, difference: Difference) -> None:
        events = self._clients.events
        if difference.sign == "+" or set(difference.what) - {"Targets"}:
            events.put_rule(Name=step.name, **step.members)
        wanted = {target["Id"] for target in step.targets}
        there = {target["Id"] for target in events.list_targets_by_rule(Rule=step.name)["Targets"]}
        if there - wanted:
            events.remove_targets(Rule=step.name, Ids=sorted(there - wanted))
        if step.targets:
            events.put_targets(Rule=step.name, Targets=[dict(target) for target in step.targets])


_DOES: Mapping[type, Callable[[Apply, Any, Difference], None]] = {
    Queue: Apply._queue,  # noqa: SLF001 - this class's own
    Topic: Apply._topic,  # noqa: SLF001
    Bucket: Apply._bucket,  # noqa: SLF001
    Layer: Apply._layer,  # noqa: SLF001
    Function: Apply._function,  # noqa: SLF001
    Version: Apply._version,  # noqa: SLF001
    Alias: Apply._alias,  # noqa: SLF001
    EventInvoke: Apply._event_invoke,  # noqa: SLF001
    Permission: Apply._permission,  # noqa: SLF001
    Subscription: Apply._subscription,  # noqa: SLF001
    Notification: Apply._notification,  # noqa: SLF001
    Rule: Apply._rule,  # noqa: SLF001
}


def words_of(error: ClientError) -> str:
    """What the system said, in one line."""
    about = error.response["Error"]
    return f"{error.operation_name}: {about['Code']}: {about['Message']}"
