"""Aliases: names for versions. An event that waits for one runs what the alias points to when it runs."""

from collections.abc import Mapping
from typing import Any

from producers.lambda_.errors import conflict, function_not_found, invalid_parameter, not_found
from producers.lambda_.names import FunctionName as Name
from producers.lambda_.operations.steps import Answer, Operations, check_revision
from producers.lambda_.pages import page
from producers.lambda_.version import version_named
from producers.seams import Request
from worker.function import LATEST, Alias, FunctionConfiguration
from worker.identity import new_request_id
from worker.registry import FunctionMissing

#: Further versions of one alias. Source: AWS's refusal of two.
MAX_FURTHER = 1

Routing = Mapping[str, Mapping[str, float]]


class Aliases(Operations):
    """CreateAlias to DeleteAlias."""

    def create_alias(
        self,
        request: Request,
        FunctionName: str,
        Name: str,
        FunctionVersion: str,
        Description: str | None = None,
        RoutingConfig: Routing | None = None,
    ) -> Answer:
        """Name a version."""
        name = self._name(request, FunctionName)
        weights = _weights(RoutingConfig)
        made = Alias(
            version=FunctionVersion, description=Description or "", weights=weights, revision_id=new_request_id()
        )

        def change(function: FunctionConfiguration) -> FunctionConfiguration:
            _check_versions(function, name, made)
            if Name in function.aliases:
                raise conflict(f"Alias already exists: {name.arn}:{Name}")
            return _with(function, Name, made)

        self._update(name, change)
        return _described(name, Name, made)

    def get_alias(self, request: Request, FunctionName: str, Name: str) -> Answer:
        """What a name stands for."""
        name = self._name(request, FunctionName)
        alias = self._function(name).aliases.get(Name)
        if alias is None:
            raise not_found(f"Cannot find alias arn: {name.arn}:{Name}")
        return _described(name, Name, alias)

    def list_aliases(
        self,
        request: Request,
        FunctionName: str,
        FunctionVersion: str | None = None,
        Marker: str | None = None,
        MaxItems: int | None = None,
    ) -> Answer:
        """One page of a function's aliases by name; with FunctionVersion only those that point to it."""
        name = self._name(request, FunctionName)
        aliases = [
            (each, alias)
            for each, alias in sorted(self._function(name).aliases.items())
            if FunctionVersion is None or FunctionVersion in (alias.version, *alias.weights)
        ]
        wanted, marker = page(aliases, lambda each: (each[0],), Marker, MaxItems, "ListAliases")
        listed = [_described(name, each, alias) for each, alias in wanted]
        return {"Aliases": listed} | ({"NextMarker": marker} if marker else {})

    def update_alias(
        self,
        request: Request,
        FunctionName: str,
        Name: str,
        FunctionVersion: str | None = None,
        Description: str | None = None,
        RoutingConfig: Routing | None = None,
        RevisionId: str | None = None,
    ) -> Answer:
        """Change what is sent of an alias. An empty RoutingConfig leaves all invocations to its main version."""
        name = self._name(request, FunctionName)
        changes: dict[str, Any] = {"revision_id": new_request_id()}
        if FunctionVersion is not None:
            changes["version"] = FunctionVersion
        if Description is not None:
            changes["description"] = Description
        if RoutingConfig is not None:
            changes["weights"] = _weights(RoutingConfig)

        def change(function: FunctionConfiguration) -> FunctionConfiguration:
            alias = function.aliases.get(Name)
            if alias is None:
                raise not_found(f"Alias not found: {name.arn}:{Name}")
            check_revision(alias.revision_id, RevisionId)
            changed = alias.model_copy(update=changes)
            _check_versions(function, name, changed)
            return _with(function, Name, changed)

        return _described(name, Name, self._update(name, change).aliases[Name])

    def delete_alias(self, request: Request, FunctionName: str, Name: str) -> Answer:
        """Take a name away, with its policy and its event-invoke config. One that is not there is gone already."""
        name = self._name(request, FunctionName)

        def change(function: FunctionConfiguration) -> FunctionConfiguration:
            return function.model_copy(
                update={
                    "aliases": {each: alias for each, alias in function.aliases.items() if each != Name},
                    "event_invoke_configs": {
                        each: config for each, config in function.event_invoke_configs.items() if each != Name
                    },
                }
            )

        try:
            # The policy first: if we are stopped in between, an alias without a policy is left, never the other way.
            self._registry.update_policy(name.name, lambda _: None, Name)
        except FunctionMissing:
            raise function_not_found(name.asked_arn) from None
        self._update(name, change)
        return {}


def _weights(routing: Routing | None) -> dict[str, float]:
    return dict((routing or {}).get("AdditionalVersionWeights") or {})


def _check_versions(function: FunctionConfiguration, name: Name, alias: Alias) -> None:
    """See that an alias points to versions that are there, and may share its invocations between them."""
    for version in (alias.version, *alias.weights):
        if version in function.aliases or version_named(function, version) is None:
            raise function_not_found(f"{name.arn}:{version}")
    if len(alias.weights) > MAX_FURTHER:
        raise invalid_parameter("Number of items in AdditionalVersionWeights cannot be greater than 1")
    if alias.version in alias.weights:
        raise invalid_parameter(
            f"Invalid function version {alias.version}. "
            f"Function version {alias.version} is already included in routing configuration."
        )
    if alias.weights and alias.version == LATEST:
        raise invalid_parameter("$LATEST is not supported for an alias pointing to more than 1 version")


def _with(function: FunctionConfiguration, name: str, alias: Alias) -> FunctionConfiguration:
    return function.model_copy(update={"aliases": function.aliases | {name: alias}})


def _described(name: Name, alias_name: str, alias: Alias) -> Answer:
    described: Answer = {
        "AliasArn": f"{name.arn}:{alias_name}",
        "Name": alias_name,
        "FunctionVersion": alias.version,
        "Description": alias.description,
        "RevisionId": alias.revision_id,
    }
    if alias.weights:
        described["RoutingConfig"] = {"AdditionalVersionWeights": alias.weights}
    return described
