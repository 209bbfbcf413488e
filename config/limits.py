"""AWS's quotas, as named constants with their source. Sizes are bytes, durations are seconds, unless the name says."""

#: Largest payload of an asynchronous invocation (1 MB; 256 KB before October 2025).
#: Source: AWS Lambda Developer Guide, "Lambda quotas".
MAX_ASYNC_PAYLOAD = 1_048_576

#: Largest request and response of a synchronous invocation (6 MB). Source: the same page.
MAX_SYNC_PAYLOAD = 6_291_456

#: A synchronous response is refused only above this size: AWS's check is 100 bytes generous. Source: recordings.
MAX_SYNC_RESPONSE = 6_291_556

#: Largest payload of the legacy InvokeAsync. Source: AWS Lambda API reference, InvokeAsync.
MAX_INVOKE_ASYNC = 262_144

#: Largest streamed response (200 MB). Source: AWS Lambda Developer Guide, "Lambda quotas".
MAX_STREAMED_RESPONSE = 209_715_200

#: How long an event may wait before it is given up. Source: PutFunctionEventInvokeConfig.
DEFAULT_EVENT_AGE = 21_600

#: A throttled event, or one that our own fault held up, backs off from the first to the second, doubling.
#: It uses up no attempt. Source: AWS Lambda Developer Guide, "Error handling for asynchronous invocation".
MIN_BACKOFF = 1
MAX_BACKOFF = 300

#: Function timeout. Source: AWS Lambda Developer Guide, "Lambda quotas".
DEFAULT_TIMEOUT = 3
MAX_TIMEOUT = 900

#: How long importing the handler may take before the function's own timeout starts to count. Source: the same guide,
#: "Lambda execution environment lifecycle".
INIT_TIMEOUT = 10

#: Function memory, in MB. Source: "Lambda quotas".
DEFAULT_MEMORY_MB = 128
MAX_MEMORY_MB = 10_240

#: Size of a function's /tmp, in MB. Source: "Lambda quotas".
DEFAULT_STORAGE_MB = 512
MAX_STORAGE_MB = 10_240

#: Environment variables of one function, measured as JSON. Source: "Lambda quotas".
MAX_ENVIRONMENT = 4_096

#: Deployment package: as uploaded, and unpacked. Source: recorded error messages of CreateFunction.
MAX_ZIP = 52_428_800
MAX_UNZIPPED = 262_144_000

#: Files and folders of a deployment package. Our own: each costs an inode, however small it is. A zip without the ZIP64
#: extension cannot have more.
MAX_ZIP_ENTRIES = 65_535

#: Longest function name. Source: recorded error messages of CreateFunction.
MAX_FUNCTION_NAME = 64

#: The error text in a dead letter is cut here. Source: AWS Lambda Developer Guide, "Dead-letter queues".
MAX_DEAD_LETTER_ERROR = 1_024

#: The tail of the log that a synchronous invocation may ask for. Source: Invoke, LogType.
MAX_LOG_TAIL = 4_096

#: Concurrent executions of the account, and what reserved concurrency must leave unreserved. Source: "Lambda quotas".
ACCOUNT_CONCURRENCY = 1_000
MIN_UNRESERVED_CONCURRENCY = 100

#: How often a function runs in one chain of events before it is taken for a loop. Source: AWS Lambda Developer Guide,
#: "Use Lambda recursive loop detection to prevent infinite loops".
MAX_RUNS_IN_CHAIN = 16

#: A message of SQS with its attributes (1 MiB since August 2025), and one of SNS. Source: the services' quotas.
MAX_SQS_MESSAGE = 1_048_576
MAX_SNS_MESSAGE = 262_144

#: All entries of one PutEvents call together. Source: EventBridge quotas.
MAX_PUT_EVENTS = 1_048_576
