"""The operations that thrice answers, and therefore must read and write exactly as botocore does."""

from collections.abc import Iterator

OPERATIONS: dict[str, tuple[str, ...]] = {
    "lambda": (
        "CreateFunction", "GetFunction", "GetFunctionConfiguration", "ListFunctions", "UpdateFunctionCode",
        "UpdateFunctionConfiguration", "DeleteFunction", "Invoke", "InvokeAsync", "PutFunctionEventInvokeConfig",
        "GetFunctionEventInvokeConfig", "UpdateFunctionEventInvokeConfig", "DeleteFunctionEventInvokeConfig",
        "ListFunctionEventInvokeConfigs", "AddPermission", "GetPolicy", "RemovePermission", "PutFunctionConcurrency",
        "GetFunctionConcurrency", "DeleteFunctionConcurrency", "TagResource", "UntagResource", "ListTags",
    ),
    "sqs": (
        "CreateQueue", "GetQueueUrl", "ListQueues", "GetQueueAttributes", "SetQueueAttributes", "SendMessage",
        "SendMessageBatch", "ReceiveMessage", "ChangeMessageVisibility", "DeleteMessage", "PurgeQueue", "DeleteQueue",
    ),
    "sns": ("CreateTopic", "ListTopics", "Subscribe", "Unsubscribe", "Publish", "GetTopicAttributes"),
    "s3": (
        "CreateBucket", "ListBuckets", "PutObject", "GetObject", "HeadObject", "DeleteObject", "DeleteObjects",
        "ListObjectsV2", "PutBucketNotificationConfiguration", "GetBucketNotificationConfiguration",
        "GetObjectAttributes", "CopyObject", "UploadPart", "CompleteMultipartUpload", "AbortMultipartUpload",
        "ListParts", "HeadBucket", "DeleteBucket",
    ),
    "events": ("PutRule", "PutTargets", "RemoveTargets", "DeleteRule", "ListRules", "DescribeRule", "PutEvents"),
    "logs": ("FilterLogEvents", "GetLogEvents", "DescribeLogStreams"),
    "cloudformation": (
        "DescribeStacks", "ListStacks", "DescribeStackResource", "DescribeStackResources", "ListStackResources",
    ),
}  # fmt: skip


def all_operations() -> Iterator[tuple[str, str]]:
    """Service and operation, one after the other."""
    return ((service, operation) for service, operations in OPERATIONS.items() for operation in operations)
