"""One Kafka transaction from its beginning to its end, to be run in a thread that can be left behind.

Tried with librdkafka 2.16: with a silent broker send_offsets_to_transaction comes back after transaction.timeout.ms and not
after the seconds that it was given. And commit_transaction waits out its time when a record was refused while others were
on their way behind it, so it is called when all are acknowledged.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition

from .errors import kafka_error
from .sendable import Sendable
from .transaction_errors import OF_THE_RECORD

_TURN = 0.05
_LAST_WORDS = 0.2


@dataclass
class Attempt:
    """A transaction with these records for `topic` and these offsets of a group; `run` it, once.

    It ends with `committed`, or with an `error`. `ending` is what makes the difference then: the broker was perhaps told
    to commit. `refused` has the records, by number, that the topic does not take.
    """

    client: Producer
    topic: str
    records: Sequence[Sendable]
    offsets: list[TopicPartition]
    membership: object
    deadline: float
    """On the clock of time.monotonic."""
    began: float = field(default_factory=time.time)  # time.monotonic stands still while a machine is suspended
    committed: bool = False
    ending: bool = False
    error: KafkaError | None = None
    defect: Exception | None = None
    refused: dict[int, KafkaError] = field(default_factory=dict)
    _undelivered: KafkaError | None = None
    _left: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> None:
        try:
            self.client.begin_transaction()
            for number, record in enumerate(self.records):
                self._send(number, record)
            if self.offsets:
                self.client.send_offsets_to_transaction(self.offsets, self.membership, self._remaining)
            self._deliver()
            if self._may_end():
                self._end()
        except KafkaException as error:
            self.error = kafka_error(error)
            self._hear_reports()
        except Exception as error:  # noqa: BLE001 - the top of a thread; raised again by who started it
            self.defect = error

    def leave(self) -> None:
        """Nobody waits for it any more: when it goes on, it will not commit."""
        with self._lock:
            self._left = True

    @property
    def _remaining(self) -> float:
        return max(_TURN, self.deadline - time.monotonic())

    @property
    def _is_late(self) -> bool:
        return self._left or time.monotonic() > self.deadline

    def _send(self, number: int, record: Sendable) -> None:
        def reported(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                self._not_taken(number, error)

        while True:
            try:
                self.client.produce(
                    self.topic, record.value, record.key, headers=list(record.headers), on_delivery=reported
                )
                break
            except BufferError:  # the client's queue is full
                if self._is_late:
                    raise KafkaException(KafkaError(KafkaError._TIMED_OUT)) from None
                self.client.poll(_TURN)
            except KafkaException as error:
                self._not_taken(number, kafka_error(error))
                raise

    def _not_taken(self, number: int, error: KafkaError) -> None:
        self._undelivered = self._undelivered or error
        if error.code() in OF_THE_RECORD:
            self.refused[number] = error

    def _deliver(self) -> None:
        """Wait until every record is acknowledged, or one is not."""
        while self.client.flush(_TURN):
            if self._undelivered is not None or self._is_late:
                raise KafkaException(self._undelivered or KafkaError(KafkaError._TIMED_OUT))
        if self._undelivered is not None:
            raise KafkaException(self._undelivered)

    def _may_end(self) -> bool:
        with self._lock:
            self.ending = not self._left
        return self.ending

    def _end(self) -> None:
        """Commit, asking again for as long as there is time: a call that timed out goes on in the next one."""
        while True:
            try:
                self.client.commit_transaction(self._remaining)
                break
            except KafkaException as error:
                if not kafka_error(error).retriable() or self._is_late:
                    raise
        self.committed = True

    def _hear_reports(self) -> None:
        """Let the client tell what became of each record. After a fatal error it raises it from here too, again and again."""
        try:
            self.client.purge()
            self.client.flush(_LAST_WORDS)
        except KafkaException:
            pass
