"""Layers: published, listed, used by functions, and deleted without harm to them; and code that lies in S3."""

import base64
import hashlib
import zipfile
from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
from redis import Redis

from config.settings import Settings
from producers.lambda_.api import Lambda
from producers.seams import ObjectMissing, Seams
from tests.lambda_.system import System, package
from worker.keys import Keys

USER = {"Type": "User"}
LAYER = "arn:aws:lambda:us-east-1:000000000000:layer:l"


def publish(system: System, name: str = "l", source: str = "", **parameters: Any) -> dict[str, Any]:
    """PublishLayerVersion, of a package with one module."""
    content = {"ZipFile": package(source or name)}
    return dict(system.call("PublishLayerVersion", LayerName=name, Content=content, **parameters))


def zeros(size: int) -> bytes:
    """A zip with one file of `size` zeros."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("zeros", "w") as file:
        for _ in range(size // 1_000_000):
            file.write(bytes(1_000_000))
    return buffer.getvalue()


@pytest.mark.parity("layer.publish")
def test_a_layer_is_answered_as_aws_answers_it(system: System) -> None:
    """Exactly AWS's members; what was not sent is absent, but for the description."""
    plain = publish(system)
    full = publish(
        system, source="2", Description="d", CompatibleRuntimes=["python3.12"], LicenseInfo="MIT",
        CompatibleArchitectures=["arm64"],
    )  # fmt: skip

    sha256 = hashlib.sha256(package("l")).digest()
    assert plain == {
        "Content": {
            "Location": f"http://127.0.0.1:4566/_thrice/code/{sha256.hex()}",
            "CodeSha256": base64.b64encode(sha256).decode(),
            "CodeSize": len(package("l")),
        },
        "LayerArn": LAYER, "LayerVersionArn": f"{LAYER}:1", "Description": "", "Version": 1,
        "CreatedDate": plain["CreatedDate"],
    }  # fmt: skip
    assert plain["CreatedDate"].endswith("+0000")
    expected = {
        "LayerVersionArn": f"{LAYER}:2", "Description": "d", "CompatibleRuntimes": ["python3.12"],
        "LicenseInfo": "MIT", "CompatibleArchitectures": ["arm64"],
    }  # fmt: skip
    assert expected == {name: full[name] for name in expected}
    assert full == system.call("GetLayerVersion", LayerName="l", VersionNumber=2)
    assert full == system.call("GetLayerVersion", LayerName=LAYER, VersionNumber=2)
    assert full == system.call("GetLayerVersionByArn", Arn=f"{LAYER}:2")


@pytest.mark.parity("layer.list")
def test_layers_are_listed_in_pages(system: System) -> None:
    """Layers by name with the latest version that matches, versions the newest first."""
    publish(system, "b")
    publish(system, "a", CompatibleRuntimes=["python3.12"])
    publish(system, "a", "new", CompatibleRuntimes=["python3.13"])
    publish(system, "a", "newer", CompatibleRuntimes=["python3.13"])
    first = system.call("ListLayers", MaxItems=1)
    second = system.call("ListLayers", Marker=first["NextMarker"])
    versions = system.call("ListLayerVersions", LayerName="a", MaxItems=2)
    oldest = system.call("ListLayerVersions", LayerName="a", Marker=versions["NextMarker"])
    matching = system.call("ListLayers", CompatibleRuntime="python3.12")["Layers"]

    shown = [(layer["LayerName"], layer["LatestMatchingVersion"]["Version"]) for layer in first["Layers"]]
    assert shown == [("a", 3)]
    assert [layer["LayerArn"] for layer in second["Layers"]] == [f"{LAYER[:-1]}b"]
    numbers = [version["Version"] for version in versions["LayerVersions"] + oldest["LayerVersions"]]
    assert numbers == [3, 2, 1]
    assert [layer["LatestMatchingVersion"]["Version"] for layer in matching] == [1]


@pytest.mark.parity("layer.delete")
def test_a_function_keeps_a_layer_that_is_deleted(system: System, redis: Redis, keys: Keys) -> None:
    """A deleted version is not found and its number not given again; its package stays as long as it is used."""
    publish(system)
    system.create(Layers=[f"{LAYER}:1"])
    code = keys.code(hashlib.sha256(package("l")).hexdigest())

    for _ in range(2):
        system.call("DeleteLayerVersion", LayerName="l", VersionNumber=1)

    shown = {"Layers": [{"Arn": f"{LAYER}:1", "CodeSize": len(package("l"))}]}
    assert shown["Layers"] == system.call("GetFunctionConfiguration", FunctionName="f")["Layers"]
    missing = ("ResourceNotFoundException", 404, "The resource you requested does not exist.", USER)
    assert missing == system.refusal("GetLayerVersion", LayerName="l", VersionNumber=1)
    assert missing == system.refusal("GetLayerVersionByArn", Arn=f"{LAYER}:1")
    assert redis.ttl(code) == -1
    assert publish(system)["Version"] == 2
    system.call("DeleteLayerVersion", LayerName="l", VersionNumber=2)
    system.call("PublishVersion", FunctionName="f")
    system.call("UpdateFunctionConfiguration", FunctionName="f", Layers=[])
    assert "Layers" not in system.call("GetFunctionConfiguration", FunctionName="f")
    assert shown["Layers"] == system.call("GetFunctionConfiguration", FunctionName="f:1")["Layers"]
    assert redis.ttl(code) == -1
    system.call("DeleteFunction", FunctionName="f")
    assert redis.ttl(code) > 0


