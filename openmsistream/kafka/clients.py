"""Kafka clients for programs of one's own, made from a configuration file, with OpenMSIStream's names and methods."""

from __future__ import annotations

import logging
import queue
import re
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition

from openmsistream.config import Settings, load

from .connection import Connection
from .errors import bad_property, kafka_error, translate
from .message import Message, Read, reading
from .producible import Producible
from .record import Record
from .serializers import Serializers, serializers

log = logging.getLogger(__name__)

NEW_GROUP = "create_new"

_USERS = ("enable.auto.commit", "enable.auto.offset.store")
"""Of a client that commits when its user says so, the file decides these; our own programs do not leave it the choice."""

_TURN = 0.1


class OpenMSIStreamProducer:
    """Produces records whose keys and values the serializers of a configuration make bytes of. For one thread, or several."""

    POLL_EVERY = 5
    """Records after which delivery callbacks are served."""

    def __init__(self, settings: Settings, *, logger: logging.Logger | None = None, **properties: Any) -> None:
        self.logger = logger or log
        self._serializers: Serializers = serializers(settings)
        given = {**settings.producer.properties, **_properties(properties)}
        self._connection = Connection(given.get("bootstrap.servers", ""))
        self._producer = _made(Producer, self._connection.config(given), "[broker] or [producer]", given)
        self._produced = 0

    @classmethod
    def from_file(cls, config_file_path: str | Path, *given: Any, **kwargs: Any) -> Self:
        """A producer made as a configuration file says; further keyword arguments are properties, with "_" for "."."""
        args, kwargs = cls.get_producer_args_kwargs(config_file_path, *given, **kwargs)
        return cls(*args, **kwargs)

    @staticmethod
    def get_producer_args_kwargs(
        config_file_path: str | Path, logger: logging.Logger | None = None, kafkacrypto: None = None, **kwargs: Any
    ) -> tuple[list[Any], dict[str, Any]]:
        """What the constructor is called with, for programs that make several producers."""
        return [load(config_file_path)], {"logger": logger, **kwargs}

    def produce(self, topic: str, key: object, value: object, **kwargs: Any) -> None:
        """Hand a record to the client; raises SerializationError, or BufferError when the client's queue is full.

        Keyword arguments are those of `confluent_kafka.Producer.produce`.
        """
        data = self._serializers.value(value)
        try:
            self._producer.produce(topic, data, self._serializers.key(key), **kwargs)
        except KafkaException as error:
            raise translate(kafka_error(error), f"sending to topic {topic}", self._connection.bootstrap) from error

    def produce_object(
        self,
        obj: Producible,
        topic_name: str,
        callback: Callable[..., object] | None = None,
        print_every: int = 1000,
        timeout: float = 60,
        retry_sleep: float = 5,
    ) -> bool:
        """Produce an object, waiting for room in the client's queue; False when there is none within `timeout` seconds.

        `callback(error, message, producer_id, **obj.callback_kwargs)` is called when the broker has answered.
        """
        if said := obj.get_log_msg(print_every):
            self.logger.debug("%s", said)
        on_delivery: dict[str, Any] = {}
        if callback is not None:
            name, extra = hex(id(self)), dict(obj.callback_kwargs)
            on_delivery["on_delivery"] = lambda error, message: callback(error, message, name, **extra)
        deadline = time.monotonic() + timeout
        while True:
            try:
                self.produce(topic_name, obj.msg_key, obj.msg_value, **on_delivery)
                break
            except BufferError:
                left = deadline - time.monotonic()
                if left <= 0:
                    self.logger.error(f"no room for another record to topic {topic_name} within {timeout:g} s")
                    return False
                self.poll(min(left, retry_sleep, _TURN))
        self._produced += 1
        if self._produced % self.POLL_EVERY == 0:
            self.poll(0)
        return True

    def produce_from_queue(self, queue: queue.Queue[Any], topic_name: str, **kwargs: Any) -> None:
        """Produce the next object of a queue, if there is one."""
        try:
            obj = queue.get_nowait()
        except _EMPTY:
            self.poll(0)
            return
        if obj is not None:
            self.produce_object(obj, topic_name, **kwargs)

    def produce_from_queue_looped(self, queue: queue.Queue[Any], topic_name: str, **kwargs: Any) -> None:
        """Produce the objects of a queue until it gives None."""
        while True:
            try:
                obj = queue.get(timeout=_TURN)
            except _EMPTY:
                self.poll(0)
                continue
            if obj is None:
                return
            self.produce_object(obj, topic_name, **kwargs)

    def poll(self, *args: Any, **kwargs: Any) -> int:
        """Serve delivery callbacks, as `confluent_kafka.Producer.poll`."""
        served: int = self._producer.poll(*args, **kwargs)
        return served

    def flush(self, *args: Any, **kwargs: Any) -> int:
        """Wait until all is delivered, as `confluent_kafka.Producer.flush`; gives how many records are left."""
        left: int = self._producer.flush(*args, **kwargs)
        return left

    def close(self) -> None:
        """Nothing to let go of; `flush` before."""


