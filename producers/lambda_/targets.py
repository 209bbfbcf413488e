"""Whether what an ARN names is there: the question before a dead-letter queue or a destination is accepted."""

from collections.abc import Mapping

from redis import Redis

from producers.lambda_.names import Place
from worker.arn import Arn, MalformedArn
from worker.function import LATEST
from worker.keys import Keys


class Targets:
    """Looks things of all services up, by the keys that they are kept under."""

    def __init__(self, redis: Redis, keys: Keys, place: Place) -> None:
        self._redis = redis
        self._place = place
        self._tables: Mapping[str, str] = {
            "sqs": keys.queues,
            "sns": keys.topics,
            "lambda": keys.functions,
            "s3": keys.buckets,
        }

    def exists(self, arn: str) -> bool:
        """Whether `arn` names a queue, topic, function, bucket or event bus that can be sent to."""
        try:
            parsed = Arn.parse(arn)
        except MalformedArn:
            return False
        if parsed.service == "s3":
            is_here = not parsed.region and not parsed.account
        else:
            is_here = (parsed.region, parsed.account) == (self._place.region, self._place.account)
        if not is_here or not _is_whole(parsed):
            return False
        if parsed.service == "events":
            return parsed.resource == "event-bus/default"
        table = self._tables.get(parsed.service)
        return table is not None and bool(self._redis.hexists(table, parsed.name))


def _is_whole(arn: Arn) -> bool:
    """Whether the ARN names the thing itself: of a function, no version or alias and nothing that is no function."""
    if arn.service != "lambda":
        return True
    kind, _, name = arn.resource.partition(":")
    return kind == "function" and name.partition(":")[2] in ("", LATEST)
