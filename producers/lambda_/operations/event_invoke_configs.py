"""How asynchronous events are to be treated: set for `$LATEST`, each version and each alias on its own."""

from collections.abc import Callable

from producers.lambda_ import event_invoke
from producers.lambda_.event_invoke import Destinations
from producers.lambda_.names import FunctionName as Name
from producers.lambda_.operations.steps import Answer, Operations
from producers.lambda_.pages import page
from producers.lambda_.version import version_named
from producers.seams import Request
from worker.function import LATEST, EventInvokeConfig, FunctionConfiguration
from worker.registry import FunctionMissing


class EventInvokeConfigs(Operations):
    """PutFunctionEventInvokeConfig to DeleteFunctionEventInvokeConfig."""

    def put_function_event_invoke_config(
        self,
        request: Request,
        FunctionName: str,
        Qualifier: str | None = None,
        MaximumRetryAttempts: int | None = None,
        MaximumEventAgeInSeconds: int | None = None,
        DestinationConfig: Destinations | None = None,
    ) -> Answer:
        """Say how events are to be treated; what is not sent is as if it had never been set."""
        name = self._name(request, FunctionName, Qualifier)
        config = event_invoke.replaced(
            MaximumRetryAttempts, MaximumEventAgeInSeconds, DestinationConfig, self._clock.now()
        )
        self._check_can_have_config(name)
        event_invoke.check_destinations(name.arn, DestinationConfig, self._targets.exists)
        return self._set_config(name, lambda _: config)

    def update_function_event_invoke_config(
        self,
        request: Request,
        FunctionName: str,
        Qualifier: str | None = None,
        MaximumRetryAttempts: int | None = None,
        MaximumEventAgeInSeconds: int | None = None,
        DestinationConfig: Destinations | None = None,
    ) -> Answer:
        """Change what is sent of how events are to be treated."""
        name = self._name(request, FunctionName, Qualifier)
        self._check_can_have_config(name)
        event_invoke.check_destinations(name.arn, DestinationConfig, self._targets.exists)
        now = self._clock.now()

        def change(before: EventInvokeConfig | None) -> EventInvokeConfig:
            if before is None:
                raise event_invoke.no_config(name.qualified_arn)
            return event_invoke.merged(before, MaximumRetryAttempts, MaximumEventAgeInSeconds, DestinationConfig, now)

        return self._set_config(name, change)

    def get_function_event_invoke_config(
        self, request: Request, FunctionName: str, Qualifier: str | None = None
    ) -> Answer:
        """How events are to be treated, as far as that was set."""
        name = self._name(request, FunctionName, Qualifier)
        function = self._registry.get(name.name)
        config = None if function is None else _config_of(function, name)
        if config is None:
            raise event_invoke.no_config(name.qualified_arn)
        return event_invoke.described(name.qualified_arn, config)

    def list_function_event_invoke_configs(
        self, request: Request, FunctionName: str, Marker: str | None = None, MaxItems: int | None = None
    ) -> Answer:
        """One page of all that is set for a function: for `$LATEST`, its versions and its aliases."""
        name = self._name(request, FunctionName)
        function = self._registry.get(name.name)
        if function is None:
            raise event_invoke.no_function()
        configs = dict(function.event_invoke_configs)
        if function.event_invoke_config is not None:
            configs[LATEST] = function.event_invoke_config
        wanted, marker = page(
            sorted(configs.items()), lambda each: (each[0],), Marker, MaxItems, "ListFunctionEventInvokeConfigs"
        )
        listed = [event_invoke.described(f"{name.arn}:{qualifier}", config) for qualifier, config in wanted]
        return {"FunctionEventInvokeConfigs": listed} | ({"NextMarker": marker} if marker else {})

    def delete_function_event_invoke_config(
        self, request: Request, FunctionName: str, Qualifier: str | None = None
    ) -> Answer:
        """Go back to the defaults: two retries, six hours, no destinations."""
        name = self._name(request, FunctionName, Qualifier)
        missing = event_invoke.no_config(name.qualified_arn)

        def change(function: FunctionConfiguration) -> FunctionConfiguration:
            if _config_of(function, name) is None:
                raise missing
            return _with(function, name, None)

        try:
            self._registry.update(name.name, change)
        except FunctionMissing:
            raise missing from None
        return {}

    def _check_can_have_config(self, name: Name) -> None:
        if not self._has(name):
            raise event_invoke.no_function()

    def _set_config(self, name: Name, config_after: Callable[[EventInvokeConfig | None], EventInvokeConfig]) -> Answer:
        def change(function: FunctionConfiguration) -> FunctionConfiguration:
            if version_named(function, name.qualifier) is None:
                raise event_invoke.no_function()
            return _with(function, name, config_after(_config_of(function, name)))

        try:
            config = _config_of(self._registry.update(name.name, change), name)
        except FunctionMissing:
            raise event_invoke.no_function() from None
        assert config is not None
        return event_invoke.described(name.qualified_arn, config)


def _config_of(function: FunctionConfiguration, name: Name) -> EventInvokeConfig | None:
    if name.qualifier is None or name.qualifier == LATEST:
        return function.event_invoke_config
    return function.event_invoke_configs.get(name.qualifier)


def _with(function: FunctionConfiguration, name: Name, config: EventInvokeConfig | None) -> FunctionConfiguration:
    if name.qualifier is None or name.qualifier == LATEST:
        return function.model_copy(update={"event_invoke_config": config})
    others = {each: kept for each, kept in function.event_invoke_configs.items() if each != name.qualifier}
    configs = others if config is None else others | {name.qualifier: config}
    return function.model_copy(update={"event_invoke_configs": configs})
