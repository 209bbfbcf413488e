"""Versions and aliases: what is published stays, numbers are given once, and every qualifier finds what it names."""

from typing import Any

import pytest
from redis import Redis

from producers.seams import TargetMissing
from tests.lambda_.system import ARN, System, package
from worker.keys import Keys
from worker.registry import FunctionRegistry

USER = {"Type": "User"}
OTHER = package("def handler(event, context):\n    return 2\n")


def published(system: System, **parameters: Any) -> str:
    """The number that PublishVersion answers."""
    return str(system.call("PublishVersion", FunctionName="f", **parameters)["Version"])


@pytest.fixture
def two(system: System) -> System:
    """The function f with versions 1 and 2, of different code."""
    system.create(Publish=True)
    system.call("UpdateFunctionCode", FunctionName="f", ZipFile=OTHER, Publish=True)
    return system


@pytest.mark.parity("version.publish")
def test_a_version_stays_as_it_was(system: System) -> None:
    """Code and settings of a version are those of its publication, whatever becomes of `$LATEST`."""
    created = system.create(Timeout=7, Description="d", Environment={"Variables": {"A1": "1"}}, Tags={"a": "b"})
    version = system.call("PublishVersion", FunctionName="f", Description="first")

    system.call("UpdateFunctionConfiguration", FunctionName="f", Timeout=9, Environment={"Variables": {}})
    system.call("UpdateFunctionCode", FunctionName="f", ZipFile=OTHER)

    own = {"FunctionArn": f"{ARN}:1", "Version": "1", "Description": "first", "RevisionId": version["RevisionId"]}
    assert created | own == version
    assert version["RevisionId"] != created["RevisionId"]
    assert version == system.call("GetFunctionConfiguration", FunctionName="f:1")
    assert version == system.call("GetFunction", FunctionName=ARN, Qualifier="1")["Configuration"]
    assert system.call("GetFunctionConfiguration", FunctionName="f")["Timeout"] == 9


@pytest.mark.parity("dlq.versions")
def test_a_version_keeps_its_dead_letter_queue(system: System, redis: Redis, keys: Keys) -> None:
    """Whatever `$LATEST` has later. Workers find it in the function's document, until the version is gone."""
    arns = [f"arn:aws:sqs:us-east-1:000000000000:{name}" for name in ("old", "new")]
    redis.hset(keys.queues, mapping={"old": "{}", "new": "{}"})
    system.create(DeadLetterConfig={"TargetArn": arns[0]}, Publish=True)
    system.call("UpdateFunctionConfiguration", FunctionName="f", DeadLetterConfig={"TargetArn": arns[1]})
    registry = FunctionRegistry(redis, keys)

    shown = system.call("GetFunctionConfiguration", FunctionName="f:1")["DeadLetterConfig"]
    before = registry.get("f").dead_letter_arns
    system.call("DeleteFunction", FunctionName="f", Qualifier="1")

    assert (shown, before) == ({"TargetArn": arns[0]}, {"1": arns[0]})
    assert registry.get("f").dead_letter_arns == {}


@pytest.mark.parity("version.unchanged", "version.numbers")
def test_what_has_not_changed_is_not_published_again(system: System) -> None:
    """The version of the last publication is answered until code or settings are others; numbers are not reused."""
    system.create()
    first = [published(system), published(system, Description="ignored")]
    system.call("UpdateFunctionConfiguration", FunctionName="f", Timeout=9)
    second = [published(system), published(system)]
    system.call("DeleteFunction", FunctionName="f", Qualifier="2")

    assert [*first, *second, published(system)] == ["1", "1", "2", "2", "3"]


