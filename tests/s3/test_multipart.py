"""Uploads in parts."""

import base64
import hashlib
import zlib
from typing import Any

from tests.s3.system import System, crc32, md5, read, refused

FIVE_MB = 5_242_880


def begin(system: System, key: str = "k", **members: Any) -> str:
    return system.s3.create_multipart_upload(system.request(), "bucket", key, **members)["UploadId"]


def upload(system: System, upload_id: str, number: int, body: bytes) -> dict[str, Any]:
    answer = system.s3.upload_part(system.request(body), "bucket", "k", number, upload_id)
    return {"PartNumber": number, "ETag": answer["ETag"], "ChecksumCRC32": answer["ChecksumCRC32"]}


def complete(system: System, upload_id: str, parts: list[dict[str, Any]], **members: Any) -> dict[str, Any]:
    return system.s3.complete_multipart_upload(system.request(), "bucket", "k", upload_id, {"Parts": parts}, **members)


def composite(*bodies: bytes) -> str:
    digest = zlib.crc32(b"".join(zlib.crc32(body).to_bytes(4, "big") for body in bodies))
    return f"{base64.b64encode(digest.to_bytes(4, 'big')).decode()}-{len(bodies)}"


def test_parts_become_one_object(system: System):
    """In the order of their numbers, with AWS's kind of ETag and checksum; no part stays behind."""
    large, small = b"a" * FIVE_MB, b"b" * 10
    upload_id = begin(system, ContentType="text/plain", Metadata={"colour": "red"}, ChecksumAlgorithm="CRC32")
    second = upload(system, upload_id, 7, small)
    first = upload(system, upload_id, 3, large)
    upload(system, upload_id, 9, b"not listed")

    answer = complete(system, upload_id, [first, second], MpuObjectSize=FIVE_MB + 10)

    md5s = bytes.fromhex(md5(large)) + bytes.fromhex(md5(small))
    etag, checksum = f'"{hashlib.md5(md5s).hexdigest()}-2"', composite(large, small)
    stored = system.s3.get_object(system.request(), "bucket", "k", ChecksumMode="ENABLED")
    assert answer == {
        "Location": "http://127.0.0.1:4566/bucket/k",
        "Bucket": "bucket",
        "Key": "k",
        "ETag": etag,
        "ChecksumCRC32": checksum,
        "ChecksumType": "COMPOSITE",
    }
    assert read(stored) == large + small
    assert (stored.members["ETag"], stored.members["ChecksumCRC32"]) == (etag, checksum)
    assert (stored.members["ContentType"], stored.members["Metadata"]) == ("text/plain", {"colour": "red"})
    assert len(system.files()) == 1
    assert refused(complete, system, upload_id, [first, second])[:2] == ("NoSuchUpload", 404)


def test_without_algorithm_there_is_no_checksum(system: System):
    """Of the object; each part has been compared with its own."""
    upload_id = begin(system)
    part = upload(system, upload_id, 1, b"x")

    assert "ChecksumType" not in complete(system, upload_id, [part])


def test_part_may_be_uploaded_anew(system: System):
    """The later one counts, and the file of the earlier one is dropped."""
    upload_id = begin(system)
    before = upload(system, upload_id, 1, b"before")
    after = upload(system, upload_id, 1, b"after")

    assert refused(complete, system, upload_id, [before]) == ("InvalidPart", 400, {"PartNumber": "1"})
    complete(system, upload_id, [after])

    assert (system.get("bucket", "k"), len(system.files())) == (b"after", 1)


