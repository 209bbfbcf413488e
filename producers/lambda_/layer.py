"""Layers: a version of one as it is stored and shown, and which of them a function may have. Pure.

A function keeps what it needs of a layer's version, so that it goes on working when that is deleted, as on AWS.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from config import limits
from producers.errors import ApiError
from producers.lambda_.errors import invalid_parameter, not_found
from producers.lambda_.names import Place
from worker.function import LayerVersion

#: Most layers of one function. Source: AWS Lambda Developer Guide, "Lambda quotas".
MAX_LAYERS = 5

_ARN = re.compile(
    r"arn:[a-zA-Z0-9-]+:lambda:(?P<region>[a-zA-Z0-9-]+):(?P<account>\d{12}):layer:(?P<name>[a-zA-Z0-9-_]+)"
    r"(:(?P<number>[0-9]+))?"
)


class StoredLayer(BaseModel):
    """A version of a layer, as stored below `Keys.layers` under `name:number`."""

    model_config = ConfigDict(frozen=True)

    v: int = 1
    name: str
    number: int
    arn: str  # without the number
    code_sha256: str  # hex
    code_size: int  # bytes of the zip
    unzipped_size: int  # bytes
    description: str = ""
    runtimes: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    license_info: str | None = None
    created: str  # as the API shows it

    @property
    def version_arn(self) -> str:
        """The ARN with the number."""
        return f"{self.arn}:{self.number}"

    def used(self) -> LayerVersion:
        """What a function keeps of it."""
        return LayerVersion(
            arn=self.version_arn,
            code_sha256=self.code_sha256,
            code_size=self.code_size,
            unzipped_size=self.unzipped_size,
        )

    def is_for(self, runtime: str | None, architecture: str | None) -> bool:
        """Whether it says that it goes with both, as far as they are asked for."""
        return (runtime is None or runtime in self.runtimes) and (
            architecture is None or architecture in self.architectures
        )


def layer_arn(place: Place, name: str) -> str:
    """The ARN of a layer, without a number."""
    return f"arn:aws:lambda:{place.region}:{place.account}:layer:{name}"


def layer_name(text: str, place: Place) -> str:
    """The name of the layer that a caller names by itself or by its ARN.

    Raises:
        ApiError: it lies elsewhere.
    """
    match = _ARN.fullmatch(text)
    if match is None:
        return text
    if match["region"] != place.region or match["account"] != place.account:
        raise no_version()
    return match["name"]


def version_of(arn: str, place: Place) -> tuple[str, int]:
    """Name and number in the ARN of a version.

    Raises:
        ApiError: it names none of ours.
    """
    match = _ARN.fullmatch(arn)
    if match is None or match["number"] is None:
        raise no_version()
    return layer_name(arn, place), int(match["number"])


def no_version() -> ApiError:
    """There is no such version of a layer."""
    return not_found("The resource you requested does not exist.")


def listed(layer: StoredLayer) -> dict[str, Any]:
    """A version as the lists show it."""
    shown: dict[str, Any] = {
        "LayerVersionArn": layer.version_arn,
        "Version": layer.number,
        "Description": layer.description,
        "CreatedDate": layer.created,
    }
    if layer.runtimes:
        shown["CompatibleRuntimes"] = list(layer.runtimes)
    if layer.architectures:
        shown["CompatibleArchitectures"] = list(layer.architectures)
    if layer.license_info is not None:
        shown["LicenseInfo"] = layer.license_info
    return shown


def used(
    arns: Sequence[str], place: Place, operation_user: str, find: Callable[[str, int], StoredLayer | None]
) -> tuple[LayerVersion, ...]:
    """The layers that a function is to have, in the order in which they are laid over each other.

    `operation_user` is the ARN that AWS's refusal names. `find` looks a version up.

    Raises:
        ApiError: they are too many, lie elsewhere, are not there, or two are of the same layer.
    """
    if len(arns) > MAX_LAYERS:
        raise invalid_parameter(f"Cannot reference more than {MAX_LAYERS} layers.")
    found: dict[str, LayerVersion] = {}
    for arn in arns:
        match = _ARN.fullmatch(arn)
        if match is None or match["number"] is None:
            raise invalid_parameter(f"Layer version {arn} does not exist.")
        if match["region"] != place.region:
            raise invalid_parameter(
                "Layers are not in the same region as the function. "
                f"Layers are expected to be in region {place.region}."
            )
        if match["account"] != place.account:
            raise ApiError(
                "AccessDeniedException",
                f"User: {operation_user} is not authorized to perform: lambda:GetLayerVersion on resource: {arn} "
                "because no resource-based policy allows the lambda:GetLayerVersion action",
                403,
            )
        layer = find(match["name"], int(match["number"]))
        if layer is None:
            raise invalid_parameter(f"Layer version {arn} does not exist.")
        if match["name"] in found:
            raise invalid_parameter(
                "Two different versions of the same layer are not allowed to be referenced in the same function. "
                f"{found[match['name']].arn} and {arn} are versions of the same layer."
            )
        found[match["name"]] = layer.used()
    return tuple(found.values())


def check_total_size(unzipped: int, layers: Sequence[LayerVersion]) -> None:
    """See that a function's code, of `unzipped` bytes, and its layers are not too large together.

    Raises:
        ApiError: they are.
    """
    total = unzipped + sum(layer.unzipped_size for layer in layers)
    if layers and total > limits.MAX_UNZIPPED:
        raise invalid_parameter(
            f"Function code combined with layers exceeds the maximum allowed size of {limits.MAX_UNZIPPED} bytes. "
            f"The actual size is {total} bytes."
        )
