"""A Kafka message as a plain value."""

from __future__ import annotations

from dataclasses import dataclass

from confluent_kafka import Message

from openmsistream.files.wire import Headers


@dataclass(frozen=True, slots=True)
class Record:
    """One message of a topic. `timestamp_ms` is Unix time in milliseconds, 0 when the broker has none."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers | None

    @classmethod
    def of(cls, message: Message) -> Record:
        timestamp = message.timestamp()[1]
        return cls(
            message.topic() or "",
            message.partition() or 0,
            message.offset() or 0,
            max(timestamp, 0),
            message.key(),
            message.value(),
            message.headers(),  # type: ignore[arg-type]
        )