def test_list_that_does_not_fit_is_refused(system: System):
    """And the upload goes on."""
    upload_id = begin(system, ChecksumAlgorithm="CRC32")
    one, two = upload(system, upload_id, 1, b"1"), upload(system, upload_id, 2, b"2")

    cases = [
        ([], {}, "MalformedXML"),
        ([two, one], {}, "InvalidPartOrder"),
        ([one, one], {}, "InvalidPartOrder"),
        ([one | {"PartNumber": 3}], {}, "InvalidPart"),
        ([one | {"ETag": '"x"'}], {}, "InvalidPart"),
        ([one | {"ChecksumCRC32": crc32(b"2")}], {}, "InvalidPart"),
        ([one, two], {}, "EntityTooSmall"),
        ([one], {"MpuObjectSize": 2}, "InvalidRequest"),
        ([one], {"ChecksumCRC32": crc32(b"1")}, "BadDigest"),
        ([one], {"ChecksumSHA1": "x"}, "BadDigest"),
        ([one], {"IfMatch": "*"}, "NoSuchKey"),
    ]
    assert [refused(complete, system, upload_id, parts, **members)[0] for parts, members, _ in cases] == [
        code for _, _, code in cases
    ]
    complete(system, upload_id, [one], ChecksumCRC32=composite(b"1"), IfNoneMatch="*")
    assert len(system.files()) == 1


def test_aborted_upload_leaves_nothing(system: System):
    """Neither parts nor keys; and it cannot go on."""
    upload_id = begin(system)
    upload(system, upload_id, 1, b"1")

    system.s3.abort_multipart_upload(system.request(), "bucket", "k", upload_id)

    assert system.files() == []
    assert {key.decode() for key in system.redis.scan_iter()} == {system.keys.buckets}
    missing = ("NoSuchUpload", 404, {"UploadId": upload_id})
    assert refused(system.s3.abort_multipart_upload, system.request(), "bucket", "k", upload_id) == missing
    assert refused(system.s3.upload_part, system.request(b"x"), "bucket", "k", 1, upload_id) == missing


def test_upload_belongs_to_its_key(system: System):
    """The id alone opens nothing."""
    upload_id = begin(system)

    assert refused(system.s3.list_parts, system.request(), "bucket", "other", upload_id)[0] == "NoSuchUpload"


def test_parts_are_listed_in_pages(system: System):
    """By number."""
    upload_id = begin(system, ChecksumAlgorithm="CRC32")
    for number in (10, 9, 1):
        upload(system, upload_id, number, str(number).encode())

    first = system.s3.list_parts(system.request(), "bucket", "k", upload_id, MaxParts=2)
    second = system.s3.list_parts(
        system.request(), "bucket", "k", upload_id, PartNumberMarker=first["NextPartNumberMarker"]
    )

    assert [part["PartNumber"] for part in first["Parts"]] == [1, 9]
    assert (first["IsTruncated"], first["NextPartNumberMarker"], first["ChecksumType"]) == (True, 9, "COMPOSITE")
    last = second["Parts"][0]
    assert last == {
        "PartNumber": 10,
        "LastModified": last["LastModified"],
        "Size": 2,
        "ETag": f'"{md5(b"10")}"',
        "ChecksumCRC32": crc32(b"10"),
    }
    assert second["IsTruncated"] is False


def test_copy_of_an_upload_is_a_plain_object(system: System):
    """Its ETag is the MD5 of its bytes."""
    upload_id = begin(system, ChecksumAlgorithm="CRC32")
    complete(system, upload_id, [upload(system, upload_id, 1, b"hello")])

    result = system.s3.copy_object(system.request(), "bucket", "copy", "bucket/k")["CopyObjectResult"]

    assert result == {"ETag": f'"{md5(b"hello")}"', "LastModified": result["LastModified"]}


def test_checksums_that_cannot_be_made_are_refused(system: System):
    """Before the first part is sent."""
    for members in ({"ChecksumAlgorithm": "CRC64NVME"}, {"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"}):
        answer = refused(system.s3.create_multipart_upload, system.request(), "bucket", "k", **members)
        assert answer[:2] == ("NotImplemented", 501)


def test_part_numbers_are_limited(system: System):
    """1 to 10,000."""
    upload_id = begin(system)

    for number in (0, 10_001):
        answer = refused(system.s3.upload_part, system.request(b"x"), "bucket", "k", number, upload_id)
        assert answer[0] == "InvalidArgument"
