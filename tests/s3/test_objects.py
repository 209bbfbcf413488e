"""Objects: stored, read, copied, removed; in whole states."""

from datetime import timedelta
from typing import Any

import pytest

from producers.seams import FileRange, ObjectMissing
from tests.conftest import FakeClock
from tests.s3.system import System, crc32, md5, read, refused

KEYS = [
    "red flower.jpg",
    "日本/🎉",
    "a//b",
    "/leading",
    "trailing/",
    "%2F",
    "a%2Fb",
    "a+b",
    "..",
    "../../../etc/passwd",
    ".",
    "a\nb\x00c",
    "x" * 1_024,
    "é" * 512,
]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: ascii(key[:12]))
def test_key_may_be_any_text(system: System, key: str):
    """It names no file: what comes back is what was stored, and it lies in the bucket's folder."""
    system.put("bucket", key, key.encode())

    assert system.get("bucket", key) == key.encode()
    assert system.listed("bucket") == [key]
    assert [path.parent for path in system.files()] == [system.folder / "objects" / "bucket"]


def test_keys_that_look_alike_are_different(system: System):
    """No key is normalized."""
    for key in ("a", "/a", "a/", "A", "a ", "é", "e\u0301"):
        system.put("bucket", key, key.encode())

    assert {key: system.get("bucket", key).decode() for key in system.listed("bucket")} == {
        key: key for key in ("a", "/a", "a/", "A", "a ", "é", "e\u0301")
    }


def test_key_that_is_too_long_is_refused(system: System):
    """1,025 bytes."""
    answer = refused(system.put, "bucket", "x" * 1_025)

    assert answer == ("KeyTooLongError", 400, {"Size": "1025", "MaxSizeAllowed": "1024"})


def test_object_in_full(system: System, clock: FakeClock):
    """What was said of it comes back, with ETag, length and time; checksums only when asked for."""
    said: dict[str, Any] = {
        "ContentType": "text/plain",
        "ContentEncoding": "gzip",
        "ContentDisposition": "attachment",
        "ContentLanguage": "en",
        "CacheControl": "no-cache",
        "Expires": clock.now().replace(microsecond=0) + timedelta(days=1),
        "Metadata": {"colour": "red"},
    }
    etag = f'"{md5(b"hello")}"'

    stored = system.put("bucket", "k", b"hello", **said)

    answer = system.s3.get_object(system.request(), "bucket", "k", ChecksumMode="ENABLED")
    head = system.s3.head_object(system.request(), "bucket", "k")
    checksum = {"ChecksumCRC32": crc32(b"hello"), "ChecksumType": "FULL_OBJECT"}
    modified = answer.members["LastModified"]
    described = said | {"ETag": etag, "LastModified": modified, "ContentLength": 5, "AcceptRanges": "bytes"}
    assert stored == {"ETag": etag} | checksum
    assert read(answer) == b"hello"
    assert answer.members == described | checksum | {"Body": answer.members["Body"]}
    assert head.members == described
    assert (answer.status, head.status) == (None, None)
    assert timedelta(0) <= clock.now() - modified < timedelta(seconds=5)


def test_answer_may_be_described_otherwise(system: System):
    """As pre-signed URLs ask for downloads."""
    system.put("bucket", "k", ContentType="text/plain")

    answer = system.s3.get_object(
        system.request(), "bucket", "k", ResponseContentType="image/png", ResponseContentDisposition="attachment"
    )

    assert (answer.members["ContentType"], answer.members["ContentDisposition"]) == ("image/png", "attachment")


def test_empty_object(system: System):
    """Zero bytes are an object, too."""
    system.put("bucket", "k", b"")

    answer = system.s3.get_object(system.request(), "bucket", "k")

    assert (answer.members["Body"], answer.members["ContentLength"]) == (b"", 0)


def test_range_is_a_part_of_the_file(system: System):
    """206, with what part of how much it is; no checksum, which would be that of the whole."""
    system.put("bucket", "k", b"0123456789")

    answer = system.s3.get_object(system.request(), "bucket", "k", Range="bytes=2-4", ChecksumMode="ENABLED")
    head = system.s3.head_object(system.request(), "bucket", "k", Range="bytes=-1")

    assert (answer.status, read(answer)) == (206, b"234")
    assert isinstance(answer.members["Body"], FileRange)
    assert (answer.members["ContentRange"], answer.members["ContentLength"]) == ("bytes 2-4/10", 3)
    assert "ChecksumCRC32" not in answer.members
    assert (head.status, head.members["ContentRange"]) == (206, "bytes 9-9/10")
    assert refused(system.get, "bucket", "k", Range="bytes=10-")[:2] == ("InvalidRange", 416)


