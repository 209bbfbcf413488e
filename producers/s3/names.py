"""What a bucket and an object may be called, and how the source of a copy is written."""

import re
from urllib.parse import unquote

from producers.errors import ApiError
from producers.s3 import errors

#: Longest object key, in bytes of UTF-8. Source: S3 User Guide, "Naming Amazon S3 objects".
MAX_KEY = 1_024

_BUCKET = re.compile(r"(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9](?!.*\.\.)[a-z0-9.-]{1,61}[a-z0-9]")
_RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")


def check_bucket(bucket: str) -> None:
    """Refuse a name that no bucket may have. Source: S3 User Guide, "General purpose bucket naming rules".

    Raises:
        ApiError: InvalidBucketName.
    """
    is_reserved = bucket.startswith(_RESERVED_PREFIXES) or bucket.endswith(_RESERVED_SUFFIXES)
    if is_reserved or not _BUCKET.fullmatch(bucket):
        message = "The specified bucket is not valid."
        raise ApiError("InvalidBucketName", message, 400, members={"BucketName": bucket})


def check_key(key: str) -> None:
    """Refuse a key that is too long.

    Raises:
        ApiError: KeyTooLongError.
    """
    size = len(key.encode())
    if size > MAX_KEY:
        members = {"Size": str(size), "MaxSizeAllowed": str(MAX_KEY)}
        raise ApiError("KeyTooLongError", "Your key is too long", 400, members=members)


def parse_copy_source(source: str) -> tuple[str, str]:
    """Bucket and key of `x-amz-copy-source`: `bucket/key`, percent-encoded, perhaps with a leading slash.

    Raises:
        ApiError: there is no bucket or no key in it, or it names a version.
    """
    path, _, version = source.removeprefix("/").partition("?versionId=")
    bucket, _, key = unquote(path).partition("/")
    if not bucket or not key:
        message = "Copy Source must mention the source bucket and key: sourcebucket/sourcekey"
        raise errors.invalid_argument(message, "x-amz-copy-source", source)
    if version not in ("", "null"):
        raise errors.not_implemented(
            f"The copy source names version '{version}', but buckets of thrice keep no versions. Leave versionId out."
        )
    return bucket, key
