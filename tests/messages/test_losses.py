"""What is said when a topic has lost what a reader had not read, and that nothing else is lost with it.

`delete_records` moves the beginning of a log as retention does, when it is asked to and not some minutes later.
"""

from __future__ import annotations

import re
import signal
import sys

import pytest
from confluent_kafka import Consumer, TopicPartition
from lab import Lab, chunks, expect, record_of, tree


def delete_before(lab: Lab, offset: int, partition: int = 0) -> None:
    place = TopicPartition(lab.topic, partition, offset)
    lab.admin.delete_records([place])[place].result(15)


def commit(lab: Lab, group: str, offset: int) -> None:
    consumer = Consumer({"bootstrap.servers": lab.address, "group.id": group, "enable.auto.commit": False})
    consumer.commit(offsets=[TopicPartition(lab.topic, 0, offset)], asynchronous=False)
    consumer.close()


def produce_files(lab: Lab, *names: str, content: bytes = b"content") -> None:
    lab.produce(*(record_of(chunk) for name in names for chunk in chunks(name, content)))


def test_records_that_were_deleted_while_a_reader_was_away_are_said_with_number_partition_and_time(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    lab.make_topic(1)
    produce_files(lab, "a")
    with lab.downloading():
        expect(lambda: set(tree(lab.target)) == {"a"})
    produce_files(lab, "b", "c", "d")
    delete_before(lab, 3)
    with lab.downloading():
        expect(lambda: set(tree(lab.target)) == {"a", "d"})
    (said,) = [r.getMessage() for r in caplog.records if r.levelname == "ERROR"]
    assert f"LOST: topic {lab.topic} has deleted 2 records before this reader read them (2 in partition 0)" in said
    assert re.search(r"all of them sent after \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+00:00", said)
    assert "send those files again" in said
    assert "retention.ms" in said
    assert re.search(r"partition 0 goes on with what was sent at \d{4}-", caplog.text)


def test_a_file_that_was_being_received_when_its_beginning_was_deleted_is_named(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    lab.make_topic(1)
    half = [record_of(chunk) for chunk in chunks("large.bin", b"x" * 300_000)]
    lab.produce(*half[:3])
    with lab.downloading() as down:
        expect(lambda: down.tally.records == 3)
    delete_before(lab, 2)
    with lab.downloading() as down:
        produce_files(lab, "after")
        expect(lambda: set(tree(lab.target)) == {"after"})
        assert down.tally.incomplete == 1
    (said,) = [r.getMessage() for r in caplog.records if r.levelname == "ERROR"]
    assert said.startswith("1 files that were being received cannot be completed, their first chunks were deleted: ")
    assert "large.bin; send them again" in said


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be made to stand still there")
def test_records_that_are_deleted_under_a_running_reader_are_said_too(lab: Lab) -> None:
    lab.make_topic(1)
    down = lab.download_program()
    produce_files(lab, "a")
    expect(lambda: lab.target.exists() and set(tree(lab.target)) == {"a"})
    down.signal(signal.SIGSTOP)
    try:
        produce_files(lab, *(f"{n}" for n in range(40)), content=b"x" * 60_000)
        delete_before(lab, 31)
    finally:
        down.signal(signal.SIGCONT)
    down.wait_for(r"LOST: topic \S+ has deleted \d+ records before this reader read them", 60)
    expect(lambda: "39" in tree(lab.target), 30, lambda: down.said)
    produce_files(lab, "new")
    expect(lambda: "new" in tree(lab.target), 30, lambda: down.said)
    assert down.running
    assert "Traceback" not in down.said
    assert down.stop() == 0


def test_a_log_that_lost_its_end_is_said_and_read_again_and_what_is_new_in_it_arrives(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    """After an unclean change of leaders a log may be shorter than what was read of it."""
    lab.make_topic(1)
    produce_files(lab, "a", "b")
    with lab.downloading(group="g"):
        expect(lambda: set(tree(lab.target)) == {"a", "b"})
    commit(lab, "g", 500)
    produce_files(lab, "new")
    with lab.downloading(group="g") as down:
        expect(lambda: set(tree(lab.target)) == {"a", "b", "new"})
        expect(lambda: down.tally.files == 1)
    (said,) = [r.getMessage() for r in caplog.records if r.levelname == "ERROR"]
    assert said.startswith(f"the broker has lost the end of partition 0 of topic {lab.topic}: ")
    assert "read again from its oldest record" in said


def test_a_newer_version_under_a_lower_offset_is_not_passed_over_after_the_end_was_lost(lab: Lab) -> None:
    lab.make_topic(1)
    produce_files(lab, "x", "y")
    produce_files(lab, "a", content=b"old")
    with lab.downloading(group="g"):
        expect(lambda: tree(lab.target).get("a") == b"old")
    commit(lab, "g", 500)
    produce_files(lab, "a", content=b"new")
    with lab.downloading(group="g"):
        expect(lambda: tree(lab.target)["a"] == b"new")


def test_a_reader_that_must_have_a_place_and_has_none_says_what_to_do(lab: Lab) -> None:
    lab.make_topic(1)
    config = lab.config_file("none", consumer="auto.offset.reset = none\n")
    down = lab.download_program(config=config)
    assert down.ends() == 3
    assert (
        "error: the group has no place to go on in partition 0 of topic "
        f"{lab.topic}, and auto.offset.reset = error says that it must have one; begin at the oldest record with "
        "--from_beginning" in down.said
    )
