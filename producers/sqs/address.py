"""How queues are addressed: by name, by URL, by ARN. Pure."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from producers.errors import ApiError
from worker.arn import Arn, name_if_ours

_NAME = re.compile(r"[\w-]{1,80}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses of the queues of one account in one region."""

    region: str
    account: str

    def arn(self, name: str) -> str:
        """The ARN of a queue; of an empty name, what all ARNs begin with."""
        return str(Arn("sqs", self.region, self.account, name))

    def name_in_arn(self, text: str) -> str | None:
        """The name of our queue that an ARN names; None if it names none of ours."""
        return name_if_ours(text, self.arn)

    def url(self, base_url: str, name: str) -> str:
        """The URL of a queue, for somebody who reaches us at `base_url`."""
        return f"{base_url}/{self.account}/{name}"

    def name_in_url(self, url: str) -> str:
        """The name of the queue that a URL names, whatever its host: one machine has many addresses.

        Raises:
            ApiError: it is no URL of a queue, or of another account's.
        """
        head, _, name = urlsplit(url).path.strip("/").rpartition("/")
        if not head or not name:
            raise ApiError("InvalidAddress", f"The address {url} is not valid for this endpoint.")
        if head.rpartition("/")[2] != self.account:
            raise missing()
        return name


def check_name(name: str) -> None:
    """Refuse a name that no queue here can have.

    Raises:
        ApiError: it is a FIFO queue's, or has characters or a length that are not allowed.
    """
    if name.endswith(".fifo"):
        raise ApiError(
            "InvalidParameterValue",
            f"Queue '{name}' would be a FIFO queue; here are only standard queues. Choose a name without '.fifo'.",
        )
    if not _NAME.fullmatch(name):
        raise ApiError(
            "InvalidParameterValue",
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
        )


def missing() -> ApiError:
    """The refusal of a queue that is not there."""
    return ApiError("QueueDoesNotExist", "The specified queue does not exist.")
