"""Whether what an ARN names is there: the question before a dead-letter queue or a destination is accepted."""

from collections.abc import Mapping

from redis import Redis

from producers.lambda_.names import Place
from producers.lambda_.version import version_named
from worker.arn import Arn, MalformedArn
from worker.function import FunctionConfiguration
from worker.keys import Keys


class Targets:
    """Looks things of all services up, by the keys that they are kept under."""

    def __init__(self, redis: Redis, keys: Keys, place: Place) -> None:
        self._redis = redis
        self._place = place
        self._functions = keys.functions
        self._tables: Mapping[str, str] = {
            "sqs": keys.queues,
            "sns": keys.topics,
            "s3": keys.buckets,
        }

    def exists(self, arn: str) -> bool:
        """Whether `arn` names a queue, topic, function, version, alias, bucket or event bus that can be sent to."""
        try:
            parsed = Arn.parse(arn)
        except MalformedArn:
            return False
        if parsed.service == "s3":
            is_here = not parsed.region and not parsed.account
        else:
            is_here = (parsed.region, parsed.account) == (self._place.region, self._place.account)
        if not is_here:
            return False
        if parsed.service == "events":
            return parsed.resource == "event-bus/default"
        if parsed.service == "lambda":
            return self._is_function(parsed.resource)
        table = self._tables.get(parsed.service)
        return table is not None and bool(self._redis.hexists(table, parsed.name))

    def _is_function(self, resource: str) -> bool:
        """Whether there is that function, and the version or alias of it where one is named."""
        kind, _, rest = resource.partition(":")
        name, _, qualifier = rest.partition(":")
        stored = self._redis.hget(self._functions, name) if kind == "function" else None
        if stored is None or not qualifier:
            return stored is not None
        return version_named(FunctionConfiguration.model_validate_json(stored), qualifier) is not None
