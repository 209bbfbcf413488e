"""The deployment package of a function or of a layer: a zip inside the request, or an object in S3."""

import hashlib
from collections.abc import Mapping
from typing import Any

from config import limits
from producers.lambda_.errors import invalid_parameter, not_offered, too_large
from producers.seams import ObjectMissing, ReadObject
from worker.runtime.code import Reason, UnusablePackage, check_zip, unzipped_size

#: AWS's words for what it has words for.
_WORDS = {
    Reason.NOT_A_ZIP: "Could not unzip uploaded file. Please check your file, then try to upload again.",
    Reason.TOO_LARGE: f"Unzipped size must be smaller than {limits.MAX_UNZIPPED} bytes",
}

#: The members that name a package. What else is in `Code`, `Content` or an update says how it is to be treated.
_SOURCES = ("ZipFile", "S3Bucket", "S3Key", "S3ObjectVersion")


def fetched(code: Mapping[str, Any], read_object: ReadObject) -> bytes:
    """The zip that the members `ZipFile`, or `S3Bucket` and `S3Key`, stand for.

    Raises:
        ApiError: none is named, or two are; the object is not there; it is too large.
    """
    for member, value in code.items():
        if member not in _SOURCES and value:
            raise not_offered(f"Code.{member}", "Send a zip as ZipFile, or name one with S3Bucket and S3Key.")
    package: bytes | None = code.get("ZipFile")
    bucket, key = code.get("S3Bucket"), code.get("S3Key")
    if package is not None and (bucket or key):
        raise invalid_parameter("Please do not provide other FunctionCode parameters when providing a ZipFile.")
    if package is not None:
        if len(package) > limits.MAX_ZIP:
            raise too_large(f"Zipped size must be smaller than {limits.MAX_ZIP} bytes")
        return package
    if not bucket and not key:
        raise invalid_parameter("Please provide a source for function code.")
    if not bucket or not key:
        raise invalid_parameter("S3Bucket and S3Key go together: one of them names no object. Send both.")
    try:
        return read_object(bucket, key, code.get("S3ObjectVersion"), limits.MAX_UNZIPPED)
    except ObjectMissing as missing:
        raise invalid_parameter(
            f"Error occurred while GetObject. S3 Error Code: {missing.code}. S3 Error Message: {missing.message}"
        ) from None


def sha256_of(package: bytes) -> str:
    """The name under which the code store keeps a package: the SHA-256 of its bytes, in hex."""
    return hashlib.sha256(package).hexdigest()


def checked_size(package: bytes) -> int:
    """See that workers can unpack the zip, and say how many bytes it has then.

    Raises:
        ApiError: they cannot.
    """
    try:
        check_zip(package)
        return unzipped_size(package)
    except UnusablePackage as unusable:
        raise invalid_parameter(_WORDS.get(unusable.reason, str(unusable))) from unusable
