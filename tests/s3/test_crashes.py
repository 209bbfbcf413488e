"""Stopped at any step, and many at once: an object is there with its events or not at all, and nothing is lost."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from redis.client import Pipeline
from redis.exceptions import ConnectionError, ResponseError  # noqa: A004

from producers.errors import ApiError
from tests.s3.system import FUNCTION, System, md5, to


def at_once() -> timedelta:
    return timedelta(seconds=-1)


def test_stopped_before_the_record_there_is_no_object(system: System):
    """The bytes are in place, but nothing names them. The sweep takes them, though not at once."""
    system.s3._store.place("bucket", system.spool(b"lost").path)

    assert (system.listed("bucket"), system.targets.received(), len(system.files())) == ([], [], 1)
    assert system.s3.sweep_orphans() == 0
    assert (system.s3.sweep_orphans(at_once()), system.files()) == (1, [])


def test_stopped_after_the_record_all_is_there(system: System):
    """Only the bytes of the object before wait for the sweep."""
    system.notify("bucket", to(FUNCTION, "s3:ObjectCreated:*"))
    system.put("bucket", "k", b"old")
    record = system.s3._catalog.find("bucket", "k")
    file = system.s3._store.place("bucket", system.spool(b"new").path)
    new = record.model_copy(update={"file": file, "size": 3, "etag": md5(b"new")})

    before = system.s3._catalog.change("bucket", "k", lambda _: new, lambda *_: None)

    assert (before, system.get("bucket", "k"), len(system.files())) == (record, b"new", 2)
    assert (system.s3.sweep_orphans(at_once()), system.get("bucket", "k")) == (1, b"new")


def test_sweep_takes_only_what_nothing_names(system: System):
    """Objects, copies and parts stay; what a removed bucket left goes, and its folder with it."""
    system.put("bucket", "k", b"object")
    system.s3.copy_object(system.request(), "bucket", "copy", "bucket/k")
    upload = system.s3.create_multipart_upload(system.request(), "bucket", "parts")["UploadId"]
    part = system.s3.upload_part(system.request(b"part"), "bucket", "parts", 1, upload)
    named = system.files()
    system.s3._store.place("bucket", system.spool(b"orphan").path)
    system.s3._store.place("gone", system.spool(b"orphan").path)

    assert (system.s3.sweep_orphans(at_once()), system.files()) == (2, named)

    assert [folder.name for folder in (system.folder / "objects").iterdir()] == ["bucket"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    system.s3.complete_multipart_upload(system.request(), "bucket", "parts", upload, parts)
    assert {key: system.get("bucket", key) for key in system.listed("bucket")} == {
        "copy": b"object",
        "k": b"object",
        "parts": b"part",
    }


def test_failing_delivery_leaves_neither_object_nor_event(system: System):
    """What Redis refuses, it refuses as a whole."""
    system.notify("bucket", to(FUNCTION, "s3:ObjectCreated:*") | {"EventBridgeConfiguration": {}})
    system.put("bucket", "old", b"old")
    seen = len(system.targets.received())
    system.targets.before = lambda pipe: pipe.execute_command("NO-SUCH-COMMAND")

    for key in ("old", "new"):
        with pytest.raises(ResponseError):
            system.put("bucket", key, b"new")

    assert (system.listed("bucket"), system.get("bucket", "old")) == (["old"], b"old")
    assert len(system.targets.received()) == seen
    assert (system.s3.sweep_orphans(at_once()), len(system.files())) == (2, 1)


def test_change_that_comes_between_is_seen(system: System):
    """A condition holds at the moment of the write, not when it was first looked at."""
    system.notify("bucket", to(FUNCTION, "s3:ObjectCreated:*"))
    system.targets.before = put_once(system, b"theirs")

    with pytest.raises(ApiError, match="PreconditionFailed"):
        system.put("bucket", "k", b"ours", IfNoneMatch="*")

    assert (system.get("bucket", "k"), len(system.targets.received()), len(system.files())) == (b"theirs", 1, 1)


def test_sequencer_is_that_of_the_write(system: System):
    """Whoever is overtaken gets a later one: the last writer's event has the greatest."""
    system.notify("bucket", to(FUNCTION, "s3:ObjectCreated:*"))
    system.targets.before = put_once(system, b"theirs!")

    system.put("bucket", "k", b"ours")

    objects = [event["Records"][0]["s3"]["object"] for _, event in system.targets.received()]
    assert [(each["size"], each["sequencer"]) for each in objects] == sorted(
        [(each["size"], each["sequencer"]) for each in objects], key=lambda pair: pair[1]
    )
    assert [each["size"] for each in objects] == [7, 4]
    assert (system.get("bucket", "k"), len(system.files())) == (b"ours", 1)


