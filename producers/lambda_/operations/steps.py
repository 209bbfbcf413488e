"""What Lambda's operations share, whatever their subject: which function is meant, how it is read, how it is changed.

Every operation first asks `names.py` which function is meant, then looks it up here. Changes go through the registry,
which loses none of two that are made at the same time. The operations themselves are in a module for each subject, and
come together in `api.py`.
"""

from collections.abc import Callable, Sequence
from typing import Any

from redis.client import Pipeline

from producers.lambda_ import names
from producers.lambda_.dead_letter import check_dead_letter_target
from producers.lambda_.errors import function_not_found, invalid_parameter, not_found, precondition_failed
from producers.lambda_.layer_store import LayerStore
from producers.lambda_.names import FunctionName, Place
from producers.lambda_.targets import Targets
from producers.lambda_.version import version_named
from producers.seams import Request, Seams
from worker.function import LATEST, FunctionConfiguration, LayerVersion
from worker.registry import FunctionMissing, FunctionRegistry
from worker.runtime.code import CodeStore

Answer = dict[str, Any]


class Operations:
    """The tools of every operation."""

    def __init__(self, seams: Seams) -> None:
        self._seams = seams
        self._clock = seams.clock
        self._place = Place(seams.settings.region, seams.settings.account_id)
        self._registry = FunctionRegistry(seams.redis, seams.keys)
        self._code = CodeStore(seams.redis, seams.keys, seams.settings.folder)
        self._layers = LayerStore(seams.redis, seams.keys)
        self._targets = Targets(seams.redis, seams.keys, self._place)

    def _name(self, request: Request, text: str, qualifier: str | None = None) -> FunctionName:
        return names.parse(text, qualifier, self._place, request.operation)

    def _unqualified(self, request: Request, text: str) -> FunctionName:
        name = self._name(request, text)
        if name.qualifier is not None:
            raise invalid_parameter(
                "This operation is permitted on Lambda functions only. Aliases and versions do not support this "
                "operation. Please specify either a function name or an unqualified function ARN."
            )
        return name

    def _function(self, name: FunctionName) -> FunctionConfiguration:
        """The document of the function, whichever version of it was named."""
        function = self._registry.get(name.name)
        if function is None:
            raise function_not_found(name.asked_arn)
        return function

    def _version(self, name: FunctionName) -> FunctionConfiguration:
        """What the name stands for: `$LATEST`, a version, or the version that an alias points to."""
        function = self._function(name)
        number = version_named(function, name.qualifier)
        if number == LATEST:
            return function
        version = None if number is None else self._registry.version(name.name, number)
        if version is None:
            raise function_not_found(name.asked_arn)
        return version

    def _has(self, name: FunctionName) -> bool:
        """Whether there is what the name says: the function, and the version or alias."""
        if name.is_latest:
            return self._registry.exists(name.name)
        function = self._registry.get(name.name)
        return function is not None and version_named(function, name.qualifier) is not None

    def _update(
        self,
        name: FunctionName,
        change: Callable[[FunctionConfiguration], FunctionConfiguration],
        store_code: Callable[[Pipeline], object] | None = None,
        *,
        publish: Callable[[FunctionConfiguration], FunctionConfiguration | None] = lambda _: None,
    ) -> FunctionConfiguration:
        if not name.is_latest:
            raise function_not_found(name.asked_arn)
        try:
            return self._registry.update(name.name, change, store_code, publish=publish)
        except FunctionMissing:
            raise function_not_found(name.asked_arn) from None

    def _keep_layers(self, layers: Sequence[LayerVersion]) -> Callable[[Pipeline], object]:
        """What makes the packages of layers stay that were deleted a moment ago: a function uses them from now on."""

        def keep(pipe: Pipeline) -> None:
            for layer in layers:
                pipe.persist(self._seams.keys.code(layer.code_sha256))

        return keep

    def _check_dead_letter_target(self, arn: str | None) -> None:
        if arn:
            check_dead_letter_target(arn, self._targets.exists)

    def _location(self, request: Request, sha256: str) -> str:
        """The address at which a package can be fetched."""
        return f"{request.base_url}/_thrice/code/{sha256}"


def check_revision(actual: str, expected: str | None) -> None:
    """See that the caller has seen the present revision of a function or an alias, if it says which one it has seen.

    Raises:
        ApiError: it has seen another.
    """
    if expected is not None and expected != actual:
        raise precondition_failed("GetFunction/GetAlias")


def check_qualifier(function: FunctionConfiguration, name: FunctionName) -> None:
    """See that the function has the version or alias that was named.

    Raises:
        ApiError: it has not; of an alias in other words than of a version.
    """
    if version_named(function, name.qualifier) is not None:
        return
    if name.qualifier is not None and not name.qualifier.isdigit():
        raise not_found(f"Cannot find alias arn: {name.asked_arn}")
    raise function_not_found(name.asked_arn)
