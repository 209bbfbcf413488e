"""Changes of objects: bytes in place first, then record and events in one step, then the old bytes are dropped.

Stopped after the first step, nothing has changed, and a file that no record names waits for the sweep. Stopped after
the second, all has happened, and the file of the old object waits for it.
"""

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from redis.client import Pipeline

from producers.errors import ApiError
from producers.s3 import event, notification
from producers.s3.catalog import Catalog, Moment
from producers.s3.conditions import ReadConditions, WriteConditions
from producers.s3.record import ObjectRecord
from producers.s3.store import ObjectStore
from producers.seams import Request, Seams, TargetMissing
from worker.arn import Arn
from worker.clock import from_ms, to_ms

_log = logging.getLogger(__name__)

#: How often a copy, or a read, looks for its source anew because it was replaced just then.
_COPY_TRIES = 5


@dataclass(frozen=True, slots=True)
class Companion:
    """What else happens in the step that writes an object: the end of the upload that it came from."""

    watch: str  # key
    check: Callable[[], object]  # raises an ApiError if it cannot happen
    add: Callable[[Pipeline], None]


class Objects:
    """Writes and removes objects, and lets those know who want to."""

    def __init__(self, seams: Seams, catalog: Catalog, store: ObjectStore) -> None:
        self._seams = seams
        self._catalog = catalog
        self._store = store

    def write(
        self,
        request: Request,
        bucket: str,
        key: str,
        record: ObjectRecord,
        *,
        name: str,
        conditions: WriteConditions,
        companion: Companion | None = None,
    ) -> None:
        """Make `record`, whose file is in its place, the object of this key. `name` is that of the event.

        Raises:
            ApiError: there is no such bucket, or a condition does not hold. The file is removed then.
        """

        def decide(moment: Moment) -> ObjectRecord:
            conditions.check(key, moment.current)
            if companion:
                companion.check()
            return record

        def accompany(pipe: Pipeline, moment: Moment, _: ObjectRecord | None) -> None:
            change = event.Change(
                name, bucket, key, record.size, record.etag, moment.sequencer, from_ms(record.modified_ms)
            )
            self._publish(pipe, request, moment, change)
            if companion:
                companion.add(pipe)

        try:
            before = self._catalog.change(bucket, key, decide, accompany, watch=[companion.watch] if companion else [])
        except ApiError:
            self._store.remove(bucket, record.file)
            raise
        if before is not None:
            self._store.remove(bucket, before.file)

    def remove(self, request: Request, bucket: str, key: str) -> None:
        """Remove an object. One that is not there is removed already, and causes no event.

        Raises:
            ApiError: NoSuchBucket.
        """

        def accompany(pipe: Pipeline, moment: Moment, _: ObjectRecord | None) -> None:
            now = self._seams.clock.now()
            change = event.Change("ObjectRemoved:Delete", bucket, key, None, None, moment.sequencer, now)
            self._publish(pipe, request, moment, change)

        before = self._catalog.change(bucket, key, lambda _: None, accompany)
        if before is not None:
            self._store.remove(bucket, before.file)

    def read(self, bucket: str, key: str, version_id: str | None, most: int) -> bytes:
        """All bytes of an object, which may be `most`. Without versions, the only version there is, is `null`.

        Raises:
            ApiError: there is no such bucket, key or version, or it is larger.
        """
        for _ in range(_COPY_TRIES):
            record = self._catalog.find(bucket, key)
            if version_id not in (None, "null"):
                raise ApiError("NoSuchVersion", "The specified version does not exist.", 404)
            if record.size > most:
                raise ApiError("EntityTooLarge", f"The object has {record.size} bytes; {most} are allowed here.", 400)
            try:
                return self._store.path(bucket, record.file).read_bytes()
            except FileNotFoundError:  # it was replaced at this moment
                continue
        raise ApiError("InternalError", "The bytes of the object were not found. Please try again.", 500)

    def link_copy(self, source: tuple[str, str], bucket: str, conditions: ReadConditions) -> ObjectRecord:
        """Put the bytes of an object into another bucket or the same, and return the record of the copy to be.

        A copy is never one of parts: it has the MD5 of its bytes as ETag, and no composite checksum.

        Raises:
            ApiError: there is no such source, or a condition on it does not hold.
        """
        for _ in range(_COPY_TRIES):
            original = self._catalog.find(*source)
            conditions.check_copy(original)
            try:
                file = self._store.link(bucket, self._store.path(source[0], original.file))
            except FileNotFoundError:
                continue
            now = {"file": file, "modified_ms": to_ms(self._seams.clock.now())}
            if original.is_composite or "-" in original.etag:
                now |= {"etag": self._store.md5(bucket, file), "checksums": {}, "is_composite": False}
            return original.model_copy(update=now)
        raise ApiError("InternalError", "The bytes of the source object were not found. Please try again.", 500)

    def _publish(self, pipe: Pipeline, request: Request, moment: Moment, change: event.Change) -> None:
        settings = self._seams.settings
        cause = event.Cause(
            settings.region, settings.account_id, request.request_id, request.source_ip, request.access_key
        )
        configuration = notification.parse(moment.bucket.notification)
        for rule in configuration.matching(change.name, change.key):
            self._deliver(pipe, request, rule.arn, event.notification(change, cause, rule.id))
        if configuration.is_event_bridge_on:
            bus = str(Arn("events", settings.region, settings.account_id, "event-bus/default"))
            self._deliver(pipe, request, bus, event.event_bridge(change, cause, str(uuid.uuid4())))

    def _deliver(self, pipe: Pipeline, request: Request, target: str, payload: bytes) -> None:
        try:
            self._seams.deliver(pipe, target, payload, source="aws:s3", trace_header=request.trace_header)
        except TargetMissing:
            # As on AWS: the object matters more than a notification whose target was deleted.
            _log.warning("An S3 event of request %s has no target any more: %s", request.request_id, target)


def check_not_onto_itself(source: tuple[str, str], target: tuple[str, str], directive: str) -> None:
    """Refuse a copy that would change nothing.

    Raises:
        ApiError: InvalidRequest.
    """
    if source == target and directive == "COPY":
        raise ApiError(
            "InvalidRequest",
            "This copy request is illegal because it is trying to copy an object to itself without changing the "
            "object's metadata, storage class, website redirect location or encryption attributes.",
        )
