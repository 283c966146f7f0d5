"""Chunks from a topic: a consumer that asks without waiting for full batches and commits what it is told.

Everything here runs in the one thread that calls `records`; rebalance callbacks run inside that call.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Protocol

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from openmsistream.errors import OpenMSIStreamError

from .commits import Commit
from .connection import Connection
from .errors import bad_property, kafka_error, translate
from .record import Record

log = logging.getLogger(__name__)

_BATCH_BYTES = 8 << 20
"""Records taken at once hold about this many bytes at most; together with the client's queue it bounds memory."""

_MOST_RECORDS = 500


class TopicGone(Exception):
    """The topic that is being read is no longer there; it may have been made again."""


class Assignee(Protocol):
    """Who is told of partitions that come and go."""

    def gained(self, commits: Mapping[int, Commit | None]) -> Mapping[int, int | None]:
        """These partitions are ours, with what was last committed; gives for each where to begin, None for the default."""
        ...

    def giving_up(self, partitions: frozenset[int]) -> None:
        """These partitions will be another member's: the last moment to commit."""
        ...

    def lost(self, partitions: frozenset[int]) -> None:
        """These partitions are another member's already: nothing may be committed for them."""
        ...


class ChunkConsumer:
    """Reads one topic as a member of a group. Use it in one thread; `close` it."""

    def __init__(self, properties: Mapping[str, str], group: str, topic: str, assignee: Assignee) -> None:
        self.topic = topic
        self.connection = Connection(properties.get("bootstrap.servers", ""))
        self._assignee = assignee
        self._average = 1024.0
        try:
            self._client = Consumer(self.connection.config({**properties, "group.id": group}))
        except KafkaException as error:
            raise bad_property(error, "[broker] or [consumer]") from error
        self._client.subscribe([topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost)

    def records(self, timeout: float) -> list[Record]:
        """The records that are there, after waiting at most `timeout` seconds for the first one.

        Raises TopicGone, or an OpenMSIStreamError when access is refused.
        """
        messages = self._client.consume(1, timeout)
        if messages:
            most = max(1, min(_MOST_RECORDS, int(_BATCH_BYTES / self._average)))
            messages += self._client.consume(most, 0)
        return [Record.of(message) for message in messages if self._usable(message)]

    def _usable(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            self.connection.answered()
            self._average += (len(message) - self._average) / 8
            return True
        if error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION):
            raise TopicGone(error.str())
        failure = translate(error, f"reading topic {self.topic!r}", self.connection.bootstrap)
        if not (error.retriable() or failure.retriable) and error.code() != KafkaError._MAX_POLL_EXCEEDED:
            raise failure
        log.warning("%s", failure)
        return False

    def commit(self, commits: Mapping[int, Commit], *, wait: bool = False) -> None:
        """Commit these; with `wait` until the broker has answered. A commit that fails is only logged: nothing is lost by it."""
        if not commits:
            return
        offsets = [TopicPartition(self.topic, p, c.offset, c.metadata) for p, c in commits.items()]
        try:
            if wait:
                self._client.commit(offsets=offsets, asynchronous=False)
            else:
                self._client.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            log.debug("commit: %s", kafka_error(error))

    def seek(self, partition: int, offset: int) -> None:
        """Read this partition again from here."""
        try:
            self._client.seek(TopicPartition(self.topic, partition, offset))
        except KafkaException as error:
            raise self._failure(error, "going back") from error

    def close(self) -> None:
        """Leave the group."""
        self._client.close()

    def _on_assign(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        try:
            known = client.committed(partitions, timeout=30)
        except KafkaException as error:
            raise self._failure(error, "asking for committed offsets") from error
        commits = {p.partition: Commit(p.offset, p.metadata or "") if p.offset >= 0 else None for p in known}
        starts = self._assignee.gained(commits)
        for partition in partitions:
            start = starts[partition.partition]
            if start is not None:
                partition.offset = start
        client.assign(partitions)

    def _on_revoke(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        self._assignee.giving_up(frozenset(p.partition for p in partitions))
        client.unassign()

    def _on_lost(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        self._assignee.lost(frozenset(p.partition for p in partitions))
        client.unassign()

    def _failure(self, error: KafkaException, doing: str) -> OpenMSIStreamError:
        return translate(kafka_error(error), doing, self.connection.bootstrap)


BEGINNING = OFFSET_BEGINNING
"""The oldest record that there is, as a place to begin."""
