"""Chunks to a topic: a producer with a window of few unacknowledged bytes for each partition.

librdkafka's own queue is no window: with idempotence and a deep queue on one partition its broker thread spins, and
every queued chunk is one more to be sent again after a crash (measured; see docs/performance.md).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from openmsistream.errors import OpenMSIStreamError
from openmsistream.files.wire import Form

from .admin import Topic
from .connection import Connection
from .errors import bad_property, kafka_error, translate

WINDOW_BYTES = 2_400_000
"""Unacknowledged bytes for each partition after which no more is sent: five chunks of 512 KiB, as many as librdkafka has
requests in flight with idempotence. With a sixth its broker thread spins (5.9 CPU-s/GB instead of 1.8, measured)."""

_QUEUE_FULL_FOR = 5.0

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
    def value_bytes(self) -> int:
        """Bytes of the record's value."""
        return self.cost - _RECORD_COST


class ChunkProducer:
    """Sends records to one topic, and tells by `reports` what became of each. Use it in one thread; `close` it.

    No thread stands between librdkafka and the one that sends: to pass on each acknowledgement by itself cost a fifth
    of the upload's CPU time (measured; see docs/performance.md).
    """

    def __init__(self, properties: Mapping[str, str], topic: Topic) -> None:
        self.topic = topic
        self.connection = Connection(properties.get("bootstrap.servers", ""))
        self._reports: list[Report] = []
        self._unacknowledged: dict[int, int] = {}
        self._bytes = self._records = 0
        sizes = fitting(properties, topic)
        self._most_bytes, self._most_records = _most(properties, sizes, topic)
        config = self.connection.config({**properties, **sizes})
        try:
            self._client = Producer(config)
        except KafkaException as error:
            raise bad_property(error, "[broker] or [producer]", properties) from error

    def room(self, partition: int) -> bool:
        """May another record be sent to this partition now? All partitions together stay below librdkafka's queue."""
        return (
            self._unacknowledged.get(partition, 0) < WINDOW_BYTES
            and self._bytes < self._most_bytes
            and self._records < self._most_records
        )

    @property
    def idle(self) -> bool:
        """Is nothing unacknowledged?"""
        return not self._records

    @property
    def failure(self) -> OpenMSIStreamError | None:
        """Why this producer will never take anything again; None as long as it does."""
        error = self.connection.fatal
        return None if error is None else self._translated(error)

    def send(
        self, partition: int, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]], token: object = None
    ) -> None:
        """Send one record. Its report brings the token back, and `release` must be called for it."""
        cost = len(value) + _RECORD_COST

        def reported(error: KafkaError | None, message: Message) -> None:
            self._report(token, partition, cost, error, message)

        patience = time.monotonic() + _QUEUE_FULL_FOR
        while True:
            try:
                self._client.produce(
                    self.topic.name, value, key, partition=partition, headers=list(headers), on_delivery=reported
                )
                break
            except BufferError:  # only when a config file makes librdkafka's queue smaller than one chunk
                self._serve(0.01)
                if time.monotonic() > patience:
                    self._refused(Report(token, partition, cost, -1), KafkaError(KafkaError._QUEUE_FULL))
                    break
            except KafkaException as error:
                self._look_at_partitions()
                self._refused(Report(token, partition, cost, -1), kafka_error(error))
                break
        self._unacknowledged[partition] = self._unacknowledged.get(partition, 0) + cost
        self._bytes += cost
        self._records += 1

    def reports(self, timeout: float = 0.0) -> list[Report]:
        """What became of records since the last call, after waiting at most so many seconds for the first of them.

        To be asked again and again even when nothing is unacknowledged: this is when the client tells what it has met.
        """
        self._serve(0.0 if self._reports else timeout)
        taken, self._reports = self._reports, []
        return taken

    @property
    def heard(self) -> bool:
        """Are there reports to be taken?"""
        self._serve(0)
        return bool(self._reports)

    def release(self, report: Report) -> None:
        """What this report says has been written down: its room in the window is free again."""
        self._unacknowledged[report.partition] -= report.cost
        self._bytes -= report.cost
        self._records -= 1

    def flush(self, timeout: float) -> bool:
        """Wait until every record has its report, at most this many seconds; True when that is so."""
        try:
            return self._client.flush(timeout) == 0
        except KafkaException as error:
            self._heard(error)
            return False

    def close(self) -> None:
        """End without waiting for what is unacknowledged."""
        self._client.purge()
        self.flush(1.0)

    def _serve(self, timeout: float) -> None:
        """Have the client tell what it has met. A fatal error it does not tell but raise."""
        try:
            self._client.poll(timeout)
        except KafkaException as error:
            self._heard(error)

    def _heard(self, error: KafkaException) -> None:
        met = kafka_error(error)
        if not met.fatal() and met.code() != KafkaError._FATAL:
            raise error
        self.connection.heard_fatal(met)

    def _report(self, token: object, partition: int, cost: int, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self.connection.answered()
            self._reports.append(Report(token, partition, cost, message.offset() or 0))
            return
        self._refused(Report(token, partition, cost, -1), error)

    def _refused(self, report: Report, error: KafkaError) -> None:
        if error.fatal() or error.code() == KafkaError._FATAL:
            self.connection.heard_fatal(error)
        self._reports.append(replace(report, error=self._translated(error), final=error.code() in _FINAL))

    def _translated(self, error: KafkaError) -> OpenMSIStreamError:
        return translate(error, f"sending to topic {self.topic.name!r}", self.connection.bootstrap)

    def _look_at_partitions(self) -> None:
        """Learn of partitions that were added; until it has, the client refuses what is sent to them."""
        try:
            self._client.list_topics(self.topic.name, timeout=1.0)
        except KafkaException:
            pass  # the chunk is sent again in a moment, and this is done again


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


def _most(properties: Mapping[str, str], sizes: Mapping[str, str], topic: Topic) -> tuple[int, int]:
    """Bytes and records that may be unacknowledged in all: librdkafka's queue, less what one record may go beyond it."""
    queue = int(sizes["queue.buffering.max.kbytes"]) * 1024
    records = int(properties.get("queue.buffering.max.messages", 100_000)) or 1 << 31  # 0 is without limit
    return max(WINDOW_BYTES, queue - 2 * topic.max_message_bytes), max(1, records * 3 // 4)


def largest_chunk(topic: Topic, form: Form) -> int:
    """The largest chunk, in bytes, that a record of this topic can hold beside the longest names and all else."""
    return topic.max_message_bytes - form.overhead
