"""Concurrency: how many invocations of a function may run at the same time. Nothing is provisioned ahead of them."""

from config import limits
from producers.errors import ApiError
from producers.lambda_.errors import function_not_found, invalid_parameter, not_offered
from producers.lambda_.names import FunctionName as Name
from producers.lambda_.operations.steps import Answer, Operations, check_qualifier
from producers.seams import Request
from worker.function import LATEST
from worker.registry import FunctionMissing


class Concurrency(Operations):
    """Reserved concurrency, and what is to be said of the provisioned kind."""

    def put_function_concurrency(
        self, request: Request, FunctionName: str, ReservedConcurrentExecutions: int
    ) -> Answer:
        """Let at most so many invocations of a function run at the same time, synchronous ones included; 0 stops it."""
        name = self._unqualified(request, FunctionName)
        others = sum(f.reserved_concurrency or 0 for f in self._registry.list() if f.name != name.name)
        limit = self._seams.settings.account_concurrency
        if limit - others - ReservedConcurrentExecutions < limits.MIN_UNRESERVED_CONCURRENCY:
            raise ApiError(
                "InvalidParameterValueException",
                "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
                f"below its minimum value of [{limits.MIN_UNRESERVED_CONCURRENCY}].",
            )
        self._reserve(name, ReservedConcurrentExecutions)
        return {"ReservedConcurrentExecutions": ReservedConcurrentExecutions}

    def get_function_concurrency(self, request: Request, FunctionName: str) -> Answer:
        """How many are reserved; nothing if none was ever."""
        name = self._unqualified(request, FunctionName)
        function = self._registry.get(name.name)
        if function is None:
            raise function_not_found(name.qualified_arn)
        reserved = function.reserved_concurrency
        return {} if reserved is None else {"ReservedConcurrentExecutions": reserved}

    def delete_function_concurrency(self, request: Request, FunctionName: str) -> Answer:
        """Reserve nothing."""
        self._reserve(self._unqualified(request, FunctionName), None)
        return {}

    def put_provisioned_concurrency_config(
        self, request: Request, FunctionName: str, Qualifier: str, ProvisionedConcurrentExecutions: int
    ) -> Answer:
        """Refused: there is nothing to provision.

        Raises:
            ApiError: always.
        """
        name = self._name(request, FunctionName, Qualifier)
        if name.qualifier == LATEST:
            raise invalid_parameter(
                "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
            )
        check_qualifier(self._function(name), name)
        raise not_offered(
            f"Provisioned concurrency ({ProvisionedConcurrentExecutions} for '{name.name}:{name.qualifier}')",
            "Environments are started when they are needed, in some milliseconds. Leave it out.",
        )

    def get_provisioned_concurrency_config(self, request: Request, FunctionName: str, Qualifier: str) -> Answer:
        """What AWS answers where none is provisioned.

        Raises:
            ApiError: always.
        """
        name = self._name(request, FunctionName, Qualifier)
        check_qualifier(self._function(name), name)
        raise ApiError(
            "ProvisionedConcurrencyConfigNotFoundException",
            "No Provisioned Concurrency Config found for this function",
            404,
            members={"Type": "User"},
        )

    def delete_provisioned_concurrency_config(self, request: Request, FunctionName: str, Qualifier: str) -> Answer:
        """There is none, which is what the caller wants."""
        name = self._name(request, FunctionName, Qualifier)
        check_qualifier(self._function(name), name)
        return {}

    def list_provisioned_concurrency_configs(self, request: Request, FunctionName: str) -> Answer:
        """None."""
        self._function(self._name(request, FunctionName))
        return {"ProvisionedConcurrencyConfigs": []}

    def _reserve(self, name: Name, concurrency: int | None) -> None:
        try:
            self._registry.update(
                name.name, lambda function: function.model_copy(update={"reserved_concurrency": concurrency})
            )
        except FunctionMissing:
            raise function_not_found(name.qualified_arn) from None
