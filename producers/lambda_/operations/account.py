"""The account; and recursion, runtime updates, URLs and signing, to which there is not much to say.

Terraform and SAM ask for code signing and function URLs whether or not there are any, so these get AWS's answers for a
function that has none. To set them is not implemented, which the gateway says.
"""

from config import limits
from producers.lambda_.errors import not_found, not_offered, violated
from producers.lambda_.operations.steps import Answer, Operations
from producers.seams import Request
from worker.function import FunctionConfiguration

#: Bytes of all deployment packages together. Source: AWS Lambda Developer Guide, "Lambda quotas" (75 GB).
MAX_CODE = 80_530_636_800

#: What may become of a function that calls itself, in the order in which AWS's refusal names it.
RECURSIVE_LOOP = ("Terminate", "Allow")


class Account(Operations):
    """GetAccountSettings, and the rest that is small."""

    def get_account_settings(self, request: Request) -> Answer:  # noqa: ARG002 - every method is handed its request
        """The account's limits, and how much of them is in use."""
        functions = self._registry.list()
        limit = self._seams.settings.account_concurrency
        reserved = sum(function.reserved_concurrency or 0 for function in functions)
        versions = [version for function in functions for version in self._registry.versions(function)]
        used = sum(each.code_size for each in (*functions, *versions))
        return {
            "AccountLimit": {
                "TotalCodeSize": MAX_CODE,
                "CodeSizeUnzipped": limits.MAX_UNZIPPED,
                "CodeSizeZipped": limits.MAX_ZIP,
                "ConcurrentExecutions": limit,
                "UnreservedConcurrentExecutions": limit - reserved,
            },
            "AccountUsage": {
                "TotalCodeSize": used + sum(each.code_size for each in self._layers.all()),
                "FunctionCount": len(functions),
            },
        }

    def put_function_recursion_config(self, request: Request, FunctionName: str, RecursiveLoop: str) -> Answer:
        """Say whether a function that calls itself again and again is stopped (Terminate) or not (Allow)."""
        if RecursiveLoop not in RECURSIVE_LOOP:
            allowed = ", ".join(RECURSIVE_LOOP)
            raise violated(RecursiveLoop, "recursiveLoop", f"Member must satisfy enum value set: [{allowed}]")

        def change(function: FunctionConfiguration) -> FunctionConfiguration:
            return function.model_copy(update={"recursive_loop": RecursiveLoop})

        return {"RecursiveLoop": self._update(self._unqualified(request, FunctionName), change).recursive_loop}

    def get_function_recursion_config(self, request: Request, FunctionName: str) -> Answer:
        """Whether it is stopped."""
        return {"RecursiveLoop": self._function(self._unqualified(request, FunctionName)).recursive_loop}

    def put_runtime_management_config(
        self,
        request: Request,
        FunctionName: str,
        UpdateRuntimeOn: str,
        Qualifier: str | None = None,
        RuntimeVersionArn: str | None = None,
    ) -> Answer:
        """Accept what is so anyway: functions run on this machine's interpreters, as they are.

        Raises:
            ApiError: another mode is wanted.
        """
        if UpdateRuntimeOn != "Auto" or RuntimeVersionArn:
            raise not_offered(
                f"UpdateRuntimeOn '{UpdateRuntimeOn}'", "Functions run on this machine's interpreters; use 'Auto'."
            )
        return self.get_runtime_management_config(request, FunctionName, Qualifier)

    def get_runtime_management_config(
        self, request: Request, FunctionName: str, Qualifier: str | None = None
    ) -> Answer:
        """Always Auto."""
        name = self._name(request, FunctionName, Qualifier)
        self._version(name)
        return {"UpdateRuntimeOn": "Auto", "FunctionArn": name.asked_arn}

    def get_function_code_signing_config(self, request: Request, FunctionName: str) -> Answer:
        """None."""
        name = self._name(request, FunctionName)
        self._function(name)
        return {"CodeSigningConfigArn": "", "FunctionName": name.name}

    def list_function_url_configs(self, request: Request, FunctionName: str) -> Answer:
        """None."""
        self._function(self._name(request, FunctionName))
        return {"FunctionUrlConfigs": []}

    def get_function_url_config(self, request: Request, FunctionName: str, Qualifier: str | None = None) -> Answer:
        """What AWS answers where there is none.

        Raises:
            ApiError: always.
        """
        self._version(self._name(request, FunctionName, Qualifier))
        raise not_found("The resource you requested does not exist.")
