"""A SAM or CloudFormation template as its resources, with every value as it is in this deployment. Pure.

Parameters get the values that were given, else their defaults; Globals go into the functions; resources whose condition
does not hold are left out. What cannot be resolved is a problem of its property, and the rest is read on, so that all
problems are told at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from console.deploy.intrinsics import NOTHING, Resolver, Unresolved, text_of
from console.deploy.problem import Problem
from console.deploy.references import NAME_PROPERTIES, REFERABLE, Named, NoReference, Place, name_of, refer
from console.deploy.source import Path, Source

SERVERLESS_FUNCTION = "AWS::Serverless::Function"

#: Members of a template. Outputs and Metadata say nothing that is to be done.
_SECTIONS = frozenset(
    {
        "AWSTemplateFormatVersion", "Transform", "Description", "Metadata", "Parameters", "Mappings", "Conditions",
        "Globals", "Resources", "Outputs", "Rules",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource, resolved."""

    id: str
    type: str
    name: str
    properties: Mapping[str, Any]
    paths: Mapping[str, Path]  # of each property: where it was written
    path: Path


@dataclass(slots=True)
class Template:
    """The resources of a template, and what is wrong with them."""

    source: Source
    place: Place
    stack: str
    resources: list[Resource] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def blame(self, path: Path, text: str, *, can_be_left_out: bool = False) -> None:
        """Note what is wrong at `path`."""
        where = where_of(path)
        problem = Problem(self.source.line(path), where, text, can_be_left_out)
        if problem not in self.problems:
            self.problems.append(problem)


def where_of(path: Path) -> str:
    """A path as it is told."""
    told = [str(part) for part in path if part != "Properties" and not str(part).startswith("Fn::")]
    return ".".join(told).removeprefix("Resources.")


def read(source: Source, place: Place, stack: str, given: Mapping[str, str], *, skips: bool = False) -> Template:
    """Read a template. `given` are the values of parameters, `skips` lets references to what is not here be names."""
    return _Reading(Template(source, place, stack), given, skips=skips).read()


