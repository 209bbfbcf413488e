"""Metrics as a request names them: namespace, name, dimensions. Pure."""

from collections.abc import Mapping, Sequence

from producers.errors import ApiError
from worker.metrics import ALL, METRICS

NAMESPACE = "AWS/Lambda"

#: Dimensions as AWS writes them: [{"Name": …, "Value": …}].
Dimensions = Sequence[Mapping[str, str]]


def check_namespace(namespace: str) -> None:
    """See that it is the only one that thrice has.

    Raises:
        ApiError: it is another.
    """
    if namespace != NAMESPACE:
        raise ApiError(
            "InvalidParameterValue",
            f"thrice has no metrics of the namespace '{namespace}', only those of {NAMESPACE}, and takes none in.",
        )


def record_name(metric: str, dimensions: Dimensions) -> str | None:
    """The name of the records in which a metric with exactly these dimensions is; None: there is no such metric."""
    named = {dimension["Name"]: dimension["Value"] for dimension in dimensions}
    if metric not in METRICS or len(named) < len(dimensions):
        return None
    if not named:
        return ALL
    function, resource = named.pop("FunctionName", None), named.pop("Resource", None)
    if named or not function or ":" in function:
        return None
    if resource is None or resource == function:
        return function
    return resource if resource.startswith(f"{function}:") else None


def all_dimensions(name: str) -> list[list[dict[str, str]]]:
    """The sets of dimensions under which the records of a name are listed."""
    if name == ALL:
        return [[]]
    function, _, qualifier = name.partition(":")
    of_function = {"Name": "FunctionName", "Value": function}
    with_resource = [of_function, {"Name": "Resource", "Value": name}]
    return [with_resource] if qualifier else [[of_function], with_resource]


def matches(dimensions: Dimensions, wanted: Dimensions) -> bool:
    """Whether every dimension that is wanted is there; one that is wanted without a value, with any."""
    return all(
        any(has["Name"] == want["Name"] and want.get("Value", has["Value"]) == has["Value"] for has in dimensions)
        for want in wanted
    )
