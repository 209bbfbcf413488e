"""The layers that there are, in Redis: a document for each version, and the highest number that each layer ever had."""

from collections.abc import Sequence

from redis import Redis

from producers.lambda_.layer import StoredLayer
from worker.keys import Keys
from worker.scripts import source


class LayerStore:
    """Keeps the layers. Any thread may ask. Every method lets redis-py's `RedisError` through."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        self._delete = redis.register_script(source("layer_delete"))

    def next_number(self, name: str) -> int:
        """The number of the layer's next version. None is given twice; one may be left out."""
        return int(self._redis.hincrby(self._keys.layer_numbers, name, 1))

    def put(self, layer: StoredLayer, package: bytes) -> None:
        """Store a new version with its zip, in one step."""
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.set(self._keys.code(layer.code_sha256), package)
            pipe.hset(self._keys.layers, _field(layer.name, layer.number), layer.model_dump_json(exclude_defaults=True))
            pipe.execute()

    def find(self, name: str, number: int) -> StoredLayer | None:
        """A version, or None."""
        stored = self._redis.hget(self._keys.layers, _field(name, number))
        return None if stored is None else StoredLayer.model_validate_json(stored)

    def all(self) -> Sequence[StoredLayer]:
        """Every version of every layer, by name and number."""
        layers = map(StoredLayer.model_validate_json, self._redis.hvals(self._keys.layers))
        return sorted(layers, key=lambda layer: (layer.name, layer.number))

    def delete(self, name: str, number: int) -> None:
        """Remove a version, if it is there. Its zip expires if no function uses it."""
        self._delete(keys=[self._keys.layers], args=[str(self._keys), _field(name, number)])


def _field(name: str, number: int) -> str:
    return f"{name}:{number}"
