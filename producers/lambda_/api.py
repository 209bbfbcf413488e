"""Lambda's operations, one method each: what a client may call, and in which order things are looked at.

Every operation first asks `names.py` which function is meant. Only `$LATEST` exists; versions and aliases are not
found. Changes go through the registry, which loses none of two that are made at the same time.

In order: functions; Invoke, and `deliver`, which is Invoke for the other services; what becomes of asynchronous events;
concurrency; permissions; tags; the account; and at the end the steps that several operations share.
"""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from redis.asyncio import Redis as AsyncRedis
from redis.client import Pipeline

from config import limits
from producers.errors import ApiError
from producers.lambda_ import configuration, event_invoke, names, policy
from producers.lambda_.dead_letter import check_dead_letter_target
from producers.lambda_.errors import (
    conflict,
    function_not_found,
    invalid_parameter,
    not_found,
    not_offered,
    precondition_failed,
)
from producers.lambda_.event_invoke import Destinations
from producers.lambda_.invoke import Call, InvocationQueue, Invoker
from producers.lambda_.names import FunctionName, Place
from producers.lambda_.package import check_package, sha256_of, zip_file_of
from producers.lambda_.payload import EMPTY
from producers.lambda_.policy import Policy
from producers.lambda_.targets import Targets
from producers.seams import Request, Response, Seams, TargetMissing
from worker.function import EventInvokeConfig, FunctionConfiguration
from worker.identity import new_request_id
from worker.invocation import Invocation
from worker.lineage import root_of
from worker.registry import FunctionExists, FunctionMissing, FunctionRegistry
from worker.runtime.code import CodeStore

#: ListFunctions: functions on one page, if the caller says nothing and at most. Source: ListFunctions, MaxItems.
PAGE = 50

#: Bytes of all deployment packages together. Source: AWS Lambda Developer Guide, "Lambda quotas" (75 GB).
MAX_CODE = 80_530_636_800

Answer = dict[str, Any]


