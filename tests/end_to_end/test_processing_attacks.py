"""What somebody's code, its neighbours and the topic may do to a processor, and what it may not come to."""

from __future__ import annotations

import gc
import os
import random
import tempfile
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import pytest
from lab import QUICK_GROUP, Lab, chunks, expect, parts_in, path_in_partition, record_of, tree

from openmsistream.errors import UsageError
from openmsistream.ledger.database import is_in_use, reading
from openmsistream.ledger.requests import ask, asked
from openmsistream.processing.file import File
from openmsistream.processing.reproducer import DataFileStreamReproducer
from openmsistream.processing.reproducer_message import ReproducerMessage
from openmsistream.processing.stage import Patience
from openmsistream.transfer.incoming import Incoming


def produce(lab: Lab, path: str, *contents: bytes, partition: int = 0) -> None:
    """Put versions of a file on the topic."""
    lab.produce(*[record_of(c) for content in contents for c in chunks(path, content)], partition=partition)


def ledger_of(lab: Lab) -> Path:
    return lab.target / "LOGS" / f"process-{lab.topic}.sqlite"


def failed_paths(lab: Lab) -> list[str]:
    """The files that the ledger calls failed."""
    with reading(ledger_of(lab)) as connection:
        return [path for (path,) in connection.execute("SELECT path FROM received WHERE state='failed' ORDER BY path")]


def test_a_message_that_is_no_unicode_fails_its_own_file_only(lab: Lab) -> None:
    lab.make_topic(1)
    produce(lab, "bad", b"1")
    produce(lab, "good", b"2")

    def work(file: File) -> None:
        if file.path == "bad":
            raise FileNotFoundError(2, "No such file", "\udcff.dat")

    with lab.processing(work, group="g", patience=Patience(0)) as engine:
        expect(lambda: engine.tally.files == 1 and bool(engine.tally.failed), shown=lambda: engine.tally)
    assert lab.committed("g") == [2]


def test_a_partition_in_which_nothing_more_can_begin_holds_up_neither_commits_nor_the_end(lab: Lab) -> None:
    lab.make_topic(2)
    lab.produce(*[record_of(chunks(f"half{n}", bytes(100), 60)[0]) for n in range(290)], partition=0)
    for number in range(100):
        produce(lab, f"{number}", b"x", partition=1)

    with lab.processing(lambda file: time.sleep(0.4), group="g") as engine:
        expect(lambda: lab.committed("g", 2)[1] > 2)
        expect(lambda: engine.receiving is not None and engine.receiving.lanes[0].progress.full)
        began = time.monotonic()
        engine.stop(6.0)
        engine.join()
        assert time.monotonic() - began < 6
    assert engine.tally.files < 50


def test_many_versions_behind_a_long_run_do_not_hold_up_another_partition(lab: Lab) -> None:
    lab.make_topic(2)
    again, other = path_in_partition(0, 2, "a"), path_in_partition(1, 2, "b")
    versions = [b"%d" % number for number in range(200)]
    end = threading.Event()
    ran: list[bytes] = []

    def work(file: File) -> None:
        if file.path == again:
            end.wait(60)
            ran.append(file.read_bytes())

    with lab.processing(work) as engine:
        produce(lab, again, *versions)
        expect(lambda: engine.receiving is not None and len(engine.receiving.begun) == 200)
        produce(lab, other, b"x", partition=1)
        expect(lambda: engine.tally.recent == [other])
        end.set()
        expect(lambda: engine.tally.files == 201)
    assert ran == versions


