"""The refusals of S3, with AWS's codes and words. The gateway adds `Resource`, `RequestId` and `HostId` to each."""

from producers.errors import ApiError


def no_such_bucket(bucket: str) -> ApiError:
    """There is no bucket of that name."""
    return ApiError("NoSuchBucket", "The specified bucket does not exist", 404, members={"BucketName": bucket})


def no_such_key(key: str) -> ApiError:
    """There is no object of that key."""
    return ApiError("NoSuchKey", "The specified key does not exist.", 404, members={"Key": key})


def no_such_upload(upload_id: str) -> ApiError:
    """There is no multipart upload of that id, for that key."""
    return ApiError(
        "NoSuchUpload",
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or "
        "completed.",
        404,
        members={"UploadId": upload_id},
    )


def invalid_argument(message: str, name: str, value: str) -> ApiError:
    """An argument has a value that S3 does not take."""
    return ApiError("InvalidArgument", message, 400, members={"ArgumentName": name, "ArgumentValue": value})


def precondition_failed(condition: str) -> ApiError:
    """A condition of the request does not hold. `condition` is the header that set it."""
    message = "At least one of the pre-conditions you specified did not hold"
    return ApiError("PreconditionFailed", message, 412, members={"Condition": condition})


def access_denied() -> ApiError:
    """The caller expected another owner."""
    return ApiError("AccessDenied", "Access Denied", 403)


def not_implemented(message: str) -> ApiError:
    """S3 could, thrice cannot. The message says what and which way out there is."""
    return ApiError("NotImplemented", message, 501)
