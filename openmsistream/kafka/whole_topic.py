"""A topic from its oldest record to the newest that it has now, read without a group and without committing anything."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from openmsistream.errors import BrokerUnreachable

from .connection import Connection
from .errors import bad_property, kafka_error, translate
from .record import Record

_AT_ONCE = 500
_TURN = 0.5
_SILENT_FOR = 30.0
"""Seconds without any record after which the brokers count as gone: here nobody waits for days."""

_ANSWER_WITHIN = 10.0

_OURS = {
    "group.id": "openmsistream-ls",  # the client wants a name; partitions are assigned by hand, so nobody joins it
    "enable.auto.commit": "false",
    "enable.auto.offset.store": "false",
    "enable.partition.eof": "true",
    "auto.offset.reset": "earliest",  # records may go while they are read
    "queued.max.messages.kbytes": "16384",
}


class WholeTopic:
    """One reading of a topic of so many partitions. `count` is how many records there are about. Use it in `with`."""

    def __init__(self, properties: Mapping[str, str], topic: str, partitions: int) -> None:
        self.topic = topic
        self._connection = Connection(properties.get("bootstrap.servers", ""))
        kept = {key: value for key, value in properties.items() if key not in ("group.instance.id", "group.protocol")}
        try:
            self._client = Consumer(self._connection.config({**kept, **_OURS}))
        except KafkaException as error:
            raise bad_property(error, "[broker] or [consumer]") from error
        try:
            self._ends = {p: self._watermarks(p) for p in range(partitions)}
        except BaseException:
            self._client.close()
            raise
        self._open = {p for p, (low, high) in self._ends.items() if high > low}
        self.count = sum(high - low for low, high in self._ends.values())

    def records(self) -> Iterator[Record]:
        """Each record that was there at the start, in the order of its partition. Raises BrokerUnreachable and its kin."""
        self._client.assign([TopicPartition(self.topic, p, self._ends[p][0]) for p in sorted(self._open)])
        heard = time.monotonic()
        while self._open:
            messages = self._client.consume(_AT_ONCE, _TURN)
            if messages:
                heard = time.monotonic()
            elif time.monotonic() - heard > _SILENT_FOR:
                raise BrokerUnreachable(
                    f"reading topic {self.topic!r} came to a stop: nothing came from {self._connection.bootstrap} for "
                    f"{_SILENT_FOR:g} s" + (f" ({cause})" if (cause := self._connection.last_cause) else ""),
                    "check the network and the brokers, then start again",
                )
            for message in messages:
                yield from self._taken(message)

    def _taken(self, message: Message) -> Iterator[Record]:
        """The record, when it is one that was there at the start; takes note when a partition is read to its end."""
        partition, offset, error = message.partition() or 0, message.offset() or 0, message.error()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            if not error.retriable():
                raise translate(error, f"reading topic {self.topic!r}", self._connection.bootstrap)
            return
        end = self._ends[partition][1]
        if error is None and offset < end:
            yield Record.of(message)
        if (error is not None or offset >= end - 1) and partition in self._open:
            self._open.discard(partition)
            self._client.incremental_unassign([TopicPartition(self.topic, partition)])

    def _watermarks(self, partition: int) -> tuple[int, int]:
        try:
            low, high = self._client.get_watermark_offsets(
                TopicPartition(self.topic, partition), timeout=_ANSWER_WITHIN, cached=False
            )
        except KafkaException as error:
            doing = f"asking for the ends of topic {self.topic!r}"
            raise translate(kafka_error(error), doing, self._connection.bootstrap) from error
        return low, high

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
