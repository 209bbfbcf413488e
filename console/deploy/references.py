"""What the resources of a template are called, and what Ref and Fn::GetAtt say of them. Pure.

A resource without a name of its own is called `<stack>-<logical id>`, as CloudFormation would without the random end:
names are known before anything is made, and the same template deployed twice is the same resources.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from console.deploy.intrinsics import later

#: The property that names a resource, by type. Types that are not here have no name.
NAME_PROPERTIES: Mapping[str, str] = {
    "AWS::Serverless::Function": "FunctionName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Serverless::LayerVersion": "LayerName",
    "AWS::Lambda::LayerVersion": "LayerName",
    "AWS::Lambda::Alias": "Name",
    "AWS::SQS::Queue": "QueueName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::Events::Rule": "Name",
    "AWS::IAM::Role": "RoleName",
    "AWS::Logs::LogGroup": "LogGroupName",
}


class NoReference(Exception):
    """Raised for an attribute that a resource does not have here. The text says which there are."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where resources are: region, account, and the address of the gateway."""

    region: str
    account: str
    url: str

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a resource in this region and account."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"

    def function(self, name: str) -> str:
        """The ARN of a function."""
        return self.arn("lambda", f"function:{name}")

    def queue_url(self, name: str) -> str:
        """The URL of a queue."""
        return f"{self.url}/{self.account}/{name}"

    def role(self, name: str) -> str:
        """The ARN of a role, of which there need be none."""
        return f"arn:aws:iam::{self.account}:role/{name}"


@dataclass(frozen=True, slots=True)
class Named:
    """A resource that can be referred to."""

    id: str
    type: str
    name: str
    function: str = ""  # of an alias or a version: the function's name
    alias: str = ""  # of a function that publishes one


def name_of(stack: str, logical_id: str, resource_type: str) -> str:
    """The name of a resource that says none itself."""
    name = f"{stack}-{logical_id}"
    if resource_type == "AWS::S3::Bucket":
        return re.sub(r"[^a-z0-9-]", "-", name.lower())[:63].strip("-")
    return re.sub(r"[^\w-]", "-", name)[: 64 if resource_type.endswith("Function") else 80]


def refer(place: Place, named: Named, attribute: str) -> str:
    """What Ref (attribute "") or Fn::GetAtt of a resource says.

    Raises:
        NoReference: resources of this type have no such attribute here.
    """
    attributes = _ATTRIBUTES[named.type](place, named)
    if attribute not in attributes:
        there_are = ", ".join(name for name in attributes if name) or "none"
        raise NoReference(f"{named.id} ({named.type}) has no attribute '{attribute}' here; there are: {there_are}")
    return attributes[attribute]


def _function(place: Place, named: Named) -> dict[str, str]:
    arn = place.function(named.name)
    found = {"": named.name, "Arn": arn}
    if named.alias:
        found |= {"Alias": f"{arn}:{named.alias}", "Version": later(f"{named.id}.Arn")}
    return found


def _version(_: Place, named: Named) -> dict[str, str]:
    return {
        "": later(f"{named.id}.Arn"),
        "FunctionArn": later(f"{named.id}.Arn"),
        "Version": later(f"{named.id}.Version"),
    }


def _alias(place: Place, named: Named) -> dict[str, str]:
    arn = f"{place.function(named.function)}:{named.name}"
    return {"": arn, "AliasArn": arn}


def _layer(_: Place, named: Named) -> dict[str, str]:
    arn = later(f"{named.id}.Arn")
    return {"": arn, "LayerVersionArn": arn}


def _queue(place: Place, named: Named) -> dict[str, str]:
    url = place.queue_url(named.name)
    return {"": url, "QueueUrl": url, "QueueName": named.name, "Arn": place.arn("sqs", named.name)}


def _topic(place: Place, named: Named) -> dict[str, str]:
    arn = place.arn("sns", named.name)
    return {"": arn, "TopicArn": arn, "TopicName": named.name}


def _bucket(_: Place, named: Named) -> dict[str, str]:
    return {"": named.name, "Arn": f"arn:aws:s3:::{named.name}"}


def _rule(place: Place, named: Named) -> dict[str, str]:
    return {"": named.name, "Arn": place.arn("events", f"rule/{named.name}")}


def _role(place: Place, named: Named) -> dict[str, str]:
    return {"": named.name, "Arn": place.role(named.name)}


def _log_group(place: Place, named: Named) -> dict[str, str]:
    return {"": named.name, "Arn": place.arn("logs", f"log-group:{named.name}:*")}


_ATTRIBUTES: Mapping[str, Callable[[Place, Named], dict[str, str]]] = {
    "AWS::Serverless::Function": _function,
    "AWS::Lambda::Function": _function,
    "AWS::Lambda::Version": _version,
    "AWS::Lambda::Alias": _alias,
    "AWS::Serverless::LayerVersion": _layer,
    "AWS::Lambda::LayerVersion": _layer,
    "AWS::SQS::Queue": _queue,
    "AWS::SNS::Topic": _topic,
    "AWS::S3::Bucket": _bucket,
    "AWS::Events::Rule": _rule,
    "AWS::IAM::Role": _role,
    "AWS::Logs::LogGroup": _log_group,
}

#: The types that can be referred to.
REFERABLE = frozenset(_ATTRIBUTES)
