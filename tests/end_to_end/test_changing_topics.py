"""Topics that grow, vanish, come back, or cannot carry files."""

from __future__ import annotations

import logging
import os
import time

import pytest
from lab import Lab, expect, header, path_in_partition, put, same, tree

from openmsistream.errors import TopicError
from openmsistream.transfer import reader as reader_module
from openmsistream.transfer import uploader as uploader_module
from openmsistream.transfer.downloader import Downloader, DownloadOptions


@pytest.fixture
def quick_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """The programs look at the topic every half second instead of every ten."""
    monkeypatch.setattr(uploader_module, "_TOPIC_EVERY", 0.5)
    monkeypatch.setattr(reader_module, "_TOPIC_EVERY", 0.5)


def test_the_topic_is_made_as_asked_and_its_settings_are_said(lab: Lab) -> None:
    up = lab.upload_program("--topic_partitions", "3", "--topic_replication", "1", "--topic_retention_hours", "5")
    up.wait_for(f"made topic {lab.topic}")
    up.wait_for(f"topic {lab.topic}: 3 partitions, 1 replicas, records kept for 5 hours")
    assert len(lab.admin.list_topics(timeout=10).topics[lab.topic].partitions) == 3


def test_a_topic_that_cannot_be_made_says_so(lab: Lab) -> None:
    up = lab.upload_program("--topic_replication", "3")
    assert up.ends() == 6
    assert f"the topic {lab.topic!r} does not exist and could not be made" in up.said


def test_a_name_that_no_topic_can_have_is_refused(lab: Lab) -> None:
    lab.topic = "no topic/name!"
    up, down = lab.upload_program(), lab.download_program()
    assert (up.ends(), down.ends()) == (6, 6)
    for said in (up.said, down.said):
        assert "error: 'no topic/name!' cannot be the name of a topic" in said
        assert "use at most 249 of the letters" in said


def test_a_compacted_topic_is_refused_with_the_settings_name(lab: Lab) -> None:
    lab.make_topic(cleanup_policy="compact")
    up = lab.upload_program()
    assert up.ends() == 6
    assert f"topic {lab.topic} has cleanup.policy=compact, which would keep one chunk of each file" in up.said
    with pytest.raises(TopicError, match=r"cleanup\.policy=compact"):
        Downloader(DownloadOptions(lab.target, lab.topic), lab.settings)


def test_a_chunk_larger_than_the_topic_takes_is_refused_with_both_numbers(lab: Lab) -> None:
    lab.make_topic(max_message_bytes="100000")
    up = lab.upload_program("--chunk_size", "131072")
    assert up.ends() == 6
    assert "chunks of 131072 bytes" in up.said
    assert "max.message.bytes is 100000" in up.said


def test_a_chunk_that_fits_the_topic_but_not_librdkafkas_default_goes_through(lab: Lab) -> None:
    lab.make_topic(max_message_bytes="5000000")
    with lab.uploading(chunk_size=1 << 22), lab.downloading():
        put(lab.source, "a.bin", os.urandom(9_000_000))
        expect(lambda: same(lab.source, lab.target))
    assert [len(m.value() or b"") for m in lab.records()] == [1 << 22, 1 << 22, 9_000_000 - (1 << 23)]


@pytest.mark.usefixtures("quick_look")
def test_partitions_added_to_a_topic_in_use_are_used_and_a_path_keeps_the_one_it_had(lab: Lab) -> None:
    lab.make_topic(1)
    kept, new = path_in_partition(2, 3, "kept"), path_in_partition(2, 3, "new")
    with lab.uploading() as up, lab.downloading():
        put(lab.source, kept, "one")
        expect(lambda: same(lab.source, lab.target))
        lab.add_partitions(3)
        expect(lambda: up.topic.partitions == 3)
        put(lab.source, kept, "two")
        put(lab.source, new, "new")
        expect(lambda: same(lab.source, lab.target), 60, lambda: (up.tally, tree(lab.target)))
    assert [((m.key() or b"").decode(), m.partition()) for m in lab.records()] == [(kept, 0), (kept, 0), (new, 2)]


@pytest.mark.usefixtures("quick_look")
def test_a_topic_deleted_and_made_again_while_both_run_is_filled_again_and_read_from_its_beginning(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    lab.make_topic(2)
    with lab.uploading(), lab.downloading():
        for number in range(5):
            put(lab.source, f"{number}", f"{number}")
        expect(lambda: same(lab.source, lab.target))
        lab.delete_topic()
        lab.make_topic(2)
        put(lab.source, "0", "changed after it was made again")
        put(lab.source, "new", "new")
        expect(lambda: same(lab.source, lab.target), 60)
        expect(lambda: len({m.key() for m in lab.records()}) == 6)
    assert f"topic {lab.topic} was made again: everything is sent again" in caplog.text


@pytest.mark.usefixtures("quick_look")
def test_a_topic_that_is_gone_is_waited_for(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    lab.make_topic(1)
    with lab.uploading() as up, lab.downloading() as down:
        put(lab.source, "a", "a")
        expect(lambda: same(lab.source, lab.target))
        lab.delete_topic()
        expect(lambda: f"topic {lab.topic} is gone; waiting" in caplog.text)
        put(lab.source, "b", os.urandom(2_000_000))
        expect(lambda: up.alive and down.alive)
        lab.make_topic(1)
        expect(lambda: same(lab.source, lab.target), 60)


def test_a_topic_made_again_while_both_programs_were_stopped_counts_as_another(lab: Lab) -> None:
    put(lab.source, "known", "was there before the first start")
    lab.make_topic(1)
    with lab.uploading(), lab.downloading():
        put(lab.source, "a", "a")
        put(lab.source, "b", os.urandom(600_000))
        expect(lambda: set(tree(lab.target)) == {"a", "b"})
    lab.delete_topic()
    lab.make_topic(1)
    put(lab.source, "c", "c")
    with lab.uploading(), lab.downloading():
        expect(lambda: set(tree(lab.target)) == {"a", "b", "c"})
        expect(lambda: {m.key() for m in lab.records()} == {b"a", b"b", b"c"})


def test_a_downloader_started_before_its_topic_waits_for_it(lab: Lab) -> None:
    down = lab.download_program()
    down.wait_for(f"topic {lab.topic} does not exist yet; waiting for it")
    began = time.monotonic()
    with lab.uploading():
        put(lab.source, "a", "a")
        expect(lambda: same(lab.source, lab.target))
    assert time.monotonic() - began < 20
    assert down.stop() == 0


def test_files_of_one_path_lie_in_one_partition_in_order(lab: Lab) -> None:
    lab.make_topic(4)
    with lab.uploading(chunk_size=1 << 16, lanes=4) as up:
        for number in range(8):
            put(lab.source, f"{number}.bin", os.urandom(1_000_000))
        expect(lambda: up.tally.files == 8)
    records = lab.records()
    for number in range(8):
        mine = [m for m in records if m.key() == f"{number}.bin".encode()]
        assert len({m.partition() for m in mine}) == 1
        assert [header(m, "chunk") for m in mine] == [b"%d" % index for index in range(16)]
