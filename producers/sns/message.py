"""What can be published, and which part of it is for whom. Pure."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from config import limits
from producers.errors import ApiError
from worker.message_document import Attributes, size_of

#: Longest subject, in characters. Source: Amazon SNS API Reference, Publish.
MAX_SUBJECT = 100

_CONTROL = re.compile("[\x00-\x1f\x7f]")
_ATTRIBUTE_NAME = re.compile(r"(?!aws\.|amazon\.|\.)(?!.*\.\.)(?!.*\.$)[\w.-]{1,256}", re.ASCII | re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Message:
    """What was published: one text, or with MessageStructure=json one for each protocol."""

    texts: Mapping[str, str]  # protocol, or "default" -> text
    subject: str | None
    attributes: Attributes  # a BinaryValue is text in base64

    def text_for(self, protocol: str) -> str:
        """What the subscribers of one protocol get."""
        return self.texts.get(protocol, self.texts["default"])


def check_message(
    message: str,
    subject: str | None,
    structure: str | None,
    attributes: Mapping[str, Mapping[str, Any]] | None,
) -> Message:
    """Read the parameters of Publish.

    Raises:
        ApiError: they cannot be published.
    """
    if not message:
        raise _invalid("Empty message")
    if subject is not None and (not subject.strip() or len(subject) > MAX_SUBJECT or _CONTROL.search(subject)):
        raise _invalid("Subject")
    if structure not in (None, "", "json"):
        raise _invalid("MessageStructure")
    checked = {name: _check_attribute(name, value) for name, value in (attributes or {}).items()}
    texts = _texts(message) if structure == "json" else {"default": message}
    if size_of(message, checked) > limits.MAX_SNS_MESSAGE:
        raise _invalid("Message too long")
    return Message(texts, subject, checked)


def _texts(message: str) -> dict[str, str]:
    try:
        texts = orjson.loads(message)
    except orjson.JSONDecodeError:
        texts = None
    if not isinstance(texts, dict):
        raise _invalid("Message Structure - JSON message body failed to parse")
    if not isinstance(texts.get("default"), str):
        raise _invalid("Message Structure - No default entry in JSON message body")
    return {protocol: text for protocol, text in texts.items() if isinstance(text, str)}


def _check_attribute(name: str, value: Mapping[str, Any]) -> dict[str, str]:
    if not _ATTRIBUTE_NAME.fullmatch(name):
        raise _invalid_value(f"The message attribute name '{name}' is invalid.")
    data_type = value.get("DataType") or ""
    kind = data_type.partition(".")[0]
    if not data_type:
        raise _invalid_value(f"The message attribute '{name}' must contain non-empty message attribute type.")
    if kind not in ("String", "Number", "Binary"):
        raise _invalid_value(
            f"The message attribute '{name}' has an invalid message attribute type, the set of supported type "
            "prefixes is Binary, Number, and String."
        )
    member = "BinaryValue" if kind == "Binary" else "StringValue"
    if not value.get(member) or ("StringValue" in value and "BinaryValue" in value):
        raise _invalid_value(
            f"The message attribute '{name}' must contain non-empty message attribute value for message attribute "
            f"type '{kind}', in {member} alone."
        )
    if kind == "Binary":
        return {"DataType": data_type, "BinaryValue": base64.b64encode(value["BinaryValue"]).decode()}
    if kind == "Number" and not _NUMBER.fullmatch(value["StringValue"]):
        raise _invalid_value(f"Could not cast message attribute '{name}' value to number.")
    return {"DataType": data_type, "StringValue": value["StringValue"]}


def _invalid(what: str) -> ApiError:
    return ApiError("InvalidParameter", f"Invalid parameter: {what}")


def _invalid_value(message: str) -> ApiError:
    return ApiError("ParameterValueInvalid", message)
