"""From the resources of a template to the steps of a deployment in the order of doing, or to what is wrong. Pure."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from graphlib import CycleError, TopologicalSorter

from console.deploy import functions, services
from console.deploy.draft import NO_IAM, Draft, Skip
from console.deploy.intrinsics import outcomes_in
from console.deploy.problem import Problem
from console.deploy.steps import KINDS, Alias, Function, Layer, Notification, Queue, Step, Version
from console.deploy.template import Resource, Template

_MAKERS: Mapping[str, Callable[[Draft, Resource], None]] = {
    "AWS::Serverless::Function": functions.serverless_function,
    "AWS::Lambda::Function": functions.function,
    "AWS::Lambda::Version": functions.version,
    "AWS::Lambda::Alias": functions.alias,
    "AWS::Serverless::LayerVersion": functions.layer,
    "AWS::Lambda::LayerVersion": functions.layer,
    "AWS::Lambda::EventInvokeConfig": functions.event_invoke_config,
    "AWS::Lambda::Permission": functions.permission,
    "AWS::SQS::Queue": services.queue,
    "AWS::SNS::Topic": services.topic,
    "AWS::SNS::Subscription": services.subscription,
    "AWS::S3::Bucket": services.bucket,
    "AWS::Events::Rule": services.rule,
}

#: Types that come to nothing here, and what is said of them.
_NOTED = {
    "AWS::IAM::": NO_IAM,
    "AWS::SQS::QueuePolicy": NO_IAM,
    "AWS::SNS::TopicPolicy": NO_IAM,
    "AWS::S3::BucketPolicy": NO_IAM,
    "AWS::Lambda::LayerVersionPermission": NO_IAM,
    "AWS::Logs::LogGroup": "Log groups are there by themselves: /aws/lambda/<function>. Retention is thrice's own.",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done, in order, and what is said beside it."""

    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()

    @property
    def functions(self) -> list[Function]:
        """The functions in it."""
        return [step for step in self.steps if isinstance(step, Function)]


def plan(template: Template, *, skips: bool = False) -> tuple[Plan, list[Problem]]:
    """What a template comes to, and what is wrong with it. With `skips`, what is not to be had is left out."""
    draft = Draft(template, skips)
    for resource in template.resources:
        noted = next((text for start, text in _NOTED.items() if resource.type.startswith(start)), None)
        if noted is not None:
            draft.note(noted)
        elif resource.type in _MAKERS:
            try:
                _MAKERS[resource.type](draft, resource)
            except Skip:
                continue
        else:
            draft.leave_out(resource.path, f"thrice has no {resource.type}")
    draft.steps += [Notification(name, configuration) for name, configuration in draft.notifications.items()]
    problems = template.problems + _twice(draft.steps) + _without_outcome(draft.steps)
    return Plan(_in_order(draft.steps, problems), tuple(draft.notes)), problems


def _in_order(steps: list[Step], problems: list[Problem]) -> tuple[Step, ...]:
    ranks = {kind: rank for rank, kind in enumerate(KINDS)}
    queues = {step.name: step for step in steps if isinstance(step, Queue)}
    try:
        order = list(TopologicalSorter({name: _before(queue) for name, queue in queues.items()}).static_order())
    except CycleError as error:
        circle = " → ".join(error.args[1])
        problems.append(Problem(0, "", f"the queues are each other's dead-letter queues: {circle}"))
        order = list(queues)
    first: list[Step] = [queues[name] for name in order if name in queues]
    rest = [step for step in steps if not isinstance(step, Queue)]
    return (*first, *sorted(rest, key=lambda step: ranks[type(step)]))


def _before(queue: Queue) -> set[str]:
    """The queue that must be there before this one: the one of its dead letters."""
    policy = json.loads(queue.attributes.get("RedrivePolicy", "{}"))
    arn = str(policy.get("deadLetterTargetArn", "")) if isinstance(policy, dict) else ""
    return {arn.rpartition(":")[2]} - {""}


def _twice(steps: list[Step]) -> list[Problem]:
    """Two resources of the same kind and name would overwrite each other."""
    found: set[tuple[type, str]] = set()
    problems = []
    for step in steps:
        key = (type(step), step.name)
        if key in found and KINDS[type(step)] in ("queue", "topic", "bucket", "layer", "function", "alias", "rule"):
            problems.append(Problem(0, step.name, f"two resources make a {KINDS[type(step)]} of this name"))
        found.add(key)
    return problems


def _without_outcome(steps: list[Step]) -> list[Problem]:
    """What is known only after publishing can be used by aliases and as a function's layers, not elsewhere."""
    problems = []
    for step in steps:
        if isinstance(step, Version | Alias | Layer):
            continue
        waiting = outcomes_in(asdict(step))
        if isinstance(step, Function):
            waiting -= outcomes_in(step.members.get("Layers"))
        if waiting:
            text = f"{', '.join(sorted(waiting))} is known only after publishing; name an alias instead"
            problems.append(Problem(0, step.name, text))
    return problems