def test_missing_object(system: System):
    """404, with its key."""
    missing = ("NoSuchKey", 404, {"Key": "k"})

    assert refused(system.get, "bucket", "k") == missing
    assert refused(system.s3.head_object, system.request(), "bucket", "k") == missing


def test_conditions_of_reads_are_obeyed(system: System):
    """For GetObject and HeadObject alike."""
    system.put("bucket", "k")

    for call in (system.s3.get_object, system.s3.head_object):
        assert refused(call, system.request(), "bucket", "k", IfMatch='"d"')[:2] == ("PreconditionFailed", 412)
        assert refused(call, system.request(), "bucket", "k", IfNoneMatch="*")[:2] == ("NotModified", 304)


def test_conditions_of_writes_are_obeyed(system: System):
    """The first one creates, the second is refused, and a third replaces what it knows; no file stays behind."""
    first = system.put("bucket", "k", b"1", IfNoneMatch="*")

    assert refused(system.put, "bucket", "k", b"2", IfNoneMatch="*")[:2] == ("PreconditionFailed", 412)
    assert refused(system.put, "bucket", "k", b"2", IfMatch='"d"')[:2] == ("PreconditionFailed", 412)
    assert refused(system.put, "bucket", "other", b"2", IfMatch='"d"')[:2] == ("NoSuchKey", 404)
    assert system.get("bucket", "k") == b"1"

    system.put("bucket", "k", b"3", IfMatch=first["ETag"])

    assert system.get("bucket", "k") == b"3"
    assert len(system.files()) == 1


def test_what_an_object_cannot_be_is_refused(system: System):
    """Public, or of another storage class; nothing is stored."""
    assert refused(system.put, "bucket", "k", ACL="public-read")[0] == "AccessControlListNotSupported"
    assert refused(system.put, "bucket", "k", StorageClass="GLACIER")[0] == "InvalidStorageClass"
    assert system.listed("bucket") == []

    system.put("bucket", "k", ACL="bucket-owner-full-control", StorageClass="STANDARD")


def test_object_replaces_the_one_before(system: System):
    """All of it: bytes and metadata; and of the old one no file stays."""
    system.put("bucket", "k", b"old", Metadata={"a": "1"})
    system.put("bucket", "k", b"new")

    answer = system.s3.get_object(system.request(), "bucket", "k")

    assert (read(answer), answer.members["Metadata"]) == (b"new", {})
    assert (system.listed("bucket"), len(system.files())) == (["k"], 1)


def test_reader_gets_all_of_the_object_that_it_opened(system: System):
    """Whoever has the file open reads it to its end, whatever becomes of the object."""
    system.put("bucket", "k", b"old")
    answer = system.s3.get_object(system.request(), "bucket", "k")

    with answer.members["Body"].path.open("rb") as file:
        system.put("bucket", "k", b"new")
        system.s3.delete_object(system.request(), "bucket", "k")

        assert file.read() == b"old"


def test_removal_is_idempotent(system: System):
    """Once or twice, it is gone; no key in Redis is left without an expiry but the bucket and the sequencer."""
    system.put("bucket", "k")

    assert [system.s3.delete_object(system.request(), "bucket", "k") for _ in range(2)] == [{}, {}]

    assert (system.listed("bucket"), system.files()) == ([], [])
    lasting = {key.decode() for key in system.redis.scan_iter() if system.redis.ttl(key) == -1}
    assert lasting == {system.keys.buckets, system.keys.object_sequencer}


def test_many_are_removed_at_once(system: System):
    """Those that were not there count as removed; quiet says nothing of them."""
    for key in ("a", "b b", "c"):
        system.put("bucket", key)
    objects = [{"Key": key} for key in ("a", "b b", "missing")]

    answer = system.s3.delete_objects(system.request(), "bucket", {"Objects": objects})
    quiet = system.s3.delete_objects(system.request(), "bucket", {"Objects": [{"Key": "c"}], "Quiet": True})

    assert answer == {"Deleted": [{"Key": "a"}, {"Key": "b b"}, {"Key": "missing"}]}
    assert (quiet, system.listed("bucket")) == ({}, [])


