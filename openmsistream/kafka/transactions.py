"""Results and the offsets of what they were made from, in one Kafka transaction: both count, or neither does.

After anything but success the client is thrown away, and a new one with the same transactional id takes over; the broker
then ends what the old one had begun. abort_transaction is not used: a commit_transaction that has timed out leaves librdkafka
in a state from which only an abort leads, while the broker may have committed, and that ends in a fatal error.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from openmsistream.errors import AccessRefused, OpenMSIStreamError

from .admin import Topic
from .attempt import Attempt
from .commits import Commit
from .connection import Connection
from .consumer import Interrupted, ends_within
from .errors import bad_property, kafka_error
from .producer import fitting
from .sendable import Sendable, batch_of_one
from .transaction_errors import (
    FENCED,
    NOT_A_MEMBER,
    TOO_LARGE,
    UNANSWERED,
    Fenced,
    NotCommitted,
    Rebalancing,
    ResultsRefused,
    in_words,
    plain_words,
)

__all__ = ["Fenced", "Member", "NotCommitted", "Rebalancing", "ResultsRefused", "TransactionalProducer"]

_TURN = 0.5
"""Seconds after which a client that is taking over is asked what it has met."""

_AT_LEAST = 0.5
"""Seconds that a transaction has in any case, when taking over has used up the others."""


class Member(Protocol):
    """Whose offsets are committed: a member of a group that reads one topic, such as a ChunkConsumer."""

    @property
    def topic(self) -> str: ...

    @property
    def membership(self) -> object:
        """By what the broker knows it from a member that others have replaced. Raises Interrupted."""
        ...

    def committed(self, partitions: Iterable[int], within: float) -> Mapping[int, Commit | None]:
        """What is committed for these partitions. Raises Interrupted."""
        ...


class TransactionalProducer:
    """Commits results to one topic together with offsets of another. Use it in one thread; `close` it.

    `properties` are those of `Settings.transactional`. The transactional id is the same for a process and the one that is
    started in its place, and no other process has it.
    """

    def __init__(self, properties: Mapping[str, str], topic: Topic, transactional_id: str) -> None:
        self.topic = topic
        self.transactional_id = transactional_id
        self.connection = Connection(properties.get("bootstrap.servers", ""), silent=True)
        self._properties = {**properties, **fitting(properties, topic), "transactional.id": transactional_id}
        self._timeout = int(properties["transaction.timeout.ms"]) / 1000
        self._ready = False
        self._unsettled: dict[int, Commit] = {}
        self._client: Producer | None = self._new_client()

    def start(self, within: float) -> None:
        """Have the broker end whatever this process, or the one before it, has begun, and lock all but this one out.

        Called at the start and whenever reading begins again, before it is asked what the group has committed. Takes half a
        second or so after a crash. Raises NotCommitted when no broker answers in time (call it again), AccessRefused,
        ConfigError, TopicError.
        """
        self._unsettled = {}
        if not self._ready:
            self._take_over(time.monotonic() + within)

    def too_large(self, result: Sendable) -> str | None:
        """Why this result cannot be stored in the topic; None when it can, as far as that is known before it is sent.

        It is not where results are compressed, or where this user may not ask for the topic's settings.
        """
        size, (limit, setting) = batch_of_one(result), self._largest
        if size <= limit:
            return None
        return (
            f"the result is too large for topic {self.topic.name!r}: it takes {size} bytes there, and {setting} is {limit}; "
            "make it smaller, or raise that setting"
        )

    def commit(self, results: Sequence[Sendable], offsets: Mapping[int, Commit], member: Member, within: float) -> None:
        """Send these results and commit these offsets; returns when both count. Either may be empty.

        Takes `within` seconds at most, and one more. Each call's offsets differ from what was committed before. Raises

        - NotCommitted: call again with the same results and offsets. Where the answer to a commit was lost, that call first
          looks whether the offsets are committed, and sends nothing again if they are. (Results without offsets may be
          stored twice then.)
        - Rebalancing, ResultsRefused: nothing was committed; see there.
        - Interrupted: begin again from what is committed.
        - Fenced, AccessRefused, TopicError, ConfigError: to go on is of no use.
        """
        if not results and not offsets:
            return
        deadline = time.monotonic() + within
        if not self._ready:
            self._take_over(deadline)
        if self._unsettled and self._was_committed(member, offsets, deadline):
            return
        assert self._client is not None
        places = [TopicPartition(member.topic, p, c.offset, c.metadata) for p, c in offsets.items()]
        membership = _membership(member) if places else None
        left = max(_AT_LEAST, deadline - time.monotonic())
        attempt = Attempt(self._client, self.topic.name, results, places, membership, time.monotonic() + left)
        if not ends_within(left, attempt.run):
            attempt.leave()
        if attempt.committed:
            self.connection.answered()
            return
        self._throw_away()
        if attempt.defect is not None:
            raise attempt.defect
        raise self._failure(attempt, dict(offsets))

    def hear(self) -> None:
        """Let the client say what it has met; to be called now and then while nothing is committed."""
        if self._client is not None:
            try:
                self._client.poll(0)
            except KafkaException:  # that it has given up for good, which the next commit is told too
                pass

    def close(self) -> None:
        """End. Between two commits nothing is on its way."""
        self._throw_away()

    # -- the client ----------------------------------------------------------------------------------------------

    def _new_client(self) -> Producer:
        try:
            self._client = Producer(self.connection.config(self._properties))
        except KafkaException as error:
            raise bad_property(error, "[broker] or [producer]", self._properties) from error
        return self._client

    def _throw_away(self) -> None:
        if self._client is not None:
            self._client.purge()
        self._client = None
        self._ready = False

    def _take_over(self, deadline: float) -> None:
        doing = f"taking over the transactional id {self.transactional_id!r}"
        client = self._client or self._new_client()
        while True:
            left = deadline - time.monotonic()
            try:
                client.init_transactions(max(0.05, min(_TURN, left)))  # goes on by itself, and in the next call
                break
            except KafkaException as error:
                failure = kafka_error(error)
                self.hear()
                if (cause := self.connection.cause) is not None and cause.kind is AccessRefused:
                    raise AccessRefused(
                        f"{doing} at {self.connection.bootstrap}: {cause.what}", cause.advice
                    ) from error
                if not failure.retriable():
                    self._throw_away()
                    raise self._translated(failure, doing) from error
                if left <= 0:
                    raise self._unanswered(doing) from error
        self.connection.answered()
        self._look_for_topic(client, max(0.05, deadline - time.monotonic()))
        self._ready = True

    def _look_for_topic(self, client: Producer, within: float) -> None:
        """To a topic that is gone a transaction would be tried for ever: the client waits for it to come back."""
        doing = f"looking for topic {self.topic.name!r}"
        try:
            found = client.list_topics(self.topic.name, timeout=within).topics[self.topic.name].error
        except KafkaException as error:
            raise self._unanswered(doing) from error
        if found is not None and not found.retriable():
            raise self._translated(found, doing)

    @property
    def _largest(self) -> tuple[int, str]:
        """Bytes that a record can have before it is refused for certain, and the setting that says so."""
        compressed = self._properties.get("compression.type", self._properties.get("compression.codec", "none"))
        if self.topic.knows_settings and compressed == "none":
            return self.topic.max_message_bytes, "max.message.bytes of the topic"
        return int(self._properties["message.max.bytes"]), "message.max.bytes in [producer]"

    # -- what did not go through -----------------------------------------------------------------------------------

    def _was_committed(self, member: Member, offsets: Mapping[int, Commit], deadline: float) -> bool:
        """Do the offsets count whose commit got no answer? By now the broker has ended their transaction, either way."""
        try:
            known = member.committed(self._unsettled, max(_AT_LEAST, deadline - time.monotonic()))
        except Interrupted as error:
            raise NotCommitted(f"looking for what was committed last did not work: {error}") from error
        unsettled, self._unsettled = self._unsettled, {}
        if any(known.get(partition) != commit for partition, commit in unsettled.items()):
            return False
        if unsettled != offsets:
            raise Interrupted("a commit whose answer was lost had gone through")
        return True

    def _failure(self, attempt: Attempt, offsets: dict[int, Commit]) -> Exception:
        """What an attempt that did not succeed comes to."""
        doing = f"committing {_counted(attempt)} for topic {self.topic.name!r}"
        error = attempt.error or KafkaError(KafkaError._TIMED_OUT)  # it was left to itself
        code = error.code()
        if attempt.refused:
            return self._refused(attempt)
        if code in NOT_A_MEMBER:
            return Rebalancing(f"{doing} did not work: {plain_words(error)}")
        in_time = time.time() - attempt.began < self._timeout  # after that the broker gives it up, and says the same
        if code in FENCED and in_time:
            return self._translated(error, doing)
        if attempt.ending and (code in UNANSWERED or not error.txn_requires_abort()):
            self._unsettled = offsets
        if code in UNANSWERED or code in FENCED:
            return self._unanswered(doing)
        failure = self._translated(error, doing)
        return NotCommitted(failure.what, failure.advice) if type(failure) is OpenMSIStreamError else failure

    def _refused(self, attempt: Attempt) -> ResultsRefused:
        """Of those that are too large only the largest is named: a batch is refused as a whole, with all that is in it."""
        largest = max(attempt.refused, key=lambda number: batch_of_one(attempt.records[number]))
        too_large = attempt.refused[largest].code() in TOO_LARGE
        named = [largest] if too_large else sorted(attempt.refused)
        reasons = {number: plain_words(attempt.refused[number]) for number in named}
        return ResultsRefused(
            f"topic {self.topic.name!r} at {self.connection.bootstrap} did not take {len(named)} of "
            f"{_counted(attempt)}: {reasons[largest]}",
            "make it smaller, or raise max.message.bytes of the topic" if too_large else "check the topic's settings",
            reasons,
        )

    def _unanswered(self, doing: str) -> NotCommitted:
        cause = f" ({self.connection.last_cause})" if self.connection.last_cause else ""
        return NotCommitted(
            f"{doing} came to no end in time at {self.connection.bootstrap}{cause}",
            self.connection.advice or "check the network and the brokers; it is tried again",
        )

    def _translated(self, error: KafkaError, doing: str) -> OpenMSIStreamError:
        at = self.connection.bootstrap
        return in_words(error, doing, at, topic=self.topic.name, transactional_id=self.transactional_id)


def _membership(member: Member) -> object:
    try:
        return member.membership
    except Interrupted as error:
        raise Rebalancing(str(error)) from error


def _counted(attempt: Attempt) -> str:
    count = len(attempt.records)
    return "1 result" if count == 1 else f"{count} results"
