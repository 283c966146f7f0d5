"""A record that is to be sent, and how large it will be in its topic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

_BATCH = 61
"""Bytes before the first record of a batch."""

_FIXED = 3
"""Attributes, and the distances of time and offset from the batch's first record, which are both 0."""


class Sendable(Protocol):
    """A record that is to be sent."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


def batch_of_one(record: Sendable) -> int:
    """The bytes that it takes without compression, alone in a batch: what `max.message.bytes` is compared with.

    The form is that of Apache Kafka's record batches (documentation, "Message Format", magic 2).
    """
    headers = sum(_with_length(name.encode()) + _with_length(value) for name, value in record.headers)
    inside = _FIXED + _with_length(record.key) + _with_length(record.value) + _varint(len(record.headers)) + headers
    return _BATCH + _varint(inside) + inside


def _with_length(data: bytes | None) -> int:
    return _varint(-1) if data is None else _varint(len(data)) + len(data)


def _varint(number: int) -> int:
    """The bytes of a number: seven bits in each, after small negative ones have been made small positive ones."""
    folded = number * 2 if number >= 0 else -number * 2 - 1
    return max(1, -(-folded.bit_length() // 7))
