"""What the client gives up by itself, what never gets an answer, and more waiting than may be kept in memory."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError
from lab import Lab, expect, put, same, tree

from openmsistream.broker import RunningBroker, temporary
from openmsistream.errors import AccessRefused
from openmsistream.kafka.consumer import ChunkConsumer, Interrupted
from openmsistream.transfer import settle, uploader
from openmsistream.transfer.uploader import Uploader, UploadOptions


@pytest.fixture
def own(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, RunningBroker]]:
    """A broker of this test's own, with a topic and folders."""
    with temporary(tmp_path_factory.mktemp("own")) as running:
        made = Lab(running.address, tmp_path)
        try:
            yield made, running
        finally:
            os.kill(running.pid, signal.SIGCONT)
            made.close()


@pytest.mark.skipif(os.name == "nt", reason="a process cannot be frozen there")
def test_with_a_broker_that_has_gone_silent_both_programs_end_within_8_s(own: tuple[Lab, RunningBroker]) -> None:
    lab, broker = own
    up, down = lab.upload_program(), lab.download_program()
    up.wait_for("first start")
    down.wait_for("4 partitions")
    put(lab.source, "a", "a")
    expect(lambda: same(lab.source, lab.target))
    os.kill(broker.pid, signal.SIGSTOP)
    put(lab.source, "b", os.urandom(3_000_000))
    expect(lambda: (lab.source / "LOGS").exists())
    began = time.monotonic()
    for program in (up, down):
        program.signal(signal.SIGTERM)
    assert (up.ends(8), down.ends(8)) == (0, 0)
    assert time.monotonic() - began < 8


def test_a_topic_made_again_while_chunks_are_on_their_way_gets_everything(lab: Lab) -> None:
    lab.make_topic(4)
    with lab.uploading(lanes=4) as up, lab.downloading():
        for number in range(6):
            put(lab.source, f"{number}.bin", os.urandom(8_000_000))
        expect(lambda: up.tally.chunk_bytes > 0)
        up._inbox.topic_is(replace(up.topic, topic_id="another"))
        expect(lambda: up.topic.topic_id == "another")
        expect(lambda: same(lab.source, lab.target), 60)
        expect(lambda: up._producer.idle)
        assert set(up._producer._unacknowledged.values()) == {0}


def test_a_producer_that_has_given_up_for_good_is_replaced(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    lab.make_topic(4)
    with lab.uploading() as up, lab.downloading():
        put(lab.source, "a.bin", os.urandom(30_000_000))
        expect(lambda: up.tally.chunk_bytes > 0)
        first = up._producer
        first.connection.heard_fatal(KafkaError(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER))
        expect(lambda: up._producer is not first)
        put(lab.source, "b", "b")
        expect(lambda: same(lab.source, lab.target), 60)
    assert "beginning again with a new connection" in caplog.text


def test_a_producer_that_is_refused_for_good_ends_the_program(lab: Lab) -> None:
    up = Uploader(UploadOptions(lab.source, lab.topic), lab.settings)
    up.start()
    up._producer.connection.heard_fatal(KafkaError(KafkaError.CLUSTER_AUTHORIZATION_FAILED))
    expect(lambda: not up.alive)
    up.stop()
    up.join()
    assert isinstance(up.error, AccessRefused)
    assert "ask whoever runs the broker for this right" in str(up.error)


def test_more_files_than_may_be_waited_for_are_all_sent(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settle, "MOST_WAITING", 5)
    monkeypatch.setattr(uploader, "POLL_EVERY", 0.5)
    for number in range(30):
        put(lab.source, f"{number}", f"{number}")
    with lab.uploading(polling=True, upload_existing=True), lab.downloading():
        expect(lambda: same(lab.source, lab.target), 30)
        put(lab.source, "later", "later")
        expect(lambda: same(lab.source, lab.target), 30)


def test_a_reader_that_cannot_learn_what_is_committed_asks_again(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lab.make_topic(1)
    answer, asked = ChunkConsumer._committed, []

    def fail_first(self: ChunkConsumer, *args: Any) -> Any:
        asked.append(args)
        if len(asked) == 1:
            raise Interrupted("asking for committed offsets: no answer")
        return answer(self, *args)

    monkeypatch.setattr(ChunkConsumer, "_committed", fail_first)
    with lab.uploading(), lab.downloading() as down:
        put(lab.source, "a", "a")
        expect(lambda: same(lab.source, lab.target) and down.tally.files == 1, 60)
    assert "no answer; reading begins again from what is committed" in caplog.text


def test_readers_may_be_given_their_partitions_one_by_one(lab: Lab) -> None:
    lab.make_topic(4)
    lab.config_file(consumer="session.timeout.ms = 6000\npartition.assignment.strategy = cooperative-sticky\n")
    other, group = lab.place / "other", f"{lab.topic}-shared"
    with lab.uploading(), lab.downloading(group=group) as one:
        put(lab.source, "first", "first")
        expect(lambda: same(lab.source, lab.target))
        with lab.downloading(other, group=group) as two:
            expect(lambda: bool(two.receiving and two.receiving.lanes))
            for number in range(30):
                put(lab.source, f"{number}", f"{number}")
            expect(lambda: one.tally.files + two.tally.files == 31)
        put(lab.source, "last", "last")
        expect(lambda: one.tally.files + two.tally.files == 32)
    assert {**tree(lab.target), **tree(other)} == tree(lab.source)
    assert not tree(lab.target).keys() & tree(other).keys()