def test_a_layer_that_is_used_again_stays(system: System, redis: Redis, keys: Keys) -> None:
    """A package that was about to expire is kept when a function comes to use it."""
    publish(system)
    publish(system, "m", "l")  # the same package
    code = keys.code(hashlib.sha256(package("l")).hexdigest())
    redis.expire(code, 60)  # as if both had been deleted at this moment, by a change that did not see the other

    system.create(Layers=[f"{LAYER}:1"])

    assert redis.ttl(code) == -1


@pytest.mark.parity("layer.refused")
@pytest.mark.parametrize(
    ("layers", "code", "message"),
    [
        ([f"{LAYER}:{number}" for number in range(6)], "InvalidParameterValueException",
         "Cannot reference more than 5 layers."),
        ([f"{LAYER}:9"], "InvalidParameterValueException", f"Layer version {LAYER}:9 does not exist."),
        ([f"{LAYER}:1", f"{LAYER}:2"], "InvalidParameterValueException",
         ("Two different versions of the same layer are not allowed to be referenced in the same function. "
         f"{LAYER}:1 and {LAYER}:2 are versions of the same layer.")),
        ([f"{LAYER}:1".replace("us-east-1", "eu-west-1")], "InvalidParameterValueException",
         ("Layers are not in the same region as the function. Layers are expected to be in region us-east-1.")),
        ([f"{LAYER}:1".replace("000000000000", "123456789012")], "AccessDeniedException",
         ("User: arn:aws:iam::000000000000:root is not authorized to perform: lambda:GetLayerVersion on resource: "
         "arn:aws:lambda:us-east-1:123456789012:layer:l:1 because no resource-based policy allows the "
         "lambda:GetLayerVersion action")),
    ],
    ids=["six", "missing", "twice", "region", "account"],
)  # fmt: skip
def test_layers_that_cannot_be_used_are_refused(system: System, layers: list[str], code: str, message: str) -> None:
    """When the function is made and when it is changed, in AWS's words."""
    publish(system)
    publish(system)
    system.create("g")

    refusals = [
        system.refusal(
            "CreateFunction", FunctionName="f", Layers=layers, Role="arn:aws:iam::000000000000:role/r",
            Runtime="python3.12", Handler="app.handler", Code={"ZipFile": package()},
        ),
        system.refusal("UpdateFunctionConfiguration", FunctionName="g", Layers=layers),
    ]  # fmt: skip

    assert [(code, message)] * 2 == [(refusal[0], refusal[2]) for refusal in refusals]


@pytest.mark.parity("layer.size")
def test_code_and_layers_together_have_a_limit(system: System) -> None:
    """250 MB unzipped, whichever of the two comes last."""
    system.call("PublishLayerVersion", LayerName="l", Content={"ZipFile": zeros(200_000_000)})
    large = zeros(63_000_000)
    system.create("small", Layers=[f"{LAYER}:1"])
    system.create("large", Code={"ZipFile": large})

    refusals = [
        system.refusal("UpdateFunctionCode", FunctionName="small", ZipFile=large),
        system.refusal("UpdateFunctionConfiguration", FunctionName="large", Layers=[f"{LAYER}:1"]),
    ]

    message = (
        "Function code combined with layers exceeds the maximum allowed size of 262144000 bytes. "
        "The actual size is 263000000 bytes."
    )
    assert [("InvalidParameterValueException", 400, message, USER)] * 2 == refusals


# --- code in S3 ------------------------------------------------------------------------------------------------------


def read_object(bucket: str, key: str, version_id: str | None, most: int) -> bytes:
    """An S3 with one object, which has one version."""
    if (bucket, key) != ("b", "k"):
        raise ObjectMissing("NoSuchKey", "The specified key does not exist.")
    assert most == 262_144_000
    assert version_id in (None, "null")
    return package("from_s3 = 1\n")


@pytest.fixture
def with_s3(system: System, seams: Seams, settings: Settings) -> System:
    """The service beside that S3."""
    return System(
        Lambda(replace(seams, read_object=read_object), system.queue, system.service._invoker._redis),
        system.queue,
        system._runner,
    )


@pytest.mark.parity("control.create.s3-code")
def test_code_may_lie_in_s3(with_s3: System) -> None:
    """Of a function, when it is made and changed, and of a layer; a key that is missing is named as AWS does."""
    sha256 = base64.b64encode(hashlib.sha256(package("from_s3 = 1\n")).digest()).decode()

    created = with_s3.create(Code={"S3Bucket": "b", "S3Key": "k", "S3ObjectVersion": "null"})
    with_s3.call("UpdateFunctionCode", FunctionName="f", ZipFile=package())
    updated = with_s3.call("UpdateFunctionCode", FunctionName="f", S3Bucket="b", S3Key="k")
    layer = with_s3.call("PublishLayerVersion", LayerName="l", Content={"S3Bucket": "b", "S3Key": "k"})
    refusal = with_s3.refusal("UpdateFunctionCode", FunctionName="f", S3Bucket="b", S3Key="x")

    assert [sha256] * 3 == [created["CodeSha256"], updated["CodeSha256"], layer["Content"]["CodeSha256"]]
    message = (
        "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist."
    )
    assert ("InvalidParameterValueException", 400, message, USER) == refusal
