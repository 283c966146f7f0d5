"""What status, retry and the CSV files tell of files that somebody's code runs on, at a real broker."""

from __future__ import annotations

import json
import queue
import re
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from lab import Lab, expect, put

from openmsistream.files.chunk import Chunk
from openmsistream.files.wire import decode
from openmsistream.ledger import deaths, lists
from openmsistream.ledger.database import reader
from openmsistream.ledger.received import ReceivedLedger
from openmsistream.ledger.registry_csv import lines_of
from openmsistream.ledger.requests import is_asked
from openmsistream.processing.attempts import Attempts
from openmsistream.processing.engine import ProcessingOptions
from openmsistream.processing.file import File
from openmsistream.processing.functions import process_files
from openmsistream.processing.reproducer import DataFileStreamReproducer
from openmsistream.processing.reproducer_message import ReproducerMessage
from openmsistream.processing.stage import MOST_DEATHS, Patience, attempts_file
from openmsistream.program.run import wait_until


@pytest.fixture(autouse=True)
def lists_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "WRITE_EVERY", 0.2)


def send(lab: Lab, *paths: str, content: bytes = b"x") -> None:
    for path in paths:
        put(lab.source, path, content)
    with lab.uploading(upload_existing=True) as uploader:
        expect(lambda: uploader.tally.files >= len(paths))


def told(lab: Lab, *args: object) -> dict[str, Any]:
    """The files of the processor's folder, by their paths, as `status --json --all` tells them."""
    code, said = lab.umbrella("status", lab.target, "--json", "--all", *args)
    assert code == 0, said
    (ledger,) = json.loads(said)["ledgers"]
    assert ledger["direction"] == "process"
    return {file["path"]: file for file in ledger["files"]}


def states(lab: Lab) -> dict[str, str]:
    return {path: file["state"] for path, file in told(lab).items()}


def retry(lab: Lab, *paths: str) -> str:
    code, said = lab.umbrella("retry", lab.target, *paths)
    assert code == 0, said
    return said


def rows_of(file: Path) -> list[list[str]]:
    return [line.split(";") for _, line in lines_of(file)] if file.exists() else []


def failing(*names: str) -> Callable[[File], None]:
    def work(file: File) -> None:
        if file.name in names:
            raise ValueError("no such peak")

    return work


def test_a_processed_and_a_failed_file_are_told_with_attempts_and_traceback(lab: Lab) -> None:
    lab.make_topic()
    send(lab, "run/good", "bad")
    with lab.processing(failing("bad"), patience=Patience(1, 0.05)) as engine:
        expect(lambda: engine.tally.files == 1 and bool(engine.tally.failed))
    files = told(lab)
    assert {path: file["state"] for path, file in files.items()} == {"run/good": "processed", "bad": "failed"}
    assert (files["run/good"]["attempts"], files["bad"]["attempts"]) == (1, 2)
    assert re.search(
        r"ValueError: no such peak .*\(after 2 attempts, at .*\); run again by: openmsistream retry",
        files["bad"]["why"],
    )
    assert "in work" in files["bad"]["detail"]
    code, said = lab.umbrella("status", lab.target, "bad")
    assert code == 0
    assert f"processing of topic {lab.topic}: no program is at work here" in said
    assert 'raise ValueError("no such peak")' in said


def test_running_waiting_and_failing_files_are_told_while_they_are(lab: Lab) -> None:
    lab.make_topic()
    send(lab, "0-bad")
    send(lab, "1-long")
    send(lab, "2-behind")
    end, began = threading.Event(), threading.Event()

    def work(file: File) -> None:
        if file.name == "0-bad":
            raise ValueError("no such peak")
        if file.name == "1-long":
            began.set()
            end.wait(60)

    with lab.processing(work, workers=1, patience=Patience(1, 600.0)) as engine:
        report = engine.report("1 threads")
        states = {"0-bad": "waiting", "1-long": "running", "2-behind": "waiting"}
        expect(lambda: began.is_set() and {f.path: f.state for f in engine.at_work} == states)
        report.beat()
        files = told(lab)
        end.set()
        expect(lambda: engine.tally.files == 2)
        report.end()
    assert {path: file["state"] for path, file in files.items()} == states
    assert re.fullmatch(r"attempt 1 has failed: ValueError: no such peak .*; tried again in .*", files["0-bad"]["why"])
    assert re.fullmatch(r"for .* s, since \d{4}-.*", files["1-long"]["why"])
    assert files["2-behind"]["why"] == "all of it has come, 1 B; it waits for a worker"


