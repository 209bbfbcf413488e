"""CloudFormation's intrinsic functions: a template's values as they are in this deployment. Pure.

Names and ARNs are known before anything is made, so a reference is a text like every other. Only the number of a
version is not: `later` stands in its place until it was published.
"""

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from console.deploy.source import Path

#: What `${...}` in Fn::Sub may hold; `${!x}` is a literal `${x}`.
_VARIABLE = re.compile(r"\$\{(!?)\s*([\w:.-]+)\s*\}")

#: A value that an earlier step yields, between characters that no template holds.
_LATER = re.compile("\ue000([^\ue001]+)\ue001")


class Unresolved(Exception):
    """Raised for a value that has no meaning here. The text says why; `path` is where it stands."""

    def __init__(self, path: Path, text: str, *, can_be_left_out: bool = False) -> None:
        super().__init__(text)
        self.path = path
        self.can_be_left_out = can_be_left_out
        self.others: list[Unresolved] = []  # what else has no meaning, of the same mapping or list


class _Nothing:
    """`AWS::NoValue`: as if what it stands for had not been written."""


NOTHING = _Nothing()


def later(name: str) -> str:
    """What stands for the outcome `name` until there is one."""
    return f"\ue000{name}\ue001"


def outcomes_in(value: Any) -> set[str]:
    """The outcomes that `value` waits for."""
    return set(_LATER.findall(json.dumps(value, ensure_ascii=False, default=str)))


def filled_in(value: Any, outcomes: Mapping[str, str]) -> Any:
    """`value` with the outcomes that there are in their places."""
    if isinstance(value, str):
        return _LATER.sub(lambda match: outcomes.get(match[1], match[0]), value)
    if isinstance(value, Mapping):
        return {name: filled_in(item, outcomes) for name, item in value.items()}
    if isinstance(value, Sequence):
        return [filled_in(item, outcomes) for item in value]
    return value


def text_of(value: Any) -> str:
    """A scalar as CloudFormation makes it a text."""
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


