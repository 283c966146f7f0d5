"""The clients for programs of one's own do what the published package's do, against a real broker."""

from __future__ import annotations

import queue
import re
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from lab import Lab, chunks, expect, record_of

from openmsistream.errors import ConfigError, OpenMSIStreamError
from openmsistream.kafka.chunk_value import DataFileChunk
from openmsistream.kafka.clients import ConsumerAndProducerGroup, OpenMSIStreamConsumer, OpenMSIStreamProducer
from openmsistream.kafka.message import Message, Unreadable
from openmsistream.kafka.producible import Producible
from openmsistream.kafka.serializers import SerializationError

STRINGS = "key.deserializer = StringDeserializer\nvalue.deserializer = StringDeserializer\n"
CHUNKS = "key.deserializer = StringDeserializer\nvalue.deserializer = DataFileChunkDeserializer\n"


class Word(Producible):
    def __init__(self, key: str, value: object) -> None:
        self.key, self.value = key, value

    @property
    def msg_key(self) -> str:
        return self.key

    @property
    def msg_value(self) -> object:
        return self.value

    @property
    def callback_kwargs(self) -> dict[str, Any]:
        return {"extra": 1}

    def get_log_msg(self, print_every: int | None = None) -> str:
        return f"sending {self.key}"


@pytest.fixture
def strings(lab: Lab) -> Path:
    """A configuration whose values are text."""
    lab.make_topic()
    file = lab.config_file("strings", consumer=STRINGS)
    text = "[producer]\nkey.serializer = StringSerializer\nvalue.serializer = StringSerializer\n"
    file.write_text(file.read_text("utf-8") + text, "utf-8")
    return file


def next_of(consumer: OpenMSIStreamConsumer) -> Message:
    """The next record that is wanted."""
    found: list[Message] = []
    expect(lambda: (message := consumer.get_next_message(0.2)) is not None and not found.append(message), 30)
    return found[0]


def test_what_one_client_produces_another_consumes(lab: Lab, strings: Path) -> None:
    producer = OpenMSIStreamProducer.from_file(strings)
    answers: list[tuple[Any, ...]] = []
    assert producer.produce_object(
        Word("k1", "v1"), lab.topic, callback=lambda error, message, name, **more: answers.append((error, name, more))
    )
    producer.produce(lab.topic, "k2", None)
    waiting: queue.Queue[Word | None] = queue.Queue()
    producer.produce_from_queue(waiting, lab.topic)
    for item in (Word("k3", "v3"), Word("k4", "v4"), None):
        waiting.put(item)
    producer.produce_from_queue(waiting, lab.topic)
    producer.produce_from_queue_looped(waiting, lab.topic)
    assert producer.flush(10) == 0
    producer.close()
    assert answers == [(None, hex(id(producer)), {"extra": 1})]

    consumer = OpenMSIStreamConsumer.from_file(strings, group_id=lab.topic)
    consumer.subscribe([lab.topic])
    messages = [next_of(consumer) for _ in range(4)]
    assert [(m.key(), m.value()) for m in messages] == [("k1", "v1"), ("k2", None), ("k3", "v3"), ("k4", "v4")]
    last = messages[-1]
    assert (last.topic(), last.partition(), last.offset(), last.error(), len(last)) == (lab.topic, 0, 3, None, 2)
    assert last.timestamp()[1] > 1_600_000_000_000
    consumer.commit(last, asynchronous=False)
    consumer.close()
    consumer.close()
    assert lab.committed(lab.topic) == [4]


def test_offsets_are_committed_as_they_are_given(lab: Lab, strings: Path) -> None:
    consumer = OpenMSIStreamConsumer.from_file(strings, group_id=lab.topic)
    consumer.commit(offsets=[TopicPartition(lab.topic, 0, 7)], asynchronous=False)
    with pytest.raises(ValueError, match=r"^commit takes either message or offsets$"):
        consumer.commit()
    consumer.close()
    assert lab.committed(lab.topic) == [7]


def test_chunks_of_files_have_the_attributes_that_programs_read(lab: Lab) -> None:
    lab.make_topic()
    lab.produce(*map(record_of, chunks("sub/a.dat", b"abcdefg", 3)))
    group = ConsumerAndProducerGroup(
        lab.config_file("chunks", consumer=CHUNKS), consumer_topic_name=lab.topic, consumer_group_id=lab.topic
    )
    consumer = group.get_new_subscribed_consumer()
    messages = [next_of(consumer) for _ in range(3)]
    consumer.close()
    group.close()
    first, last = messages[0].value(), messages[-1].value()
    assert isinstance(first, DataFileChunk)
    assert messages[0].key() == "sub/a.dat"
    assert (first.filename, first.subdir_str, first.relative_filepath) == ("a.dat", "sub", Path("sub/a.dat"))
    assert (first.chunk_i, first.n_total_chunks, first.chunk_offset_write, first.chunk_size) == (1, 3, 0, 3)
    assert (last.data, len(last), last.chunk_i, last.n_total_chunks) == (b"g", 1, 3, 3)
    assert (first.file_hash, len(last.file_hash), len(first.chunk_hash)) == (b"", 32, 64)
    assert (first.msg_key, first.file_mtime, first.rootdir) == ("sub_a.dat_chunk_1_of_3", 1.6e9, None)


