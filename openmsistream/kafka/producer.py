"""Chunks to a topic: a producer with a window of few unacknowledged bytes for each partition.

librdkafka's own queue is no window: with idempotence and a deep queue on one partition its broker thread spins, and
every queued chunk is one more to be sent again after a crash (measured; see docs/performance.md).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from openmsistream.errors import OpenMSIStreamError
from openmsistream.files.wire import native

from .admin import Topic
from .connection import Connection
from .errors import bad_property, translate

WINDOW_BYTES = 2_400_000
"""Unacknowledged bytes for each partition after which no more is sent: five chunks of 512 KiB, as many as librdkafka has
requests in flight with idempotence. With a sixth its broker thread spins (5.9 CPU-s/GB instead of 1.8, measured)."""

_RECORD_COST = 512
"""What a small record costs beside its bytes: headers, framing, and librdkafka's own bookkeeping."""

_FINAL = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_MSG_SIZE,
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_RECORD,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.POLICY_VIOLATION,
        KafkaError.TOPIC_EXCEPTION,
    }
)
"""Errors after which sending the same chunk again cannot help. After any other it is sent again."""


@dataclass(frozen=True, slots=True)
class Report:
    """What became of one record: its offset, or why it was not taken (`final`: sending it again would not help)."""

    token: object
    partition: int
    cost: int
    offset: int
    error: OpenMSIStreamError | None = None
    final: bool = False

    @property
    def size(self) -> int:
        """The bytes of the record's value."""
        return self.cost - _RECORD_COST


class ChunkProducer:
    """Sends records to one topic. `on_report` is called from this object's own thread, once for each record sent.

    Use it in one thread; `close` it.
    """

    def __init__(self, properties: Mapping[str, str], topic: Topic, on_report: Callable[[Report], None]) -> None:
        self.topic = topic
        self.connection = Connection(properties.get("bootstrap.servers", ""))
        self._on_report = on_report
        self._unacknowledged: dict[int, int] = {}
        self._ending = threading.Event()
        config = self.connection.config({**properties, **fitting(properties, topic)})
        try:
            self._client = Producer(config)
        except KafkaException as error:
            raise bad_property(error, "[broker] or [producer]") from error
        self._poller = threading.Thread(target=self._poll, name="delivery-reports", daemon=True)
        self._poller.start()

    def room(self, partition: int) -> bool:
        """May another record be sent to this partition now?"""
        return self._unacknowledged.get(partition, 0) < WINDOW_BYTES

    @property
    def idle(self) -> bool:
        """Is nothing unacknowledged?"""
        return not any(self._unacknowledged.values())

    def send(
        self, partition: int, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]], token: object = None
    ) -> None:
        """Send one record. Its report brings the token back, and `release` must be called for it."""
        cost = len(value) + _RECORD_COST

        def reported(error: KafkaError | None, message: Message) -> None:
            self._report(token, partition, cost, error, message)

        while True:
            try:
                self._client.produce(
                    self.topic.name, value, key, partition=partition, headers=list(headers), on_delivery=reported
                )
                break
            except BufferError:  # only when a config file makes librdkafka's queue smaller than our window
                self._ending.wait(0.01)
        self._unacknowledged[partition] = self._unacknowledged.get(partition, 0) + cost

    def release(self, report: Report) -> None:
        """What this report says has been written down: its room in the window is free again."""
        self._unacknowledged[report.partition] -= report.cost

    def flush(self, timeout: float) -> bool:
        """Wait until every record has its report, at most this many seconds; True when that is so."""
        return self._client.flush(timeout) == 0

    def close(self) -> None:
        """End without waiting for what is unacknowledged."""
        self._ending.set()
        self._poller.join()
        self._client.purge()
        self._client.flush(1.0)

    def _poll(self) -> None:
        while not self._ending.is_set():
            self._client.poll(0.2)

    def _report(self, token: object, partition: int, cost: int, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self.connection.answered()
            self._on_report(Report(token, partition, cost, message.offset() or 0))
            return
        failure = translate(error, f"sending to topic {self.topic.name!r}", self.connection.bootstrap)
        self._on_report(Report(token, partition, cost, -1, failure, error.code() in _FINAL))


def fitting(properties: Mapping[str, str], topic: Topic) -> dict[str, str]:
    """The sizes that must agree with what the topic takes, or whole batches of small records would be refused."""
    limit = topic.max_message_bytes
    largest = max(limit, 1000)
    queue = int(properties.get("queue.buffering.max.kbytes", 65_536))
    return {
        "message.max.bytes": str(max(int(properties.get("message.max.bytes", 1_000_000)), min(largest, 1_000_000_000))),
        "queue.buffering.max.kbytes": str(max(queue, (WINDOW_BYTES + 2 * largest) // 1024)),
        "batch.size": str(min(int(properties.get("batch.size", 1_000_000)), largest)),
    }


def largest_chunk(topic: Topic) -> int:
    """The largest chunk, in bytes, that a record of this topic can hold beside the longest key and our headers."""
    return topic.max_message_bytes - native.OVERHEAD - 4096
