"""What the resources of Lambda come to: functions, versions, aliases, layers, configurations, permissions. Pure."""

from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

from console.deploy import triggers
from console.deploy.draft import NO_IAM, Draft, Skip, number, path_of, tags_of, texts
from console.deploy.intrinsics import later
from console.deploy.references import name_of
from console.deploy.steps import (
    Alias,
    Code,
    EventInvoke,
    Folder,
    Function,
    Inline,
    Layer,
    Object,
    Permission,
    Queue,
    Topic,
    Version,
    Zip,
)
from console.deploy.template import Resource
from producers.cloudformation import tags as cloudformation_tags

#: CreateFunction's members that a template spells as the API does. What the system cannot obey of them it refuses
#: itself, in a rehearsal before anything is changed.
_AS_THEY_ARE = (
    "Runtime", "Handler", "Description", "Timeout", "MemorySize", "Architectures", "EphemeralStorage", "SnapStart",
    "LoggingConfig", "PackageType", "VpcConfig", "FileSystemConfigs", "ImageConfig", "Layers",
)  # fmt: skip
_SHARED = frozenset(_AS_THEY_ARE) | {"FunctionName", "Environment", "Tags", "ReservedConcurrentExecutions", "Role"}
_CLOUDFORMATION = _SHARED | {"Code", "DeadLetterConfig", "TracingConfig", "KmsKeyArn"}
_SERVERLESS = _SHARED | {
    "CodeUri", "InlineCode", "DeadLetterQueue", "Tracing", "KmsKeyArn", "EventInvokeConfig", "Events",
    "AutoPublishAlias", "AutoPublishAliasAllProperties", "AutoPublishCodeSha256", "VersionDescription",
    "PropagateTags",
}  # fmt: skip


def serverless_function(draft: Draft, resource: Resource) -> None:
    """AWS::Serverless::Function, with what SAM makes of its members: version, alias, configuration, triggers."""
    properties = resource.properties
    draft.check_members(properties, _SERVERLESS, (*resource.path, "Properties"), "SAM's functions")
    draft.note(NO_IAM)
    members = _members(draft, resource)
    if "DeadLetterQueue" in properties:
        target = draft.mapping(properties["DeadLetterQueue"], path_of(resource, "DeadLetterQueue"))
        members["DeadLetterConfig"] = {"TargetArn": target.get("TargetArn", "")}
    if "Tracing" in properties and properties["Tracing"] != "Disabled":
        members["TracingConfig"] = {"Mode": properties["Tracing"]}
    alias = properties.get("AutoPublishAlias")
    if alias:
        draft.steps.append(Version(resource.id, resource.name, str(properties.get("VersionDescription", ""))))
        draft.steps.append(Alias(resource.name, str(alias), {"FunctionVersion": later(f"{resource.id}.Version")}))
    if properties.get("EventInvokeConfig"):
        _event_invoke_of(draft, resource, properties["EventInvokeConfig"], alias)
    for name, event in draft.mapping(properties.get("Events"), path_of(resource, "Events")).items():
        path = (*resource.path, "Properties", "Events", name)
        try:
            triggers.add(draft, resource, name, event, path, alias)
        except Skip:
            continue
    if "InlineCode" in properties:
        code: Code | None = _inline(properties["InlineCode"], members)
    else:
        uri = draft.required(properties, "CodeUri", (*resource.path, "Properties"))
        code = _code(draft, uri, path_of(resource, "CodeUri"))
    _add(draft, resource, members, code)


def function(draft: Draft, resource: Resource) -> None:
    """AWS::Lambda::Function."""
    properties = resource.properties
    draft.check_members(properties, _CLOUDFORMATION, (*resource.path, "Properties"), "functions")
    members = _members(draft, resource)
    for name in ("DeadLetterConfig", "TracingConfig"):
        if name in properties:
            members[name] = properties[name]
    where = draft.required(properties, "Code", (*resource.path, "Properties"))
    if isinstance(where, Mapping) and "ZipFile" in where:
        code: Code | None = _inline(where["ZipFile"], members)
    else:
        code = _code(draft, where, path_of(resource, "Code"))
    _add(draft, resource, members, code)


