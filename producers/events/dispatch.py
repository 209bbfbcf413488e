"""Hands one event to all targets of one rule, within a transaction of the caller."""

import logging

from redis.client import Pipeline

from producers.events import target_input
from producers.events.event import Event, iso_seconds
from producers.events.rule import Rule
from producers.seams import Seams, TargetMissing

#: What made the event, as the record of an invocation has it.
SOURCE = "aws.events"

_log = logging.getLogger("thrice.events")


def hand_over(seams: Seams, pipe: Pipeline, rule: Rule, event: Event, *, trace_header: str | None = None) -> None:
    """Add to `pipe` the commands that hand the event to every target of the rule.

    A target that cannot have it does not keep it from the others: as on AWS, the event is lost for that target, which
    is logged.
    """
    rule_arn = rule.arn(seams.settings.region, seams.settings.account_id)
    ingestion_time = iso_seconds(seams.clock.now())
    for target in rule.targets:
        try:
            payload = target_input.payload(
                target, event, rule_arn=rule_arn, rule_name=rule.name, ingestion_time=ingestion_time
            )
            seams.deliver(pipe, target.arn, payload, source=SOURCE, trace_header=trace_header)
        except TargetMissing:
            _log.warning(
                "Event %s of rule %s was not delivered to target %s: there is no %s. "
                "Create it, or take the target away with remove-targets.",
                event.fields["id"],
                rule.name,
                target.id,
                target.arn,
            )
        except target_input.InvalidInput as error:
            _log.warning(
                "Event %s of rule %s was not delivered to target %s: %s Correct it with put-targets.",
                event.fields["id"],
                rule.name,
                target.id,
                error,
            )