@pytest.mark.parametrize("mode", ["memory", "disk"])
def test_a_function_may_change_the_working_directory(lab: Lab, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.make_topic(1)
    for name in ("a", "b", "c"):
        produce(lab, f"sub/{name}", b"x" * 200_000)
    monkeypatch.chdir(lab.place)
    seen = []

    def work(file: File) -> None:
        os.chdir(tempfile.gettempdir())
        seen.append(len(file.on_disk().read_bytes()))

    with lab.processing(work, root=Path("out"), mode=mode, memory_limit=1000, patience=Patience(0)) as engine:
        expect(lambda: engine.tally.files == 3, shown=lambda: engine.tally)
    assert seen == [200_000] * 3
    assert len(tree(lab.place / "out")) == (3 if mode == "disk" else 0)


def test_a_second_processor_in_the_folder_leaves_what_the_first_one_works_on(
    lab: Lab, broker: object, tmp_path: Path
) -> None:
    lab.make_topic(1)
    (tmp_path / "second").mkdir()
    second = Lab(lab.address, tmp_path / "second")
    second.make_topic(1)
    produce(lab, "large", b"x" * 200_000)
    begun, end = threading.Event(), threading.Event()
    seen: list[bytes] = []

    def work(file: File) -> None:
        begun.set()
        end.wait(30)
        seen.append(file.read_bytes())

    with lab.processing(work, memory_limit=1000) as engine:
        assert begun.wait(20)
        with second.processing(lambda file: None, root=lab.target):
            end.set()
            expect(lambda: engine.tally.files == 1, shown=lambda: engine.tally)
    assert seen == [b"x" * 200_000]
    (lab.target / ".oms-left-1.part").write_bytes(b"by a kill")
    with lab.processing(work):
        assert parts_in(lab.target) == []


def test_a_failed_version_that_is_asked_for_again_does_not_come_out_after_a_newer_one(lab: Lab) -> None:
    lab.make_topic(1)
    begun, end = threading.Event(), threading.Event()
    ran: list[bytes] = []

    def work(file: File) -> None:
        ran.append(file.read_bytes())
        if ran == [b"first"]:
            raise ValueError("no such peak")
        begun.set()
        end.wait(30)

    with lab.processing(work, mode="disk", group="g", patience=Patience(0)) as engine:
        produce(lab, "a", b"first")
        expect(lambda: failed_paths(lab) == ["a"])
        produce(lab, "a", b"second")
        assert begun.wait(20)
        ask(engine.options.ledger_path, ["a"], time.time())
        time.sleep(2.5)  # the engine looks for requests once a second, and is to leave this one alone
        end.set()
        expect(lambda: asked(engine.known, "") == [])
    assert ran == [b"first", b"second"]
    assert tree(lab.target) == {"a": b"second"}
    assert failed_paths(lab) == []


class Large(DataFileStreamReproducer):
    """Its results do not fit into the topic, and only the broker finds that out, since they are compressed."""

    def _get_processing_result_message_for_file(self, datafile: Any, lock: Any) -> ReproducerMessage:
        class Random(ReproducerMessage):
            msg_value = random.Random(1).randbytes(200_000 if datafile.filename == "large" else 10)

        return Random(datafile)


def test_a_result_that_the_topic_does_not_take_is_listed_once_with_what_to_do(lab: Lab) -> None:
    lab.make_topic(1)
    to = f"{lab.topic}-results"
    results = Lab.__new__(Lab)
    results.__dict__.update({**lab.__dict__, "topic": to})
    results.make_topic(1, max_message_bytes="50000")
    config = lab.config_file("compressed", consumer=QUICK_GROUP + "[producer]\ncompression.type = lz4\n")
    for name in ("a", "large", "z"):
        produce(lab, name, b"x")
    with Large(config, lab.topic, to, output_dir=lab.target) as reproducer:
        threading.Thread(target=reproducer.produce_processing_results_for_files_as_read, daemon=True).start()
        expect(lambda: len(results.records()) == 2)
        expect(lambda: failed_paths(lab) == ["large"])
        reproducer.control_command_queue.put("q")
        expect(lambda: not is_in_use(ledger_of(lab)))
    with reading(ledger_of(lab)) as connection:
        rows = connection.execute("SELECT path, state, kind, reason FROM received ORDER BY path, state").fetchall()
    reason = f"{to} did not take its result: Message size too large; make it smaller, or raise max.message.bytes of the topic"
    assert rows == [
        ("a", "delivered", None, None), ("large", "failed", "producing_message_failed", reason), ("z", "delivered", None, None)
    ]  # fmt: skip
    assert reproducer.n_processed_files == 2


def test_a_group_that_the_brokers_have_forgotten_is_said_to_be_the_reason_that_files_run_again(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    lab.make_topic(1)
    produce(lab, "a", b"x")
    group = f"{lab.topic}-g"
    for is_forgotten in (False, True):
        with lab.processing(lambda file: None, group=group) as engine:
            expect(lambda: engine.tally.files == 1)
        said = f"group {group} has nothing committed for partitions [0], of which files were processed here before"
        assert (said in caplog.text) == is_forgotten
        lab.admin.delete_consumer_groups([group])[group].result(15)


def test_of_a_file_that_is_done_nothing_stays_in_memory(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.make_topic(1)
    made: list[weakref.ref[Incoming]] = []
    make = Incoming.__init__

    def noted(self: Incoming, *args: object) -> None:
        make(self, *args)  # type: ignore[arg-type]
        made.append(weakref.ref(self))

    monkeypatch.setattr(Incoming, "__init__", noted)
    for number in range(10):
        produce(lab, f"{number}", b"x" * 1000)

    def left() -> int:
        gc.collect()
        return sum(incoming() is not None for incoming in made)

    with lab.processing(lambda file: None, mode="disk") as engine:
        expect(lambda: engine.tally.files == 10)
        expect(lambda: left() <= 2, 10, left)  # a worker remembers its last one


def test_results_cannot_go_to_the_topic_that_is_read(lab: Lab) -> None:
    class Same(DataFileStreamReproducer):
        def _get_processing_result_message_for_file(self, datafile: object, lock: object) -> None: ...

    with pytest.raises(UsageError, match=f"the results would go to the topic that is read, {lab.topic}; name another"):
        Same(lab.config, lab.topic, lab.topic)
