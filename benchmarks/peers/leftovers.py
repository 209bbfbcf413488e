"""Which events a server still has somewhere, whatever library put them there.

Every key of every type is read. An event is told by its number, nine digits in quotes, in one of the forms that the
libraries give it: as it is, compressed (RQ), or in base64 inside JSON (Celery).
"""

import base64
import binascii
import re
import zlib
from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import Any

from redis import Redis

_NUMBER = re.compile(rb"(?<!\d)(\d{9})(?!\d)")
_BODY = re.compile(rb'"body": ?"([A-Za-z0-9+/=]+)"')


def kept(redis: Redis, numbers: Collection[int]) -> set[int]:
    """Which of `numbers` are in any value of the server."""
    if not numbers:
        return set()
    found = {
        number for key in redis.scan_iter(count=1000) for value in _values(redis, key) for number in in_value(value)
    }
    return found & set(numbers)


def in_value(value: bytes) -> set[int]:
    """The numbers of the events in one value."""
    return {int(digits) for form in _forms(value) for digits in _NUMBER.findall(form)}


def _forms(value: bytes) -> Iterator[bytes]:
    yield value
    with suppress(zlib.error):
        yield zlib.decompress(value)
    for body in _BODY.findall(value.replace(b'\\"', b'"')):
        with suppress(binascii.Error):
            yield base64.b64decode(body)


def _values(redis: Any, key: bytes) -> Iterator[bytes]:
    kind = bytes(redis.type(key)).decode()
    if kind == "string":
        yield redis.get(key) or b""
    elif kind == "hash":
        yield from redis.hgetall(key).values()
    elif kind == "list":
        yield from redis.lrange(key, 0, -1)
    elif kind == "set":
        yield from redis.smembers(key)
    elif kind == "zset":
        yield from redis.zrange(key, 0, -1)
    elif kind == "stream":
        for _, fields in redis.xrange(key):
            yield from fields.values()