@pytest.mark.parity("control.create.publish")
def test_publishing_with_the_code(system: System) -> None:
    """CreateFunction answers the version under the function's own ARN, UpdateFunctionCode under the version's."""
    created = system.create(Publish=True)
    same = system.call("UpdateFunctionCode", FunctionName="f", ZipFile=package(), Publish=True)
    other = system.call("UpdateFunctionCode", FunctionName="f", ZipFile=OTHER, Publish=True)
    dry = system.call("UpdateFunctionCode", FunctionName="f", ZipFile=package(), Publish=True, DryRun=True)

    shown = [(answer["Version"], answer["FunctionArn"]) for answer in (created, same, other)]
    assert shown == [("1", ARN), ("1", f"{ARN}:1"), ("2", f"{ARN}:2")]
    assert dry["Version"] == "$LATEST"
    assert [each["Version"] for each in versions(system)] == ["$LATEST", "1", "2"]


def versions(system: System, **parameters: Any) -> list[dict[str, Any]]:
    """The versions on one page."""
    answer: dict[str, Any] = system.call("ListVersionsByFunction", FunctionName="f", **parameters)
    return list(answer["Versions"])


@pytest.mark.parity("version.sha")
def test_a_publication_may_depend_on_what_was_seen(system: System) -> None:
    """Other code than the caller names, or another revision, is not published."""
    created = system.create()

    code = system.refusal("PublishVersion", FunctionName="f", CodeSha256="x")
    revision = system.refusal("PublishVersion", FunctionName="f", RevisionId="x")

    sha256 = created["CodeSha256"]
    assert code == (
        "InvalidParameterValueException", 400,
        (f"CodeSHA256 (x) is different from current CodeSHA256 in $LATEST ({sha256}). Please try again with the "
        "CodeSHA256 in $LATEST."), USER,
    )  # fmt: skip
    assert revision[:2] == ("PreconditionFailedException", 412)
    assert published(system, CodeSha256=sha256, RevisionId=created["RevisionId"]) == "1"


@pytest.mark.parity("control.list.versions", "version.list")
def test_versions_are_listed_in_pages(two: System) -> None:
    """By number, ten after nine; among all functions too."""
    for timeout in range(4, 13):
        two.call("UpdateFunctionConfiguration", FunctionName="f", Timeout=timeout)
        published(two)
    two.create("e")
    first = two.call("ListVersionsByFunction", FunctionName="f", MaxItems=10)

    rest = versions(two, Marker=first["NextMarker"])
    every = two.call("ListFunctions", FunctionVersion="ALL", MaxItems=3)
    more = two.call("ListFunctions", FunctionVersion="ALL", Marker=every["NextMarker"])

    assert [each["Version"] for each in first["Versions"] + rest] == ["$LATEST", *map(str, range(1, 12))]
    assert [each["FunctionArn"] for each in every["Functions"]] == [
        f"{ARN[:-1]}e:$LATEST", f"{ARN}:$LATEST", f"{ARN}:1",
    ]  # fmt: skip
    assert [each["Version"] for each in more["Functions"]] == [str(number) for number in range(2, 12)]


