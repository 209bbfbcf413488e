"""The input transformer: a template into which a target puts pieces of the event.

`InputPathsMap` names pieces by paths; `<name>` in the template stands for one. Outside of quotes it becomes a JSON
value, inside of quotes text; a path that leads nowhere gives empty text. A template that is no JSON at all, such as
`<name> has <state>`, becomes one JSON string. Nothing here does I/O.
"""

import re
from dataclasses import dataclass
from typing import Any

import orjson

from producers.events import json_path

_PLACEHOLDER = re.compile(r"<([^<>]+)>")
#: Text in quotes, a placeholder outside of them, or one other character.
_TOKEN = re.compile(r'("(?:[^"\\]|\\.)*")|<([^<>]+)>|(.)', re.DOTALL)

#: Placeholders that need no path. Source: EventBridge User Guide, "Input transformation", predefined variables.
RULE_ARN = "aws.events.rule-arn"
RULE_NAME = "aws.events.rule-name"
INGESTION_TIME = "aws.events.event.ingestion-time"
EVENT = "aws.events.event"
EVENT_JSON = "aws.events.event.json"
PREDEFINED = {RULE_ARN, RULE_NAME, INGESTION_TIME, EVENT, EVENT_JSON}


class InvalidTransformer(ValueError):
    """Raised when a template cannot be used. The text is for the caller and begins with the name of the member."""


@dataclass(frozen=True, slots=True)
class InputTransformer:
    """A checked template with its paths. `is_json` says whether it has the form of JSON."""

    template: str
    paths: dict[str, tuple[json_path.Step, ...]]
    is_json: bool

    def render(self, fields: dict[str, Any], *, rule_arn: str, rule_name: str, ingestion_time: str) -> bytes:
        """The JSON that the target receives for an event.

        Raises:
            InvalidTransformer: what the event put into the template makes it invalid JSON.
        """
        values = {name: json_path.extract(fields, path) for name, path in self.paths.items()} | {
            RULE_ARN: rule_arn,
            RULE_NAME: rule_name,
            INGESTION_TIME: ingestion_time,
            # AWS leaves the detail out here, and spells this one key differently.
            EVENT: {"detailType" if k == "detail-type" else k: v for k, v in fields.items() if k != "detail"},
            EVENT_JSON: fields,
        }
        values = {name: "" if value is json_path.MISSING else value for name, value in values.items()}
        if not self.is_json:
            return orjson.dumps(_PLACEHOLDER.sub(lambda match: _text(values[match[1]]), self.template))
        return _checked(_fill(self.template, values))


def parse(template: str, paths: dict[str, str], target_id: str) -> InputTransformer:
    """Check a template and its paths, for the target `target_id`.

    Raises:
        InvalidTransformer: a placeholder has no path, a path cannot be read, or the template is broken JSON.
    """
    for name in paths:
        if name.lower().startswith("aws."):
            raise InvalidTransformer(f"InputPathsMap for target {target_id} contains the reserved name {name}.")
    for name in _PLACEHOLDER.findall(template):
        if name not in paths and name not in PREDEFINED:
            raise InvalidTransformer(f"InputTemplate for target {target_id} contains invalid placeholder {name}.")
    try:
        steps = {name: json_path.parse(path) for name, path in paths.items()}
    except json_path.InvalidPath as error:
        raise InvalidTransformer(f"InputPathsMap for target {target_id} contains invalid path {error}.") from None
    return InputTransformer(template, steps, is_json=_is_json(template, target_id))


def _is_json(template: str, target_id: str) -> bool:
    try:
        _checked(_fill(template, dict.fromkeys(_PLACEHOLDER.findall(template), "")))
    except InvalidTransformer as error:
        if template.lstrip().startswith(("{", "[", '"')):
            raise InvalidTransformer(f"InputTemplate for target {target_id} is not valid: {error}.") from None
        return False
    return True


def _checked(text: str) -> bytes:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidTransformer(f"it does not become JSON ({error})") from None
    return text.encode()


def _fill(template: str, values: dict[str, Any]) -> str:
    return _TOKEN.sub(lambda token: _fill_token(token, values), template)


def _fill_token(token: re.Match[str], values: dict[str, Any]) -> str:
    quoted, placeholder, other = token.groups()
    if quoted:
        return _PLACEHOLDER.sub(lambda match: orjson.dumps(_text(values[match[1]])).decode()[1:-1], quoted)
    return other if placeholder is None else orjson.dumps(values[placeholder]).decode()


def _text(value: Any) -> str:
    """A value inside of quotes: AWS writes objects and arrays as JSON whose own quotes are left out."""
    return value if isinstance(value, str) else orjson.dumps(value).decode().replace('"', "")
