"""What buckets there are and what is in them, in Redis; and the one way in which an object changes.

A change watches the object's guard, reads what is there, decides, and then writes the record and hands over the
events in one MULTI/EXEC, which Redis refuses if another change of the same object came between; then all is done
again. So conditions hold at the moment of the write, and sequencers grow in the order of the writes. If the
connection is lost before Redis has answered, nobody knows whether it happened: then the caller gets an error.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError, WatchError

from producers.errors import ApiError
from producers.s3 import errors, listing
from producers.s3.record import BucketRecord, ObjectRecord, raw, text
from worker.keys import Keys
from worker.scripts import source

#: How often a change is tried anew because others of the same object came between. Each time one of them succeeds.
MAX_TRIES = 200

#: Life of an object's guard after a change, in seconds. It only has to outlive the changes that watch it.
_GUARD_LIFE = 60


@dataclass(frozen=True, slots=True)
class Moment:
    """What a change finds, and the place in the order of changes that it gets."""

    bucket: BucketRecord
    current: ObjectRecord | None
    sequencer: int


#: Decides what the object is to be: its new record, or None for removed. Refuses by raising an ApiError.
Decide = Callable[[Moment], ObjectRecord | None]

#: Adds to the transaction what else belongs to the change: above all the events.
Accompany = Callable[[Pipeline, Moment, ObjectRecord | None], None]


class Catalog:
    """Buckets and objects by name."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        self._read = redis.register_script(source("s3_read"))

    # --- buckets ------------------------------------------------------------------------------------------------

    def bucket(self, bucket: str) -> BucketRecord:
        """The record of a bucket.

        Raises:
            ApiError: NoSuchBucket.
        """
        record = self._redis.hget(self._keys.buckets, bucket)
        if record is None:
            raise errors.no_such_bucket(bucket)
        return BucketRecord.model_validate_json(record)

    def buckets(self) -> dict[str, BucketRecord]:
        """All buckets, in the order of their names."""
        found = self._redis.hgetall(self._keys.buckets)
        names = {text(name): record for name, record in found.items()}
        return {name: BucketRecord.model_validate_json(names[name]) for name in sorted(names)}

    def add_bucket(self, bucket: str, record: BucketRecord) -> bool:
        """Make a bucket; False if there is one of that name."""
        return bool(self._redis.hsetnx(self._keys.buckets, bucket, record.dump()))

    def change_bucket(
        self, bucket: str, change: Callable[[BucketRecord], BucketRecord], accompany: Callable[[Pipeline], None]
    ) -> None:
        """Give a bucket another record, in one transaction with what `accompany` adds.

        Raises:
            ApiError: NoSuchBucket.
        """
        for _ in range(MAX_TRIES):
            with self._redis.pipeline(transaction=True) as pipe:
                pipe.watch(self._keys.buckets)  # type: ignore[no-untyped-call]
                record = change(self.bucket(bucket))
                pipe.multi()
                pipe.hset(self._keys.buckets, bucket, record.dump())
                accompany(pipe)
                if _execute(pipe):
                    return
        raise _too_busy()

    def remove_bucket(self, bucket: str) -> None:
        """Remove a bucket without objects, and the uploads in progress with it.

        Raises:
            ApiError: NoSuchBucket, or BucketNotEmpty.
        """
        objects, uploads = self._keys.objects(bucket), self._keys.uploads(bucket)
        for _ in range(MAX_TRIES):
            with self._redis.pipeline(transaction=True) as pipe:
                pipe.watch(self._keys.buckets, objects, uploads)  # type: ignore[no-untyped-call]
                self.bucket(bucket)
                if self._redis.hlen(objects):
                    message = "The bucket you tried to delete is not empty"
                    raise ApiError("BucketNotEmpty", message, 409, members={"BucketName": bucket})
                parts = [self._keys.upload_parts(text(upload)) for upload in self._redis.hkeys(uploads)]
                pipe.multi()
                pipe.hdel(self._keys.buckets, bucket)
                pipe.delete(uploads, *parts)
                if _execute(pipe):
                    return
        raise _too_busy()

    # --- objects ------------------------------------------------------------------------------------------------

    def find(self, bucket: str, key: str) -> ObjectRecord:
        """The record of an object.

        Raises:
            ApiError: NoSuchBucket, or NoSuchKey.
        """
        found = self._redis.hget(self._keys.objects(bucket), key)
        if found is None:
            self.bucket(bucket)
            raise errors.no_such_key(key)
        return ObjectRecord.model_validate_json(found)

    def change(
        self, bucket: str, key: str, decide: Decide, accompany: Accompany, *, watch: Iterable[str] = ()
    ) -> ObjectRecord | None:
        """Change one object, and return what it was before.

        The bytes of the new object must be in their place. Removing what is not there changes nothing, and
        `accompany` is not called then. `watch` are further keys that `decide` has read.

        Raises:
            ApiError: NoSuchBucket; what `decide` raises; SlowDown, too many others change the same object. Nothing
                has happened then.
            RedisError: Redis failed. The change may have happened.
        """
        for _ in range(MAX_TRIES):
            with self._redis.pipeline(transaction=True) as pipe:
                pipe.watch(self._keys.buckets, self._keys.object_guard(bucket, key), *watch)  # type: ignore[no-untyped-call]
                moment = self._moment(bucket, key)
                record = decide(moment)
                if record is None and moment.current is None:
                    return None
                pipe.multi()
                self._write(pipe, bucket, key, record)
                accompany(pipe, moment, record)
                if _execute(pipe):
                    return moment.current
        raise _too_busy()

    def _moment(self, bucket: str, key: str) -> Moment:
        bucket_record, current, sequencer = self._read(
            keys=[self._keys.buckets, self._keys.objects(bucket), self._keys.object_sequencer], args=[bucket, key]
        )
        if bucket_record is None:
            raise errors.no_such_bucket(bucket)
        return Moment(
            BucketRecord.model_validate_json(bucket_record),
            None if current is None else ObjectRecord.model_validate_json(current),
            sequencer,
        )

    def _write(self, pipe: Pipeline, bucket: str, key: str, record: ObjectRecord | None) -> None:
        pipe.set(self._keys.object_guard(bucket, key), "", ex=_GUARD_LIFE)
        if record is None:
            pipe.hdel(self._keys.objects(bucket), key)
            pipe.zrem(self._keys.object_names(bucket), key)
        else:
            pipe.hset(self._keys.objects(bucket), key, record.dump())
            pipe.zadd(self._keys.object_names(bucket), {key: 0})

    def page(
        self, bucket: str, *, prefix: str, delimiter: str, after: str, limit: int
    ) -> tuple[listing.Page, dict[str, ObjectRecord]]:
        """One page of the listing, and the records of its objects. One removed while we read has no record."""
        names = self._keys.object_names(bucket)

        def fetch(start: bytes, stop: bytes, count: int) -> list[bytes]:
            return [raw(name) for name in self._redis.zrangebylex(names, start, stop, 0, count)]

        page = listing.read_page(fetch, prefix=prefix, delimiter=delimiter, after=after, limit=limit)
        found = self._redis.hmget(self._keys.objects(bucket), page.keys) if page.keys else []
        records = zip(page.keys, found, strict=True)
        return page, {key: ObjectRecord.model_validate_json(record) for key, record in records if record is not None}

    def files(self, bucket: str) -> Iterator[str]:
        """The files that the objects of a bucket name."""
        for _, record in self._redis.hscan_iter(self._keys.objects(bucket), count=1_000):
            yield ObjectRecord.model_validate_json(record).file


def _execute(pipe: Pipeline) -> bool:
    """Carry out the transaction; False if something that it watches has changed, and nothing happened."""
    try:
        pipe.execute()
    except WatchError as error:
        # redis-py says WatchError of a connection lost while watching, too. To try again would be wrong there: if it
        # did happen, somebody may have replaced the object since, and its file may be gone.
        if isinstance(error.__context__, RedisError | OSError):
            raise error.__context__ from None
        return False
    return True


def _too_busy() -> ApiError:
    return ApiError("SlowDown", "Please reduce your request rate.", 503)
