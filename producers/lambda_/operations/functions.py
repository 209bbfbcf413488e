"""Functions: made, shown, listed, changed and deleted."""

from collections.abc import Mapping, Sequence
from typing import Any

from redis.client import Pipeline

from producers.lambda_ import configuration, layer
from producers.lambda_.errors import conflict, function_not_found, invalid_parameter
from producers.lambda_.names import FunctionName as Name
from producers.lambda_.operations.steps import Answer, Operations, check_revision
from producers.lambda_.package import checked_size, fetched, sha256_of
from producers.lambda_.pages import page
from producers.lambda_.version import Publication, last_published
from producers.seams import Request, Response
from worker.function import LATEST, FunctionConfiguration, LayerVersion
from worker.identity import new_request_id
from worker.registry import FunctionExists, FunctionMissing


class Functions(Operations):
    """CreateFunction to DeleteFunction."""

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
        VpcConfig: Mapping[str, Any] | None = None,
        PackageType: str | None = None,
        DeadLetterConfig: Mapping[str, str] | None = None,
        Environment: Mapping[str, Any] | None = None,
        KMSKeyArn: str | None = None,
        TracingConfig: Mapping[str, str] | None = None,
        Tags: dict[str, str] | None = None,
        Layers: Sequence[str] | None = None,
        FileSystemConfigs: Sequence[Mapping[str, str]] | None = None,
        ImageConfig: Mapping[str, Any] | None = None,
        CodeSigningConfigArn: str | None = None,
        Architectures: Sequence[str] | None = None,
        EphemeralStorage: Mapping[str, int] | None = None,
        SnapStart: Mapping[str, str] | None = None,
        LoggingConfig: Mapping[str, str] | None = None,
    ) -> Answer:
        """Make a function, with its first version if that is to be published. It can be invoked when this returns."""
        name = self._name(request, FunctionName)
        if not name.is_latest:
            raise function_not_found(name.asked_arn)
        layers = self._used(Layers or ())
        settings = {
            "Role": Role, "Runtime": Runtime, "Handler": Handler, "Description": Description, "Timeout": Timeout,
            "MemorySize": MemorySize, "VpcConfig": VpcConfig, "PackageType": PackageType,
            "DeadLetterConfig": DeadLetterConfig, "Environment": Environment, "KMSKeyArn": KMSKeyArn,
            "TracingConfig": TracingConfig, "Tags": Tags, "Layers": layers, "FileSystemConfigs": FileSystemConfigs,
            "ImageConfig": ImageConfig, "CodeSigningConfigArn": CodeSigningConfigArn, "Architectures": Architectures,
            "EphemeralStorage": EphemeralStorage, "SnapStart": SnapStart, "LoggingConfig": LoggingConfig,
        }  # fmt: skip
        configuration.check_package_type(settings)
        package = fetched(Code, self._seams.read_object)
        function = configuration.created(
            name.name, settings, self._place, self._clock.now(), new_request_id(), sha256_of(package), len(package)
        )
        if self._registry.exists(name.name):  # said before the package is looked at, which takes longer
            raise conflict(f"Function already exist: {name.name}")
        self._check_dead_letter_target(function.dead_letter_arn)
        layer.check_total_size(checked_size(package), layers)
        publication = Publication(None, new_request_id())
        if Publish:
            function = publication.made_of(function, None)

        def store(pipe: Pipeline) -> None:
            self._code.put(pipe, package)
            self._keep_layers(layers)(pipe)

        try:
            self._registry.create(function, store, published=publication.version)
        except FunctionExists:
            raise conflict(f"Function already exist: {name.name}") from None
        return configuration.described(publication.version or function, arn=function.arn)

    def get_function(self, request: Request, FunctionName: str, Qualifier: str | None = None) -> Answer:
        """A function's configuration, where its code is, its tags and its reserved concurrency."""
        name = self._name(request, FunctionName, Qualifier)
        version, function = self._version(name), self._function(name)
        answer: Answer = {
            "Configuration": configuration.described(version, arn=name.asked_arn),
            "Code": {"RepositoryType": "S3", "Location": self._location(request, version.code_sha256)},
        }
        if function.tags:
            answer["Tags"] = function.tags
        if function.reserved_concurrency is not None:
            answer["Concurrency"] = {"ReservedConcurrentExecutions": function.reserved_concurrency}
        return answer

    def get_function_configuration(self, request: Request, FunctionName: str, Qualifier: str | None = None) -> Answer:
        """A function's configuration."""
        name = self._name(request, FunctionName, Qualifier)
        return configuration.described(self._version(name), arn=name.asked_arn)

    def list_functions(
        self,
        request: Request,  # noqa: ARG002 - every method is handed its request
        FunctionVersion: str | None = None,
        Marker: str | None = None,
        MaxItems: int | None = None,
    ) -> Answer:
        """One page of the functions, by name. With FunctionVersion ALL their versions too, by qualified ARNs."""
        functions = self._registry.list()
        if FunctionVersion != "ALL":
            page_, marker = page(functions, lambda each: (each.name,), Marker, MaxItems, "ListFunctions")
            listed = [configuration.listed(each) for each in page_]
        else:
            # Which versions there are stands in the functions' documents; only those of the page are read.
            numbers = [(each, number) for each in functions for number in (0, *sorted(map(int, each.published)))]
            wanted, marker = page(numbers, lambda each: (each[0].name, each[1]), Marker, MaxItems, "ListFunctions")
            found = (self._registry.version(each.name, str(number)) if number else each for each, number in wanted)
            listed = [configuration.listed(each, arn=each.qualified_arn) for each in found if each is not None]
        return {"Functions": listed} | ({"NextMarker": marker} if marker else {})

    def update_function_code(
        self,
        request: Request,
        FunctionName: str,
        ZipFile: bytes | None = None,
        S3Bucket: str | None = None,
        S3Key: str | None = None,
        S3ObjectVersion: str | None = None,
        ImageUri: str | None = None,
        Architectures: Sequence[str] | None = None,
        Publish: bool | None = None,
        DryRun: bool | None = None,
        RevisionId: str | None = None,
    ) -> Answer:
        """Give a function other code, and publish it if asked to. Attempts that begin from now on run it."""
        name = self._name(request, FunctionName)
        if ImageUri is not None:
            raise invalid_parameter("Please don't provide ImageUri when updating a function with packageType Zip.")
        self._latest(name)
        source = {"ZipFile": ZipFile, "S3Bucket": S3Bucket, "S3Key": S3Key, "S3ObjectVersion": S3ObjectVersion}
        package = fetched(source, self._seams.read_object)
        size = checked_size(package)
        sha256, now, revision_id = sha256_of(package), self._clock.now(), new_request_id()
        publication = Publication(None, new_request_id())

        def change(function: FunctionConfiguration) -> FunctionConfiguration:
            check_revision(function.revision_id, RevisionId)
            layer.check_total_size(size, function.layers)
            changed = configuration.with_code(
                function,
                sha256=sha256,
                code_size=len(package),
                architecture=Architectures[0] if Architectures else None,
                now=now,
                revision_id=revision_id,
            )
            return publication.made_of(changed, self._last(function)) if Publish else changed

        if DryRun:
            return configuration.described(change(self._function(name)))
        function = self._update(
            name, change, lambda pipe: self._code.put(pipe, package), publish=publication.new_version
        )
        if publication.version is None:
            return configuration.described(function)
        return configuration.described(publication.version, arn=f"{function.arn}:{publication.version.version}")

    def update_function_configuration(
        self,
        request: Request,
        FunctionName: str,
        Role: str | None = None,
        Handler: str | None = None,
        Description: str | None = None,
        Timeout: int | None = None,
        MemorySize: int | None = None,
        VpcConfig: Mapping[str, Any] | None = None,
        Environment: Mapping[str, Any] | None = None,
        Runtime: str | None = None,
        DeadLetterConfig: Mapping[str, str] | None = None,
        KMSKeyArn: str | None = None,
        TracingConfig: Mapping[str, str] | None = None,
        RevisionId: str | None = None,
        Layers: Sequence[str] | None = None,
        FileSystemConfigs: Sequence[Mapping[str, str]] | None = None,
        ImageConfig: Mapping[str, Any] | None = None,
        EphemeralStorage: Mapping[str, int] | None = None,
        SnapStart: Mapping[str, str] | None = None,
        LoggingConfig: Mapping[str, str] | None = None,
    ) -> Answer:
        """Change the settings that are sent. Events that wait will run with them, but for those of versions."""
        name = self._name(request, FunctionName)
        current = self._latest(name)
        layers = None if Layers is None else self._used(Layers)
        settings = {
            "Role": Role, "Runtime": Runtime, "Handler": Handler, "Description": Description, "Timeout": Timeout,
            "MemorySize": MemorySize, "VpcConfig": VpcConfig, "DeadLetterConfig": DeadLetterConfig,
            "Environment": Environment, "KMSKeyArn": KMSKeyArn, "TracingConfig": TracingConfig, "Layers": layers,
            "FileSystemConfigs": FileSystemConfigs, "ImageConfig": ImageConfig, "EphemeralStorage": EphemeralStorage,
            "SnapStart": SnapStart, "LoggingConfig": LoggingConfig,
        }  # fmt: skip
        self._check_dead_letter_target((DeadLetterConfig or {}).get("TargetArn"))
        if layers:
            layer.check_total_size(self._code.unzipped_size(current.code_sha256), layers)
        now, revision_id = self._clock.now(), new_request_id()

        def change(function: FunctionConfiguration) -> FunctionConfiguration:
            check_revision(function.revision_id, RevisionId)
            return configuration.updated(function, settings, now, revision_id)

        return configuration.described(self._update(name, change, self._keep_layers(layers or ())))

    def delete_function(self, request: Request, FunctionName: str, Qualifier: str | None = None) -> Response:
        """Delete a function, or one version of it. Events for it that wait are dropped when they become due."""
        name = self._name(request, FunctionName, Qualifier)
        if name.qualifier == LATEST:
            raise invalid_parameter("$LATEST version cannot be deleted without deleting the function.")
        if name.qualifier is not None:
            self._delete_version(name, name.qualifier)
            return Response({"StatusCode": 204}, status=204)
        try:
            self._registry.delete(name.name)
        except FunctionMissing:
            raise function_not_found(name.asked_arn) from None
        return Response({"StatusCode": 204}, status=204)

    def _delete_version(self, name: Name, number: str) -> None:
        def change(function: FunctionConfiguration) -> FunctionConfiguration:
            if number in function.aliases:
                raise invalid_parameter("Deletion of aliases is not currently supported.")
            if number not in function.published:
                raise function_not_found(name.asked_arn)
            users = sorted(
                each for each, alias in function.aliases.items() if number in (alias.version, *alias.weights)
            )
            if users:
                raise conflict(
                    f"Unable to delete version because the following aliases reference it: [{', '.join(users)}]"
                )
            return function.model_copy(
                update={
                    "published": {each: id_ for each, id_ in function.published.items() if each != number},
                    "dead_letter_arns": {
                        each: arn for each, arn in function.dead_letter_arns.items() if each != number
                    },
                    "event_invoke_configs": {
                        each: config for each, config in function.event_invoke_configs.items() if each != number
                    },
                }
            )

        try:
            self._registry.update(name.name, change, delete_version=number)
            # Its number is never given again, so a policy that is left when we are stopped here does nobody any harm.
            self._registry.update_policy(name.name, lambda _: None, number)
        except FunctionMissing:
            raise function_not_found(name.asked_arn) from None

    def _latest(self, name: Name) -> FunctionConfiguration:
        """The function, for an operation that changes `$LATEST`."""
        if not name.is_latest:
            raise function_not_found(name.asked_arn)
        return self._function(name)

    def _last(self, function: FunctionConfiguration) -> FunctionConfiguration | None:
        """The version that was published last, if it is still there."""
        number = last_published(function)
        return None if number is None else self._registry.version(function.name, number)

    def _used(self, arns: Sequence[str]) -> tuple[LayerVersion, ...]:
        user = f"arn:aws:iam::{self._place.account}:root"
        return layer.used(arns, self._place, user, self._layers.find)