def test_the_lists_tell_what_was_processed_and_what_failed(lab: Lab) -> None:
    lab.make_topic()
    send(lab, "run/good", "bad")
    logs = lab.target / "LOGS"
    end = threading.Event()

    def work(file: File) -> None:
        end.wait(30)
        failing("bad")(file)

    with lab.processing(work, group="g/1", patience=Patience(0)) as engine:
        unfinished = logs / f"consuming_from_{lab.topic}_in_progress_by_g_1.csv"
        expect(
            lambda: (
                [row[1:4] for row in rows_of(unfinished)]
                in _orders(["'run/good'", "'in_progress'", "1"], ["'bad'", "'in_progress'", "1"])
            )
        )
        end.set()
        processed = logs / f"processed_from_{lab.topic}_by_g_1.csv"
        expect(lambda: [row[:3] for row in rows_of(processed)] == [["'good'", "'run/good'", "1"]])
        expect(lambda: [row[:4] for row in rows_of(unfinished)] == [["'bad'", "'bad'", "'failed'", "1"]])
        assert engine.group == "g/1"


def _orders(*rows: list[str]) -> tuple[list[list[str]], ...]:
    return [*rows], [*reversed(rows)]


def test_rows_of_an_earlier_list_stay_and_a_version_stands_there_once(lab: Lab) -> None:
    lab.make_topic()
    send(lab, "a")
    there = lab.target / "LOGS" / f"processed_from_{lab.topic}_by_g.csv"
    before = "'old';'old';1;'Mon Apr 06, 2026 at 17:32:08';'Mon Apr 06, 2026 at 17:32:08'"
    put(lab.target, f"LOGS/{there.name}", f"filename;rel_filepath;n_chunks;first_message;processed_at\n{before}")
    for _ in range(2):
        with lab.processing(failing(), group="g", from_beginning=True) as engine:
            expect(lambda: engine.tally.files == 1)
    assert [row[1] for row in rows_of(there)] == ["'old'", "'a'"]


