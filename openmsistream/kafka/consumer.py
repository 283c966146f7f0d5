"""Chunks from a topic: a consumer that asks without waiting for full batches and commits what it is told.

Everything here runs in the one thread that calls `records`; rebalance callbacks run inside that call.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from openmsistream.errors import ConfigError, OpenMSIStreamError

from .commits import Commit
from .connection import Connection
from .errors import bad_property, kafka_error, translate
from .record import Record
from .resuming import Extent

log = logging.getLogger(__name__)

_BATCH_BYTES = 8 << 20
"""Records taken at once hold about this many bytes at most; together with the client's queue it bounds memory."""

_MOST_RECORDS = 500

_REFRESH_MS = "10000"
"""How often partitions that were added to the topic are looked for; librdkafka's own five minutes would leave them unread."""

_NO_MEMBER = b"CGMDv2:\xff\xff\xff\xff"
"""How librdkafka's word for a membership begins when it has no generation, -1."""

_NEVER_COMMITTED = {
    KafkaError.OFFSET_METADATA_TOO_LARGE: "raise offset.metadata.max.bytes of the brokers to its default, 4096",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "ask whoever runs the brokers for the right Read on the group",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "ask whoever runs the brokers for the right Read on the topic",
}
"""Refusals of a commit that stay, with what can be done about them."""

_COMMITTED_WITHIN = 5.0
"""Seconds in which the group has to say what it has committed; then it is asked again by a new member."""


class TopicGone(Exception):
    """The topic that is being read is no longer there; it may have been made again."""


class Interrupted(Exception):
    """Reading cannot go on as it is, and nothing is wrong for good: begin again from what is committed."""


class Assignee(Protocol):
    """Who is told of partitions that come and go."""

    def gained(self, commits: Mapping[int, Commit | None], extents: Mapping[int, Extent]) -> Mapping[int, int | None]:
        """These partitions are ours, with what was last committed, and of those that have a commit what they hold now.

        Gives for each where to begin, None for what the config says (`auto.offset.reset`).
        """
        ...

    def giving_up(self, partitions: frozenset[int]) -> None:
        """These partitions will be another member's: the last moment to commit."""
        ...

    def lost(self, partitions: frozenset[int]) -> None:
        """These partitions are another member's already: nothing may be committed for them."""
        ...

    def not_committed(self, partitions: frozenset[int]) -> None:
        """What was last committed for these did not reach the broker."""
        ...


