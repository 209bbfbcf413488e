"""Buckets: made, listed, removed."""

from pathlib import Path

import pytest
from redis import Redis

from config.settings import load
from tests.conftest import FakeClock
from tests.s3.system import System, refused
from worker.keys import Keys


@pytest.fixture
def elsewhere(redis: Redis, keys: Keys, clock: FakeClock, folder: Path) -> System:
    """S3 in another region."""
    return System(load(data_dir=folder, region="eu-west-1"), redis, keys, clock)


def test_new_bucket_is_found(system: System):
    """By name, in the list, with region and ARN."""
    request = system.request()

    made = system.s3.create_bucket(request, "another")

    listed = system.s3.list_buckets(request)
    assert made == {"Location": "/another", "BucketArn": "arn:aws:s3:::another"}
    assert system.s3.head_bucket(request, "another") == {
        "BucketRegion": "us-east-1",
        "BucketArn": "arn:aws:s3:::another",
        "AccessPointAlias": False,
    }
    assert system.s3.get_bucket_location(request, "another") == {}
    assert [(bucket["Name"], bucket["BucketRegion"]) for bucket in listed["Buckets"]] == [
        ("another", "us-east-1"),
        ("bucket", "us-east-1"),
    ]
    assert len(listed["Owner"]["ID"]) == 64


def test_list_of_buckets_comes_in_pages(system: System):
    """By name, with a prefix if asked."""
    for name in ("app-1", "app-2", "app-3"):
        system.s3.create_bucket(system.request(), name)

    first = system.s3.list_buckets(system.request(), MaxBuckets=2, Prefix="app-")
    second = system.s3.list_buckets(
        system.request(), MaxBuckets=2, Prefix="app-", ContinuationToken=first["ContinuationToken"]
    )

    assert [bucket["Name"] for bucket in first["Buckets"]] == ["app-1", "app-2"]
    assert [bucket["Name"] for bucket in second["Buckets"]] == ["app-3"]
    assert "ContinuationToken" not in second
    assert system.s3.list_buckets(system.request(), BucketRegion="eu-west-1")["Buckets"] == []


def test_own_bucket_again_is_no_error_in_us_east_1(system: System, elsewhere: System):
    """There alone it answers 200, and what is in the bucket stays."""
    system.put("bucket", "k")

    system.s3.create_bucket(system.request(), "bucket")

    assert system.listed("bucket") == ["k"]
    configuration = {"LocationConstraint": "eu-west-1"}
    answer = refused(elsewhere.s3.create_bucket, system.request(), "bucket", CreateBucketConfiguration=configuration)
    assert answer == ("BucketAlreadyOwnedByYou", 409, {"BucketName": "bucket"})


@pytest.mark.parametrize(
    ("region", "constraint", "code"),
    [
        ("us-east-1", None, None),
        ("us-east-1", "us-east-1", "InvalidLocationConstraint"),
        ("us-east-1", "eu-west-1", "IllegalLocationConstraintException"),
        ("eu-west-1", None, "IllegalLocationConstraintException"),
        ("eu-west-1", "eu-west-1", None),
        ("eu-west-1", "EU", None),
        ("eu-west-1", "eu-north-1", "IllegalLocationConstraintException"),
    ],
)
def test_bucket_is_made_in_this_region_only(
    system: System, elsewhere: System, region: str, constraint: str | None, code: str | None
):
    """us-east-1 is asked for by asking for none."""
    there = system if region == "us-east-1" else elsewhere
    configuration = {"LocationConstraint": constraint} if constraint else None

    if code is not None:
        answer = refused(there.s3.create_bucket, system.request(), "new", CreateBucketConfiguration=configuration)
        assert answer[0] == code
        return
    there.s3.create_bucket(system.request(), "new", CreateBucketConfiguration=configuration)
    location = {} if region == "us-east-1" else {"LocationConstraint": region}
    assert there.s3.get_bucket_location(system.request(), "new") == location


def test_what_a_bucket_cannot_be_is_refused(system: System):
    """Public, with access control lists, of another kind; nothing is accepted and ignored."""
    create, request = system.s3.create_bucket, system.request()

    assert refused(create, request, "new", ACL="public-read")[0] == "AccessControlListNotSupported"
    assert refused(create, request, "new", ObjectOwnership="ObjectWriter")[0] == "NotImplemented"
    tagged = {"Tags": [{"Key": "a", "Value": "b"}]}
    assert refused(create, request, "new", CreateBucketConfiguration=tagged)[0] == "NotImplemented"
    assert refused(create, request, "No")[0] == "InvalidBucketName"
    create(request, "new", ACL="private", ObjectOwnership="BucketOwnerEnforced")


def test_bucket_with_objects_is_not_removed(system: System):
    """Only when it is empty."""
    system.put("bucket", "k")

    answer = refused(system.s3.delete_bucket, system.request(), "bucket")
    system.s3.delete_object(system.request(), "bucket", "k")
    system.s3.delete_bucket(system.request(), "bucket")

    assert answer == ("BucketNotEmpty", 409, {"BucketName": "bucket"})
    assert refused(system.s3.head_bucket, system.request(), "bucket") == (
        "NoSuchBucket",
        404,
        {"BucketName": "bucket"},
    )
    assert list((system.folder / "objects").iterdir()) == []


def test_removed_bucket_leaves_nothing(system: System):
    """Neither its uploads in progress nor a key in Redis."""
    upload = system.s3.create_multipart_upload(system.request(), "bucket", "k")["UploadId"]
    system.s3.upload_part(system.request(b"part"), "bucket", "k", 1, upload)

    system.s3.delete_bucket(system.request(), "bucket")

    assert (system.files(), list(system.redis.scan_iter())) == ([], [])


def test_nothing_works_without_its_bucket(system: System):
    """Each operation says NoSuchBucket, and no body stays behind outside the spool."""
    s3, missing = system.s3, ("NoSuchBucket", 404, {"BucketName": "../x"})
    calls = [
        (s3.head_bucket,),
        (s3.delete_bucket,),
        (s3.get_bucket_location,),
        (s3.put_object, "k"),
        (s3.get_object, "k"),
        (s3.head_object, "k"),
        (s3.delete_object, "k"),
        (s3.delete_objects, {"Objects": [{"Key": "k"}]}),
        (s3.copy_object, "k", "bucket/k"),
        (s3.list_objects,),
        (s3.list_objects_v2,),
        (s3.get_bucket_notification_configuration,),
        (s3.put_bucket_notification_configuration, {}),
        (s3.create_multipart_upload, "k"),
        (s3.upload_part, "k", 1, "u"),
        (s3.complete_multipart_upload, "k", "u"),
        (s3.abort_multipart_upload, "k", "u"),
        (s3.list_parts, "k", "u"),
    ]

    answers = [refused(call, system.request(b"x"), "../x", *members) for call, *members in calls]

    assert answers == [missing] * len(calls)
    assert {path.parent.name for path in system.files()} == {"uploads"}
