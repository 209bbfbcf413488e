"""One queue, as it is kept: its attributes, its tags and its times. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from worker.message_store import MessageCounts


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue. Times are whole seconds since the epoch; attributes are texts, each of them set."""

    name: str
    attributes: Mapping[str, str]
    tags: Mapping[str, str]
    created_at: int
    modified_at: int

    @classmethod
    def from_json(cls, name: str, record: bytes | str) -> "Queue":
        """Read a record of `Keys.queues`."""
        fields: dict[str, Any] = orjson.loads(record)
        return cls(name, fields["attributes"], fields["tags"], int(fields["created_at"]), int(fields["modified_at"]))

    def to_json(self) -> bytes:
        """The record of `Keys.queues`; the scripts read its attributes."""
        return orjson.dumps(
            {
                "v": 1,
                "attributes": dict(self.attributes),
                "tags": dict(self.tags),
                "created_at": self.created_at,
                "modified_at": self.modified_at,
            }
        )

    def shown(self, arn: str, counts: MessageCounts) -> dict[str, str]:
        """All that GetQueueAttributes can tell. Nothing is encrypted here, whatever the default of AWS."""
        return {
            "SqsManagedSseEnabled": "false",
            **self.attributes,
            "QueueArn": arn,
            "ApproximateNumberOfMessages": str(counts.visible),
            "ApproximateNumberOfMessagesNotVisible": str(counts.in_flight),
            "ApproximateNumberOfMessagesDelayed": str(counts.delayed),
            "CreatedTimestamp": str(self.created_at),
            "LastModifiedTimestamp": str(self.modified_at),
        }