def test_removal_that_cannot_be_obeyed_is_refused(system: System):
    """Versions and conditions; more than 1,000; none. Nothing is removed then."""
    system.put("bucket", "k")
    delete, request = system.s3.delete_objects, system.request()

    for objects, code in [
        ([{"Key": "k", "VersionId": "1"}], "NotImplemented"),
        ([{"Key": "k"}, {"Key": "k", "ETag": "x"}], "NotImplemented"),
        ([{"Key": "k"}] * 1_001, "MalformedXML"),
        ([], "MalformedXML"),
    ]:
        assert refused(delete, request, "bucket", {"Objects": objects})[0] == code

    assert system.listed("bucket") == ["k"]


def test_copy_has_bytes_and_metadata(system: System):
    """Under another name in another bucket, with the time of the copy; the source may go."""
    system.s3.create_bucket(system.request(), "target")
    system.put("bucket", "a b+c", b"hello", ContentType="text/plain", Metadata={"colour": "red"})

    answer = system.s3.copy_object(system.request(), "target", "copy", "bucket/a%20b%2Bc")
    system.s3.delete_object(system.request(), "bucket", "a b+c")

    copy = system.s3.get_object(system.request(), "target", "copy")
    assert answer == {
        "CopyObjectResult": {
            "ETag": f'"{md5(b"hello")}"',
            "LastModified": copy.members["LastModified"],
            "ChecksumCRC32": crc32(b"hello"),
            "ChecksumType": "FULL_OBJECT",
        }
    }
    assert read(copy) == b"hello"
    assert (copy.members["ContentType"], copy.members["Metadata"]) == ("text/plain", {"colour": "red"})
    assert len(system.files()) == 1


def test_copy_may_get_other_metadata(system: System):
    """Even over itself, which without any change is refused."""
    system.put("bucket", "k", b"hello", Metadata={"colour": "red"})

    answer = refused(system.s3.copy_object, system.request(), "bucket", "k", "bucket/k")
    system.s3.copy_object(
        system.request(), "bucket", "k", "bucket/k", MetadataDirective="REPLACE", Metadata={"colour": "blue"}
    )

    assert answer[0] == "InvalidRequest"
    copy = system.s3.get_object(system.request(), "bucket", "k")
    assert (read(copy), copy.members["Metadata"]) == (b"hello", {"colour": "blue"})
    assert len(system.files()) == 1


def test_conditions_of_copies_are_obeyed(system: System):
    """On the source and on the target; no file stays behind."""
    system.put("bucket", "source")
    system.put("bucket", "target", b"t")
    copy, request = system.s3.copy_object, system.request()

    failed = "PreconditionFailed"
    assert refused(copy, request, "bucket", "target", "bucket/source", CopySourceIfMatch="d")[0] == failed
    assert refused(copy, request, "bucket", "target", "bucket/source", IfNoneMatch="*")[0] == failed
    assert refused(copy, request, "bucket", "target", "bucket/missing") == ("NoSuchKey", 404, {"Key": "missing"})
    assert refused(copy, request, "bucket", "target", "missing/k")[0] == "NoSuchBucket"
    owner = {"ExpectedSourceBucketOwner": "111111111111"}
    assert refused(copy, request, "bucket", "target", "bucket/source", **owner)[:2] == ("AccessDenied", 403)
    assert (system.get("bucket", "target"), len(system.files())) == (b"t", 2)


def test_another_service_reads_an_object(system: System):
    """All of its bytes; what is missing, of another version or too large is named with S3's code."""
    system.put("bucket", "k", b"bytes")

    def code(bucket: str, key: str, version: str | None = None, most: int = 5) -> str:
        with pytest.raises(ObjectMissing) as missing:
            system.s3.read_object(bucket, key, version, most)
        return missing.value.code

    assert system.s3.read_object("bucket", "k", None, 5) == system.s3.read_object("bucket", "k", "null", 5) == b"bytes"
    assert [code("x", "k"), code("bucket", "x"), code("bucket", "k", "v1"), code("bucket", "k", most=4)] == [
        "NoSuchBucket", "NoSuchKey", "NoSuchVersion", "EntityTooLarge",
    ]  # fmt: skip