def version(draft: Draft, resource: Resource) -> None:
    """AWS::Lambda::Version."""
    properties, path = resource.properties, (*resource.path, "Properties")
    draft.check_members(properties, {"FunctionName", "Description"}, path, "versions")
    name = _function_name(draft.required(properties, "FunctionName", path))[0]
    draft.steps.append(Version(resource.id, name, str(properties.get("Description", ""))))


def alias(draft: Draft, resource: Resource) -> None:
    """AWS::Lambda::Alias."""
    properties, path = resource.properties, (*resource.path, "Properties")
    known = {"Name", "FunctionName", "FunctionVersion", "Description", "RoutingConfig"}
    draft.check_members(properties, known, path, "aliases")
    name = _function_name(draft.required(properties, "FunctionName", path))[0]
    members: dict[str, Any] = {"FunctionVersion": str(draft.required(properties, "FunctionVersion", path))}
    if "Description" in properties:
        members["Description"] = properties["Description"]
    where = path_of(resource, "RoutingConfig")
    routing = draft.mapping(properties.get("RoutingConfig"), where)
    weights = draft.listed(routing.get("AdditionalVersionWeights"), where)
    if weights:
        shares = {
            str(draft.required(each, "FunctionVersion", where)): draft.required(each, "FunctionWeight", where)
            for each in weights
        }
        members["RoutingConfig"] = {"AdditionalVersionWeights": shares}
    draft.steps.append(Alias(name, str(draft.required(properties, "Name", path)), members))


def layer(draft: Draft, resource: Resource) -> None:
    """AWS::Serverless::LayerVersion and AWS::Lambda::LayerVersion."""
    properties, path = resource.properties, (*resource.path, "Properties")
    known = {"LayerName", "Description", "ContentUri", "Content", "CompatibleRuntimes", "CompatibleArchitectures"}
    draft.check_members(properties, known | {"LicenseInfo", "RetentionPolicy"}, path, "layers")
    where = "ContentUri" if resource.type.startswith("AWS::Serverless") else "Content"
    code = _code(draft, draft.required(properties, where, path), path_of(resource, where))
    same = ("Description", "CompatibleRuntimes", "CompatibleArchitectures", "LicenseInfo")
    members = {name: properties[name] for name in same if name in properties}
    if code is not None:
        line = draft.template.source.line(path_of(resource, where))
        draft.steps.append(Layer(resource.id, resource.name, code, members, line))


def event_invoke_config(draft: Draft, resource: Resource) -> None:
    """AWS::Lambda::EventInvokeConfig."""
    properties, path = resource.properties, (*resource.path, "Properties")
    known = {"FunctionName", "Qualifier", "MaximumEventAgeInSeconds", "MaximumRetryAttempts", "DestinationConfig"}
    draft.check_members(properties, known, path, "event invoke configurations")
    name = _function_name(draft.required(properties, "FunctionName", path))[0]
    qualifier = str(draft.required(properties, "Qualifier", path))
    members = {name: properties[name] for name in known - {"FunctionName", "Qualifier"} if name in properties}
    draft.steps.append(EventInvoke(name, None if qualifier == "$LATEST" else qualifier, _numbers(members)))


def permission(draft: Draft, resource: Resource) -> None:
    """AWS::Lambda::Permission."""
    properties, path = resource.properties, (*resource.path, "Properties")
    same = {"Action", "Principal", "SourceArn", "SourceAccount", "EventSourceToken", "PrincipalOrgID"}
    draft.check_members(properties, same | {"FunctionName"}, path, "permissions")
    name, qualifier = _function_name(draft.required(properties, "FunctionName", path))
    for needed in ("Action", "Principal"):
        draft.required(properties, needed, path)
    members = {each: str(properties[each]) for each in sorted(same) if each in properties}
    draft.steps.append(Permission(name, qualifier, resource.id, members))


def _members(draft: Draft, resource: Resource) -> dict[str, Any]:
    properties = resource.properties
    members = {name: number(properties[name]) for name in _AS_THEY_ARE if name in properties}
    environment = properties.get("Environment")
    if environment is not None:
        draft.check_members(environment, {"Variables"}, path_of(resource, "Environment"), "Environment")
        members["Environment"] = {"Variables": texts(environment.get("Variables"))}
    if "EphemeralStorage" in members:
        storage = draft.mapping(members["EphemeralStorage"], path_of(resource, "EphemeralStorage"))
        members["EphemeralStorage"] = _numbers(storage)
    if "KmsKeyArn" in properties:
        members["KMSKeyArn"] = properties["KmsKeyArn"]
    members["Role"] = str(
        properties.get("Role") or draft.place.role(name_of(draft.template.stack, f"{resource.id}Role", ""))
    )
    return members