class Lambda:
    """AWS Lambda, as far as thrice has it."""

    def __init__(self, seams: Seams, queue: InvocationQueue, async_redis: "AsyncRedis") -> None:
        self._clock = seams.clock
        self._place = Place(seams.settings.region, seams.settings.account_id)
        self._registry = FunctionRegistry(seams.redis, seams.keys)
        self._code = CodeStore(seams.redis, seams.keys, seams.settings.folder)
        self._targets = Targets(seams.redis, seams.keys, self._place)
        self._queue = queue
        self._invoker = Invoker(queue, async_redis, seams.keys, seams.clock)

    def create_function(
        self,
        request: Request,
        FunctionName: str,
        Role: str,
        Code: Mapping[str, Any],
        Runtime: str | None = None,
        Handler: str | None = None,
        Description: str | None = None,
        Timeout: int | None = None,
        MemorySize: int | None = None,
        Publish: bool | None = None,
        PackageType: str | None = None,
        DeadLetterConfig: Mapping[str, str] | None = None,
        Environment: Mapping[str, Any] | None = None,
        TracingConfig: Mapping[str, str] | None = None,
        Tags: dict[str, str] | None = None,
        Architectures: Sequence[str] | None = None,
        EphemeralStorage: Mapping[str, int] | None = None,
        SnapStart: Mapping[str, str] | None = None,
        LoggingConfig: Mapping[str, str] | None = None,
    ) -> Answer:
        """Make a function. It can be invoked when this returns."""
        name = self._name(request, FunctionName)
        _refuse_publishing(Publish)
        if not name.is_latest:
            raise function_not_found(name.asked_arn)
        settings = {
            "Role": Role, "Runtime": Runtime, "Handler": Handler, "Description": Description, "Timeout": Timeout,
            "MemorySize": MemorySize, "PackageType": PackageType, "DeadLetterConfig": DeadLetterConfig,
            "Environment": Environment, "TracingConfig": TracingConfig, "Tags": Tags, "Architectures": Architectures,
            "EphemeralStorage": EphemeralStorage, "SnapStart": SnapStart, "LoggingConfig": LoggingConfig,
        }  # fmt: skip
        package = zip_file_of(Code)
        function = configuration.created(
            name.name,
            settings,
            self._place,
            self._clock.now(),
            new_request_id(),
            sha256_of(package),
            len(package),
        )
        if self._registry.exists(name.name):  # said before the package is looked at, which takes longer
            raise conflict(f"Function already exist: {name.name}")
        self._check_dead_letter_target(function.dead_letter_arn)
        check_package(package)
        try:
            self._registry.create(function, lambda pipe: self._code.put(pipe, package))
        except FunctionExists:
            raise conflict(f"Function already exist: {name.name}") from None
        return configuration.described(function)

    def get_function(self, request: Request, FunctionName: str, Qualifier: str | None = None) -> Answer:
        """A function's configuration, where its code is, its tags and its reserved concurrency."""
        name = self._name(request, FunctionName, Qualifier)
        function = self._function(name)
        answer: Answer = {
            "Configuration": configuration.described(function, arn=name.asked_arn),
            "Code": {
                "RepositoryType": "S3",
                "Location": f"{request.base_url}/_thrice/code/{function.code_sha256}",
            },
        }
        if function.tags:
            answer["Tags"] = function.tags
        if function.reserved_concurrency is not None:
            answer["Concurrency"] = {"ReservedConcurrentExecutions": function.reserved_concurrency}
        return answer

    def get_function_configuration(self, request: Request, FunctionName: str, Qualifier: str | None = None) -> Answer:
        """A function's configuration."""
        name = self._name(request, FunctionName, Qualifier)
        return configuration.described(self._function(name), arn=name.asked_arn)

    def list_functions(
        self,
        request: Request,  # noqa: ARG002 - every method is handed its request
        FunctionVersion: str | None = None,
        Marker: str | None = None,
        MaxItems: int | None = None,
    ) -> Answer:
        """One page of the functions, by name. With FunctionVersion ALL their ARNs are qualified."""
        after = _read_marker(Marker)
        left = [function for function in self._registry.list() if function.name > after]
        page = left[: min(MaxItems or PAGE, PAGE)]
        answer: Answer = {
            "Functions": [
                configuration.listed(function, arn=function.qualified_arn if FunctionVersion == "ALL" else None)
                for function in page
            ]
        }
        if len(page) < len(left):
            answer["NextMarker"] = _marker(page[-1].name)
        return answer

    def update_function_code(
        self,
        request: Request,
        FunctionName: str,
        ZipFile: bytes | None = None,
        Architectures: Sequence[str] | None = None,
        Publish: bool | None = None,
        DryRun: bool | None = None,
        RevisionId: str | None = None,
    ) -> Answer:
        """Give a function other code. Attempts that begin from now on run it."""
        name = self._name(request, FunctionName)
        _refuse_publishing(Publish)
        package = zip_file_of({"ZipFile": ZipFile})
        current = self._function(name)
        check_package(package)
        sha256, now, revision_id = sha256_of(package), self._clock.now(), new_request_id()

        def change(function: FunctionConfiguration) -> FunctionConfiguration:
            _check_revision(function, RevisionId)
            return configuration.with_code(
                function,
                sha256=sha256,
                code_size=len(package),
                architecture=Architectures[0] if Architectures else None,
                now=now,
                revision_id=revision_id,
            )

        if DryRun:
            return configuration.described(change(current))
        return configuration.described(self._update(name, change, lambda pipe: self._code.put(pipe, package)))

    def update_function_configuration(
        self,
        request: Request,
        FunctionName: str,
        Role: str | None = None,
        Handler: str | None = None,
        Description: str | None = None,
        Timeout: int | None = None,
        MemorySize: int | None = None,
        Environment: Mapping[str, Any] | None = None,
        Runtime: str | None = None,
        DeadLetterConfig: Mapping[str, str] | None = None,
        TracingConfig: Mapping[str, str] | None = None,
        RevisionId: str | None = None,
        EphemeralStorage: Mapping[str, int] | None = None,
        SnapStart: Mapping[str, str] | None = None,
        LoggingConfig: Mapping[str, str] | None = None,
    ) -> Answer:
        """Change the settings that are sent. Events that wait will run with them."""
        name = self._name(request, FunctionName)
        settings = {
            "Role": Role, "Runtime": Runtime, "Handler": Handler, "Description": Description, "Timeout": Timeout,
            "MemorySize": MemorySize, "DeadLetterConfig": DeadLetterConfig, "Environment": Environment,
            "TracingConfig": TracingConfig, "EphemeralStorage": EphemeralStorage, "SnapStart": SnapStart,
            "LoggingConfig": LoggingConfig,
        }  # fmt: skip
        self._function(name)
        self._check_dead_letter_target((DeadLetterConfig or {}).get("TargetArn"))
        now, revision_id = self._clock.now(), new_request_id()

        def change(function: FunctionConfiguration) -> FunctionConfiguration:
            _check_revision(function, RevisionId)
            return configuration.updated(function, settings, now, revision_id)

        return configuration.described(self._update(name, change))

    def delete_function(self, request: Request, FunctionName: str, Qualifier: str | None = None) -> Response:
        """Delete a function. Events of it that wait are dropped when they become due."""
        name = self._name(request, FunctionName, Qualifier)
        if name.qualifier == names.LATEST:
            raise invalid_parameter("$LATEST version cannot be deleted without deleting the function.")
        self._function(name)
        try:
            self._registry.delete(name.name)
        except FunctionMissing:
            raise function_not_found(name.asked_arn) from None
        return Response({"StatusCode": 204}, status=204)

    async def invoke(
        self,
        request: Request,
        FunctionName: str,
        InvocationType: str = "RequestResponse",
        LogType: str = "None",
        ClientContext: str | None = None,
        Payload: bytes = b"",
        Qualifier: str | None = None,
    ) -> Response:
        """Run a function: later (`Event`), now (`RequestResponse`), or not at all (`DryRun`)."""
        name = self._name(request, FunctionName, Qualifier)
        call = Call(name, InvocationType, Payload, ClientContext, wants_log=LogType == "Tail")
        return await self._invoker.invoke(call, request)

    async def invoke_async(self, request: Request, FunctionName: str, InvokeArgs: bytes) -> Response:
        """Run a function later, as it was asked for before there was Invoke: less payload, and no trace."""
        name = self._name(request, FunctionName)
        call = Call(name, "Event", InvokeArgs, None, wants_log=False, largest=limits.MAX_INVOKE_ASYNC, is_traced=False)
        await self._invoker.invoke(call, request)
        return Response({"Status": 202}, status=202)

    async def invoke_with_response_stream(
        self,
        request: Request,
        FunctionName: str,
        InvocationType: str = "RequestResponse",
        LogType: str = "None",
        ClientContext: str | None = None,
        Payload: bytes = b"",
        Qualifier: str | None = None,
    ) -> Response:
        """Run a function now (`RequestResponse`) or not at all (`DryRun`); its result comes as an event stream."""
        name = self._name(request, FunctionName, Qualifier)
        call = Call(name, InvocationType, Payload, ClientContext, wants_log=LogType == "Tail")
        return await self._invoker.stream(call, request)

    def deliver(
        self,
        pipe: Pipeline,
        target_arn: str,
        payload: bytes,
        *,
        source: str,
        trace_header: str | None = None,
        attributes: Mapping[str, Mapping[str, str]] | None = None,  # noqa: ARG002 - for queues and topics
    ) -> None:
        """Add to `pipe` what makes `payload` an event of the function `target_arn`; see `producers.seams.Deliver`.

        Raises:
            TargetMissing: there is no such function.
        """
        try:
            name = names.parse(target_arn, None, self._place, "Invoke")
        except ApiError:
            raise TargetMissing(target_arn) from None
        if not name.is_latest or not self._registry.exists(name.name):
            raise TargetMissing(target_arn)
        invocation = Invocation(
            request_id=new_request_id(),
            function=name.name,
            invoked_arn=name.asked_arn,
            payload=payload or EMPTY,
            accepted_at=self._clock.now(),
            source=source,
            trace_header=trace_header,
            root=root_of(trace_header) or "",
        )
        self._queue.add(pipe, invocation)

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
        return self._set_event_invoke_config(name, lambda _: config)

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

        def change(function: FunctionConfiguration) -> EventInvokeConfig:
            if function.event_invoke_config is None:
                raise event_invoke.no_config(name.qualified_arn)
            return event_invoke.merged(
                function.event_invoke_config, MaximumRetryAttempts, MaximumEventAgeInSeconds, DestinationConfig, now
            )

        return self._set_event_invoke_config(name, change)

    def get_function_event_invoke_config(
        self, request: Request, FunctionName: str, Qualifier: str | None = None
    ) -> Answer:
        """How events are to be treated, as far as that was set."""
        name = self._name(request, FunctionName, Qualifier)
        function = self._registry.get(name.name) if name.is_latest else None
        if function is None or function.event_invoke_config is None:
            raise event_invoke.no_config(name.qualified_arn)
        return event_invoke.described(function, function.event_invoke_config)

    def list_function_event_invoke_configs(
        self,
        request: Request,
        FunctionName: str,
        Marker: str | None = None,
        MaxItems: int | None = None,  # noqa: ARG002 - every page has the one config that there may be
    ) -> Answer:
        """The same for every version and alias, of which there is only `$LATEST`."""
        name = self._name(request, FunctionName)
        function = self._registry.get(name.name) if name.is_latest else None
        if function is None:
            raise event_invoke.no_function()
        if Marker is not None:
            raise invalid_parameter(f"The Marker '{Marker}' is none that ListFunctionEventInvokeConfigs has given.")
        config = function.event_invoke_config
        return {"FunctionEventInvokeConfigs": [event_invoke.described(function, config)] if config else []}

    def delete_function_event_invoke_config(
        self, request: Request, FunctionName: str, Qualifier: str | None = None
    ) -> Answer:
        """Go back to the defaults: two retries, six hours, no destinations."""
        name = self._name(request, FunctionName, Qualifier)
        missing = event_invoke.no_config(name.qualified_arn)

        def change(function: FunctionConfiguration) -> FunctionConfiguration:
            if function.event_invoke_config is None:
                raise missing
            return function.model_copy(update={"event_invoke_config": None})

        if not name.is_latest:
            raise missing
        try:
            self._registry.update(name.name, change)
        except FunctionMissing:
            raise missing from None
        return {}

    def put_function_concurrency(
        self, request: Request, FunctionName: str, ReservedConcurrentExecutions: int
    ) -> Answer:
        """Let at most so many invocations of a function run at the same time, synchronous ones included; 0 stops it."""
        name = self._unqualified(request, FunctionName)
        others = sum(f.reserved_concurrency or 0 for f in self._registry.list() if f.name != name.name)
        if limits.ACCOUNT_CONCURRENCY - others - ReservedConcurrentExecutions < limits.MIN_UNRESERVED_CONCURRENCY:
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

    def add_permission(
        self,
        request: Request,
        FunctionName: str,
        StatementId: str,
        Action: str,
        Principal: str,
        SourceArn: str | None = None,
        SourceAccount: str | None = None,
        EventSourceToken: str | None = None,
        Qualifier: str | None = None,
        RevisionId: str | None = None,
        PrincipalOrgID: str | None = None,
    ) -> Answer:
        """Add a statement to the function's policy."""
        name = self._name(request, FunctionName, Qualifier)
        _refuse_qualified_policy(name)
        new = policy.statement(
            name.arn,
            statement_id=StatementId,
            action=Action,
            principal=Principal,
            source_arn=SourceArn,
            source_account=SourceAccount,
            event_source_token=EventSourceToken,
            organisation=PrincipalOrgID,
        )
        try:
            self._registry.update_policy(
                name.name, lambda stored: policy.added(_policy(stored), new, RevisionId, new_request_id()).dumps()
            )
        except FunctionMissing:
            raise function_not_found(name.arn) from None
        return {"Statement": policy.text_of(new)}

    def remove_permission(
        self,
        request: Request,
        FunctionName: str,
        StatementId: str,
        Qualifier: str | None = None,
        RevisionId: str | None = None,
    ) -> Answer:
        """Remove a statement from the function's policy."""
        name = self._name(request, FunctionName, Qualifier)
        _refuse_qualified_policy(name)

        def change(stored: bytes | None) -> bytes | None:
            left = policy.removed(_policy(stored), StatementId, RevisionId, new_request_id())
            return left.dumps() if left else None

        try:
            self._registry.update_policy(name.name, change)
        except FunctionMissing:
            raise not_found(f"No policy found for: {name.arn}") from None
        return {}

    def get_policy(self, request: Request, FunctionName: str, Qualifier: str | None = None) -> Answer:
        """The function's policy, as a JSON text."""
        name = self._name(request, FunctionName, Qualifier)
        found = _policy(self._registry.policy(name.name)) if name.qualifier is None else None
        if found is None:
            raise not_found("The resource you requested does not exist.")
        return {"Policy": found.document(), "RevisionId": found.revision_id}

    def list_tags(self, request: Request, Resource: str) -> Answer:
        """A function's tags."""
        return {"Tags": self._function(self._name(request, Resource)).tags}

    def tag_resource(self, request: Request, Resource: str, Tags: dict[str, str]) -> Answer:
        """Add tags to a function."""
        self._update(self._name(request, Resource), lambda function: configuration.with_tags(function, Tags))
        return {}

    def untag_resource(self, request: Request, Resource: str, TagKeys: Sequence[str]) -> Answer:
        """Remove tags from a function."""

        def change(function: FunctionConfiguration) -> FunctionConfiguration:
            tags = {key: value for key, value in function.tags.items() if key not in TagKeys}
            return function.model_copy(update={"tags": tags})

        self._update(self._name(request, Resource), change)
        return {}

    def get_account_settings(self, request: Request) -> Answer:  # noqa: ARG002 - every method is handed its request
        """The account's limits, and how much of them is in use."""
        functions = self._registry.list()
        reserved = sum(function.reserved_concurrency or 0 for function in functions)
        return {
            "AccountLimit": {
                "TotalCodeSize": MAX_CODE,
                "CodeSizeUnzipped": limits.MAX_UNZIPPED,
                "CodeSizeZipped": limits.MAX_ZIP,
                "ConcurrentExecutions": limits.ACCOUNT_CONCURRENCY,
                "UnreservedConcurrentExecutions": limits.ACCOUNT_CONCURRENCY - reserved,
            },
            "AccountUsage": {
                "TotalCodeSize": sum(function.code_size for function in functions),
                "FunctionCount": len(functions),
            },
        }

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
        function = self._registry.get(name.name) if name.is_latest else None
        if function is None:
            raise function_not_found(name.asked_arn)
        return function

    def _update(
        self,
        name: FunctionName,
        change: Callable[[FunctionConfiguration], FunctionConfiguration],
        store_code: Callable[[Pipeline], object] | None = None,
    ) -> FunctionConfiguration:
        if not name.is_latest:
            raise function_not_found(name.asked_arn)
        try:
            return self._registry.update(name.name, change, store_code)
        except FunctionMissing:
            raise function_not_found(name.asked_arn) from None

    def _reserve(self, name: FunctionName, concurrency: int | None) -> None:
        try:
            self._registry.update(
                name.name, lambda function: function.model_copy(update={"reserved_concurrency": concurrency})
            )
        except FunctionMissing:
            raise function_not_found(name.qualified_arn) from None

    def _check_dead_letter_target(self, arn: str | None) -> None:
        if arn:
            check_dead_letter_target(arn, self._targets.exists)

    def _check_can_have_config(self, name: FunctionName) -> None:
        if not name.is_latest or not self._registry.exists(name.name):
            raise event_invoke.no_function()

    def _set_event_invoke_config(
        self, name: FunctionName, config_for: Callable[[FunctionConfiguration], EventInvokeConfig]
    ) -> Answer:
        def change(function: FunctionConfiguration) -> FunctionConfiguration:
            return function.model_copy(update={"event_invoke_config": config_for(function)})

        try:
            function = self._registry.update(name.name, change)
        except FunctionMissing:
            raise event_invoke.no_function() from None
        assert function.event_invoke_config is not None
        return event_invoke.described(function, function.event_invoke_config)


def _refuse_publishing(publish: bool | None) -> None:
    if publish:
        raise not_offered("Publish", "There are no versions: $LATEST is what runs. Leave it out.")


def _check_revision(function: FunctionConfiguration, expected: str | None) -> None:
    if expected is not None and expected != function.revision_id:
        raise precondition_failed("GetFunction/GetAlias")


def _refuse_qualified_policy(name: FunctionName) -> None:
    if name.qualifier == names.LATEST:
        raise invalid_parameter("We currently do not support adding policies for $LATEST.")
    if name.qualifier is not None and name.qualifier.isdigit():
        raise function_not_found(name.asked_arn)
    if name.qualifier is not None:
        raise not_found(f"Cannot find alias arn: {name.asked_arn}")


def _policy(stored: bytes | None) -> Policy | None:
    return None if stored is None else Policy.loads(stored)


def _marker(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()


def _read_marker(marker: str | None) -> str:
    """The name after which a page begins."""
    try:
        return base64.b64decode((marker or "").encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError):
        raise invalid_parameter(f"The Marker '{marker}' is none that ListFunctions has given.") from None
