"""What boto3 may call of S3, on buckets without versions whose objects all belong to one account.

Each method turns AWS's members into a call of `objects.py`, `catalog.py` or `uploads.py`, and what comes back into
AWS's members. The gateway has put a streamed body into a file (`request.body`), compared it with every checksum that
came with it, and the expected owner with ours.
"""
# ruff: noqa: ARG002 — every operation is handed the request, and few look at it

import base64
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from redis.client import Pipeline

from producers.errors import ApiError
from producers.s3 import errors, event, multipart, names, notification
from producers.s3.answers import (
    describe_content,
    describe_object,
    describe_page,
    describe_part,
    encode,
    read_token,
    token,
)
from producers.s3.catalog import Catalog
from producers.s3.conditions import ReadConditions, WriteConditions, span
from producers.s3.listing import MAX_PAGE, Page
from producers.s3.metadata import describe
from producers.s3.objects import Companion, Objects, check_not_onto_itself
from producers.s3.record import BucketRecord, ObjectRecord, PartRecord, UploadRecord, whole_seconds
from producers.s3.store import ObjectStore
from producers.s3.uploads import Upload, Uploads
from producers.seams import FileRange, ObjectMissing, Request, Response, Seams, SpooledBody, TargetMissing
from worker.clock import SystemClock, to_ms

#: Most keys of one DeleteObjects. Source: its documentation.
_MAX_DELETE = 1_000

#: Access control lists that say what is so anyway: everything belongs to the one account, and to nobody else.
_OWNER_ONLY = (None, "private", "bucket-owner-full-control")

#: How long a file may be without a record before the sweep takes it. A request is over long before.
ORPHAN_AGE = timedelta(hours=1)


