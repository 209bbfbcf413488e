"""Fires the schedules of EventBridge rules, each tick exactly once, however many schedulers run.

One round reads which rules are due, and in one transaction moves their due times on and hands their events to their
targets. The transaction is bound to what was read (WATCH): if another scheduler, or a change of a rule, was faster,
nothing of it happens and the round begins again on what is there now. So a scheduler that dies at any point has
either fired a tick in whole or left it due for the others.

Ticks that were missed while no scheduler ran collapse to one: the event carries the time of the first of them, and
the next one comes after now.
"""

import logging
import threading
from dataclasses import dataclass
from datetime import datetime

from redis.client import Pipeline
from redis.exceptions import RedisError, WatchError

from producers.events import rules
from producers.events.dispatch import hand_over
from producers.events.event import scheduled_event
from producers.events.rule import Rule
from producers.scheduler.rolling import Rolling
from producers.seams import Seams
from worker import scripts
from worker.clock import from_ms
from worker.metric_store import MetricStore

#: Rules that one transaction fires. More of them wait for the next one, which follows at once.
BATCH = 100

#: Longest pause, in seconds, after which rules that were put meanwhile are seen.
LONGEST_PAUSE = 1.0

_log = logging.getLogger("thrice.scheduler")


@dataclass(frozen=True, slots=True)
class _Due:
    """A rule whose time has come. `rule` is None if it was deleted by hand."""

    name: str
    at: datetime
    rule: Rule | None


class Scheduler:
    """Fires what is due. Holds nothing between two rounds, so that it may die at any time."""

    def __init__(self, seams: Seams) -> None:
        self._seams = seams
        self._rolling = Rolling(MetricStore(seams.redis, seams.keys))
        self._read_due = seams.redis.register_script(scripts.source("schedules_due"))

    def run(self, stop: threading.Event) -> None:
        """Fire what is due until `stop` is set. A Redis that is away, full or without a disk is waited for."""
        is_lost = False
        while not stop.is_set():
            try:
                pause = self.fire_due()
                self._rolling.round()
            except RedisError as error:
                if not is_lost:
                    _log.warning("Redis is away: %s. Schedules fire again when it is back.", error)
                is_lost, pause = True, LONGEST_PAUSE
            else:
                if is_lost:
                    _log.info("Redis is back.")
                is_lost = False
            stop.wait(pause)

    def fire_due(self) -> float:
        """Fire every rule that is due, and return for how many seconds nothing is; at most `LONGEST_PAUSE`."""
        keys = self._seams.keys
        with self._seams.redis.pipeline(transaction=True) as pipe:
            while True:
                pipe.watch(keys.schedules, keys.rules)  # type: ignore[no-untyped-call]
                now, first, due = self._due()
                if not due:
                    return LONGEST_PAUSE if first is None else min(LONGEST_PAUSE, (first - now).total_seconds())
                pipe.multi()
                for one in due:
                    self._fire(pipe, one, now)
                try:
                    pipe.execute()
                except WatchError:
                    continue

    def _due(self) -> tuple[datetime, datetime | None, list[_Due]]:
        """The time, the due time of the first schedule of all, and the rules that are due."""
        keys = self._seams.keys
        now_ms, first_ms, *due = self._read_due(keys=[keys.schedules, keys.rules, keys.clock], args=[BATCH])
        found = [
            _Due(name.decode(), from_ms(float(due_ms)), None if text is None else rules.read(text))
            for name, due_ms, text in due
        ]
        return from_ms(now_ms), from_ms(float(first_ms)) if first_ms else None, found

    def _fire(self, pipe: Pipeline, due: _Due, now: datetime) -> None:
        """Add to `pipe` the next due time of a rule, and its event for every target."""
        next_due_ms = None if due.rule is None else due.rule.next_due_ms(now)
        if next_due_ms is None:
            pipe.zrem(self._seams.keys.schedules, due.name)
        else:
            pipe.zadd(self._seams.keys.schedules, {due.name: next_due_ms})
        if due.rule is None:
            return
        settings = self._seams.settings
        rule_arn = due.rule.arn(settings.region, settings.account_id)
        event = scheduled_event(rule_arn=rule_arn, due=due.at, account=settings.account_id, region=settings.region)
        hand_over(self._seams, pipe, due.rule, event)
