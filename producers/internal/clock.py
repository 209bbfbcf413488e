"""`/_thrice/clock`: GET tells what the virtual clock shows, POST moves it, where the system was started for that."""

from typing import Any

import orjson
from redis.asyncio import Redis as AsyncRedis

from producers.internal.page import Answer, Page, Question, answer_json, refusal
from worker.clock import from_ms, iso_ms
from worker.duration import NoDuration, seconds
from worker.keys import Keys
from worker.virtual_clock import Due, Reading, VirtualClock

_MOVES = '{"advance": "60s"}, {"next": true}, {"freeze": true} or {"resume": true}'


class ClockPage:
    """The page. Moves are refused unless `is_virtual`."""

    def __init__(self, async_redis: "AsyncRedis", keys: Keys, *, is_virtual: bool) -> None:
        self._clock = VirtualClock(async_redis, keys)
        self._is_virtual = is_virtual
        self.page = Page("/_thrice/clock", self._answer, takes_post=True)

    async def _answer(self, question: Question) -> Answer:
        if question.method == "GET":
            return self._shown(await self._clock.read())
        if not self._is_virtual:
            return refusal(
                409,
                "This system runs by the machine's own clock (THRICE_CLOCK=system), which cannot be moved: events "
                "would be tried, and given up, before their time. To test with a clock that can, start it with "
                "THRICE_CLOCK=virtual.",
            )
        return await self._move(_move_of(question.body))

    async def _move(self, move: tuple[str, Any] | None) -> Answer:
        match move:
            case ("advance", str() | int() | float() as length) if not isinstance(length, bool):
                try:
                    return self._shown(await self._clock.advance(seconds(str(length))))
                except NoDuration as error:
                    return refusal(400, f"The clock was not moved: {error}")
            case ("next", True):
                reading, due = await self._clock.to_next()
                if due is None:
                    return refusal(
                        404,
                        "Nothing will become due: no event waits for its next attempt, no rule has a schedule, and no "
                        "message is delayed or in flight. The clock was not moved.",
                    )
                return self._shown(reading, due)
            case ("freeze", True):
                return self._shown(await self._clock.freeze())
            case ("resume", True):
                return self._shown(await self._clock.resume())
        return refusal(400, f"The clock was not moved: the body is a JSON object with one field, {_MOVES}.")

    def _shown(self, reading: Reading, due: Due | None = None) -> Answer:
        document: dict[str, Any] = {
            "now": iso_ms(from_ms(reading.now_ms)),
            "real": iso_ms(from_ms(reading.real_ms)),
            "offset_ms": reading.offset_ms,
            "frozen": reading.is_frozen,
            "virtual": self._is_virtual,
        }
        if due is not None:
            document["due"] = {"at": iso_ms(from_ms(due.at_ms)), "kind": due.kind, "name": due.name, "id": due.id}
        return answer_json(200, document)


def _move_of(body: bytes) -> tuple[str, Any] | None:
    """The one field of the body; None if it is not such a body."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(document, dict) or len(document) != 1:
        return None
    return next(iter(document.items()))