class ChunkConsumer:
    """Reads one topic as a member of a group. Use it in one thread; `close` it."""

    def __init__(self, properties: Mapping[str, str], group: str, topic: str, assignee: Assignee) -> None:
        self.topic = topic
        self._doing = f"reading topic {topic!r} as a member of group {group!r}"
        self.connection = Connection(properties.get("bootstrap.servers", ""))
        self._assignee = assignee
        self._average = 1024.0
        self._incremental = _is_incremental(properties)
        self._reset = properties.get("auto.offset.reset", "earliest").lower()
        self._stuck = self._in_callback = self._resting = self._said_refused = False
        try:
            added = {"topic.metadata.refresh.interval.ms": _REFRESH_MS, **properties, "group.id": group}
            added["auto.offset.reset"] = "error"  # or a place that is gone would be left without a word
            self._client = Consumer({**self.connection.config(added), "on_commit": self._on_commit})
        except KafkaException as error:
            raise bad_property(error, "[broker] or [consumer]", properties) from error
        self._client.subscribe([topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost)

    def records(self, timeout: float) -> list[Record]:
        """The records that are there, after waiting at most `timeout` seconds for the first one.

        Raises TopicGone, Interrupted, or an OpenMSIStreamError when access is refused.
        """
        if self._resting:
            self._resting = False
            self._client.resume(self._client.assignment())
        try:
            messages = self._client.consume(1, timeout)
            if messages:
                most = max(1, min(_MOST_RECORDS, int(_BATCH_BYTES / self._average)))
                messages += self._client.consume(most, 0)
        except KafkaException as error:
            raise self._failure(error, self._doing) from error
        return [Record.of(message) for message in messages if self._usable(message)]

    def rest(self) -> list[Record]:
        """Take no records for now and stay a member of the group; `records` goes on. Gives what came nevertheless.

        Partitions that come meanwhile are paused at the next call. The client forgets at a pause what it has fetched, so
        this is for waits that are long anyway.
        """
        self._resting = True
        try:
            self._client.pause(self._client.assignment())
            messages = self._client.consume(1, 0)
        except KafkaException as error:
            raise self._failure(error, self._doing) from error
        return [Record.of(message) for message in messages if self._usable(message)]

    def _usable(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            self.connection.answered()
            self._average += (len(message) - self._average) / 8
            return True
        if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            raise Interrupted(
                f"partition {message.partition()} does not hold the record any more that is to be read next"
            )
        if error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION):
            raise TopicGone(error.str())
        doing = self._doing
        if error.code() in (KafkaError._BAD_MSG, KafkaError._BAD_COMPRESSION, KafkaError.INVALID_MSG):
            doing = f"{doing} (partition {message.partition()}, offset {message.offset()})"
        failure = translate(error, doing, self.connection.bootstrap)
        if not (error.retriable() or failure.retriable) and error.code() != KafkaError._MAX_POLL_EXCEEDED:
            raise failure
        log.warning("%s", failure)
        return False

    def commit(self, commits: Mapping[int, Commit], *, wait: float = 0.0) -> None:
        """Commit these; with `wait` until the broker has answered, so many seconds at most.

        A commit that fails is only logged: nothing is lost by it.
        """
        if not commits:
            return
        offsets = [TopicPartition(self.topic, p, c.offset, c.metadata) for p, c in commits.items()]

        def commit() -> None:
            try:
                self._client.commit(offsets=offsets, asynchronous=not wait)  # type: ignore[call-overload]
            except KafkaException as error:
                log.debug("commit: %s", kafka_error(error))

        if not wait or self._in_callback:  # another thread's commit would wait for the callback's end
            commit()
        elif not ends_within(wait, commit):
            self._stuck = True
            log.warning("no answer to the last commit; what is done is found to be done at the next start")

    @property
    def membership(self) -> bytes:
        """By what the broker knows us from a member that others have replaced: for a transaction with our offsets.

        To be asked anew for each. Raises Interrupted while we are no member: of nobody the broker takes any offset.
        """
        said: bytes = self._client.consumer_group_metadata()
        if said.startswith(_NO_MEMBER):
            raise Interrupted("this reader is no member of its group just now")
        return said

    def committed(self, partitions: Iterable[int], within: float) -> dict[int, Commit | None]:
        """What the group has committed for these partitions. Raises Interrupted, also while a transaction with them is open."""
        places = [TopicPartition(self.topic, partition) for partition in partitions]
        known = self._committed(self._client, places, within)
        return {p.partition: _commit_of(p) for p in known}

    def lag(self, positions: Mapping[int, int]) -> int | None:
        """How many records stand behind these positions, by what the brokers last said; None before they said it of all."""
        total = 0
        for partition, position in positions.items():
            try:
                _, high = self._client.get_watermark_offsets(TopicPartition(self.topic, partition), cached=True)
            except KafkaException:
                return None
            if high < 0:
                return None
            total += max(0, high - position)
        return total

    def extents(self, partitions: Iterable[int]) -> Mapping[int, Extent]:
        """What these partitions hold now. Raises Interrupted."""
        return self._extents(self._client, [TopicPartition(self.topic, partition) for partition in partitions])

    def seek(self, partition: int, offset: int) -> None:
        """Read this partition again from here. Raises Interrupted."""
        try:
            self._client.seek(TopicPartition(self.topic, partition, offset))
        except KafkaException as error:
            raise Interrupted(f"going back in partition {partition}: {kafka_error(error).str()}") from error

    def close(self, within: float) -> None:
        """Leave the group. A broker that does not answer is not waited for longer than this: it misses us by itself."""
        if not self._stuck:
            self._stuck = not ends_within(within, self._leave)

    def _leave(self) -> None:
        try:
            self._client.close()
        except (KafkaException, Interrupted) as error:  # of a question in a callback, which nobody will answer any more
            log.debug("leaving the group: %s", error)

    def _on_assign(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        known = self._committed(client, partitions)
        commits = {p.partition: _commit_of(p) for p in known}
        starts = self._assignee.gained(commits, self._extents(client, [p for p in known if p.offset >= 0]))
        for partition in partitions:
            start = starts[partition.partition]
            partition.offset = self._default(partition.partition) if start is None else start
        if self._incremental:
            client.incremental_assign(partitions)
        else:
            client.assign(partitions)
        client.resume(partitions)  # the client keeps a pause beyond the loss of a partition

    def _committed(
        self, client: Consumer, partitions: list[TopicPartition], within: float = _COMMITTED_WITHIN
    ) -> list[TopicPartition]:
        """What the group has committed. Raises Interrupted: to begin at a guess would read again what others have done."""
        try:
            known = client.committed(partitions, timeout=within)
        except KafkaException as error:
            raise Interrupted(f"asking for committed offsets: {kafka_error(error).str()}") from error
        for partition in known:
            if partition.error is not None:
                raise Interrupted(f"asking for committed offsets: {partition.error.str()}")
        return known

    def _extents(self, client: Consumer, partitions: list[TopicPartition]) -> dict[int, Extent]:
        """What these partitions hold, by two questions for all of them. Raises Interrupted."""
        if not partitions:
            return {}
        found = []
        for place in (OFFSET_BEGINNING, OFFSET_END):
            asked = [TopicPartition(self.topic, p.partition, place) for p in partitions]
            try:
                answers = client.offsets_for_times(asked, timeout=_COMMITTED_WITHIN)
            except KafkaException as error:
                raise Interrupted(f"asking what the topic holds: {kafka_error(error).str()}") from error
            for answer in answers:
                if answer.error is not None or answer.offset < 0:
                    raise Interrupted(f"asking what partition {answer.partition} holds: {answer.error}")
            found.append({answer.partition: answer.offset for answer in answers})
        oldest, end = found
        return {partition: Extent(oldest[partition], end[partition]) for partition in oldest}

    def _default(self, partition: int) -> int:
        """Where to begin in a partition for which the group has committed nothing."""
        if self._reset in ("earliest", "smallest", "beginning"):
            return OFFSET_BEGINNING
        if self._reset in ("latest", "largest", "end"):
            return OFFSET_END
        raise ConfigError(
            f"the group has no place to go on in partition {partition} of topic {self.topic}, "
            f"and auto.offset.reset = {self._reset} says that it must have one",
            "begin at the oldest record with --from_beginning, or set auto.offset.reset = earliest",
        )

    def _on_revoke(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        self._in_callback = True
        try:
            self._assignee.giving_up(frozenset(p.partition for p in partitions))
        finally:
            self._in_callback = False
        self._unassign(client, partitions)

    def _on_lost(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        self._assignee.lost(frozenset(p.partition for p in partitions))
        self._unassign(client, partitions)

    def _unassign(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        if self._incremental:
            client.incremental_unassign(partitions)
        else:
            client.unassign()

    def _on_commit(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        failed = frozenset(p.partition for p in partitions if error is not None or p.error is not None)
        if failed:
            log.debug("commit of partitions %s: %s", sorted(failed), error)
            self._say_refused(next((e for e in (error, *(p.error for p in partitions)) if e is not None), None))
            self._assignee.not_committed(failed)

    def _say_refused(self, error: KafkaError | None) -> None:
        """Some commits will never go through; what is done meanwhile would be done again after a restart."""
        if error is not None and not self._said_refused and (advice := _NEVER_COMMITTED.get(error.code())):
            self._said_refused = True
            log.warning(
                "commits for topic %s are refused (%s): a restart will begin too early; %s",
                self.topic,
                error.str(),
                advice,
            )

    def _failure(self, error: KafkaException, doing: str) -> OpenMSIStreamError:
        return translate(kafka_error(error), doing, self.connection.bootstrap)


def _commit_of(place: TopicPartition) -> Commit | None:
    return Commit(place.offset, place.metadata or "") if place.offset >= 0 else None


def _is_incremental(properties: Mapping[str, str]) -> bool:
    """Do partitions come and go one by one, by what the config file asks for?"""
    strategy = properties.get("partition.assignment.strategy", "")
    return "cooperative" in strategy or properties.get("group.protocol", "").lower() == "consumer"


def ends_within(seconds: float, work: Callable[[], object]) -> bool:
    """Do something that may wait for a broker for ever; False when it was left to itself after so many seconds."""
    thread = threading.Thread(target=work, name="last-words", daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()


BEGINNING = OFFSET_BEGINNING
"""The oldest record that there is, as a place to begin."""