def put_once(system: System, body: bytes):
    """Something that puts the same key, once, in the midst of another put."""

    def put(_: Pipeline) -> None:
        system.targets.before = lambda _: None
        system.put("bucket", "k", body)

    return put


def test_bucket_that_goes_meanwhile_takes_no_object(system: System):
    """No object is ever in a bucket that is not there."""
    system.notify("bucket", to(FUNCTION, "s3:ObjectCreated:*"))

    def remove(_: Pipeline) -> None:
        system.targets.before = lambda _: None
        system.s3.delete_bucket(system.request(), "bucket")

    system.targets.before = remove
    with pytest.raises(ApiError, match="NoSuchBucket"):
        system.put("bucket", "k")

    assert (system.files(), system.targets.received()) == ([], [])
    assert not system.redis.exists(system.keys.objects("bucket"), system.keys.object_names("bucket"))


def test_upload_that_is_aborted_meanwhile_makes_no_object(system: System):
    """It ends once, in one way."""
    system.notify("bucket", to(FUNCTION, "s3:ObjectCreated:*"))
    upload = system.s3.create_multipart_upload(system.request(), "bucket", "k")["UploadId"]
    part = system.s3.upload_part(system.request(b"part"), "bucket", "k", 1, upload)

    def abort(_: Pipeline) -> None:
        system.targets.before = lambda _: None
        system.s3.abort_multipart_upload(system.request(), "bucket", "k", upload)

    system.targets.before = abort
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    with pytest.raises(ApiError, match="NoSuchUpload"):
        system.s3.complete_multipart_upload(system.request(), "bucket", "k", upload, parts)

    assert (system.listed("bucket"), system.targets.received(), system.files()) == ([], [], [])


def test_lost_connection_is_an_error_and_no_second_try(system: System):
    """Nobody knows then whether it happened, so the bytes stay in place and the caller is told."""
    system.notify("bucket", to(FUNCTION, "s3:ObjectCreated:*"))
    tries: list[Pipeline] = []

    def cut(pipe: Pipeline) -> None:
        tries.append(pipe)
        system.redis.client_kill_filter(_id=str(pipe.immediate_execute_command("CLIENT ID")))

    system.targets.before = cut
    with pytest.raises(ConnectionError):
        system.put("bucket", "k", b"x")

    assert (len(tries), len(system.files()), system.listed("bucket")) == (1, 1, [])


def test_many_writers_of_one_key_leave_one_whole_object(system: System):
    """Each is told of once, in an order that ends with what is stored, and no other file stays."""
    system.notify("bucket", to(FUNCTION, "s3:ObjectCreated:*"))
    bodies = [bytes([number]) * (number + 1) for number in range(40)]

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda body: system.put("bucket", "k", body), bodies))

    objects = [event["Records"][0]["s3"]["object"] for _, event in system.targets.received()]
    stored = system.get("bucket", "k")
    assert [each["sequencer"] for each in objects] == sorted(each["sequencer"] for each in objects)
    assert sorted(each["eTag"] for each in objects) == sorted(md5(body) for body in bodies)
    assert objects[-1]["eTag"] == md5(stored)
    assert [path.read_bytes() for path in system.files()] == [stored]


def test_only_one_of_many_creates(system: System):
    """`If-None-Match: *` is a lock."""

    def try_to_create(number: int) -> bool:
        try:
            system.put("bucket", "k", str(number).encode(), IfNoneMatch="*")
        except ApiError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        created = list(threads.map(try_to_create, range(24)))

    assert created.count(True) == 1
    assert system.get("bucket", "k") == str(created.index(True)).encode()
    assert len(system.files()) == 1


def test_puts_and_removals_at_once(system: System):
    """However they fall, records, names and files agree in the end."""

    def change(number: int) -> None:
        key = f"k{number % 3}"
        if number % 2:
            system.put("bucket", key, str(number).encode())
        else:
            system.s3.delete_object(system.request(), "bucket", key)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(change, range(60)))

    keys = system.listed("bucket")
    assert {key.decode() for key in system.redis.hkeys(system.keys.objects("bucket"))} == set(keys)
    assert sorted(path.read_bytes() for path in system.files()) == sorted(system.get("bucket", key) for key in keys)
