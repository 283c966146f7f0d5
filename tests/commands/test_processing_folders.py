"""`status`, `retry` and `quarantine` for the folder of a processor: told by a ledger and a live file made by hand."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from openmsistream.commands.main import main
from openmsistream.ledger import live
from openmsistream.ledger.database import reader
from openmsistream.ledger.live import Live, LiveFile
from openmsistream.ledger.received import IncompleteFile, QuarantinedRecord, ReceivedFile, ReceivedLedger
from openmsistream.ledger.requests import ask, asked

STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"


class Folder:
    """A folder on which a processor works."""

    def __init__(self, root: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.root = root
        self.capture = capture
        self.ledger = ReceivedLedger(root / "LOGS" / "process-t.sqlite")
        self.ledger.use_stream("cluster", "t", "id")

    def has(self, path: str, state: str = "delivered", **more: object) -> None:
        row = ReceivedFile(path, state, path, 0, 5, 0, 0, 7, None, None, None, time.time() - 90, attempts=1)  # type: ignore[arg-type]
        self.ledger.write([replace(row, **more)])  # type: ignore[arg-type]

    def says(self, *files: LiveFile, **more: object) -> None:
        said = Live("Plotter", 4711, time.time() - 60, time.time() + 5, at_work=files)
        assert live.write(self.ledger.path, replace(said, **more))  # type: ignore[arg-type]

    def run(self, command: str, *args: str) -> str:
        with pytest.raises(SystemExit) as end:
            main([*command.split(), str(self.root), *args])
        said = self.capture.readouterr()
        assert end.value.code == 0, said.err
        return said.out

    def why(self, path: str) -> str:
        """What is said of one file, its state before it."""
        (line,) = [line for line in self.run("status").splitlines() if f"  {path}: " in line]
        state, _, why = line.strip().partition(f"  {path}: ")
        return f"{state.strip()} | {why}"

    def plain(self, *args: str) -> dict[str, Any]:
        (ledger,) = json.loads(self.run("status", "--json", *args))["ledgers"]
        return dict(ledger)


@pytest.fixture
def folder(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
    monkeypatch.delenv("OPENMSISTREAM_STATE_DIR", raising=False)
    made = Folder(tmp_path, capsys)
    with closing(made.ledger):
        yield made


def matches(pattern: str, text: str) -> bool:
    found = re.fullmatch(pattern, text)
    assert found, f"{text!r} is not {pattern!r}"
    return True


def test_the_head_says_that_files_are_processed(folder: Folder) -> None:
    folder.says(files=3, bytes=1000)
    said = folder.run("status")
    assert matches(rf"processing of topic t: Plotter is at work since {STAMP} \(process 4711\)", said.splitlines()[0])
    assert "processed 3 files, 1.0 kB since then" in said


def test_a_processed_file_says_when_how_long_ago_and_how_often_it_was_tried(folder: Folder) -> None:
    folder.has("a")
    folder.has("b", attempts=3)
    assert matches(rf"processed \| 1 min 3\d s ago, at {STAMP}", folder.why("a"))
    assert folder.why("b").endswith(", in 3 attempts")


def test_the_result_of_a_reproducer_is_told_with_its_topic(folder: Folder) -> None:
    folder.has("a")
    folder.says(settings={"results_to": "plots"})
    assert folder.why("a").endswith("; its result stands on topic plots")


def test_a_failed_file_says_why_after_how_many_attempts_and_what_to_do(folder: Folder) -> None:
    folder.has("a", "failed", reason="ValueError: no such peak", attempts=3)
    assert matches(
        rf"failed \| ValueError: no such peak \(after 3 attempts, at {STAMP}\); run again by: openmsistream retry",
        folder.why("a"),
    )
    ask(folder.ledger.path, ["a"], time.time())
    assert folder.why("a").endswith("; will be run again")
    folder.ledger.close()
    assert folder.why("a").endswith("; will be run again when the program starts")


def test_the_traceback_is_shown_for_the_file_that_is_named_and_for_no_other(folder: Folder) -> None:
    folder.has(
        "run/a",
        "failed",
        reason="ValueError: no",
        detail="Traceback (most recent call last):\n  line\x1b\nValueError: no\n",
    )
    assert "Traceback" not in folder.run("status", "run")
    lines = folder.run("status", "run/a").splitlines()
    assert lines[2:5] == ["    Traceback (most recent call last):", "      line\\x1b", "    ValueError: no"]
    (file,) = folder.plain()["files"]
    assert (file["attempts"], file["detail"].splitlines()[-1]) == (1, "ValueError: no")


def test_a_running_file_says_for_how_long_and_in_which_attempt(folder: Folder) -> None:
    began = time.time() - 120
    folder.says(
        LiveFile("a", "running", 1, 1, 7, 7, since=began, attempts=1), LiveFile("b", "running", since=began, attempts=2)
    )
    assert matches(rf"running \| for 2 min( \d s)?, since {STAMP}", folder.why("a"))
    assert folder.why("b").endswith(", attempt 2")


def test_what_waits_says_for_what(folder: Folder) -> None:
    folder.says(
        LiveFile("a", "waiting", 1, 1, 7, 7),
        LiveFile("b", "waiting", 1, 1, 7, 7, reason="an earlier version of it comes first"),
        LiveFile("c", "waiting", 1, 1, 7, 7, reason="ValueError: no", until=time.time() + 30.5, attempts=1),
        LiveFile("d", "waiting", 1, 1, 7, 7, reason="ValueError: no", until=time.time() - 1, attempts=2),
    )
    assert folder.why("a") == "waiting | all of it has come, 7 B; it waits for a worker"
    assert folder.why("b") == "waiting | all of it has come, 7 B; an earlier version of it comes first"
    assert matches(r"waiting \| attempt 1 has failed: ValueError: no; tried again in (30|29)(\.\d)? s", folder.why("c"))
    assert folder.why("d") == "waiting | attempt 2 has failed: ValueError: no; tried again as soon as a worker is free"


def test_what_has_run_is_finishing_until_it_is_committed(folder: Folder) -> None:
    folder.says(LiveFile("a", "finishing", 1, 1, 7, 7))
    assert folder.why("a") == "finishing | its run has ended; that is about to be committed"


def test_a_file_on_its_way_and_one_that_is_incomplete_are_told_as_for_a_download(folder: Folder) -> None:
    folder.says(LiveFile("a", "receiving", 1, 2, 3, 7, "chunk 1"))
    folder.ledger.note_incomplete([IncompleteFile(0, 1, "g", "b", 1, time.time(), True, "chunk 3")])
    assert folder.why("a") == "receiving | 1 of 2 chunks, 3 B of 7 B; chunk 1 missing"
    assert matches(rf"incomplete \| since {STAMP}, chunk 3 missing; waited for no longer", folder.why("b"))


def test_retry_asks_for_what_failed_and_says_that_it_is_processed_again(folder: Folder) -> None:
    folder.has("a", "failed", reason="no")
    assert folder.run("retry") == "  a\n1 file is processed again from topic t now\n"
    with closing(reader(folder.ledger.path)) as connection:
        assert asked(connection) == ["a"]


def test_the_quarantine_of_a_processor_is_listed(folder: Folder) -> None:
    folder.ledger.quarantine([QuarantinedRecord("t", 0, 7, 0, "no path", None, b"x", 1, [], time.time())])
    assert "t partition 0 offset 7: no path" in folder.run("quarantine list")
