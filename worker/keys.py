"""Every Redis key of thrice, in one place. `docs/redis-keys.md` describes each; a test compares the two.

All names carry the hash tag of one namespace, so that the scripts stay legal on a cluster. The layout is a one-way
door: its version is in `LAYOUT`, and the records below the keys carry their own in a field `v`.
"""

from dataclasses import dataclass

from worker.transport import keys as transport_keys

#: Version of the key layout. A server that holds another one is refused at start.
LAYOUT = 2


@dataclass(frozen=True, slots=True)
class Keys:
    """Names the keys of one namespace."""

    namespace: str = "thrice"

    def __str__(self) -> str:
        """What all keys begin with. The scripts make keys of it that only they know of."""
        return self._key("")

    def _key(self, *parts: str) -> str:
        return ":".join((f"{{{self.namespace}}}", *parts))

    def _transport(self) -> transport_keys.Namespace:
        return transport_keys.Namespace(f"{{{self.namespace}}}")

    # --- the system ---------------------------------------------------------------------------------------------

    @property
    def layout(self) -> str:
        """STRING: the version of this layout."""
        return self._key("layout")

    @property
    def clock(self) -> str:
        """STRING: milliseconds that the scripts add to the server's time, or `=` and the time of one that stands."""
        return self._transport().clock

    # --- functions ----------------------------------------------------------------------------------------------

    @property
    def functions(self) -> str:
        """HASH: function name -> its configuration, JSON."""
        return self._key("functions")

    @property
    def versions(self) -> str:
        """HASH: `function:number` -> the configuration of a published version, JSON."""
        return self._key("versions")

    @property
    def layers(self) -> str:
        """HASH: `layer:number` -> a version of a layer, JSON."""
        return self._key("layers")

    @property
    def layer_numbers(self) -> str:
        """HASH: layer name -> the highest number that a version of it was given."""
        return self._key("layer-numbers")

    @property
    def policies(self) -> str:
        """HASH: function name, or `function:qualifier` -> its resource policy, JSON."""
        return self._key("policies")

    def code(self, sha256: str) -> str:
        """STRING: a deployment package (zip) by the hex SHA-256 of its bytes."""
        return self._key("code", sha256)

    # --- events -------------------------------------------------------------------------------------------------

    def event(self, request_id: str) -> str:
        """HASH: the record of one event: what was asked, where it stands, how its attempts went."""
        return self._key("event", request_id)

    def event_open(self, request_id: str) -> str:
        """SET: the request ids of the open events that an event has caused."""
        return self._key("event", request_id, "open")

    @property
    def causing(self) -> str:
        """SET: the request ids of the events that have caused others which are open."""
        return self._key("causing")

    @property
    def ended(self) -> str:
        """Channel: the request id of an event that has ended, with all that it caused."""
        return self._key("ended")

    @property
    def dead(self) -> str:
        """ZSET: dead-lettered events, by the time (ms) of their end."""
        return self._key("dead")

    @property
    def ledger(self) -> str:
        """HASH: `<function>|accepted`, `|ready`, `|succeeded`, `|dropped:<reason>` and so on -> count."""
        return self._key("ledger")

    @property
    def concurrency(self) -> str:
        """HASH: function name -> how many of its invocations run now, synchronous ones included."""
        return self._key("concurrency")

    @property
    def account(self) -> str:
        """HASH: what all functions may run at once, what runs, what is reserved, and the slots of a worker."""
        return self._key("account")

    @property
    def reserved(self) -> str:
        """HASH: function name -> its reserved concurrency, of functions that have one."""
        return self._key("reserved")

    # --- metrics --------------------------------------------------------------------------------------------------

    @property
    def metrics(self) -> str:
        """HASH: `<function>|<column>` -> what was counted of its attempts since ever; see `metric_notes.lua`."""
        return self._key("metrics")

    def metrics_of(self, minutes: str | int, start: str | int, name: str) -> str:
        """HASH: what was counted of a function in a period of 1 or 5 `minutes` that begins at `start` (s); expires."""
        return self._key("metrics", str(minutes), str(start), name)

    @property
    def metrics_new(self) -> str:
        """STRING: what was counted and is in no record yet, a note in each line; see `metric_notes.lua`."""
        return self._key("metrics", "new")

    @property
    def metrics_active(self) -> str:
        """ZSET: names of which there are periods, by the latest of their minutes (s)."""
        return self._key("metrics", "active")

    @property
    def metrics_open(self) -> str:
        """ZSET: `<start>:<name>` of minutes that have not been added up, by their start (s)."""
        return self._key("metrics", "open")

    # --- the two Celery queues, as the transport keeps them -------------------------------------------------------

    @property
    def invocations(self) -> str:
        """LIST, always empty: the Celery queue of events and deliveries. They lie in its lanes."""
        return self._key("invocations")

    @property
    def calls(self) -> str:
        """LIST, always empty: the Celery queue of synchronous invocations. They lie in its lanes."""
        return self._key("calls")

    def lane(self, queue: str, function: str) -> str:
        """LIST: the ready messages of one function in one of the two queues; the next one is on the right."""
        return queue + transport_keys.lane(function)

    def lanes(self, queue: str) -> str:
        """LIST: the names of the lanes of a queue that are not empty, each once; the next one is on the right."""
        return f"{queue}:lanes"

    def new_lanes(self, queue: str) -> str:
        """LIST: those of them instead that were empty before and have not been served since; they come first."""
        return f"{queue}:new-lanes"

    def turns(self, queue: str) -> str:
        """STRING: counts the lanes that were served while there were both kinds; each fourth is not a new one."""
        return f"{queue}:turns"

    def delayed(self, queue: str) -> str:
        """ZSET: messages for later, by due time (ms): `:lane:<function>`, a line feed, the message."""
        return f"{queue}:delayed"

    def wake(self, queue: str) -> str:
        """LIST of at most one token, which wakes a worker that waits for the queue."""
        return transport_keys.wake(queue)

    @property
    def consumers(self) -> str:
        """ZSET: worker -> the time (ms, never virtual) until which its leases hold."""
        return self._transport().consumers

    def lease(self, worker: str) -> str:
        """HASH: what one worker holds: `seq|flag|length of queue|queue:lane:function` -> the message."""
        return self._transport().lease(worker)

    def begun(self, worker: str) -> str:
        """SET: lease fields of messages that were lost with a worker before, and that this one has begun again."""
        return self._transport().begun(worker)

    def call(self, request_id: str) -> str:
        """STRING: a synchronous invocation was put on its queue; expires when its caller does not wait any more."""
        return self._key("call", request_id)

    def reply(self, request_id: str) -> str:
        """LIST: the answer of one synchronous invocation, before it parts of a streamed result; expires."""
        return self._key("reply", request_id)

    def log(self, function: str) -> str:
        """STREAM: the log of one function. Field: `attempts`, as `worker/log_entry.py` writes it."""
        return self._key("log", function)

    def log_marks(self, function: str) -> str:
        """LIST: ids of entries of the log, one for each 1,000 attempts or 4 MB, by which it is trimmed."""
        return self._key("log-marks", function)

    @property
    def log_counts(self) -> str:
        """HASH: function name -> how many attempts, or parts of them (of 4 KB at most), its log was ever given."""
        return self._key("log-counts")

    # --- SQS ----------------------------------------------------------------------------------------------------

    @property
    def queues(self) -> str:
        """HASH: SQS queue name -> its attributes, its tags and its times, JSON."""
        return self._key("queues")

    @property
    def queue_prefix(self) -> str:
        """What the keys of a queue begin with.

        The scripts add its name and the last part themselves: a message may go on to a queue that only they know of.
        """
        return self._key("queue", "")

    def queue_messages(self, queue: str) -> str:
        """HASH: message id -> the message as it was sent, JSON."""
        return self._key("queue", queue, "messages")

    def queue_sent(self, queue: str) -> str:
        """ZSET: the ids of all messages, by the time (ms) at which they were first sent: their age."""
        return self._key("queue", queue, "sent")

    def queue_visible(self, queue: str) -> str:
        """ZSET: message ids that can be received, by the time (ms) from which on; later times are delayed messages."""
        return self._key("queue", queue, "visible")

    def queue_in_flight(self, queue: str) -> str:
        """ZSET: message ids that were received and not deleted, by the time (ms) at which they become visible again."""
        return self._key("queue", queue, "in-flight")

    def queue_receipts(self, queue: str) -> str:
        """HASH: message id -> what its receives left behind (counts, times, the token of the latest), JSON."""
        return self._key("queue", queue, "receipts")

    def queue_doorbell(self, queue: str) -> str:
        """LIST of at most one token, which wakes a waiting ReceiveMessage."""
        return self._key("queue", queue, "doorbell")

    def queue_purged(self, queue: str) -> str:
        """STRING: the time (ms) of the latest PurgeQueue; expires after 60 s."""
        return self._key("queue", queue, "purged")

    # --- SNS ----------------------------------------------------------------------------------------------------

    @property
    def topics(self) -> str:
        """HASH: topic name -> its attributes and tags, JSON."""
        return self._key("topics")

    def subscriptions(self, topic: str) -> str:
        """HASH: subscription ARN -> subscription, JSON."""
        return self._key("subscriptions", topic)

    # --- S3 -----------------------------------------------------------------------------------------------------

    @property
    def buckets(self) -> str:
        """HASH: bucket name -> its creation time and notification configuration, JSON."""
        return self._key("buckets")

    def objects(self, bucket: str) -> str:
        """HASH: object key -> its metadata and the name of the file that holds its bytes, JSON."""
        return self._key("objects", bucket)

    def object_names(self, bucket: str) -> str:
        """ZSET with equal scores: object keys in the order in which ListObjectsV2 gives them."""
        return self._key("object-names", bucket)

    def object_guard(self, bucket: str, key: str) -> str:
        """STRING that every change of one object sets and watches, so that its changes follow each other; expires."""
        return self._key("object-guard", bucket, key)

    @property
    def object_sequencer(self) -> str:
        """STRING: the latest sequencer that an S3 event got, a number that only grows."""
        return self._key("object-sequencer")

    def uploads(self, bucket: str) -> str:
        """HASH: id of a multipart upload in progress -> its object key and metadata, JSON."""
        return self._key("uploads", bucket)

    def upload_parts(self, upload_id: str) -> str:
        """HASH: part number -> the part's size, checksums and the name of the file that holds its bytes, JSON."""
        return self._key("upload-parts", upload_id)

    # --- EventBridge --------------------------------------------------------------------------------------------

    @property
    def rules(self) -> str:
        """HASH: rule name -> the rule with its targets, JSON (default event bus)."""
        return self._key("rules")

    @property
    def schedules(self) -> str:
        """ZSET: names of the rules with a schedule, by the time (ms) at which they fire next."""
        return self._key("schedules")
