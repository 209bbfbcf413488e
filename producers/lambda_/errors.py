"""Lambda's refusals: AWS's codes, and the `Type` that most of their bodies carry."""

from config import limits
from producers.errors import ApiError


def _refusal(code: str, message: str, status: int) -> ApiError:
    return ApiError(code, message, status, members={"Type": "User"})


def invalid_parameter(message: str) -> ApiError:
    """A parameter has a value that cannot be obeyed."""
    return _refusal("InvalidParameterValueException", message, 400)


def not_found(message: str) -> ApiError:
    """There is no such thing."""
    return _refusal("ResourceNotFoundException", message, 404)


def function_not_found(arn: str) -> ApiError:
    """There is no such function, version or alias."""
    return not_found(f"Function not found: {arn}")


def conflict(message: str) -> ApiError:
    """Something of that name is there already, or is just being changed."""
    return _refusal("ResourceConflictException", message, 409)


def precondition_failed(read_by: str) -> ApiError:
    """The caller has seen another revision. `read_by` are the operations that tell the present one."""
    return _refusal(
        "PreconditionFailedException",
        "The Revision Id provided does not match the latest Revision Id. "
        f"Call the {read_by} API to retrieve the latest Revision Id",
        412,
    )


def violated(value: object, field: str, rule: str) -> ApiError:
    """A value breaks a rule of the service model. `field` is in lower camel case; the body has no `Type`."""
    return ApiError("ValidationException", violation(value, field, rule), 400)


def violation(value: object, field: str, rule: str) -> str:
    """AWS's sentence for it."""
    return f"1 validation error detected: Value '{value}' at '{field}' failed to satisfy constraint: {rule}"


def unsupported_media_type(content_type: str) -> ApiError:
    """The body says of itself that it is no JSON."""
    text = f"The content type of the request body is {content_type}, which is not JSON. Send application/json, or none."
    return _refusal("UnsupportedMediaTypeException", text, 415)


def too_large(message: str) -> ApiError:
    """A payload or a package has too many bytes."""
    return ApiError("RequestEntityTooLargeException", message, 413)


def not_offered(what: str, instead: str) -> ApiError:
    """AWS has it, thrice has not."""
    return invalid_parameter(f"{what} is not offered by thrice. {instead}")


def recursive_invocation() -> ApiError:
    """The function has run too often in the chain of events that led to this call."""
    return _refusal(
        "RecursiveInvocationException",
        "Lambda has detected your function being invoked in a recursive loop and stopped your function's invocation.",
        400,
    )


def throttled(*, is_reserved: bool) -> ApiError:
    """All of a function's reserved concurrency is in use, or all of the account's. `Retry-After` is in seconds."""
    members = {
        "Type": "User",
        "Reason": "ReservedFunctionConcurrentInvocationLimitExceeded"
        if is_reserved
        else "ConcurrentInvocationLimitExceeded",
        "retryAfterSeconds": str(limits.MIN_BACKOFF),
    }
    return ApiError("TooManyRequestsException", "Rate Exceeded.", 429, members=members)
