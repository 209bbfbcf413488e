"""Which dead-letter targets a function may have. Pure: whether one is there is asked through a function handed in."""

from collections.abc import Callable

from producers.lambda_.errors import invalid_parameter
from worker.arn import Arn, MalformedArn

#: The API call by which Lambda hands a dead letter to each service, and the service's name, as AWS's messages say them.
_CALLS = {"sqs": "SendMessage on SQS", "sns": "Publish on SNS"}


def check_dead_letter_target(arn: str, exists: Callable[[str], bool]) -> None:
    """See that `arn` is an SQS queue or an SNS topic that is there.

    AWS finds out by asking whether the function's role may send there, and answers in those words for a missing one.

    Raises:
        ApiError: it is not.
    """
    try:
        service = Arn.parse(arn).service
    except MalformedArn:
        service = ""
    if service not in _CALLS:
        raise invalid_parameter(
            f"The dead-letter target {arn} is neither an SQS queue nor an SNS topic. Set DeadLetterConfig.TargetArn to "
            "the ARN of one."
        )
    if arn.endswith(".fifo"):
        raise invalid_parameter(
            f"The dead-letter target {arn} is a FIFO queue or topic; Lambda sends dead letters to standard ones only."
        )
    if not exists(arn):
        raise invalid_parameter(f"The provided execution role does not have permissions to call {_CALLS[service]}")
