"""`ControlledMessageProcessor` hands over every record at least once, and commits what was dealt with."""

from __future__ import annotations

import json
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import NewTopic
from lab import Lab, chunks, expect, record_of

from openmsistream.errors import UsageError
from openmsistream.kafka.commits import Progress
from openmsistream.kafka.message_loop import _commit_of
from openmsistream.kafka.producible import Producible
from openmsistream.processing.message_reproducer import ControlledMessageReproducer
from openmsistream.processing.messages import ControlledMessageProcessor

STRINGS = "key.deserializer = StringDeserializer\nvalue.deserializer = StringDeserializer\n"


class Noting(ControlledMessageProcessor):
    """Notes every value; gives back what `answers` says of it, True otherwise."""

    def __init__(self, *args: Any, answers: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.answers = answers or {}
        self.seen: list[str] = []
        self.checks = 0
        self.ended = False

    def _process_message(self, lock: Any, msg: Any) -> bool:
        with lock:
            self.seen.append(msg.value())
        answer = self.answers.get(msg.value(), True)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _on_check(self) -> None:
        self.checks += 1

    def _on_shutdown(self) -> None:
        self.ended = True


def reading(processor: Noting, count: int) -> list[str]:
    """What it has been given, when these are so many; it is at its end then."""
    thread = threading.Thread(target=processor.run)
    thread.start()
    try:
        expect(lambda: len(processor.seen) >= count or not thread.is_alive(), 30, lambda: processor.seen)
    finally:
        processor.control_command_queue.put("q")
        thread.join(20)
        processor.close()
    assert not thread.is_alive()
    return list(processor.seen)


@pytest.fixture
def config(lab: Lab) -> Path:
    return lab.config_file("strings", consumer=STRINGS)


def put(lab: Lab, *values: str) -> None:
    lab.produce(*((b"k", value.encode(), ()) for value in values))


def test_every_record_is_handed_over_and_committed(lab: Lab, config: Path) -> None:
    lab.make_topic()
    put(lab, "1", "2", "3")
    processor = Noting(config, lab.topic, consumer_group_id=lab.topic)
    processor.control_command_queue.put("c")
    assert reading(processor, 3) == ["1", "2", "3"]
    assert (processor.n_msgs_read, processor.n_msgs_processed, processor.checks, processor.ended) == (3, 3, 1, True)
    assert lab.committed(lab.topic) == [3]
    assert processor.summary.startswith("processed 3 records, 3 B in ")


def test_a_record_that_failed_comes_again_after_a_restart_and_those_above_it_do_not(lab: Lab, config: Path) -> None:
    lab.make_topic()
    put(lab, "1", "2", "3", "4", "5")
    answers = {"2": False, "4": ValueError("no"), "5": None}
    assert reading(Noting(config, lab.topic, consumer_group_id=lab.topic, n_threads=1, answers=answers), 5) == list(
        "12345"
    )
    assert lab.committed(lab.topic) == [1]
    put(lab, "6")
    assert reading(Noting(config, lab.topic, consumer_group_id=lab.topic, n_threads=1), 4) == ["2", "4", "5", "6"]
    assert lab.committed(lab.topic) == [6]


class TheirLogger:
    """As openmsitoolbox's: `error` takes no arguments to put into the message, and there is no `exception`."""

    def __init__(self) -> None:
        self.errors: list[tuple[str, Any]] = []

    def error(self, msg: str, *, exc_type: Any = None, reraise: bool = False, exc_info: Any = None) -> None:
        self.errors.append((msg, exc_info))

    def info(self, msg: str, *args: Any) -> None: ...


def test_a_hook_that_raised_is_told_to_the_logger_that_the_program_brought(lab: Lab, config: Path) -> None:
    lab.make_topic()
    put(lab, "1")
    logger, failure = TheirLogger(), ValueError("no")
    reading(Noting(config, lab.topic, logger=logger, answers={"1": failure}), 1)
    assert logger.errors == [(f"the record at offset 0 of partition 0 of topic {lab.topic} failed", failure)]


def test_a_record_that_cannot_be_read_does_not_stop_the_others(
    lab: Lab, config: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lab.make_topic()
    lab.produce((b"k", b"1", ()), (b"k", b"\xff\xfe", ()), (b"k", b"3", ()))
    assert reading(Noting(config, lab.topic, consumer_group_id=lab.topic), 2) == ["1", "3"]
    assert lab.committed(lab.topic) == [3]
    assert f"the record at offset 1 of partition 0 of topic {lab.topic} cannot be read: " in caplog.text
    assert "; it is passed over" in caplog.text


def test_two_in_one_group_share_the_records(lab: Lab, config: Path) -> None:
    lab.make_topic(4)
    for partition in range(4):
        lab.produce(*((b"k", f"{partition}.{number}".encode(), ()) for number in range(5)), partition=partition)
    one, other = (Noting(config, lab.topic, consumer_group_id=lab.topic, n_threads=2) for _ in range(2))
    threads = [threading.Thread(target=processor.run) for processor in (one, other)]
    for thread in threads:
        thread.start()
    expect(lambda: len({*one.seen, *other.seen}) == 20, 30, lambda: (one.seen, other.seen))
    for processor, thread in zip((one, other), threads, strict=True):
        processor.control_command_queue.put("q")
        thread.join(20)
        processor.close()
    assert lab.committed(lab.topic, 4) == [5] * 4


def test_a_new_group_begins_at_the_oldest_record_each_time(lab: Lab, config: Path) -> None:
    lab.make_topic()
    put(lab, "1")
    assert [reading(Noting(config, lab.topic), 1) for _ in range(2)] == [["1"], ["1"]]


def test_a_topic_may_be_read_from_its_beginning_again(lab: Lab, config: Path) -> None:
    lab.make_topic()
    put(lab, "1", "2")
    reading(Noting(config, lab.topic, consumer_group_id=lab.topic), 2)
    assert reading(Noting(config, lab.topic, consumer_group_id=lab.topic, from_beginning=True), 2) == ["1", "2"]


def test_a_topic_that_is_not_there_yet_is_waited_for(lab: Lab, config: Path) -> None:
    processor = Noting(config, lab.topic, consumer_group_id=lab.topic)
    thread = threading.Thread(target=processor.run)
    thread.start()
    expect(lambda: processor.alive, 10)
    lab.make_topic()
    put(lab, "1")
    expect(lambda: processor.seen == ["1"], 30)
    processor.control_command_queue.put("q")
    thread.join(20)
    processor.close()


def test_chunks_of_files_are_chosen_by_their_paths(lab: Lab) -> None:
    lab.make_topic()
    for path in ("a/1.dat", "b/2.dat"):
        lab.produce(*map(record_of, chunks(path, b"x")))

    class Names(Noting):
        def _process_message(self, lock: Any, msg: Any) -> bool:
            self.seen.append(msg.value().filename)
            return True

    assert reading(Names(lab.config, lab.topic, "b/", consumer_group_id=lab.topic), 1) == ["2.dat"]
    assert lab.committed(lab.topic) == [2]


def test_a_class_without_the_hook_is_refused(lab: Lab) -> None:
    class Nothing(ControlledMessageProcessor):
        pass

    with pytest.raises(UsageError, match=r"^Nothing has no method _process_message of its own; a subclass has to say"):
        Nothing(lab.config, "t")


def test_a_command_line_has_its_arguments(config: Path) -> None:
    parsed = Noting.get_argument_parser().parse_args(["--config", str(config), "--topic_name", "t", "--n_threads", "1"])
    args, kwargs = Noting.get_init_args_kwargs(parsed)
    processor = Noting(*args, **{**kwargs, "consumer_topic_name": "t"})
    assert (processor.n_threads, processor.consumer_topic_name, len(processor.consumer_group_id)) == (1, "t", 36)
    processor.close()


def test_with_more_failures_than_a_commit_can_name_it_says_where_the_first_stands() -> None:
    progress = Progress(0)
    for offset in range(1000):
        progress.begin(offset)
        if offset % 2:
            progress.finish(offset)
        progress.saw(offset)
    assert (_commit_of(progress).offset, _commit_of(progress).metadata) == (0, "")


class Shout(Producible):
    def __init__(self, text: str) -> None:
        self.text = text

    @property
    def msg_key(self) -> str:
        return f"key {self.text}"

    @property
    def msg_value(self) -> str:
        return self.text.upper()


class Shouting(ControlledMessageReproducer, Noting):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.answered: Counter[str] = Counter()

    def _process_message(self, lock: Any, msg: Any) -> bool:
        self.producer_message_queue.put(Shout(msg.value()))
        return super()._process_message(lock, msg)

    def producer_callback(self, error: Any, message: Any, name: str) -> None:
        self.answered[message.key().decode()] += error is None


def test_what_comes_of_records_is_on_the_other_topic_before_they_are_committed(lab: Lab, config: Path) -> None:
    lab.make_topic()
    results = f"{lab.topic}-results"
    lab.admin.create_topics([NewTopic(results, 1)])[results].result(15)
    put(lab, "a", "b")
    processor = Shouting(config, lab.topic, results, consumer_group_id=lab.topic, n_consumer_threads=1)
    assert reading(processor, 2) == ["a", "b"]
    assert (processor.n_msgs_produced, dict(processor.answered)) == (2, {"key a": 1, "key b": 1})
    assert lab.committed(lab.topic) == [2]
    lab.topic = results
    assert [(m.key(), m.value()) for m in lab.records()] == [(b"key a", b"A"), (b"key b", b"B")]


def test_heartbeats_tell_how_many_records_there_were(lab: Lab, config: Path) -> None:
    lab.make_topic()
    beats = f"{lab.topic}-beats"
    lab.admin.create_topics([NewTopic(beats, 1)])[beats].result(15)
    put(lab, "1", "22")
    processor = Noting(
        config, lab.topic, consumer_group_id=lab.topic, heartbeat_topic_name=beats, heartbeat_program_id="me"
    )
    reading(processor, 2)
    lab.topic = beats
    told = [json.loads(m.value() or b"") for m in lab.records()]
    assert sum(beat["n_messages_read"] for beat in told) == sum(beat["n_messages_processed"] for beat in told) == 2
    assert sum(beat["n_bytes_read"] for beat in told) == 3