class OpenMSIStreamConsumer:
    """Consumes records whose keys and values the deserializers of a configuration make readable. For one thread.

    `filepath_regex` lets through chunks of files whose path matches, `message_key_regex` records whose key matches, of those
    before `starting_offsets` only, or of all with `filter_new_message_keys`.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        message_key_regex: re.Pattern[str] | None = None,
        filter_new_message_keys: bool = False,
        starting_offsets: Sequence[TopicPartition] | None = None,
        filepath_regex: re.Pattern[str] | None = None,
        logger: logging.Logger | None = None,
        **properties: Any,
    ) -> None:
        self.logger = logger or log
        self.message_key_regex = message_key_regex
        self.filter_new_message_keys = filter_new_message_keys
        self.filepath_regex = filepath_regex
        self._before = {(place.topic, place.partition): place.offset for place in starting_offsets or ()}
        self._read: Read = reading(settings)
        users = {name: value for name, value in settings.section("consumer").items() if name in _USERS}
        given = {**settings.consumer.properties, **users, **_properties(properties)}
        if given.get("group.id", NEW_GROUP).lower() in ("", NEW_GROUP):
            given["group.id"] = settings.group_id or str(uuid.uuid1())
        self._connection = Connection(given.get("bootstrap.servers", ""))
        self._consumer = _made(Consumer, self._connection.config(given), "[broker] or [consumer]", given)
        self._closed = False

    @classmethod
    def from_file(cls, config_file_path: str | Path, *given: Any, **kwargs: Any) -> Self:
        """A consumer made as a configuration file says; further keyword arguments are properties, with "_" for "."."""
        args, kwargs = cls.get_consumer_args_kwargs(config_file_path, *given, **kwargs)
        return cls(*args, **kwargs)

    @staticmethod
    def get_consumer_args_kwargs(
        config_file_path: str | Path,
        logger: logging.Logger | None = None,
        kafkacrypto: None = None,
        treat_undecryptable_as_plaintext: bool = False,
        max_wait_per_decrypt: float = 5.0,
        max_initial_wait_per_decrypt: float = 60.0,
        **kwargs: Any,
    ) -> tuple[list[Any], dict[str, Any]]:
        """What the constructor is called with, for programs that make several consumers."""
        return [load(config_file_path)], {"logger": logger, **kwargs}

    def subscribe(self, *args: Any, **kwargs: Any) -> None:
        """As `confluent_kafka.Consumer.subscribe`."""
        self._consumer.subscribe(*args, **kwargs)

    def get_next_message(self, *poll_args: Any, **poll_kwargs: Any) -> Message | None:
        """The next record, after waiting as `confluent_kafka.Consumer.poll` does; None when none came or it is not wanted.

        Raises an OpenMSIStreamError when reading does not work, and Unreadable for a record that the deserializers do not
        take; the call after it goes on with the record that follows.
        """
        try:
            message = self._consumer.poll(*poll_args, **poll_kwargs)
        except KafkaException as error:
            raise self._translated(kafka_error(error)) from error
        if message is None:
            return None
        failure = message.error()
        if failure is not None:
            if failure.retriable():
                self.logger.warning("reading: %s", failure)
                return None
            raise self._translated(failure)
        readable = self._read(Record.of(message))
        return readable if self._wanted(readable) else None

    def message_consumed_before(self, msg: Message) -> bool:
        """Does it stand before the offset at which this consumer's group began?"""
        return msg.offset() < self._before.get((msg.topic(), msg.partition()), -1)

    def commit(
        self,
        message: Message | None = None,
        offsets: Sequence[TopicPartition] | None = None,
        asynchronous: bool = True,
    ) -> list[TopicPartition] | None:
        """Commit the offset behind a message, or these offsets. ValueError unless exactly one of them is given."""
        if (message is None) == (offsets is None):
            raise ValueError("commit takes either message or offsets")
        places = offsets if offsets is not None else [_behind(message)] if message is not None else []
        try:
            return self._consumer.commit(offsets=list(places), asynchronous=asynchronous)  # type: ignore[no-any-return]
        except KafkaException as error:
            raise self._translated(kafka_error(error)) from error

    def close(self, *args: Any, **kwargs: Any) -> None:
        """Leave the group; may be called more than once."""
        if not self._closed:
            self._closed = True
            self._consumer.close()

    def _wanted(self, message: Message) -> bool:
        return wanted(message, self.filepath_regex, self._key_regex_for(message))

    def _key_regex_for(self, message: Message) -> re.Pattern[str] | None:
        applies = self.filter_new_message_keys or self.message_consumed_before(message)
        return self.message_key_regex if applies else None

    def _translated(self, error: Any) -> Exception:
        return translate(error, "reading", self._connection.bootstrap)


