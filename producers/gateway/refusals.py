"""The refusals that every service has, in the words of the service that is asked: one table for each kind.

AWS's families differ in the code for the same thing: an unknown access key is `UnrecognizedClientException` over JSON,
`InvalidClientTokenId` over the query protocol and `InvalidAccessKeyId` in S3. All refusals of a signature have status
403, so that a client can tell them from a malformed request by the status alone; none of them is retried by the SDKs.
"""

from collections.abc import Mapping

from producers.errors import ApiError

_UNKNOWN_KEY = {
    "rest-json": "UnrecognizedClientException",
    "json": "UnrecognizedClientException",
    "query": "InvalidClientTokenId",
    "rest-xml": "InvalidAccessKeyId",
}
_MISMATCH = {
    "rest-json": "InvalidSignatureException",
    "json": "InvalidSignatureException",
    "query": "SignatureDoesNotMatch",
    "rest-xml": "SignatureDoesNotMatch",
}
_MISSING = {"rest-xml": "AccessDenied"}
_INCOMPLETE = {"rest-xml": "AuthorizationHeaderMalformed"}
_TOO_LARGE = {
    "rest-json": ("RequestEntityTooLargeException", 413),
    "json": ("RequestEntityTooLarge", 413),
    "query": ("RequestEntityTooLarge", 413),
    "rest-xml": ("EntityTooLarge", 400),
}
_MALFORMED = {
    "rest-json": "SerializationException",
    "json": "SerializationException",
    "query": "MalformedInput",
    "rest-xml": "InvalidArgument",
}

MISMATCH_TEXT = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)


def unknown_key(protocol: str) -> ApiError:
    """The access key is none of ours."""
    if protocol == "rest-xml":
        text = "The AWS Access Key Id you provided does not exist in our records."
    else:
        text = "The security token included in the request is invalid."
    return ApiError(_UNKNOWN_KEY[protocol], text, 403)


def mismatch(protocol: str, text: str = MISMATCH_TEXT) -> ApiError:
    """The signature is not the one that this request and the key's secret give."""
    return ApiError(_MISMATCH[protocol], text, 403)


def missing_signature(protocol: str) -> ApiError:
    """The request is not signed at all."""
    text = "Access Denied" if protocol == "rest-xml" else "Missing Authentication Token"
    return ApiError(_MISSING.get(protocol, "MissingAuthenticationToken"), text, 403)


def incomplete_signature(protocol: str, text: str) -> ApiError:
    """The signature lacks a part, or a part is not readable."""
    return ApiError(_INCOMPLETE.get(protocol, "IncompleteSignature"), text, 403)


def too_large(protocol: str, text: str) -> ApiError:
    """The body is longer than the operation takes."""
    code, status = _TOO_LARGE[protocol]
    return ApiError(code, text, status)


def malformed(protocol: str, text: str) -> ApiError:
    """A value is not of the type that the service model gives it."""
    return ApiError(_MALFORMED[protocol], text)


def not_implemented(protocol: str, text: str) -> ApiError:
    """AWS has it, thrice has not. The statuses are among those that the SDKs do not retry."""
    return ApiError("NotImplemented", text, 501 if protocol.startswith("rest-") else 400)


def unknown_operation(protocol: str, asked: str) -> ApiError:
    """The service has no such operation at all."""
    if protocol == "query":
        return ApiError("InvalidAction", f"The action {asked} is not valid for this web service.")
    if protocol == "rest-xml":
        return ApiError("MethodNotAllowed", f"The specified method is not allowed against this resource: {asked}.", 405)
    return ApiError("UnknownOperationException", f"There is no operation for {asked}.", 404 if "/" in asked else 400)


#: Codes of our own failures, by protocol: a bug of ours, and a store that does not answer. The SDKs retry both.
INTERNAL: Mapping[str, str] = {
    "rest-json": "ServiceException",
    "json": "InternalFailure",
    "query": "InternalFailure",
    "rest-xml": "InternalError",
}
UNAVAILABLE: Mapping[str, str] = {
    "rest-json": "ServiceException",
    "json": "ServiceUnavailable",
    "query": "ServiceUnavailable",
    "rest-xml": "ServiceUnavailable",
}