@pytest.mark.parity("alias.create", "alias.exists", "alias.missing", "alias.revision")
def test_an_alias_is_made_shown_changed_and_deleted(two: System) -> None:
    """With a revision of its own that is a precondition; GetFunction by it shows its main version."""
    made = two.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1", Description="d")
    again = two.refusal("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
    routed = two.call(
        "UpdateAlias", FunctionName="f", Name="live", RoutingConfig={"AdditionalVersionWeights": {"2": 0.1}},
        RevisionId=made["RevisionId"],
    )  # fmt: skip
    late = two.refusal("UpdateAlias", FunctionName="f", Name="live", Description="x", RevisionId=made["RevisionId"])
    shown = two.call("GetFunctionConfiguration", FunctionName="f", Qualifier="live")
    got, listed = two.call("GetAlias", FunctionName="f", Name="live"), two.call("ListAliases", FunctionName="f")
    by_version = [len(two.call("ListAliases", FunctionName="f", FunctionVersion=number)["Aliases"]) for number in "129"]
    plain = two.call("UpdateAlias", FunctionName="f", Name="live", RoutingConfig={}, FunctionVersion="2")
    two.call("DeleteAlias", FunctionName="f", Name="live")
    two.call("DeleteAlias", FunctionName="f", Name="live")

    expected = {"AliasArn": f"{ARN}:live", "Name": "live", "FunctionVersion": "1", "Description": "d"}
    assert expected | {"RevisionId": made["RevisionId"]} == made
    assert again == ("ResourceConflictException", 409, f"Alias already exists: {ARN}:live", USER)
    weights = {"RoutingConfig": {"AdditionalVersionWeights": {"2": 0.1}}}
    assert expected | weights | {"RevisionId": routed["RevisionId"]} == routed
    assert late[:2] == ("PreconditionFailedException", 412)
    assert (shown["FunctionArn"], shown["Version"]) == (f"{ARN}:live", "1")
    assert [got, listed, by_version] == [routed, {"Aliases": [routed]}, [1, 1, 0]]
    assert expected | {"FunctionVersion": "2", "RevisionId": plain["RevisionId"]} == plain
    refusal = two.refusal("GetAlias", FunctionName="f", Name="live")
    assert refusal == ("ResourceNotFoundException", 404, f"Cannot find alias arn: {ARN}:live", USER)
    gone = two.refusal("UpdateAlias", FunctionName="f", Name="live", Description="")
    assert gone == ("ResourceNotFoundException", 404, f"Alias not found: {ARN}:live", USER)


@pytest.mark.parity("alias.latest-weights", "alias.weights.refused")
@pytest.mark.parametrize(
    ("version", "weights", "message"),
    [
        ("3", {}, f"Function not found: {ARN}:3"),
        ("1", {"3": 0.5}, f"Function not found: {ARN}:3"),
        ("1", {"2": 0.1, "1": 0.1}, "Number of items in AdditionalVersionWeights cannot be greater than 1"),
        ("$LATEST", {"1": 0.5}, "$LATEST is not supported for an alias pointing to more than 1 version"),
        (
            "1", {"1": 0.5},
            "Invalid function version 1. Function version 1 is already included in routing configuration.",
        ),
    ],
)  # fmt: skip
def test_an_alias_points_to_what_is_there(two: System, version: str, weights: dict[str, float], message: str) -> None:
    """In AWS's words; nothing is made."""
    refusal = two.refusal(
        "CreateAlias", FunctionName="f", Name="a", FunctionVersion=version,
        RoutingConfig={"AdditionalVersionWeights": weights},
    )  # fmt: skip

    assert (message, USER) == refusal[2:]
    assert two.call("ListAliases", FunctionName="f") == {"Aliases": []}


@pytest.mark.parity("version.delete")
def test_a_version_that_an_alias_points_to_is_kept(two: System) -> None:
    """409, also for a share; afterwards it can be deleted, and is gone with its code, its policy and its config."""
    two.call(
        "CreateAlias", FunctionName="f", Name="live", FunctionVersion="2",
        RoutingConfig={"AdditionalVersionWeights": {"1": 0.1}},
    )  # fmt: skip
    two.call("PutFunctionEventInvokeConfig", FunctionName="f", Qualifier="1", MaximumRetryAttempts=0)

    refusals = [two.refusal("DeleteFunction", FunctionName="f", Qualifier=number) for number in "12"]
    alias = two.refusal("DeleteFunction", FunctionName="f", Qualifier="live")
    two.call("DeleteAlias", FunctionName="f", Name="live")
    answer = two.call("DeleteFunction", FunctionName="f:1")

    message = "Unable to delete version because the following aliases reference it: [live]"
    assert [("ResourceConflictException", 409, message, USER)] * 2 == refusals
    assert alias[2] == "Deletion of aliases is not currently supported."
    assert answer.status == 204
    assert [each["Version"] for each in versions(two)] == ["$LATEST", "2"]
    for operation in ("GetFunction", "DeleteFunction", "Invoke"):
        missing = ("ResourceNotFoundException", 404, f"Function not found: {ARN}:1", USER)
        assert missing == two.refusal(operation, FunctionName="f", Qualifier="1")
    assert two.call("ListFunctionEventInvokeConfigs", FunctionName="f") == {"FunctionEventInvokeConfigs": []}


@pytest.mark.parity("versions.no-inheritance", "event-invoke.qualifier")
def test_each_qualifier_has_its_own_event_invoke_config(two: System) -> None:
    """A new version or alias has none; each is set, listed and deleted on its own, and goes with its alias."""
    two.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
    for number, qualifier in enumerate(("$LATEST", "1", "live")):
        missing = two.refusal("GetFunctionEventInvokeConfig", FunctionName="f", Qualifier=qualifier)
        assert missing[2] == f"The function {ARN}:{qualifier} doesn't have an EventInvokeConfig"
        two.call("PutFunctionEventInvokeConfig", FunctionName="f", Qualifier=qualifier, MaximumRetryAttempts=number)
    changed = two.call(
        "UpdateFunctionEventInvokeConfig", FunctionName="f:live", MaximumEventAgeInSeconds=60,
    )  # fmt: skip
    first = two.call("ListFunctionEventInvokeConfigs", FunctionName="f", MaxItems=2)
    second = two.call("ListFunctionEventInvokeConfigs", FunctionName="f", Marker=first["NextMarker"])
    two.call("DeleteFunctionEventInvokeConfig", FunctionName="f", Qualifier="1")
    two.call("DeleteAlias", FunctionName="f", Name="live")

    configs = first["FunctionEventInvokeConfigs"] + second["FunctionEventInvokeConfigs"]
    shown = [(config["FunctionArn"], config["MaximumRetryAttempts"]) for config in configs]
    assert [(f"{ARN}:$LATEST", 0), (f"{ARN}:1", 1), (f"{ARN}:live", 2)] == shown
    assert (changed["MaximumRetryAttempts"], changed["MaximumEventAgeInSeconds"]) == (2, 60)
    left = two.call("ListFunctionEventInvokeConfigs", FunctionName="f")["FunctionEventInvokeConfigs"]
    assert [config["FunctionArn"] for config in left] == [f"{ARN}:$LATEST"]
    for qualifier in ("7", "missing"):
        refusal = two.refusal(
            "PutFunctionEventInvokeConfig", FunctionName="f", Qualifier=qualifier, MaximumRetryAttempts=0
        )
        assert refusal[2] == "The function doesn't exist."


@pytest.mark.parity("permission.alias")
def test_each_qualifier_has_its_own_policy(two: System, redis: Redis, keys: Keys) -> None:
    """A statement names the qualified ARN; the function's own policy is another; it goes with what it is for."""
    two.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
    statement = {"StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"}
    for qualifier in ("live", "2"):
        answer = two.call("AddPermission", FunctionName="f", Qualifier=qualifier, **statement)
        assert f'"Resource":"{ARN}:{qualifier}"' in answer["Statement"]
        assert f"{ARN}:{qualifier}" in two.call("GetPolicy", FunctionName=f"f:{qualifier}")["Policy"]
    none = two.refusal("GetPolicy", FunctionName="f")

    two.call("DeleteAlias", FunctionName="f", Name="live")
    two.call("RemovePermission", FunctionName="f", Qualifier="2", StatementId="s")

    assert none[1] == 404
    assert redis.hgetall(keys.policies) == {}
    unknown = [two.refusal("AddPermission", FunctionName="f", Qualifier=each, **statement)[2] for each in ("x", "9")]
    assert unknown == [f"Cannot find alias arn: {ARN}:x", f"Function not found: {ARN}:9"]


def test_invoke_finds_versions_and_aliases(two: System) -> None:
    """The invocation keeps the qualified ARN; a caller who waits does so by the settings of what will run."""
    two.call("UpdateFunctionConfiguration", FunctionName="f", Timeout=100)
    two.call("PutFunctionRecursionConfig", FunctionName="f", RecursiveLoop="Allow")
    two.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")

    for qualifier in ("1", "live", "$LATEST"):
        two.call("Invoke", FunctionName="f", Qualifier=qualifier, InvocationType="Event")
        two.call("Invoke", FunctionName="f", Qualifier=qualifier)

    assert [each.invoked_arn for each in two.queue.enqueued] == [f"{ARN}:1", f"{ARN}:live", f"{ARN}:$LATEST"]
    assert [function.timeout for _, function in two.queue.called] == [3, 3, 100]
    assert {function.recursive_loop for _, function in two.queue.called} == {"Allow"}


@pytest.mark.parity("alias.targets")
def test_other_services_reach_versions_and_aliases(two: System, redis: Redis) -> None:
    """A qualified ARN is a target, and a destination, if what it names is there."""
    two.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
    two.create("g")
    with redis.pipeline() as pipe:
        for qualifier in ("1", "live", "$LATEST"):
            two.service.deliver(pipe, f"{ARN}:{qualifier}", b"{}", source="aws:s3")
        for qualifier in ("9", "missing"):
            with pytest.raises(TargetMissing):
                two.service.deliver(pipe, f"{ARN}:{qualifier}", b"{}", source="aws:s3")

    def destination(qualifier: str) -> dict[str, Any]:
        return {"OnSuccess": {"Destination": f"{ARN}:{qualifier}"}}

    assert [each.invoked_arn for each in two.queue.enqueued] == [f"{ARN}:1", f"{ARN}:live", f"{ARN}:$LATEST"]
    for qualifier in ("1", "live"):
        two.call("PutFunctionEventInvokeConfig", FunctionName="g", DestinationConfig=destination(qualifier))
    refusal = two.refusal("PutFunctionEventInvokeConfig", FunctionName="g", DestinationConfig=destination("missing"))
    assert refusal[2] == f"The destination ARN {ARN}:missing is invalid."


def test_a_deleted_function_takes_all_along(two: System, redis: Redis, keys: Keys) -> None:
    """Versions, aliases and policies; all of their code expires. A new function of the name begins at version 1."""
    two.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
    two.call(
        "AddPermission", FunctionName="f", Qualifier="live", StatementId="s", Action="lambda:InvokeFunction",
        Principal="*",
    )  # fmt: skip

    two.call("DeleteFunction", FunctionName="f")

    assert not redis.exists(keys.versions, keys.policies, keys.functions)
    assert {redis.ttl(key) > 0 for key in redis.keys(keys.code("*"))} == {True}
    two.create()
    assert published(two) == "1"


@pytest.mark.parity("version.immutable", "tags.qualified", "version.concurrency")
def test_what_belongs_to_a_function_is_not_for_its_versions(two: System) -> None:
    """Tags and concurrency of a qualified name are refused, and code and settings of a version cannot be changed."""
    tags = two.refusal("TagResource", Resource=f"{ARN}:1", Tags={"a": "b"})
    concurrency = two.refusal("PutFunctionConcurrency", FunctionName=f"{ARN}:1", ReservedConcurrentExecutions=1)
    changes = [
        two.refusal("UpdateFunctionCode", FunctionName="f:1", ZipFile=OTHER),
        two.refusal("UpdateFunctionConfiguration", FunctionName="f:1", Timeout=1),
    ]

    message = "Tags on function aliases and versions are not supported. Please specify a function ARN."
    assert ("InvalidParameterValueException", 400, message, USER) == tags
    assert concurrency[2].startswith("This operation is permitted on Lambda functions only.")
    assert [f"Function not found: {ARN}:1"] * 2 == [refusal[2] for refusal in changes]