def _add(draft: Draft, resource: Resource, members: dict[str, Any], code: Code | None) -> None:
    if code is None:
        return
    tags = {
        **tags_of(resource.properties.get("Tags")),
        cloudformation_tags.STACK: draft.template.stack,
        cloudformation_tags.LOGICAL_ID: resource.id,
    }
    concurrency = number(resource.properties.get("ReservedConcurrentExecutions"))
    if concurrency is not None and not isinstance(concurrency, int):
        draft.blame(path_of(resource, "ReservedConcurrentExecutions"), f"'{concurrency}' is no number")
    line = draft.template.source.line(resource.path)
    draft.steps.append(Function(resource.name, code, members, tags, concurrency, line, resource.id))


def _inline(text: Any, members: Mapping[str, Any]) -> Code:
    """Code in the template lies in a file called index, as on AWS."""
    return Inline("index.js" if str(members.get("Runtime", "")).startswith("nodejs") else "index.py", str(text))


def _code(draft: Draft, where: Any, path: tuple[str | int, ...]) -> Code | None:
    """Where code lies: beside the template, or in a bucket; None after a blame."""
    if isinstance(where, str) and where.startswith("s3://"):
        bucket, _, key = where.removeprefix("s3://").partition("/")
        return Object(bucket, key)
    if isinstance(where, str):
        file = FilePath(where)
        return Zip(file) if file.suffix in (".zip", ".jar") else Folder(file)
    if isinstance(where, Mapping):
        for bucket, key in (("S3Bucket", "S3Key"), ("Bucket", "Key")):
            if bucket in where and key in where:
                return Object(str(where[bucket]), str(where[key]))
    draft.blame(
        path, "code is a path beside the template, s3://bucket/key, or S3Bucket and S3Key; images cannot be run"
    )
    return None


def _event_invoke_of(draft: Draft, resource: Resource, config: Mapping[str, Any], alias: str | None) -> None:
    path = path_of(resource, "EventInvokeConfig")
    known = {"MaximumEventAgeInSeconds", "MaximumRetryAttempts", "DestinationConfig"}
    draft.check_members(config, known, path, "EventInvokeConfig")
    members = _numbers({name: config[name] for name in known - {"DestinationConfig"} if name in config})
    destinations: dict[str, Any] = {}
    where = (*path, "DestinationConfig")
    for outcome, body in draft.mapping(config.get("DestinationConfig"), where).items():
        target = draft.mapping(body, (*where, outcome))
        arn = target.get("Destination") or _made_destination(draft, resource, outcome, target, path)
        destinations[outcome] = {"Destination": arn}
    if destinations:
        members["DestinationConfig"] = destinations
    draft.steps.append(EventInvoke(resource.name, str(alias) if alias else None, members))


def _made_destination(
    draft: Draft, resource: Resource, outcome: str, target: Mapping[str, Any], path: tuple[str | int, ...]
) -> str:
    """SAM makes the queue or the topic of a destination that says only its type."""
    kind = str(target.get("Type", ""))
    called = {"SQS": "Queue", "SNS": "Topic"}.get(kind)
    if called is None:
        draft.blame((*path, "DestinationConfig", outcome), f"a destination of type '{kind}' needs its Destination")
        return ""
    name = name_of(draft.template.stack, f"{resource.id}EventInvokeConfig{outcome}{called}", "")
    draft.steps.append(Queue(name) if kind == "SQS" else Topic(name))
    return draft.place.arn(kind.lower(), name)


def _function_name(text: Any) -> tuple[str, str | None]:
    """A function's name, and the qualifier, of a name or an ARN that may have one."""
    rest = str(text).rpartition(":function:")[2]
    name, _, qualifier = rest.partition(":")
    return name, qualifier or None


def _numbers(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: number(value) for name, value in members.items()}
