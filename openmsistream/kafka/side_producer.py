"""Records to a topic for which nobody waits: what becomes of them is said once, and never in the way of anything."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from openmsistream.errors import BrokerUnreachable, OpenMSIStreamError

from .admin import Admin, TopicWish
from .connection import Connection
from .errors import bad_property, kafka_error, words

log = logging.getLogger(__name__)

_ASK_WITHIN = 3.0

_TAKEN_WITHIN = 2.0
"""Seconds after which a record that is not acknowledged means that no broker takes any."""

_PARTITIONS = 1
"""One is enough for a record every minute, and keeps those of all programs in order."""

_LEFT = frozenset({KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT})


class SideProducer:
    """A producer for records that may be lost. Never the one that sends files: a topic that refuses what it is sent, or a
    transaction, would be in the way there. Use it in one thread; `close` it.
    """

    def __init__(self, properties: Mapping[str, str], where: str, *, silent: bool = True) -> None:
        """`silent`: somebody else says when these brokers cannot be reached."""
        self._properties = dict(properties)
        self._where = where
        self._connection = Connection(properties.get("bootstrap.servers", ""), silent=silent)
        self._on_the_way = 0  # the client's own count has its errors in it, too
        self._waits_since = 0.0  # when there was nothing to wait for, or something was taken
        self._said: set[str] = set()
        try:
            self._client = Producer(self._connection.config(properties))
        except KafkaException as error:
            raise bad_property(error, where, properties) from error

    @property
    def busy(self) -> bool:
        """Is anything on its way?"""
        return self._on_the_way > 0

    @property
    def away(self) -> bool:
        """Is something on its way that no broker takes?"""
        silent_for = time.monotonic() - self._waits_since
        return self.busy and (bool(self._connection.trouble) or silent_for > _TAKEN_WITHIN)

    def prepare(self, topic: str) -> None:
        """Make a topic that does not exist, as an uploader does. Trouble is said, not raised."""
        try:
            admin = Admin(self._properties, self._where)
            if admin.topic(topic, _ASK_WITHIN) is None and admin.create(topic, TopicWish(_PARTITIONS), _ASK_WITHIN):
                log.info("made topic %s", topic)
        except BrokerUnreachable as error:
            log.debug("asking for topic %s: %s", topic, error)  # it may come back; the records are tried in any case
        except OpenMSIStreamError as error:
            self._say(topic, error.what)

    def send(self, topic: str, key: str | bytes, value: str | bytes) -> None:
        """Send one record. Trouble is said, not raised."""
        try:
            self._client.produce(topic, value, key, on_delivery=self._reported)
        except BufferError:
            log.debug("the queue for topic %s is full; a record is left out", topic)
        except KafkaException as error:
            self._say(topic, words(kafka_error(error)))
        else:
            if not self.busy:
                self._waits_since = time.monotonic()
            self._on_the_way += 1

    def poll(self, timeout: float = 0.0) -> None:
        """Hear what became of records."""
        self._client.poll(timeout)

    def close(self, within: float) -> None:
        """Give what is on its way so many seconds, and no more."""
        if self.busy and not self.away:
            self._client.flush(max(0.0, within))
        self._client.purge()
        self._client.flush(0.1)

    def _reported(self, error: KafkaError | None, message: Message) -> None:
        self._on_the_way -= 1
        self._waits_since = time.monotonic()
        if error is None:
            self._connection.answered()
        elif error.code() in _LEFT:
            log.debug("a record for topic %s was not sent: %s", message.topic(), error.str())
        else:
            self._say(str(message.topic()), words(error))

    def _say(self, topic: str, why: str) -> None:
        if topic in self._said:
            return
        self._said.add(topic)
        log.warning("nothing can be sent to topic %s: %s; the program goes on without it", topic, why)