class S3:
    """The service."""

    def __init__(self, seams: Seams) -> None:
        self._seams = seams
        self._region = seams.settings.region
        self._account = seams.settings.account_id
        self._catalog = Catalog(seams.redis, seams.keys)
        self._store = ObjectStore(seams.settings.folder)
        self._objects = Objects(seams, self._catalog, self._store)
        self._uploads = Uploads(seams.redis, seams.keys)

    # --- buckets ------------------------------------------------------------------------------------------------

    def create_bucket(
        self,
        request: Request,
        Bucket: str,
        ACL: str | None = None,
        CreateBucketConfiguration: Mapping[str, Any] | None = None,
        ObjectOwnership: str | None = None,
    ) -> dict[str, Any]:
        """Make a bucket in the one region there is."""
        names.check_bucket(Bucket)
        _check_acl(ACL)
        if ObjectOwnership not in (None, "BucketOwnerEnforced"):
            raise errors.not_implemented(
                f"ObjectOwnership '{ObjectOwnership}' needs access control lists, which buckets of thrice do not have. "
                f"Leave it out, or say BucketOwnerEnforced."
            )
        self._check_location(CreateBucketConfiguration or {})
        is_new = self._catalog.add_bucket(Bucket, BucketRecord(created_ms=to_ms(self._seams.clock.now())))
        is_classic = self._region == "us-east-1"
        if not is_new and not is_classic:
            message = "Your previous request to create the named bucket succeeded and you already own it."
            raise ApiError("BucketAlreadyOwnedByYou", message, 409, members={"BucketName": Bucket})
        location = f"/{Bucket}" if is_classic else f"http://{Bucket}.s3.amazonaws.com/"
        return {"Location": location, "BucketArn": event.bucket_arn(Bucket)}

    def _check_location(self, configuration: Mapping[str, Any]) -> None:
        further = sorted(name for name, value in configuration.items() if value and name != "LocationConstraint")
        if further:
            raise errors.not_implemented(
                f"CreateBucketConfiguration.{further[0]} is something that thrice cannot do. Leave it out."
            )
        default = None if self._region == "us-east-1" else self._region
        wanted = configuration.get("LocationConstraint") or None
        if wanted == default or (wanted == "EU" and self._region == "eu-west-1"):
            return
        if wanted == "us-east-1":
            message = "The specified location-constraint is not valid"
            raise ApiError("InvalidLocationConstraint", message, 400, members={"LocationConstraint": wanted})
        raise ApiError(
            "IllegalLocationConstraintException",
            f"The {wanted or 'unspecified'} location constraint is incompatible for the region specific endpoint this "
            f"request was sent to.",
        )

    def head_bucket(self, request: Request, Bucket: str) -> dict[str, Any]:
        """Whether there is such a bucket."""
        self._catalog.bucket(Bucket)
        return {"BucketRegion": self._region, "BucketArn": event.bucket_arn(Bucket), "AccessPointAlias": False}

    def delete_bucket(self, request: Request, Bucket: str) -> dict[str, Any]:
        """Remove a bucket without objects. Its uploads in progress end."""
        self._catalog.bucket(Bucket)
        files = list(self._uploads.files(Bucket))
        self._catalog.remove_bucket(Bucket)
        for file in files:
            self._store.remove(Bucket, file)
        self._store.remove_folder(Bucket)
        return {}

    def list_buckets(
        self,
        request: Request,
        MaxBuckets: int | None = None,
        ContinuationToken: str | None = None,
        Prefix: str | None = None,
        BucketRegion: str | None = None,
    ) -> dict[str, Any]:
        """The buckets, by name."""
        after = read_token(ContinuationToken) if ContinuationToken else ""
        found = {
            name: record
            for name, record in self._catalog.buckets().items()
            if name > after and name.startswith(Prefix or "") and BucketRegion in (None, "", self._region)
        }
        shown = list(found)[:MaxBuckets]
        buckets = [
            {
                "Name": name,
                "CreationDate": whole_seconds(found[name].created_ms),
                "BucketRegion": self._region,
                "BucketArn": event.bucket_arn(name),
            }
            for name in shown
        ]
        answer: dict[str, Any] = {"Buckets": buckets, "Owner": self._owner}
        if Prefix:
            answer["Prefix"] = Prefix
        if len(shown) < len(found):
            answer["ContinuationToken"] = token(shown[-1])
        return answer

    def get_bucket_location(self, request: Request, Bucket: str) -> dict[str, Any]:
        """The region; us-east-1 is told by telling none."""
        self._catalog.bucket(Bucket)
        return {} if self._region == "us-east-1" else {"LocationConstraint": self._region}

    # --- objects ------------------------------------------------------------------------------------------------

    def put_object(
        self,
        request: Request,
        Bucket: str,
        Key: str,
        ACL: str | None = None,
        CacheControl: str | None = None,
        ContentDisposition: str | None = None,
        ContentEncoding: str | None = None,
        ContentLanguage: str | None = None,
        ContentType: str | None = None,
        Expires: datetime | None = None,
        IfMatch: str | None = None,
        IfNoneMatch: str | None = None,
        Metadata: dict[str, str] | None = None,
        StorageClass: str | None = None,
    ) -> dict[str, Any]:
        """Store an object, and let those know who wait for it."""
        self._catalog.bucket(Bucket)
        conditions = WriteConditions(IfMatch, IfNoneMatch)
        conditions.check_form()
        _check_target(Key, ACL, StorageClass)
        metadata = describe(
            content_type=ContentType,
            content_encoding=ContentEncoding,
            content_disposition=ContentDisposition,
            content_language=ContentLanguage,
            cache_control=CacheControl,
            expires=Expires,
            user=Metadata,
        )
        body = _body(request)
        record = ObjectRecord(
            file=self._store.place(Bucket, body.path),
            size=body.size,
            etag=body.md5,
            modified_ms=to_ms(self._seams.clock.now()),
            metadata=metadata,
            checksums=dict(body.checksums),
        )
        self._objects.write(request, Bucket, Key, record, name="ObjectCreated:Put", conditions=conditions)
        return {"ETag": record.quoted_etag} | record.checksum_members()

    def copy_object(
        self,
        request: Request,
        Bucket: str,
        Key: str,
        CopySource: str,
        ACL: str | None = None,
        CacheControl: str | None = None,
        ContentDisposition: str | None = None,
        ContentEncoding: str | None = None,
        ContentLanguage: str | None = None,
        ContentType: str | None = None,
        CopySourceIfMatch: str | None = None,
        CopySourceIfModifiedSince: datetime | None = None,
        CopySourceIfNoneMatch: str | None = None,
        CopySourceIfUnmodifiedSince: datetime | None = None,
        Expires: datetime | None = None,
        IfMatch: str | None = None,
        IfNoneMatch: str | None = None,
        Metadata: dict[str, str] | None = None,
        MetadataDirective: str | None = None,
        StorageClass: str | None = None,
        ExpectedSourceBucketOwner: str | None = None,
    ) -> dict[str, Any]:
        """Store the bytes of one object under another name, or give an object other metadata."""
        self._catalog.bucket(Bucket)
        conditions = WriteConditions(IfMatch, IfNoneMatch)
        conditions.check_form()
        _check_target(Key, ACL, StorageClass)
        source = names.parse_copy_source(CopySource)
        self._catalog.bucket(source[0])
        if ExpectedSourceBucketOwner not in (None, self._account):
            raise errors.access_denied()
        directive = MetadataDirective or "COPY"
        check_not_onto_itself(source, (Bucket, Key), directive)
        replacement = describe(
            content_type=ContentType,
            content_encoding=ContentEncoding,
            content_disposition=ContentDisposition,
            content_language=ContentLanguage,
            cache_control=CacheControl,
            expires=Expires,
            user=Metadata,
        )
        source_conditions = ReadConditions(
            CopySourceIfMatch, CopySourceIfNoneMatch, CopySourceIfModifiedSince, CopySourceIfUnmodifiedSince
        )
        record = self._objects.link_copy(source, Bucket, source_conditions)
        if directive == "REPLACE":
            record = record.model_copy(update={"metadata": replacement})
        self._objects.write(request, Bucket, Key, record, name="ObjectCreated:Copy", conditions=conditions)
        result = {"ETag": record.quoted_etag, "LastModified": record.modified} | record.checksum_members()
        return {"CopyObjectResult": result}

    def get_object(
        self,
        request: Request,
        Bucket: str,
        Key: str,
        IfMatch: str | None = None,
        IfModifiedSince: datetime | None = None,
        IfNoneMatch: str | None = None,
        IfUnmodifiedSince: datetime | None = None,
        Range: str | None = None,
        ResponseCacheControl: str | None = None,
        ResponseContentDisposition: str | None = None,
        ResponseContentEncoding: str | None = None,
        ResponseContentLanguage: str | None = None,
        ResponseContentType: str | None = None,
        ResponseExpires: datetime | None = None,
        ChecksumMode: str | None = None,
    ) -> Response:
        """The bytes of an object, or of a range in it."""
        record = self._catalog.find(Bucket, Key)
        ReadConditions(IfMatch, IfNoneMatch, IfModifiedSince, IfUnmodifiedSince).check(record)
        part = span(Range, record.size)
        overrides = {
            "CacheControl": ResponseCacheControl,
            "ContentDisposition": ResponseContentDisposition,
            "ContentEncoding": ResponseContentEncoding,
            "ContentLanguage": ResponseContentLanguage,
            "ContentType": ResponseContentType,
            "Expires": ResponseExpires,
        }
        members = describe_object(record, part, ChecksumMode) | _given(overrides)
        body = FileRange(self._store.path(Bucket, record.file), part.offset, part.length) if part.length else b""
        return Response(members | {"Body": body}, part.status)

    def head_object(
        self,
        request: Request,
        Bucket: str,
        Key: str,
        IfMatch: str | None = None,
        IfModifiedSince: datetime | None = None,
        IfNoneMatch: str | None = None,
        IfUnmodifiedSince: datetime | None = None,
        Range: str | None = None,
        ChecksumMode: str | None = None,
    ) -> Response:
        """What GetObject would say, without the bytes."""
        record = self._catalog.find(Bucket, Key)
        ReadConditions(IfMatch, IfNoneMatch, IfModifiedSince, IfUnmodifiedSince).check(record)
        part = span(Range, record.size)
        return Response(describe_object(record, part, ChecksumMode), part.status)

    def delete_object(self, request: Request, Bucket: str, Key: str) -> dict[str, Any]:
        """Remove an object; that there is none is no error."""
        self._catalog.bucket(Bucket)
        self._objects.remove(request, Bucket, Key)
        return {}

    def delete_objects(self, request: Request, Bucket: str, Delete: Mapping[str, Any]) -> dict[str, Any]:
        """Remove up to 1,000 objects, each by itself: what is refused for one says nothing of the others."""
        self._catalog.bucket(Bucket)
        objects = Delete["Objects"]
        if not 1 <= len(objects) <= _MAX_DELETE:
            message = "The XML you provided was not well-formed or did not validate against our published schema"
            raise ApiError("MalformedXML", message)
        _check_identifiers(objects)
        deleted, failed = [], []
        for key in (str(each["Key"]) for each in objects):
            try:
                self._objects.remove(request, Bucket, key)
                deleted.append({"Key": key})
            except ApiError as error:
                failed.append({"Key": key, "Code": error.code, "Message": error.message})
        answer = {"Deleted": [] if Delete.get("Quiet") else deleted, "Errors": failed}
        return {name: value for name, value in answer.items() if value}

    # --- listing ------------------------------------------------------------------------------------------------

    def list_objects_v2(
        self,
        request: Request,
        Bucket: str,
        Delimiter: str | None = None,
        EncodingType: str | None = None,
        MaxKeys: int | None = None,
        Prefix: str | None = None,
        ContinuationToken: str | None = None,
        FetchOwner: bool | None = None,
        StartAfter: str | None = None,
    ) -> dict[str, Any]:
        """A page of the bucket's objects in the order of their names."""
        self._catalog.bucket(Bucket)
        encoding = EncodingType or ""
        after = read_token(ContinuationToken) if ContinuationToken is not None else StartAfter or ""
        page, answer = self._page(Bucket, Prefix, Delimiter, after, MaxKeys, encoding, with_owner=bool(FetchOwner))
        answer["KeyCount"] = len(answer.get("Contents", ())) + len(page.prefixes)
        if StartAfter:
            answer["StartAfter"] = encode(StartAfter, encoding)
        if ContinuationToken is not None:
            answer["ContinuationToken"] = ContinuationToken
        if page.is_truncated:
            answer["NextContinuationToken"] = token(page.last)
        return answer

    def list_objects(
        self,
        request: Request,
        Bucket: str,
        Delimiter: str | None = None,
        EncodingType: str | None = None,
        Marker: str | None = None,
        MaxKeys: int | None = None,
        Prefix: str | None = None,
    ) -> dict[str, Any]:
        """The same in its first version, where the last name of a page is the marker for the next."""
        self._catalog.bucket(Bucket)
        encoding = EncodingType or ""
        page, answer = self._page(Bucket, Prefix, Delimiter, Marker or "", MaxKeys, encoding, with_owner=True)
        answer["Marker"] = encode(Marker or "", encoding)
        if page.is_truncated and Delimiter:
            answer["NextMarker"] = encode(page.last, encoding)
        return answer

    def _page(
        self,
        bucket: str,
        prefix: str | None,
        delimiter: str | None,
        after: str,
        wanted: int | None,
        encoding: str,
        *,
        with_owner: bool,
    ) -> tuple[Page, dict[str, Any]]:
        prefix, delimiter, limit = prefix or "", delimiter or "", _page_limit(wanted)
        page, records = self._catalog.page(bucket, prefix=prefix, delimiter=delimiter, after=after, limit=limit)
        contents = [describe_content(encode(key, encoding), record) for key, record in records.items()]
        if with_owner:
            contents = [content | {"Owner": self._owner} for content in contents]
        answer = describe_page(
            page, contents, bucket=bucket, prefix=prefix, delimiter=delimiter, limit=limit, encoding=encoding
        )
        return page, answer

    # --- notifications ------------------------------------------------------------------------------------------

    def put_bucket_notification_configuration(
        self,
        request: Request,
        Bucket: str,
        NotificationConfiguration: Mapping[str, Any],
        SkipDestinationValidation: bool | None = None,
    ) -> dict[str, Any]:
        """Replace what the bucket's events go to. Queues and topics get a test event in the same step."""
        self._catalog.bucket(Bucket)
        normal = notification.normalize(NotificationConfiguration, _new_rule_id)
        configuration = notification.parse(normal)

        def send_test_events(pipe: Pipeline) -> None:
            if not SkipDestinationValidation:
                self._send_test_events(pipe, request, Bucket, configuration)

        self._catalog.change_bucket(
            Bucket, lambda record: record.model_copy(update={"notification": normal}), send_test_events
        )
        return {}

    def _send_test_events(
        self, pipe: Pipeline, request: Request, bucket: str, configuration: notification.Configuration
    ) -> None:
        """Add a test event for each queue and topic to `pipe`, and refuse the configuration if a target is missing."""
        payload = event.test_event(bucket, self._seams.clock.now(), request.request_id)
        missing: list[notification.Rule] = []
        told: set[str] = set()
        with self._seams.redis.pipeline(transaction=True) as unsent:  # a function is only looked for
            for rule in configuration.rules:
                takes_it = rule.kind.takes_test_event and rule.arn not in told
                try:
                    self._seams.deliver(pipe if takes_it else unsent, rule.arn, payload, source="aws:s3")
                except TargetMissing:
                    missing.append(rule)
                told.add(rule.arn)
        if missing:
            raise notification.missing_targets(missing)

    def get_bucket_notification_configuration(self, request: Request, Bucket: str) -> dict[str, Any]:
        """What the bucket's events go to, every rule with its Id."""
        return self._catalog.bucket(Bucket).notification

    # --- uploads in parts ---------------------------------------------------------------------------------------

    def create_multipart_upload(
        self,
        request: Request,
        Bucket: str,
        Key: str,
        ACL: str | None = None,
        CacheControl: str | None = None,
        ContentDisposition: str | None = None,
        ContentEncoding: str | None = None,
        ContentLanguage: str | None = None,
        ContentType: str | None = None,
        ChecksumAlgorithm: str | None = None,
        ChecksumType: str | None = None,
        Expires: datetime | None = None,
        Metadata: dict[str, str] | None = None,
        StorageClass: str | None = None,
    ) -> dict[str, Any]:
        """Begin an upload in parts."""
        self._catalog.bucket(Bucket)
        _check_target(Key, ACL, StorageClass)
        if ChecksumAlgorithm not in (None, *multipart.COMPOSITE) or ChecksumType not in (None, "COMPOSITE"):
            raise errors.not_implemented(
                f"thrice cannot make a checksum of kind {ChecksumAlgorithm} {ChecksumType or ''} of an upload in "
                f"parts. Use one of {', '.join(multipart.COMPOSITE)} with ChecksumType COMPOSITE, or none."
            )
        metadata = describe(
            content_type=ContentType,
            content_encoding=ContentEncoding,
            content_disposition=ContentDisposition,
            content_language=ContentLanguage,
            cache_control=CacheControl,
            expires=Expires,
            user=Metadata,
        )
        initiated = to_ms(self._seams.clock.now())
        record = UploadRecord(key=Key, initiated_ms=initiated, metadata=metadata, algorithm=ChecksumAlgorithm)
        answer = {"Bucket": Bucket, "Key": Key, "UploadId": self._uploads.begin(Bucket, record).id}
        if ChecksumAlgorithm:
            answer |= {"ChecksumAlgorithm": ChecksumAlgorithm, "ChecksumType": "COMPOSITE"}
        return answer

    def upload_part(self, request: Request, Bucket: str, Key: str, PartNumber: int, UploadId: str) -> dict[str, Any]:
        """Store one part, in the place of one of the same number."""
        upload = self._upload(Bucket, Key, UploadId)
        if not 1 <= PartNumber <= multipart.MAX_PART_NUMBER:
            message = f"Part number must be an integer between 1 and {multipart.MAX_PART_NUMBER}, inclusive"
            raise errors.invalid_argument(message, "partNumber", str(PartNumber))
        body = _body(request)
        part = PartRecord(
            file=self._store.place(Bucket, body.path),
            size=body.size,
            md5=body.md5,
            modified_ms=to_ms(self._seams.clock.now()),
            checksums=dict(body.checksums),
        )
        try:
            before = self._uploads.put_part(upload, PartNumber, part)
        except ApiError:
            self._store.remove(Bucket, part.file)
            raise
        if before is not None:
            self._store.remove(Bucket, before.file)
        return {"ETag": part.quoted_etag} | part.checksum_members()

    def complete_multipart_upload(
        self,
        request: Request,
        Bucket: str,
        Key: str,
        UploadId: str,
        MultipartUpload: Mapping[str, Any] | None = None,
        ChecksumCRC32: str | None = None,
        ChecksumCRC32C: str | None = None,
        ChecksumCRC64NVME: str | None = None,
        ChecksumSHA1: str | None = None,
        ChecksumSHA256: str | None = None,
        MpuObjectSize: int | None = None,
        IfMatch: str | None = None,
        IfNoneMatch: str | None = None,
    ) -> dict[str, Any]:
        """Make one object of the listed parts; the others are dropped."""
        upload = self._upload(Bucket, Key, UploadId)
        conditions = WriteConditions(IfMatch, IfNoneMatch)
        conditions.check_form()
        begun, stored = self._uploads.find(upload), self._uploads.parts(upload)
        listed = (MultipartUpload or {}).get("Parts") or []
        chosen = multipart.choose_parts(listed, stored)
        checksums = multipart.checksums(begun.algorithm, chosen)
        expected = {
            "CRC32": ChecksumCRC32,
            "CRC32C": ChecksumCRC32C,
            "CRC64NVME": ChecksumCRC64NVME,
            "SHA1": ChecksumSHA1,
            "SHA256": ChecksumSHA256,
        }
        multipart.check_checksums(_given(expected), checksums)
        size = sum(part.size for part in chosen)
        if MpuObjectSize not in (None, size):
            message = f"The provided 'x-amz-mp-object-size' header does not match what was computed: {size}"
            raise ApiError("InvalidRequest", message)
        record = self._assemble(Bucket, begun, chosen, checksums)
        self._objects.write(
            request,
            Bucket,
            Key,
            record,
            name="ObjectCreated:CompleteMultipartUpload",
            conditions=conditions,
            companion=Companion(
                self._uploads.watched(upload),
                lambda: self._uploads.find(upload),
                lambda pipe: self._uploads.end(pipe, upload),
            ),
        )
        for part in stored.values():
            self._store.remove(Bucket, part.file)
        location = f"{request.base_url}/{Bucket}/{quote(Key)}"
        answer = {"Location": location, "Bucket": Bucket, "Key": Key, "ETag": record.quoted_etag}
        return answer | record.checksum_members()

    def _assemble(
        self, bucket: str, begun: UploadRecord, parts: Sequence[PartRecord], checksums: Mapping[str, str]
    ) -> ObjectRecord:
        try:
            file = self._store.concatenate(bucket, [part.file for part in parts])
        except FileNotFoundError:  # uploaded anew at this moment
            raise multipart.invalid_part() from None
        return ObjectRecord(
            file=file,
            size=sum(part.size for part in parts),
            etag=multipart.etag(parts),
            modified_ms=to_ms(self._seams.clock.now()),
            metadata=begun.metadata,
            checksums=dict(checksums),
            is_composite=bool(checksums),
        )

    def abort_multipart_upload(self, request: Request, Bucket: str, Key: str, UploadId: str) -> dict[str, Any]:
        """End an upload and drop its parts."""
        upload = self._upload(Bucket, Key, UploadId)
        for part in self._uploads.abort(upload):
            self._store.remove(Bucket, part.file)
        return {}

    def list_parts(
        self,
        request: Request,
        Bucket: str,
        Key: str,
        UploadId: str,
        MaxParts: int | None = None,
        PartNumberMarker: int | None = None,
    ) -> dict[str, Any]:
        """The parts of an upload so far, by number."""
        upload = self._upload(Bucket, Key, UploadId)
        begun, marker, limit = self._uploads.find(upload), int(PartNumberMarker or 0), _page_limit(MaxParts)
        behind = {number: part for number, part in self._uploads.parts(upload).items() if number > marker}
        shown = list(behind)[:limit]
        answer: dict[str, Any] = {
            "Bucket": Bucket,
            "Key": Key,
            "UploadId": UploadId,
            "PartNumberMarker": marker,
            "NextPartNumberMarker": shown[-1] if shown else 0,
            "MaxParts": limit,
            "IsTruncated": len(shown) < len(behind),
            "Parts": [describe_part(number, behind[number]) for number in shown],
            "Initiator": self._owner,
            "Owner": self._owner,
            "StorageClass": "STANDARD",
        }
        if begun.algorithm:
            answer |= {"ChecksumAlgorithm": begun.algorithm, "ChecksumType": "COMPOSITE"}
        return answer

    # --- for other services ------------------------------------------------------------------------------------------

    def read_object(self, bucket: str, key: str, version_id: str | None, most: int) -> bytes:
        """The bytes of an object; see `producers.seams.ReadObject`."""
        try:
            return self._objects.read(bucket, key, version_id, most)
        except ApiError as refused:
            raise ObjectMissing(refused.code, refused.message) from None

    # --- upkeep ------------------------------------------------------------------------------------------------------

    def sweep_orphans(self, older_than: timedelta = ORPHAN_AGE) -> int:
        """Remove files that no record names and that were put in place longer ago, and say how many there were.

        They are left by a process that was stopped between putting bytes in place and writing the record, or
        between writing the record and dropping the old bytes. Safe at any time, beside any number of others.
        """
        # The machine's clock, not the one of the seams: the disk does not know of a virtual one.
        candidates = list(self._store.older_than(SystemClock().now() - older_than))
        buckets = self._catalog.buckets()
        used = {
            (bucket, file)
            for bucket in {bucket for bucket, _ in candidates} & buckets.keys()
            for files in (self._catalog.files(bucket), self._uploads.files(bucket))
            for file in files
        }
        orphans = [candidate for candidate in candidates if candidate not in used]
        for bucket, file in orphans:
            self._store.remove(bucket, file)
            if bucket not in buckets:
                self._store.remove_folder(bucket)
        return len(orphans)

    # --- shared by the operations -------------------------------------------------------------------------------

    @property
    def _owner(self) -> dict[str, str]:
        return {"ID": event.owner_id(self._account)}

    def _upload(self, bucket: str, key: str, upload_id: str) -> Upload:
        self._catalog.bucket(bucket)
        upload = Upload(bucket, key, upload_id)
        self._uploads.find(upload)
        return upload


