"""S3's older Signature Version 2 in a presigned URL: what boto3 makes by default for an endpoint of one's own."""

import base64
import hashlib
import hmac
from urllib.parse import unquote

from botocore.auth import HmacV1Auth

from producers.gateway.head import Head


def with_headers_of_url(head: Head) -> Head:
    """The request with the headers that a Version 2 URL carries in its query, as boto3 writes them.

    A header that was really sent wins. All other requests stay as they are.
    """
    if not head.query or "AWSAccessKeyId" not in head.fields:
        return head
    carried = {
        name.lower(): values[0]
        for name, values in head.fields.items()
        if name.lower().startswith("x-amz-") or name.lower() in ("content-md5", "content-type")
    }
    return head.with_headers({**carried, **head.headers})


def signature_v2(secret: str, head: Head, expires: str) -> bytes:
    """The signature, in base64, that a URL which ends at `expires` must have."""
    text = _string_to_sign(head, expires).encode("latin-1")
    return base64.b64encode(hmac.new(secret.encode(), text, hashlib.sha1).digest())


def _string_to_sign(head: Head, expires: str) -> str:
    headers = with_headers_of_url(head).headers
    amazon = sorted((name, value.strip()) for name, value in headers.items() if name.startswith("x-amz-"))
    lines = [head.method, headers.get("content-md5", ""), headers.get("content-type", ""), expires]
    lines += [f"{name}:{value}" for name, value in amazon]
    resource = f"/{head.host_bucket}{head.path}" if head.host_bucket else head.path
    if resource.count("/") == 1 and resource != "/":
        resource += "/"  # a bucket is signed with its slash, whether the URL has one or not
    pairs = [part.split("=", 1) for part in head.query.split("&")]
    of_interest = sorted((pair for pair in pairs if pair[0] in HmacV1Auth.QSAOfInterest), key=lambda pair: pair[0])
    if of_interest:
        resource += "?" + "&".join("=".join([name, *map(unquote, value)]) for name, *value in of_interest)
    return "\n".join([*lines, resource])