class Resolver:
    """Resolves the values of one template.

    `reference(name, attribute, path)` is what Ref (attribute "") and Fn::GetAtt of a resource say, or
    it raises Unresolved.
    """

    def __init__(
        self,
        parameters: Mapping[str, Any],
        mappings: Mapping[str, Any],
        conditions: Mapping[str, Any],
        reference: Callable[[str, str, Path], str],
    ) -> None:
        self._parameters = parameters
        self._mappings = mappings
        self._conditions = conditions
        self._reference = reference
        self._asked: list[str] = []

    def resolve(self, value: Any, path: Path) -> Any:
        """`value` without functions; NOTHING where it says AWS::NoValue.

        Raises:
            Unresolved: a function is not known, is used wrongly, or refers to what is not there.
        """
        if isinstance(value, dict):
            if len(value) == 1:
                name, argument = next(iter(value.items()))
                if name == "Ref":
                    return self._ref(argument, path)
                if name.startswith("Fn::"):
                    return self._function(name, argument, path)
            return dict(self._each(value.items(), path))
        if isinstance(value, list):
            return [item for _, item in self._each(enumerate(value), path)]
        return value

    def _each(self, items: Iterable[tuple[Any, Any]], path: Path) -> list[tuple[Any, Any]]:
        """The members of a mapping or a list, resolved; what is wrong with several of them is raised together."""
        found, wrong = [], []
        for name, item in items:
            try:
                found.append((name, self.resolve(item, (*path, name))))
            except Unresolved as error:
                wrong += [error, *error.others]
        if wrong:
            wrong[0].others = wrong[1:]
            raise wrong[0]
        return [(name, item) for name, item in found if item is not NOTHING]

    def holds(self, condition: Any, path: Path) -> bool:
        """Whether a condition holds: the name of one, or a function that makes one.

        Raises:
            Unresolved: there is no such condition, or it asks for itself.
        """
        if isinstance(condition, str):
            if condition not in self._conditions:
                raise Unresolved(path, f"there is no condition '{condition}' in Conditions")
            if condition in self._asked:
                raise Unresolved(path, f"the condition '{condition}' asks for itself")
            self._asked.append(condition)
            try:
                return self.holds(self._conditions[condition], ("Conditions", condition))
            finally:
                self._asked.pop()
        if not isinstance(condition, dict) or len(condition) != 1:
            raise Unresolved(path, "a condition is its name, or one of Fn::Equals, Fn::And, Fn::Or, Fn::Not")
        name, argument = next(iter(condition.items()))
        match name, argument:
            case "Condition", _:
                return self.holds(argument, path)
            case "Fn::Equals", [one, other]:
                return text_of(self.resolve(one, path)) == text_of(self.resolve(other, path))
            case "Fn::And", list():
                return all(self.holds(each, path) for each in argument)
            case "Fn::Or", list():
                return any(self.holds(each, path) for each in argument)
            case "Fn::Not", [one]:
                return not self.holds(one, path)
        raise Unresolved(path, f"{name} is no condition that thrice can tell")

    def _ref(self, name: Any, path: Path) -> Any:
        if not isinstance(name, str):
            raise Unresolved(path, "Ref takes the name of a parameter or a resource")
        if name == "AWS::NoValue":
            return NOTHING
        if name in self._parameters:
            return self._parameters[name]
        if name.startswith("AWS::"):
            raise Unresolved(path, f"the pseudo parameter {name} has no value here")
        resource, _, attribute = name.partition(".")  # SAM: `!Ref MyFunction.Alias`
        return self._reference(resource, attribute, path)

    def _function(self, name: str, argument: Any, path: Path) -> Any:
        function = _FUNCTIONS.get(name)
        if function is None:
            raise Unresolved(path, f"the function {name} is not offered. There are: Ref, {', '.join(_FUNCTIONS)}")
        return function(self, argument, (*path, name))

    def _get_att(self, argument: Any, path: Path) -> str:
        parts = argument.split(".", 1) if isinstance(argument, str) else argument
        if not isinstance(parts, list) or len(parts) != 2 or not all(isinstance(part, str) for part in parts):
            raise Unresolved(path, "Fn::GetAtt takes a resource and the name of an attribute")
        return self._reference(parts[0], parts[1], path)

    def _sub(self, argument: Any, path: Path) -> str:
        template, own = (argument, {}) if isinstance(argument, str) else _pair(argument, path)
        if not isinstance(template, str) or not isinstance(own, dict):
            raise Unresolved(path, "Fn::Sub takes a text, or a text and a mapping")
        variables = {name: self.resolve(value, path) for name, value in own.items()}

        def value(match: re.Match[str]) -> str:
            literal, name = match.groups()
            if literal:
                return f"${{{name}}}"
            if name in variables:
                return text_of(variables[name])
            if name in self._parameters or name.startswith("AWS::"):
                return text_of(self._ref(name, path))
            resource, _, attribute = name.partition(".")
            return self._reference(resource, attribute, path)

        return _VARIABLE.sub(value, template)

    def _join(self, argument: Any, path: Path) -> str:
        separator, items = _pair(argument, path)
        items = self.resolve(items, path)
        if not isinstance(items, list):
            raise Unresolved(path, "Fn::Join takes a separator and a list")
        return str(separator).join(map(text_of, items))

    def _if(self, argument: Any, path: Path) -> Any:
        if not isinstance(argument, list) or len(argument) != 3:
            raise Unresolved(path, "Fn::If takes a condition and two values")
        return self.resolve(argument[1 if self.holds(argument[0], path) else 2], path)

    def _select(self, argument: Any, path: Path) -> Any:
        number, items = _pair(argument, path)
        number, items = self.resolve(number, path), self.resolve(items, path)
        if not isinstance(items, list) or not str(number).isdigit() or int(number) >= len(items):
            raise Unresolved(path, f"Fn::Select has no item {number} to select")
        return items[int(number)]

    def _split(self, argument: Any, path: Path) -> list[str]:
        separator, text = _pair(argument, path)
        return str(self.resolve(text, path)).split(str(separator))

    def _find_in_map(self, argument: Any, path: Path) -> Any:
        names = self.resolve(argument, path)
        if not isinstance(names, list) or len(names) != 3:
            raise Unresolved(path, "Fn::FindInMap takes the names of a map and of two keys")
        found: Any = self._mappings
        for name in names:
            found = found.get(text_of(name)) if isinstance(found, dict) else None
        if found is None:
            raise Unresolved(path, f"Mappings has no {'.'.join(map(text_of, names))}")
        return found

    def _base64(self, argument: Any, path: Path) -> str:
        return base64.b64encode(text_of(self.resolve(argument, path)).encode()).decode()

    def _to_json(self, argument: Any, path: Path) -> str:
        return json.dumps(self.resolve(argument, path), separators=(",", ":"))


_FUNCTIONS: Mapping[str, Callable[[Resolver, Any, Path], Any]] = {
    "Fn::GetAtt": Resolver._get_att,  # noqa: SLF001 - this class's own
    "Fn::Sub": Resolver._sub,  # noqa: SLF001
    "Fn::Join": Resolver._join,  # noqa: SLF001
    "Fn::If": Resolver._if,  # noqa: SLF001
    "Fn::Select": Resolver._select,  # noqa: SLF001
    "Fn::Split": Resolver._split,  # noqa: SLF001
    "Fn::FindInMap": Resolver._find_in_map,  # noqa: SLF001
    "Fn::Base64": Resolver._base64,  # noqa: SLF001
    "Fn::ToJsonString": Resolver._to_json,  # noqa: SLF001
}


def _pair(argument: Any, path: Path) -> tuple[Any, Any]:
    if not isinstance(argument, list) or len(argument) != 2:
        raise Unresolved(path, f"{path[-1]} takes a list of two")
    return argument[0], argument[1]