def _body(request: Request) -> SpooledBody:
    if request.body is None:
        raise ApiError("IncompleteBody", "The request has no body, not even an empty one.")
    return request.body


def _check_acl(acl: str | None) -> None:
    if acl not in _OWNER_ONLY:
        raise ApiError("AccessControlListNotSupported", "The bucket does not allow ACLs")


def _check_target(key: str, acl: str | None, storage_class: str | None) -> None:
    names.check_key(key)
    _check_acl(acl)
    if storage_class not in (None, "STANDARD"):
        message = "The storage class you specified is not valid"
        raise ApiError("InvalidStorageClass", message, 400, members={"StorageClassRequested": storage_class})


def _check_identifiers(objects: list[Mapping[str, Any]]) -> None:
    for each in objects:
        further = sorted(name for name, value in each.items() if name != "Key" and value not in (None, "", "null"))
        if further:
            raise errors.not_implemented(
                f"DeleteObjects names {further[0]} for key '{each['Key']}', but thrice keeps no versions and removes "
                f"objects without conditions only. Leave it out."
            )


def _page_limit(wanted: int | None) -> int:
    if wanted is not None and wanted < 0:
        message = "Argument maxKeys must be an integer between 0 and 2147483647"
        raise errors.invalid_argument(message, "maxKeys", str(wanted))
    return MAX_PAGE if wanted is None else min(wanted, MAX_PAGE)


def _new_rule_id() -> str:
    return base64.b64encode(str(uuid.uuid4()).encode()).decode()


def _given(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