def test_a_folder_where_no_list_can_be_written_is_said_and_files_are_processed(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    lab.make_topic()
    send(lab, "a")
    put(lab.target, "file")
    with lab.processing(failing(), lists_in=lab.target / "file") as engine:
        expect(lambda: engine.tally.files == 1)
        expect(lambda: "cannot be written" in caplog.text)
    assert caplog.text.count("cannot be written") == 1
    assert "files are processed all the same" in caplog.text


def test_what_failed_is_run_again_from_the_topic_when_asked(lab: Lab) -> None:
    lab.make_topic()
    send(lab, "bad", "good")
    mended = threading.Event()

    def work(file: File) -> None:
        if not mended.is_set():
            failing("bad")(file)

    with lab.processing(work, group="g", patience=Patience(0)) as engine:
        expect(lambda: engine.tally.files == 1 and bool(engine.tally.failed))
        mended.set()
        expect(lambda: states(lab).get("bad") == "failed")
        assert f"1 file is processed again from topic {lab.topic} now" in retry(lab)
        expect(lambda: engine.tally.files == 2)
    assert states(lab) == {"bad": "processed", "good": "processed"}
    assert lab.committed("g") == [len(lab.records())]


@pytest.mark.parametrize("mode", ["disk", "both"])
def test_what_the_topic_no_longer_holds_is_run_again_from_the_folder(lab: Lab, mode: str) -> None:
    lab.make_topic()
    send(lab, "run/bad", "run/other", content=b"content" * 1000)
    with lab.processing(failing("bad", "other"), group="g", mode=mode, patience=Patience(0)) as engine:
        expect(lambda: len(engine.tally.failed) == 2)
    delete_all(lab)
    put(lab.target, "run/other", b"edited!" * 1000)
    seen: list[tuple[str, bytes, int]] = []
    with lab.processing(lambda f: seen.append((f.path, f.read_bytes(), f.chunks)), group="g", mode=mode) as engine:
        retry(lab)
        expect(lambda: engine.tally.files == 1 and bool(engine.tally.failed))
    assert seen == [("run/bad", b"content" * 1000, 1)]
    files = told(lab)
    assert (files["run/bad"]["state"], files["run/other"]["state"]) == ("processed", "failed")
    assert files["run/other"]["why"].startswith(
        "the topic no longer holds it, and what stands in the folder is not this version"
    )


def test_what_is_kept_nowhere_and_gone_from_the_topic_is_listed_so(lab: Lab) -> None:
    lab.make_topic()
    send(lab, "bad")
    with lab.processing(failing("bad"), group="g", patience=Patience(0)) as engine:
        expect(lambda: bool(engine.tally.failed))
    delete_all(lab)
    with lab.processing(failing(), group="g") as engine:
        retry(lab)
        expect(lambda: engine.tally.incomplete == 1)
        send(lab, "later")
        expect(lambda: engine.tally.files == 1)
    code, said = lab.umbrella("status", lab.target, "bad")
    assert code == 0
    assert "all of it (no longer in the topic) missing" in said


def delete_all(lab: Lab) -> None:
    """All records of the topic are gone, as by its retention."""
    place = TopicPartition(lab.topic, 0, -1)
    (gone,) = lab.admin.delete_records([place]).values()
    gone.result(15)


def test_a_file_that_has_killed_the_program_too_often_runs_again_when_asked(lab: Lab) -> None:
    lab.make_topic()
    send(lab, "deadly")
    (record,) = lab.records()
    chunk = decode(record.key(), record.value(), record.headers() or [])
    assert isinstance(chunk, Chunk)
    generation, ledger = chunk.generation, ProcessingOptions(lab.target, lab.topic, "test").reader().ledger_path
    with ReceivedLedger(ledger) as open_ledger:
        for _ in range(MOST_DEATHS - 1):
            deaths.note(open_ledger, [(generation, "deadly")])
    attempts = Attempts(attempts_file(ledger), 1)
    attempts.begin(0, generation, "deadly")
    attempts.close()
    ran: list[str] = []
    with lab.processing(lambda file: ran.append(file.path), group="g", workers=1) as engine:
        expect(lambda: bool(engine.tally.failed))
        assert ran == []
        expect(lambda: "died 3 times" in str(told(lab).get("deadly")))
        retry(lab, "deadly")
        expect(lambda: engine.tally.files == 1)
    assert ran == ["deadly"]
    assert states(lab) == {"deadly": "processed"}


def test_what_is_asked_for_while_a_newer_version_runs_gives_way_to_it(lab: Lab) -> None:
    lab.make_topic()
    running, end = threading.Event(), threading.Event()
    seen: list[bytes] = []

    def work(file: File) -> None:
        data = file.read_bytes()
        if data == b"first" and not seen:
            seen.append(data)
            raise ValueError("no such peak")
        if data == b"second":
            running.set()
            end.wait(30)
        seen.append(data)

    with lab.processing(work, group="g", patience=Patience(0)) as engine:
        send(lab, "a", content=b"first")
        expect(lambda: bool(engine.tally.failed))
        expect(lambda: states(lab).get("a") == "failed")
        put(lab.source, "a", b"second")
        with lab.uploading() as uploader:
            expect(lambda: uploader.tally.files == 1)
        expect(running.is_set)
        retry(lab, "a")
        end.set()
        expect(lambda: engine.tally.files == 1)
        with closing(reader(engine.options.ledger_path)) as known:
            expect(lambda: not is_asked(known, "a"))
    assert seen == [b"first", b"second"]
    assert states(lab) == {"a": "processed"}


class Length(ReproducerMessage):
    @property
    def msg_value(self) -> str:
        return str(len(self.datafile.bytestring))


class Lengths(DataFileStreamReproducer):
    """How long each file is."""

    def _get_processing_result_message_for_file(self, datafile: Any, lock: Any) -> ReproducerMessage:
        if datafile.filename == "bad":
            raise ValueError("no such peak")
        return Length(datafile)


def test_a_reproducer_lists_its_results_and_its_registry_can_be_read(lab: Lab) -> None:
    lab.make_topic()
    send(lab, "run/good", "bad")
    config = lab.config_file("results")
    with config.open("a") as more:
        more.write("[producer]\nkey.serializer = StringSerializer\nvalue.serializer = StringSerializer\n")
    logs = lab.place / "logs"
    reproducer = Lengths(
        config, lab.topic, f"{lab.topic}-plots", output_dir=lab.target, retries=0, consumer_group_id="g",
        logger_file=logs / "own.log", update_secs=-1,
    )  # fmt: skip
    stopping = threading.Thread(
        target=lambda: (
            wait_until(
                lambda: reproducer.n_results_produced_files == 1 and reproducer.file_registry.n_files_to_rerun == 1, 30
            ),
            reproducer.control_command_queue.put("q"),
        )
    )
    stopping.start()
    reproducer.produce_processing_results_for_files_as_read()
    stopping.join()
    reproducer.close()
    assert [row[1] for row in rows_of(logs / f"results_produced_to_{lab.topic}-plots.csv")] == ["'run/good'"]
    unfinished = rows_of(logs / f"consuming_from_{lab.topic}_in_progress_by_g.csv")
    assert [row[1:3] for row in unfinished] == [["'bad'", "'computing_result_message_failed'"]]
    assert reproducer.file_registry.filepaths_to_rerun == [Path("bad")]
    assert reproducer.file_registry.succeeded_table.obj_addresses == ["run/good"]
    assert told(lab)["run/good"]["why"].endswith(f"; its result stands on topic {lab.topic}-plots")


def test_a_plain_function_is_told_of_by_status_too(lab: Lab) -> None:
    lab.make_topic()
    send(lab, "a")
    commands: queue.Queue[str] = queue.Queue()

    def analyse(file: File) -> None:
        commands.put("q")

    process_files(lab.topic, analyse, config=lab.config, output_dir=lab.target, commands=commands)
    code, said = lab.umbrella("status", lab.target)
    assert code == 0
    assert re.search(r"no program is at work here; last seen .* ago, when it ended", said)
    assert re.search(r"processed   a: ", said)
