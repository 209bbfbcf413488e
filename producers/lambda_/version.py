"""Versions: what a qualifier stands for, and what a version keeps of its function when it is published. Pure.

A version is the function as it was: its code, its settings, its layers. What belongs to the function as a whole (tags,
reserved concurrency, aliases, event-invoke configs) is not in it. Numbers grow by one and are never given twice. If
neither code nor settings have changed since the last publication, the version of that time stands for the new one.
"""

import base64
from dataclasses import dataclass

from producers.lambda_.errors import invalid_parameter
from worker.function import LATEST, FunctionConfiguration

#: What a version does not have of its function's document.
_OF_THE_FUNCTION = frozenset(
    {
        "tags", "reserved_concurrency", "recursive_loop", "event_invoke_config", "published", "dead_letter_arns",
        "last_version", "aliases", "event_invoke_configs", "qualifier",
    }
)  # fmt: skip

#: In what a version may differ from `$LATEST` although nothing has changed. A description may come with a publication.
_OF_THE_VERSION = frozenset({"version", "description", "last_modified", "revision_id"})


def version_named(function: FunctionConfiguration, qualifier: str | None) -> str | None:
    """The version that a qualifier stands for, by its number or as `$LATEST`; None if there is none.

    Of an alias with two versions it is the main one.
    """
    if qualifier is None or qualifier == LATEST:
        return LATEST
    alias = function.aliases.get(qualifier)
    if alias is not None:
        return alias.version
    return qualifier if qualifier in function.published else None


def last_published(function: FunctionConfiguration) -> str | None:
    """The number that was given last, if that version is still there."""
    number = str(function.last_version)
    return number if number in function.published else None


def base64_of(sha256: str) -> str:
    """The hex SHA-256 of a package as AWS shows it: in base64."""
    return base64.b64encode(bytes.fromhex(sha256)).decode()


def check_code(function: FunctionConfiguration, expected: str | None) -> None:
    """See that `$LATEST` has the code that the caller wants published, if it says which.

    Raises:
        ApiError: it has other code.
    """
    actual = base64_of(function.code_sha256)
    if expected and expected != actual:
        raise invalid_parameter(
            f"CodeSHA256 ({expected}) is different from current CodeSHA256 in $LATEST ({actual}). "
            "Please try again with the CodeSHA256 in $LATEST."
        )


@dataclass(slots=True)
class Publication:
    """A version on its way: made anew from each document that a change is tried on, until one of them is stored."""

    description: str | None
    revision_id: str  # of the version, if there is to be a new one
    version: FunctionConfiguration | None = None  # what the caller is told
    is_new: bool = False

    def made_of(self, function: FunctionConfiguration, last: FunctionConfiguration | None) -> FunctionConfiguration:
        """`function` (its document) after the publication. `last` is the version that was published last."""
        if last is not None and _is_same(function, last):
            self.version, self.is_new = last, False
            return function
        number = str(function.last_version + 1)
        own = {"version": number, "revision_id": self.revision_id}
        if self.description is not None:
            own["description"] = self.description
        kept = {name: value for name, value in dict(function).items() if name not in _OF_THE_FUNCTION}
        self.version, self.is_new = FunctionConfiguration(**(kept | own)), True
        targets = {} if function.dead_letter_arn is None else {number: function.dead_letter_arn}
        return function.model_copy(
            update={
                "published": function.published | {number: self.revision_id},
                "dead_letter_arns": function.dead_letter_arns | targets,
                "last_version": function.last_version + 1,
            }
        )

    def new_version(self, _: FunctionConfiguration) -> FunctionConfiguration | None:
        """What has to be stored beside the function's document, if anything."""
        return self.version if self.is_new else None


def _is_same(function: FunctionConfiguration, last: FunctionConfiguration) -> bool:
    apart = _OF_THE_FUNCTION | _OF_THE_VERSION
    return function.model_dump(exclude=set(apart)) == last.model_dump(exclude=set(apart))
