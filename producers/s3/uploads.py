"""Multipart uploads in progress, in Redis. Each part is a file of the bucket that the part's record names."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from redis import Redis
from redis.client import Pipeline

from producers.s3 import errors
from producers.s3.record import PartRecord, UploadRecord, text
from worker.keys import Keys
from worker.scripts import source


@dataclass(frozen=True, slots=True)
class Upload:
    """One upload, by the names it goes by."""

    bucket: str
    key: str
    id: str


class Uploads:
    """The uploads of all buckets."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        self._put_part = redis.register_script(source("s3_put_part"))

    def watched(self, upload: Upload) -> str:
        """The key that changes when the upload ends."""
        return self._keys.uploads(upload.bucket)

    def begin(self, bucket: str, record: UploadRecord) -> Upload:
        """Begin an upload; its id cannot be guessed."""
        upload = Upload(bucket, record.key, secrets.token_urlsafe(48))
        self._redis.hset(self._keys.uploads(bucket), upload.id, record.dump())
        return upload

    def find(self, upload: Upload) -> UploadRecord:
        """The record of an upload in progress.

        Raises:
            ApiError: NoSuchUpload.
        """
        found = self._redis.hget(self._keys.uploads(upload.bucket), upload.id)
        record = None if found is None else UploadRecord.model_validate_json(found)
        if record is None or record.key != upload.key:
            raise errors.no_such_upload(upload.id)
        return record

    def put_part(self, upload: Upload, number: int, part: PartRecord) -> PartRecord | None:
        """Add a part, and return the one of the same number that it replaces.

        Raises:
            ApiError: NoSuchUpload, it has ended meanwhile.
        """
        is_taken, *before = self._put_part(
            keys=[self._keys.uploads(upload.bucket), self._keys.upload_parts(upload.id)],
            args=[upload.id, number, part.dump()],
        )
        if not is_taken:
            raise errors.no_such_upload(upload.id)
        return PartRecord.model_validate_json(before[0]) if before[0] else None

    def parts(self, upload: Upload) -> dict[int, PartRecord]:
        """The parts so far, in the order of their numbers."""
        found = self._redis.hgetall(self._keys.upload_parts(upload.id))
        return {int(number): PartRecord.model_validate_json(found[number]) for number in sorted(found, key=int)}

    def end(self, pipe: Pipeline, upload: Upload) -> None:
        """Add to `pipe` what ends an upload, completed or aborted."""
        pipe.hdel(self._keys.uploads(upload.bucket), upload.id)
        pipe.delete(self._keys.upload_parts(upload.id))

    def abort(self, upload: Upload) -> list[PartRecord]:
        """End an upload, and return the parts that it had.

        Raises:
            ApiError: NoSuchUpload.
        """
        self.find(upload)
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.hvals(self._keys.upload_parts(upload.id))
            self.end(pipe, upload)
            parts, was_there, _ = pipe.execute()
        if not was_there:
            raise errors.no_such_upload(upload.id)
        return [PartRecord.model_validate_json(part) for part in parts]

    def files(self, bucket: str) -> Iterator[str]:
        """The files that the parts of a bucket's uploads name."""
        for upload_id in self._redis.hkeys(self._keys.uploads(bucket)):
            for part in self._redis.hvals(self._keys.upload_parts(text(upload_id))):
                yield PartRecord.model_validate_json(part).file
