"""What the scripts of events must do, said in Python: records, ledger, lineage, reserved concurrency, SQS queues.

Where the messages lie is the business of the transport's model; this one adds what `journal.lua`, `enqueue.lua`,
`call.lua` and `settle.lua` write down when they move one. It is told of each call what the script was called with, and
says what the server must hold afterwards.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from tests.contents import Contents
from tests.transport.model import Model, place
from tests.worker.metrics_model import MetricsModel
from worker import event_message
from worker.invocation import Invocation
from worker.keys import Keys
from worker.settler import DEAD_RETENTION
from worker.transport.calls import Claim
from worker.transport.keys import Namespace, lane, lane_of

_ID = re.compile(rb'"id":"([^"]+)"')
_LOST = re.compile(rb'^{"x-dc":(\d+)')
_LOST_BEFORE = re.compile(rb'"workers_lost":(\d+)')

#: Beginnings of keys that are not compared here: the transport's model has them, or no script of these writes them.
_UNTOLD = ("clock", "functions", "log", "consumers", "lease:", "begun:", "invocations", "calls", "metrics")

#: How long the record of an event is kept that succeeded or was dropped, and of a dead-lettered one, in ms.
RETENTION = 3_600_000
DEAD_RETENTION_MS = DEAD_RETENTION * 1000

#: How much real time a run may take between the end of an event and a look at its record, in ms.
TOLERANCE = 600_000


@dataclass
class Record:
    """One record: its fields, and for how long it is kept. That of a root may have its numbers alone."""

    fields: dict[str, str] = field(default_factory=dict)
    history: list[str] = field(default_factory=list)
    expires: int | None = None  # so many ms after the last end of its lineage
    keep: int = 0  # at least so many ms
    used: int = 0  # attempts that were followed by another
    cause: list[str] = field(default_factory=list)  # of a delivery: function and counter that it fails for
    open: set[str] = field(default_factory=set)  # what it has caused and has not ended

    @property
    def is_event(self) -> bool:
        """Whether it is more than numbers."""
        return "function" in self.fields

    @property
    def is_open(self) -> bool:
        """Whether its event has not ended."""
        return self.is_event and "ended_at" not in self.fields

    def add(self, name: str, by: int) -> int:
        """Raise a number."""
        value = int(self.fields.get(name, "0")) + by
        self.fields[name] = str(value)
        return value


@dataclass
class Outcome:
    """One outcome, as `settle.lua` is called with it."""

    field: str
    id: str
    function: str
    root: str
    to: str
    summary: str
    made: str
    details: dict[str, Any]
    measured: bytes
    bodies: list[bytes]


@dataclass
class DomainModel:
    """The state of a namespace."""

    keys: Keys
    now: int  # ms, of the scripts' clock
    #: What the account may run, and how many slots each worker has.
    limit: int = 1_000
    slots: int = 16
    #: function -> its reserved concurrency, None for none.
    functions: dict[str, int | None] = field(default_factory=dict)
    records: dict[str, Record] = field(default_factory=dict)
    #: (function, column) -> count, of what does not change when a message moves.
    ledger: Counter[tuple[str, str]] = field(default_factory=Counter)
    dead: dict[str, int] = field(default_factory=dict)  # request id -> when it ended
    #: SQS queue -> message id -> document; the largest message that it takes.
    queues: dict[str, dict[str, bytes]] = field(default_factory=dict)
    largest: dict[str, int] = field(default_factory=dict)
    #: Calls by request id: their replies, None as long as there is none.
    calls: dict[str, bytes | None] = field(default_factory=dict)
    #: Request id of each event whose dead letter was seen in a queue -> queue and id of the message.
    seen: dict[str, tuple[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        queues = [self.keys.invocations, self.keys.calls]
        self.metrics = MetricsModel(self.keys)
        self.places = Model(Namespace(f"{{{self.keys.namespace}}}"), queues)

    # --- what comes in ----------------------------------------------------------------------------------------------

    def enqueue(self, invocations: Sequence[Invocation], delay: int) -> None:
        """Events are taken in, each once."""
        for each in invocations:
            head, target = event_message.head(each), lane(each.function)
            if self._accept(each.request_id, each.function, each.source, each.root, "waiting" if delay else "ready"):
                envelope = event_message.envelope(head, self.now)
                if delay:
                    self.records[each.request_id].fields["due_at"] = str(self.now + delay)
                    self.places.delayed[self.keys.invocations].append((self.now + delay, target, envelope))
                else:
                    self.places.ready[self.keys.invocations, target].append(envelope)

    def call(self, request_id: str, function: str, head: bytes) -> None:
        """A synchronous invocation is made, once."""
        if request_id not in self.calls:
            self.calls[request_id] = None
            self.places.ready[self.keys.calls, lane(function)].append(event_message.envelope(head, self.now))

    def _accept(self, request_id: str, function: str, source: str, root: str, state: str) -> bool:
        if request_id in self.records:
            return False
        record = self.records[request_id] = Record()
        record.fields = {"v": "2", "function": function, "state": state, "source": source}
        record.fields["accepted_at"] = str(self.now)
        self.ledger[function, "accepted"] += 1
        if root in {"", request_id}:
            record.fields["open"] = "1"
        else:
            record.fields["root"] = root
            top = self.records.setdefault(root, Record())
            top.add("caused", 1)
            top.add("open", 1)
            top.open.add(request_id)
            if top.expires is not None:
                top.keep, top.expires = max(top.keep, top.expires), None
        return True

    # --- what moves -------------------------------------------------------------------------------------------------

    def claim(self, worker: str, claim: Claim, queues: Sequence[str], workers: int) -> None:
        """What a claim handed over: no more may run than there are places for, and no place is left free.

        `workers` is how many there are, as far as Redis knows.
        """
        for queue in queues:
            self.places.make_due_ready(queue, self.now)
        before = self.concurrency()
        self.places.take(worker, claim)
        taken = Counter(lane_of(delivery.target) for delivery in claim.deliveries)
        may_run = Counter(lane_of(delivery.target) for delivery in claim.deliveries if not delivery.is_refused)
        on_account = self.unreserved_left(before, workers)
        for function, count in taken.items():
            assert function is not None
            reserved = self.functions.get(function)
            if reserved is not None:
                free = max(0, reserved - before[function])
                assert may_run[function] == min(count, free), f"{function}: {before[function]} of {reserved} ran"
            elif function not in self.functions:
                assert may_run[function] == count, f"{function} has no limit: nobody has said anything of it"
                on_account -= count
        sharing = [name for name in taken if self.functions.get(str(name), 0) is None]
        wanted, ran = sum(taken[name] for name in sharing), sum(may_run[name] for name in sharing)
        # What runs of deleted functions takes places away: how many were left for the others depends on the order.
        assert min(wanted, max(0, on_account)) <= ran <= wanted
        assert ran <= max(0, self.unreserved_left(before, workers))

    def unreserved_left(self, running: Counter[str], workers: int) -> float:
        """How many more invocations of functions may run that have nothing reserved."""
        reserved = {name: number for name, number in self.functions.items() if number is not None}
        unreserved = self.limit - sum(reserved.values())
        if workers * self.slots <= unreserved:
            return math.inf
        users = {name: number for name, number in running.items() if not name.startswith("thrice:")}
        return unreserved - sum(number for name, number in users.items() if name not in reserved)

    def give_back(self, worker: str, tags: list[str], *, is_lost: bool = False) -> None:
        """Messages go back from a lease. The record of an event says how many workers were lost with it."""
        held = [tag for tag in tags if tag in self.places.leases[worker]]
        ids = {tag: id_of(self.places.leases[worker][tag]) for tag in held}
        self.places.give_back(worker, tags, is_lost=is_lost)
        back = {id_of(each): each for (queue, _), ready in self.places.ready.items() for each in ready}
        for tag in held:
            queue, _ = place(tag)
            count = _LOST.match(back[ids[tag]])
            if count and queue == self.keys.invocations:
                before = _LOST_BEFORE.search(back[ids[tag]])
                total = int(count[1]) + (int(before[1]) if before else 0)
                self.records[ids[tag]].fields["workers_lost"] = str(total)
        if is_lost:
            self.places.begun[worker].clear()

    # --- what ends --------------------------------------------------------------------------------------------------

    def settle(self, worker: str, args: Sequence[Any], answers: Sequence[Any]) -> None:
        """A batch has been settled: each outcome once, by who holds its lease field."""
        for outcome, answer in zip(_outcomes(args), answers, strict=True):
            held = self.places.leases[worker].pop(outcome.field, None)
            assert (answer == 0) == (held is None), f"{outcome.field} was settled: {answer!r}"
            if held is None:
                continue
            assert id_of(held) == outcome.id
            self.metrics.settle(outcome.function, outcome.measured)
            if outcome.to == "answered":
                assert self.calls[outcome.id] is None, "a second reply"
                (self.calls[outcome.id],) = outcome.bodies
            elif outcome.to == "waiting":
                self._wait(outcome)
            else:
                refused = self._end(outcome)
                assert (answer[::2] if isinstance(answer, list) else []) == refused

    def _write_history(self, outcome: Outcome, state: str) -> Record:
        record = self.records[outcome.id]
        if outcome.summary:
            record.history.append(outcome.summary)
        record.fields |= {name: str(value) for name, value in outcome.details.get("fields", {}).items()}
        record.fields |= {"attempts": ",".join(record.history), "attempts_made": outcome.made, "state": state}
        return record

    def _wait(self, outcome: Outcome) -> None:
        delay, target, (envelope,) = outcome.details["delay_ms"], lane(outcome.function), outcome.bodies
        record = self._write_history(outcome, "waiting" if delay else "ready")
        if outcome.details["uses_attempt"]:
            record.used += 1
            self.ledger[outcome.function, "retried"] += 1
        if delay:
            record.fields["due_at"] = str(self.now + delay)
            self.places.delayed[self.keys.invocations].append((self.now + delay, target, envelope))
        else:
            self.places.ready[self.keys.invocations, target].append(envelope)

    def _end(self, outcome: Outcome) -> list[int]:
        """The positions of the deliveries that were not taken."""
        is_bad, details = outcome.to == "given_up", outcome.details
        bodies = outcome.bodies[1:] if is_bad else outcome.bodies
        sent = list(zip(details.get("deliveries", []), bodies, strict=True))
        taken = [self._hand_over(outcome, delivery, body) for delivery, body in sent]
        refused = [delivery["counter"] for (delivery, _), is_taken in zip(sent, taken, strict=True) if not is_taken]
        state = outcome.to
        if is_bad:
            state = "dead_lettered" if len(refused) < len(sent) else "dropped"
        record = self._write_history(outcome, state)
        record.fields["ended_at"] = str(self.now)
        for (delivery, _), is_taken in zip(sent, taken, strict=True):
            told = ("delivered" if "queue" in delivery else "pending") if is_taken else "failed"
            before = f"{record.fields['deliveries']}," if "deliveries" in record.fields else ""
            record.fields["deliveries"] = before + delivery["told"] + told + '"}'
        self._tell_cause(details.get("cause", ""), outcome.id, "failed" if is_bad else "delivered")
        if is_bad:
            record.fields["condition"] = details["condition"]
        if state == "dead_lettered":
            record.fields["payload"] = outcome.bodies[0].decode()
            oldest = self.now - DEAD_RETENTION_MS
            self.dead = {each: moment for each, moment in self.dead.items() if moment > oldest} | {outcome.id: self.now}
        for counter in refused:
            self.ledger[outcome.function, counter] += 1
        assert details.get("refused_of", []) == (record.cause if is_bad else [])
        if state == "dropped" and record.cause:
            function, counter = record.cause
            self.ledger[function, counter] += 1
        self.ledger[outcome.function, f"dropped:{details['condition']}" if state == "dropped" else state] += 1
        self._close(outcome.id, outcome.root, is_bad, DEAD_RETENTION_MS if state == "dead_lettered" else RETENTION)
        return [position for position, is_taken in enumerate(taken, 1) if not is_taken]

    def _tell_cause(self, cause: str, request_id: str, told: str) -> None:
        """The record of the event that a delivery tells of says what became of it."""
        if cause in self.records:
            fields = self.records[cause].fields
            before = fields["deliveries"].split("},")
            fields["deliveries"] = "},".join(
                each.replace("pending", told) if request_id in each else each for each in before
            )

    def _hand_over(self, cause: Outcome, delivery: dict[str, Any], body: bytes) -> bool:
        """Send something at the end of an event; whether it was taken."""
        if "queue" in delivery:
            name = delivery["queue"]
            if name not in self.queues or delivery["size"] > self.largest[name]:
                return False
            self.queues[name].setdefault(delivery["id"], body)
        elif self._accept(delivery["id"], delivery["func"], delivery["source"], delivery["root"], "ready"):
            self.records[delivery["id"]].cause = [cause.function, delivery["counter"]]
            envelope = event_message.envelope(body, self.now)
            self.places.ready[self.keys.invocations, lane(delivery["func"])].append(envelope)
        return True

    def _close(self, request_id: str, root: str, is_bad: bool, kept: int) -> None:
        top, own = self.records[root], self.records[request_id]
        if is_bad and top.add("failed", 1) <= 20:
            top.fields["failures"] = f"{top.fields.get('failures', '')} {request_id}".strip()
        top.open.discard(request_id)
        top.keep = max(top.keep, kept if own is top else 0)
        if own is not top:
            own.expires = kept
        if top.add("open", -1) == 0:
            top.expires = max(top.keep, kept)

    # --- what must hold ---------------------------------------------------------------------------------------------

    def concurrency(self) -> Counter[str]:
        """How many invocations of each function run on a place of its reserved concurrency."""
        return Counter(
            str(lane_of(place(tag)[1]))
            for lease in self.places.leases.values()
            for tag in lease
            if tag.split("|", 2)[1] == "-"
        )

    def open_events(self) -> set[str]:
        """Accepted and not ended."""
        return {request_id for request_id, record in self.records.items() if record.is_open}

    def check(self, contents: Contents) -> None:
        """The server holds what the model holds, and the promises are kept.

        Raises:
            AssertionError: it does not.
        """
        self.places.check(contents)
        ids = sorted(map(id_of, self.places.envelopes()))
        unanswered = {request_id for request_id, reply in self.calls.items() if reply is None}
        assert ids == sorted(self.open_events() | unanswered), "each accepted event is in exactly one place"
        counted = {name.decode(): int(count) for name, count in contents.hash(self.keys.concurrency).items()}
        assert Counter({name: count for name, count in counted.items() if count}) == self.concurrency()
        self._check_account(contents)
        self._check_ledger(contents)
        self._check_records(contents)
        self._check_lineage()
        self._check_queues(contents)
        for request_id, reply in self.calls.items():
            assert contents.list(self.keys.reply(request_id)) == ([] if reply is None else [reply])
        self._check_names(contents)

    def _check_account(self, contents: Contents) -> None:
        running = sum(count for name, count in self.concurrency().items() if not name.startswith("thrice:"))
        reserved = {name: number for name, number in self.functions.items() if number is not None}
        assert {name.decode(): int(number) for name, number in contents.hash(self.keys.reserved).items()} == reserved
        account = {name.decode(): int(number) for name, number in contents.hash(self.keys.account).items()}
        slots = account.pop("slots")
        assert account == {"limit": self.limit, "running": running, "reserved": sum(reserved.values())}
        assert slots == self.slots

    def _check_ledger(self, contents: Contents) -> None:
        invocations = self.keys.invocations
        places: Counter[tuple[str, str]] = Counter()
        for (queue, target), ready in self.places.ready.items():
            if queue == invocations:
                places[str(lane_of(target)), "ready"] += len(ready)
        for _, target, _ in self.places.delayed[invocations]:
            places[str(lane_of(target)), "waiting"] += 1
        for lease in self.places.leases.values():
            for queue, target in map(place, lease):
                if queue == invocations:
                    places[str(lane_of(target)), "running"] += 1
        ledger: Counter[tuple[str, str]] = Counter()
        balance: Counter[str] = Counter()
        for name, count in contents.hash(self.keys.ledger).items():
            function, _, column = name.decode().partition("|")
            ledger[function, column] = int(count)
            assert int(count) >= 0
            if column == "accepted":
                balance[function] += int(count)
            elif column.partition(":")[0] in {"succeeded", "dead_lettered", "dropped", "ready", "waiting", "running"}:
                balance[function] -= int(count)
        assert ledger == self.ledger + places
        self.metrics.check(contents, ledger)
        assert not any(balance.values()), "accepted is what has ended and what is in hand"

    def _check_records(self, contents: Contents) -> None:
        assert contents.names(f"{self.keys}event:") == {
            *map(self.keys.event, self.records),
            *(self.keys.event_open(root) for root, record in self.records.items() if record.open),
        }
        for request_id, record in self.records.items():
            key = self.keys.event(request_id)
            fields = {name.decode(): value.decode() for name, value in contents.hash(key).items()}
            fields.pop("keep_ms", None)
            assert fields == record.fields, sorted(fields.items() ^ record.fields.items())
            assert contents.set(self.keys.event_open(request_id)) == {each.encode() for each in record.open}
            left = contents.left[key]
            if record.expires is None:
                assert left == -1, f"{request_id} must not expire"
            else:
                assert record.expires - TOLERANCE < left <= record.expires, f"{request_id} expires in {left} ms"
        assert contents.zset(self.keys.dead) == {each.encode(): moment for each, moment in self.dead.items()}

    def _check_lineage(self) -> None:
        """The open events of each root, counted from the events themselves."""
        of_root: defaultdict[str, set[str]] = defaultdict(set)
        for request_id in self.open_events():
            of_root[self.records[request_id].fields.get("root", request_id)].add(request_id)
        for request_id, record in self.records.items():
            if "root" not in record.fields:
                assert int(record.fields["open"]) == len(of_root[request_id])
                assert record.open == of_root[request_id] - {request_id}

    def _check_queues(self, contents: Contents) -> None:
        """The messages, and that no event has two dead letters."""
        for name, messages in self.queues.items():
            ids = {message_id.encode() for message_id in messages}
            assert contents.hash(self.keys.queue_messages(name)) == {
                message_id.encode(): document for message_id, document in messages.items()
            }
            assert contents.zset(self.keys.queue_sent(name)).keys() == ids
            assert contents.zset(self.keys.queue_visible(name)).keys() == ids
            for message_id, document in messages.items():
                attributes = orjson.loads(document).get("attributes")
                if attributes:
                    of = attributes["RequestID"]["StringValue"]
                    assert self.seen.setdefault(of, (name, message_id)) == (name, message_id), "two dead letters"

    def _check_names(self, contents: Contents) -> None:
        """There is nothing else on the server, and nothing stays of a queue that was deleted but its bell."""
        keys = self.keys
        answered = {request_id for request_id, reply in self.calls.items() if reply is not None}
        of_messages = (keys.queue_messages, keys.queue_sent, keys.queue_visible)
        assert contents.names(keys.call("")) == set(map(keys.call, self.calls))
        assert contents.names(keys.reply("")) == set(map(keys.reply, answered))
        bells = {name for name in contents.names(keys.queue_prefix) if name.endswith(":doorbell")}
        assert contents.names(keys.queue_prefix) - bells == {
            name_of(queue) for queue, messages in self.queues.items() if messages for name_of in of_messages
        }
        numbers = {root: record.fields for root, record in self.records.items() if "caused" in record.fields}
        assert contents.set(keys.causing) == {root.encode() for root, of in numbers.items() if of["open"] != "0"}
        told = {keys.concurrency, keys.account, keys.reserved, keys.ledger, keys.dead, keys.queues, keys.causing}
        beginnings = tuple(f"{keys}{name}" for name in (*_UNTOLD, "event:", "queue:", "reply:", "call:"))
        assert not {name for name in contents.names() - told if not name.startswith(beginnings)}


def id_of(envelope: bytes) -> str:
    """The request id in a message."""
    found = _ID.search(envelope)
    assert found is not None
    return found[1].decode()


def _outcomes(args: Sequence[Any]) -> list[Outcome]:
    """The arguments of `settle.lua`, as its head describes them."""
    found, at, lines = [], 6, args[5].split(b"\n")
    while at < len(args):
        tag, request_id, function, root, to, summary, _, made, _, details, count = args[at : at + 11]
        at += 11 + int(count)
        found.append(
            Outcome(
                *(tag, request_id, function, root, to),
                summary=bytes(summary).decode(),
                made=made,
                details=orjson.loads(details) if details else {},
                measured=lines[len(found)],
                bodies=list(args[at - int(count) : at]),
            )
        )
    return found