class ConsumerAndProducerGroup:
    """Makes consumers of one group and producers as one configuration file says.

    `consumer_group_id` "create_new" is a group that nobody had before.
    """

    def __init__(
        self,
        config_path: str | Path,
        *,
        consumer_topic_name: str | None = None,
        consumer_group_id: str | None = NEW_GROUP,
        kafkacrypto: None = None,
        logger: logging.Logger | None = None,
        **_kwargs: Any,
    ) -> None:
        self.logger = logger or log
        self.kafkacrypto = kafkacrypto
        self.consumer_topic_name = consumer_topic_name
        self.consumer_group_id = group_named(consumer_group_id)
        self._settings = load(config_path)

    def get_new_producer(self, **kwargs: Any) -> OpenMSIStreamProducer:
        """A producer; flushing it is up to the caller."""
        return OpenMSIStreamProducer(self._settings, logger=self.logger, **kwargs)

    def get_new_subscribed_consumer(
        self, *, restart_at_beginning: bool = False, **kwargs: Any
    ) -> OpenMSIStreamConsumer:
        """A consumer of the topic in the group, with `restart_at_beginning` from the oldest record on; the caller closes it."""
        if self.consumer_topic_name is None:
            raise ValueError("there is no topic to read: give consumer_topic_name")
        consumer = OpenMSIStreamConsumer(
            self._settings, logger=self.logger, **{"group_id": self.consumer_group_id, **kwargs}
        )
        if restart_at_beginning:
            consumer.subscribe([self.consumer_topic_name], on_assign=_from_beginning)
        else:
            consumer.subscribe([self.consumer_topic_name])
        return consumer

    def close(self) -> None:
        """Nothing to let go of: its clients belong to those who asked for them."""


def group_named(name: str | None) -> str:
    """This group, or for "create_new" and None one that nobody had before."""
    return str(uuid.uuid1()) if name is None or name.lower() == NEW_GROUP else name


def wanted(message: Message, filepath_regex: re.Pattern[str] | None, key_regex: re.Pattern[str] | None) -> bool:
    """Do the path of its file and its key match, where they are known? What has none is wanted."""
    path = getattr(message.value(), "relative_filepath", None)
    if filepath_regex is not None and path is not None and not filepath_regex.match(path.as_posix()):
        return False
    key = message.key()
    return key_regex is None or not isinstance(key, str) or key_regex.match(key) is not None


def _from_beginning(consumer: Consumer, partitions: list[TopicPartition]) -> None:
    for partition in partitions:
        partition.offset = OFFSET_BEGINNING
    consumer.assign(partitions)


def _behind(message: Message) -> TopicPartition:
    return TopicPartition(message.topic(), message.partition(), message.offset() + 1)


def _properties(given: Mapping[str, Any]) -> dict[str, Any]:
    """Keyword arguments as properties of a client."""
    return {name.replace("_", "."): value for name, value in given.items()}


def _made(client: Callable[[Any], Any], config: Any, where: str, properties: Mapping[str, str]) -> Any:
    try:
        return client(config)
    except KafkaException as error:
        raise bad_property(error, where, properties) from error


_EMPTY = queue.Empty
"""The parameter that OpenMSIStream calls `queue` hides the module."""
