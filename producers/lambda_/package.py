"""The deployment package of a function, as CreateFunction and UpdateFunctionCode take it: a zip inside the request."""

import hashlib
from collections.abc import Mapping
from typing import Any

from config import limits
from producers.lambda_.errors import invalid_parameter, not_offered, too_large
from worker.runtime.code import Reason, UnusablePackage, check_zip

#: AWS's words for what it has words for.
_WORDS = {
    Reason.NOT_A_ZIP: "Could not unzip uploaded file. Please check your file, then try to upload again.",
    Reason.TOO_LARGE: f"Unzipped size must be smaller than {limits.MAX_UNZIPPED} bytes",
}


def zip_file_of(code: Mapping[str, Any]) -> bytes:
    """The zip in the member Code of CreateFunction.

    Raises:
        ApiError: it has none, or names code that lies elsewhere.
    """
    for member, value in code.items():
        if member != "ZipFile" and value is not None:
            raise not_offered(f"Code.{member}", "Send the deployment package itself, as Code.ZipFile.")
    package: bytes | None = code.get("ZipFile")
    if package is None:
        raise invalid_parameter("Please provide a source for function code.")
    return package


def sha256_of(package: bytes) -> str:
    """The name under which the code store keeps a package: the SHA-256 of its bytes, in hex."""
    return hashlib.sha256(package).hexdigest()


def check_package(package: bytes) -> None:
    """See that workers can unpack the zip.

    Raises:
        ApiError: they cannot.
    """
    if len(package) > limits.MAX_ZIP:
        raise too_large(f"Zipped size must be smaller than {limits.MAX_ZIP} bytes")
    try:
        check_zip(package)
    except UnusablePackage as unusable:
        raise invalid_parameter(_WORDS.get(unusable.reason, str(unusable))) from unusable
