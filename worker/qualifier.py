"""What an invocation is for, by the qualifier that its function was named with: `$LATEST`, a version, an alias. Pure.

It is found out when the invocation runs: an event that waits for an alias runs what the alias points to then. An alias
that shares its invocations between two versions gives each request id a fixed place between 0 and 1, so that the
attempts of one event stay with one version as long as the shares stay.
"""

import zlib

from worker.function import LATEST, Alias, FunctionConfiguration


def qualifier_of(invoked_arn: str) -> str | None:
    """The qualifier of a function's ARN, None if it has none."""
    parts = invoked_arn.split(":")
    return parts[7] if len(parts) > 7 else None


def find(function: FunctionConfiguration, qualifier: str | None, request_id: str) -> FunctionConfiguration | None:
    """What of `function` (its document) `qualifier` stands for, for the invocation with that id; None: nothing.

    Of a published version the result has the number, the revision id, the dead-letter target and what is set for the
    qualifier. Its code and other settings are in a document of its own: `worker/versions.py`.
    """
    if qualifier is None:
        return function
    if qualifier == LATEST:
        return function.model_copy(update={"qualifier": LATEST})
    alias = function.aliases.get(qualifier)
    version = qualifier if alias is None else _share(alias, request_id)
    found = {"qualifier": qualifier, "event_invoke_config": function.event_invoke_configs.get(qualifier)}
    if version == LATEST:
        return function.model_copy(update=found)
    revision_id = function.published.get(version)
    if revision_id is None:
        return None
    own = {"version": version, "revision_id": revision_id, "dead_letter_arn": function.dead_letter_arns.get(version)}
    return function.model_copy(update=found | own)


def _share(alias: Alias, request_id: str) -> str:
    """Which of an alias's versions this invocation is for."""
    place = zlib.crc32(request_id.encode()) / 2**32
    for version, weight in alias.weights.items():
        if place < weight:
            return version
    return alias.version
