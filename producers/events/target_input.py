"""What a target receives for an event: the event, a part of it, a constant, or a filled template.

`check` refuses what could never work when the target is put; `payload` makes the JSON when an event is delivered.
Nothing here does I/O.
"""

from functools import lru_cache

import orjson

from producers.events import input_transformer, json_path
from producers.events.event import Event
from producers.events.rule import Target


class InvalidInput(ValueError):
    """Raised when a target's input cannot be made. The text names the target."""


def check(target: Target) -> None:
    """Refuse an input that no event could give.

    Raises:
        InvalidInput: more than one form is asked for, or the one cannot be read.
    """
    forms = [form for form in (target.input, target.input_path, target.input_template) if form is not None]
    if len(forms) > 1:
        raise InvalidInput(
            f"Only one of Input, InputPath, or InputTransformer must be provided for target {target.id}."
        )
    if target.input is not None:
        try:
            orjson.loads(target.input)
        except orjson.JSONDecodeError as error:
            raise InvalidInput(f"Input for target {target.id} is not valid JSON: {error}.") from None
    if target.input_path is not None:
        try:
            json_path.parse(target.input_path)
        except json_path.InvalidPath as error:
            raise InvalidInput(f"InputPath for target {target.id} is not valid: {error}.") from None
    if target.input_template is not None:
        try:
            _transformer(target)
        except input_transformer.InvalidTransformer as error:
            raise InvalidInput(str(error)) from None


def payload(target: Target, event: Event, *, rule_arn: str, rule_name: str, ingestion_time: str) -> bytes:
    """The JSON that the target receives. A path that leads nowhere gives `null`.

    Raises:
        InvalidInput: the event makes the target's template invalid JSON, or the piece is nested too deeply.
    """
    try:
        if target.input is not None:
            return target.input.encode()
        if target.input_path is not None:
            found = json_path.extract(event.fields, json_path.parse(target.input_path))
            return orjson.dumps(None if found is json_path.MISSING else found)
        if target.input_template is not None:
            return _transformer(target).render(
                event.fields, rule_arn=rule_arn, rule_name=rule_name, ingestion_time=ingestion_time
            )
    except (input_transformer.InvalidTransformer, orjson.JSONEncodeError) as error:
        raise InvalidInput(f"The input for target {target.id} cannot be made: {error}.") from None
    return event.text


def _transformer(target: Target) -> input_transformer.InputTransformer:
    return _parse(target.input_template or "", tuple((target.input_paths or {}).items()), target.id)


@lru_cache(maxsize=1_024)
def _parse(template: str, paths: tuple[tuple[str, str], ...], target_id: str) -> input_transformer.InputTransformer:
    return input_transformer.parse(template, dict(paths), target_id)