class _Reading:
    """The reading of one template."""

    def __init__(self, template: Template, given: Mapping[str, str], *, skips: bool) -> None:
        self._template = template
        self._values = template.source.values
        self._skips = skips
        self._named: dict[str, Named] = {}
        self._resolver = Resolver(
            self._parameters(given), self._section("Mappings"), self._section("Conditions"), self._reference
        )

    def read(self) -> Template:
        template = self._template
        for name in self._values.keys() - _SECTIONS:
            template.blame((name,), "templates have no such section")
        raw = {name: body for name, body in self._section("Resources").items() if self._is_wanted(name, body)}
        if not raw:
            template.blame(("Resources",), "there is no resource in it")
        globals_ = self._globals()
        for name, body in raw.items():
            self._name(name, body, globals_)
        for name, body in raw.items():
            template.resources.append(self._resource(name, body, globals_))
        return template

    def _section(self, name: str) -> dict[str, Any]:
        section = self._values.get(name) or {}
        if not isinstance(section, dict):
            self._template.blame((name,), "this is a mapping")
            return {}
        return section

    def _parameters(self, given: Mapping[str, str]) -> dict[str, Any]:
        """Every parameter's value, and those of the pseudo parameters."""
        template = self._template
        declared = self._section("Parameters")
        for name in given.keys() - declared.keys():
            there_are = ", ".join(declared) or "none"
            template.problems.append(Problem(0, f"--parameter {name}", f"no such parameter; there are: {there_are}"))
        values: dict[str, Any] = {}
        for name, body in declared.items():
            about = body if isinstance(body, dict) else {}
            value = given.get(name, about.get("Default"))
            path = ("Parameters", name)
            if value is None:
                template.blame(path, f"it has no Default; give it a value: --parameter {name}=…")
                value = ""
            allowed = about.get("AllowedValues")
            if allowed is not None and text_of(value) not in map(text_of, allowed):
                template.blame(path, f"'{value}' is not one of the AllowedValues {', '.join(map(text_of, allowed))}")
            is_list = str(about.get("Type", "")) in ("CommaDelimitedList", "List<Number>")
            values[name] = [part.strip() for part in str(value).split(",")] if is_list else value
        place = template.place
        return values | {
            "AWS::Region": place.region,
            "AWS::AccountId": place.account,
            "AWS::StackName": template.stack,
            "AWS::StackId": place.arn("cloudformation", f"stack/{template.stack}/thrice"),
            "AWS::Partition": "aws",
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::NotificationARNs": [],
        }

    def _is_wanted(self, name: str, body: Any) -> bool:
        path = ("Resources", name)
        if not isinstance(body, dict) or not isinstance(body.get("Type"), str):
            self._template.blame(path, "a resource is a mapping with the member Type")
            return False
        if not isinstance(body.get("Properties") or {}, dict):
            self._template.blame((*path, "Properties"), "this is a mapping")
            return False
        try:
            return "Condition" not in body or self._resolver.holds(body["Condition"], (*path, "Condition"))
        except Unresolved as error:
            self._template.blame(error.path, str(error))
            return False

    def _globals(self) -> dict[str, Any]:
        section = self._section("Globals").get("Function") or {}
        if isinstance(section, dict):
            return section
        self._template.blame(("Globals", "Function"), "this is a mapping")
        return {}

    def _name(self, name: str, body: Mapping[str, Any], globals_: Mapping[str, Any]) -> None:
        """Find what a resource is called, before anything refers to it."""
        kind, properties = body["Type"], body.get("Properties") or {}
        own = self._early(properties.get(NAME_PROPERTIES.get(kind, "")))
        alias = self._early(properties.get("AutoPublishAlias", globals_.get("AutoPublishAlias")))
        function = properties.get("FunctionName") if kind == "AWS::Lambda::Alias" else None
        self._named[name] = Named(
            name,
            kind,
            own or name_of(self._template.stack, name, kind),
            function=(self._early(function, body) or "").rpartition(":")[2],
            alias=(alias or "") if kind == SERVERLESS_FUNCTION else "",
        )

    def _early(self, value: Any, body: Any = None) -> str | None:
        """The value of a property that names a resource; None if it cannot be told yet, which is blamed later."""
        if value is None:
            return None
        if body is not None and isinstance(value, dict):  # an alias may stand before the function that it names
            self._name_of_function(value)
        try:
            found = self._resolver.resolve(value, ())
        except Unresolved:
            return None
        return None if found is NOTHING else text_of(found)

    def _name_of_function(self, value: Mapping[str, Any]) -> None:
        target = value.get("Ref") or (value.get("Fn::GetAtt") or [None])[0]
        body = self._section("Resources").get(target) if isinstance(target, str) else None
        if isinstance(body, dict) and isinstance(target, str) and target not in self._named and "Type" in body:
            self._name(target, body, self._globals())

    def _resource(self, name: str, body: Mapping[str, Any], globals_: Mapping[str, Any]) -> Resource:
        kind = body["Type"]
        path: Path = ("Resources", name)
        properties = dict(body.get("Properties") or {})
        paths: dict[str, Path] = {each: (*path, "Properties", each) for each in properties}
        if kind == SERVERLESS_FUNCTION:
            for each, value in globals_.items():
                paths.setdefault(each, ("Globals", "Function", each))
                properties[each] = merged(value, properties[each]) if each in properties else value
        resolved: dict[str, Any] = {}
        if kind in REFERABLE or kind in _RESOLVED:
            for each, value in properties.items():
                self._resolve(each, value, paths[each], resolved)
        return Resource(name, kind, self._named[name].name, resolved, paths, path)

    def _resolve(self, name: str, value: Any, path: Path, resolved: dict[str, Any]) -> None:
        """Resolve one property. Policies and roles are not obeyed, so nothing is asked of them."""
        if name in UNASKED:
            resolved[name] = None
            return
        try:
            found = self._resolver.resolve(value, path)
        except Unresolved as error:
            for each in (error, *error.others):
                self._template.blame(each.path, str(each), can_be_left_out=each.can_be_left_out)
            return
        if found is not NOTHING:
            resolved[name] = found

    def _reference(self, name: str, attribute: str, path: Path) -> str:
        place, named = self._template.place, self._named.get(name)
        role_of = self._named.get(name.removesuffix("Role"))
        if named is None and name.endswith("Role") and role_of and role_of.type == SERVERLESS_FUNCTION:
            named = Named(name, "AWS::IAM::Role", name_of(self._template.stack, name, "AWS::IAM::Role"))
        if named is None and name in self._section("Resources"):
            raise Unresolved(path, f"the resource '{name}' is left out by its Condition")
        if named is None:
            raise Unresolved(path, f"there is no parameter and no resource '{name}'")
        if named.type not in REFERABLE:
            if self._skips and not attribute:
                return named.name
            raise Unresolved(
                path, f"it refers to '{name}', and thrice has no {named.type}", can_be_left_out=not attribute
            )
        try:
            return refer(place, named, attribute)
        except NoReference as error:
            raise Unresolved(path, str(error)) from None


#: Properties that say who may do what. There is no IAM here, so they are not even resolved.
UNASKED = frozenset({"Policies", "AssumeRolePolicyDocument", "PermissionsBoundary", "RolePath", "ManagedPolicyArns"})

#: Types that cannot be referred to and yet are obeyed.
_RESOLVED = frozenset(
    {"AWS::Lambda::EventInvokeConfig", "AWS::Lambda::Permission", "AWS::SNS::Subscription", "AWS::Lambda::Version"}
)


def merged(general: Any, own: Any) -> Any:
    """A member of Globals under that of a function: mappings are merged, lists follow each other, the rest is own."""
    if isinstance(general, dict) and isinstance(own, dict) and not (_is_function(general) or _is_function(own)):
        both = {name: merged(general[name], own[name]) for name in general.keys() & own.keys()}
        return {**general, **own, **both}
    if isinstance(general, list) and isinstance(own, list):
        return [*general, *own]
    return own


def _is_function(value: Mapping[str, Any]) -> bool:
    return len(value) == 1 and next(iter(value)).startswith(("Ref", "Fn::"))