def test_records_may_be_chosen_by_path_and_by_key(lab: Lab) -> None:
    lab.make_topic()
    for path in ("a/1.dat", "b/2.dat", "b/3.dat"):
        lab.produce(*map(record_of, chunks(path, b"x")))
    group = ConsumerAndProducerGroup(lab.config, consumer_topic_name=lab.topic)
    consumer = group.get_new_subscribed_consumer(filepath_regex=re.compile("b/"))
    assert next_of(consumer).value().filename == "2.dat"
    consumer.close()
    group = ConsumerAndProducerGroup(lab.config_file("chunks", consumer=CHUNKS), consumer_topic_name=lab.topic)
    consumer = group.get_new_subscribed_consumer(
        message_key_regex=re.compile(".*3"), starting_offsets=[TopicPartition(lab.topic, 0, 3)]
    )
    assert next_of(consumer).value().filename == "3.dat"
    consumer.close()


def test_a_group_may_be_read_from_the_beginning_again(lab: Lab, strings: Path) -> None:
    lab.produce((b"k", b"one", ()), (b"k", b"two", ()))
    group = ConsumerAndProducerGroup(strings, consumer_topic_name=lab.topic, consumer_group_id=lab.topic)
    consumer = group.get_new_subscribed_consumer()
    consumer.commit(offsets=[TopicPartition(lab.topic, 0, 2)], asynchronous=False)
    consumer.close()
    again = group.get_new_subscribed_consumer(restart_at_beginning=True)
    assert next_of(again).value() == "one"
    again.close()


def test_every_new_group_is_another_one(strings: Path) -> None:
    groups = {ConsumerAndProducerGroup(strings).consumer_group_id for _ in range(2)}
    assert len(groups) == 2


def test_a_record_that_cannot_be_read_is_told_and_the_next_one_can(lab: Lab, strings: Path) -> None:
    lab.produce((b"k", b"\xff\xfe", ()), (b"k", b"good", ()))
    consumer = OpenMSIStreamConsumer.from_file(strings, group_id=lab.topic)
    consumer.subscribe([lab.topic])
    with pytest.raises(Unreadable) as caught:
        expect(lambda: consumer.get_next_message(0.2) is not None, 30)
    assert f"the record at offset 0 of partition 0 of topic {lab.topic} cannot be read: the value " in str(caught.value)
    assert next_of(consumer).value() == "good"
    consumer.close()


def test_a_record_that_is_no_chunk_is_told_where_chunks_are_named(lab: Lab) -> None:
    lab.make_topic()
    lab.produce((b"k", b"text", ()))
    consumer = OpenMSIStreamConsumer.from_file(lab.config_file("chunks", consumer=CHUNKS), group_id=lab.topic)
    consumer.subscribe([lab.topic])
    with pytest.raises(Unreadable, match=r"is no chunk of a file: it has no header 'oms' and its value is no msgpack"):
        expect(lambda: consumer.get_next_message(0.2) is not None, 30)
    consumer.close()


def test_a_record_that_is_no_chunk_is_bytes_where_nothing_is_named(lab: Lab) -> None:
    lab.make_topic()
    lab.produce((b"k", b"text", ()))
    consumer = OpenMSIStreamConsumer.from_file(lab.config, group_id=lab.topic)
    consumer.subscribe([lab.topic])
    assert (next_of(consumer).value()) == b"text"
    consumer.close()


def test_a_value_that_the_serializer_does_not_take_is_told(lab: Lab, strings: Path) -> None:
    with pytest.raises(
        SerializationError, match=r"^the value 3 \(int\) cannot be sent with value\.serializer = StringSerializer"
    ):
        OpenMSIStreamProducer.from_file(strings).produce(lab.topic, "k", 3)


def test_a_property_that_the_client_does_not_take_is_told(strings: Path) -> None:
    with pytest.raises(ConfigError, match=r"^the settings in \[broker\] or \[consumer\] were refused: "):
        OpenMSIStreamConsumer.from_file(strings, session_timeout_ms="soon")


def test_a_topic_is_needed_for_reading(strings: Path) -> None:
    with pytest.raises(ValueError, match=r"^there is no topic to read: give consumer_topic_name$"):
        ConsumerAndProducerGroup(strings).get_new_subscribed_consumer()


def test_a_topic_that_is_not_there_is_told(lab: Lab, strings: Path) -> None:
    consumer = OpenMSIStreamConsumer.from_file(strings, group_id=lab.topic, topic_metadata_propagation_max_ms="0")
    consumer.subscribe([f"{lab.topic}-none"])
    with pytest.raises(OpenMSIStreamError, match=r"^reading at 127\.0\.0\.1:\d+ did not work: .*topic"):
        expect(lambda: consumer.get_next_message(0.2) is not None, 30)
    consumer.close()
