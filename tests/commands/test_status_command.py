"""`openmsistream status`: the words for each state, told by a folder, a ledger and a live file made by hand."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from openmsistream.commands.main import main
from openmsistream.files.chunk import FileState
from openmsistream.ledger import live
from openmsistream.ledger.live import Live, LiveFile
from openmsistream.ledger.received import IncompleteFile, QuarantinedRecord, ReceivedFile, ReceivedLedger
from openmsistream.ledger.requests import ask
from openmsistream.ledger.sent import FIRST_START, INVENTORY, SentFile, SentLedger

Capture = pytest.CaptureFixture[str]
NOW = time.time()


@dataclass
class Folder:
    """A folder that programs have worked on."""

    root: Path
    capture: Capture
    open: list[SentLedger | ReceivedLedger] = field(default_factory=list)

    def put(self, path: str, content: str = "x", age: float = 3600.0) -> FileState:
        """A file that was last written `age` seconds ago; its change time is now, whatever one does."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        os.utime(file, (NOW - age, NOW - age))
        return FileState.of(file.stat())

    def ledger(self, direction: str, topic: str = "t") -> Path:
        return self.root / "LOGS" / f"{direction}-{topic}.sqlite"

    def upload(self, *rows: SentFile, topic: str = "t", inventory: bool = True) -> SentLedger:
        ledger = SentLedger(self.ledger("upload", topic))
        self.open.append(ledger)
        ledger.use_stream("cluster", topic, "id")
        ledger.write(rows)
        ledger.set_fact(FIRST_START, str(time.time_ns() + 10**9))
        if inventory:
            ledger.set_fact(INVENTORY, "done")
        return ledger

    def download(self, *rows: ReceivedFile, incomplete: tuple[IncompleteFile, ...] = ()) -> ReceivedLedger:
        ledger = ReceivedLedger(self.ledger("download"))
        self.open.append(ledger)
        ledger.use_stream("cluster", "t", "id")
        ledger.note_incomplete(incomplete)
        ledger.write(rows)
        return ledger

    def says(self, direction: str, *files: LiveFile, **more: object) -> None:
        """What the program says of itself."""
        said = Live("Program", 4711, NOW - 60, NOW + 5, at_work=files)
        assert live.write(self.ledger(direction), replace(said, **more))  # type: ignore[arg-type]

    def stop(self) -> None:
        """Nobody is at work any more."""
        while self.open:
            self.open.pop().close()

    def status(self, *args: str) -> str:
        with pytest.raises(SystemExit) as end:
            main(["status", str(self.root), *args])
        said = self.capture.readouterr()
        assert end.value.code == 0, said.err
        return said.out

    def refused(self, *args: str) -> str:
        with pytest.raises(SystemExit) as end:
            main(["status", str(self.root), *args])
        assert end.value.code
        return self.capture.readouterr().err

    def line(self, path: str, *args: str) -> str:
        """What is said of one file."""
        found = [line for line in self.status(*args).splitlines() if f"  {path}: " in line]
        assert len(found) == 1, found
        state, _, why = found[0].strip().partition(f"  {path}: ")
        return f"{state.strip()} | {why}"


@pytest.fixture
def folder(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> Folder:
    monkeypatch.delenv("OPENMSISTREAM_STATE_DIR", raising=False)
    monkeypatch.setattr(sys.modules[__name__], "NOW", time.time())  # that of the test, not of the run's beginning
    made = Folder(tmp_path / "root", capsys)
    made.root.mkdir()
    return made


@pytest.fixture(autouse=True)
def _closed(folder: Folder) -> object:
    yield
    folder.stop()


def sent(path: str, file: FileState, state: str = "sent", **more: object) -> SentFile:
    row = SentFile(path, state, file, "0" * 32, 0, 4, 1, updated=NOW - 5)  # type: ignore[arg-type]
    return replace(row, **more)  # type: ignore[arg-type]


def received(path: str, state: str = "delivered", reason: str | None = None, offset: int = 5) -> ReceivedFile:
    return ReceivedFile(
        path=path, state=state, generation=path * 2, partition=0, first_offset=offset, timestamp_ms=0,  # type: ignore[arg-type]
        last_timestamp_ms=0, size=1, mtime_ns=0, digest=None, reason=reason, updated=NOW - 5,
    )  # fmt: skip


def unfinished(path: str, *, retired: bool, offset: int = 1) -> IncompleteFile:
    return IncompleteFile(0, offset, f"{path}{offset}", path, offset, NOW - 7200, retired, "chunks 3-5")


STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"


def matches(pattern: str, text: str) -> bool:
    found = re.fullmatch(pattern, text)
    assert found, f"{text!r} is not {pattern!r}"
    return True


# -- an upload ---------------------------------------------------------------------------------------------------


def test_a_file_that_was_sent_says_when(folder: Folder) -> None:
    folder.upload(sent("a", folder.put("a")))
    assert matches(rf"sent \| at {STAMP}", folder.line("a"))


def test_a_file_that_waits_says_when_it_settles(folder: Folder) -> None:
    folder.upload()
    folder.put("a", age=0)
    folder.says("upload", LiveFile("a", "waiting", until=time.time() + 2.5))
    assert matches(r"waiting \| last changed \d\.\d s ago, settles in [12]\.\d s", folder.line("a"))


def test_a_file_that_has_settled_waits_for_its_turn(folder: Folder) -> None:
    folder.upload()
    folder.put("a", age=0)
    folder.says("upload", settings={"lag": 0.0})
    assert matches(r"waiting \| last changed .* ago, has settled and is in line to be sent", folder.line("a"))


def test_without_a_program_a_new_file_waits_for_it(folder: Folder) -> None:
    folder.upload()
    folder.put("a")
    folder.stop()
    assert matches(r"waiting \| last changed .* ago, is sent when the program starts", folder.line("a"))


def test_a_changed_file_says_that_it_was_sent_before(folder: Folder) -> None:
    folder.upload(sent("a", folder.put("a")))
    folder.put("a", "longer")
    assert matches(rf"waiting \| changed since it was sent at {STAMP}; last changed .*", folder.line("a"))


def test_changed_attributes_alone_are_called_so(folder: Folder) -> None:
    state = folder.put("a")
    folder.upload(sent("a", replace(state, ctime_ns=5)))
    assert "its attributes changed since it was sent" in folder.line("a")


def test_a_file_that_was_read_while_its_clock_stood_still_was_sent(folder: Folder) -> None:
    folder.upload(sent("a", replace(folder.put("a"), ctime_ns=0)))
    assert folder.line("a").startswith("sent | ")


def test_a_skipped_file_says_which_rule(folder: Folder) -> None:
    folder.upload()
    folder.put("a.tmp")
    folder.put("b/.c")
    assert folder.line("a.tmp") == "skipped | name matches *.tmp"
    assert folder.line("b/.c") == "skipped | hidden (.c)"


def test_the_rule_of_the_program_is_the_rule_of_its_status(folder: Folder) -> None:
    folder.upload()
    folder.put("a.dat")
    folder.says("upload", settings={"regex": r".*\.tif"})
    assert folder.line("a.dat") == r"skipped | does not match --upload_regex .*\.tif"


def test_a_known_file_says_that_it_was_there_before(folder: Folder) -> None:
    folder.upload(sent("a", folder.put("a"), "known"))
    assert folder.line("a") == "known | there before the first start; --upload_existing sends it"


def test_what_is_there_before_all_is_noted_is_known_already(folder: Folder) -> None:
    folder.put("a")
    folder.upload(inventory=False)
    assert folder.line("a").startswith("known | there before the first start")


def test_a_failed_file_says_why_and_what_to_do(folder: Folder) -> None:
    folder.upload(sent("a", folder.put("a"), "failed", reason="Permission denied"))
    expected = "failed | Permission denied; tried again when it changes, or by: openmsistream retry"
    assert folder.line("a") == expected


def test_a_failed_file_that_somebody_asked_for_says_so(folder: Folder) -> None:
    ledger = folder.upload(sent("a", folder.put("a"), "failed", reason="Permission denied"))
    ask(ledger.path, ["a"], NOW)
    assert folder.line("a") == "failed | Permission denied; will be tried again"
    folder.stop()
    assert folder.line("a") == "failed | Permission denied; will be tried again when the program starts"


def test_a_file_that_cannot_be_read_for_now_is_tried_again_by_itself(folder: Folder) -> None:
    folder.upload()
    folder.put("a")
    folder.says("upload", LiveFile("a", "failed", reason="Too many open files"))
    assert folder.line("a") == "failed | Too many open files; tried again by itself"


def test_a_file_on_its_way_says_how_many_chunks_have_arrived(folder: Folder) -> None:
    folder.upload(sent("a", folder.put("a", "x" * 48), "sending", acked_chunks=5))
    folder.says("upload", LiveFile("a", "sending", 7, 12, 28, 48))
    assert folder.line("a") == "sending | 7 of 12 chunks, 28 B of 48 B"


def test_without_a_program_a_file_on_its_way_says_how_it_goes_on(folder: Folder) -> None:
    state = folder.put("a", "x" * 48)
    folder.upload(
        sent("a", state, "sending", acked_chunks=5), sent("b", folder.put("b"), "sending", updated=NOW - 9999)
    )
    folder.stop()
    assert folder.line("a") == "sending | 5 of 12 chunks; when the program starts it goes on from there"
    assert folder.line("b").endswith("when the program starts it begins anew")


def test_of_a_file_of_which_chosen_bytes_are_sent_no_number_of_chunks_is_said(folder: Folder) -> None:
    folder.upload(sent("a", folder.put("a", "x" * 48), "sending", acked_chunks=5, chunk_size=None))
    folder.stop()
    assert folder.line("a") == "sending | chosen bytes of it; when the program starts it begins anew"


def test_what_the_ledger_has_heard_since_counts_more_than_the_programs_word(folder: Folder) -> None:
    folder.upload(sent("a", folder.put("a"), updated=NOW))
    folder.says("upload", LiveFile("a", "sending", 7, 12, 28, 48), updated=NOW - 1)
    assert folder.line("a").startswith("sent | ")


def test_files_that_are_gone_are_counted(folder: Folder) -> None:
    state = folder.put("a")
    folder.upload(sent("a", state), sent("b", state))
    (folder.root / "a").unlink()
    assert "2 files: 2 gone\n  2 gone: sent, and no longer in the folder\n" in folder.status()
    assert matches(rf"gone \| sent at {STAMP}, no longer in the folder", folder.line("a", "a"))


# -- a download --------------------------------------------------------------------------------------------------


def test_a_delivered_file_says_when(folder: Folder) -> None:
    folder.put("a")
    folder.download(received("a"))
    assert matches(rf"delivered \| at {STAMP}", folder.line("a"))


def test_a_delivered_file_that_is_gone_or_other_says_so(folder: Folder) -> None:
    folder.put("b", "longer")
    folder.download(received("a"), received("b"))
    assert folder.line("a").endswith("; no longer in the folder")
    assert folder.line("b").endswith("; changed in the folder since")


def test_a_file_that_is_received_says_how_many_chunks_have_come(folder: Folder) -> None:
    folder.download()
    folder.says("download", LiveFile("a", "receiving", 7, 12, 28, 48, "chunk 2, chunks 8-11"))
    assert folder.line("a") == "receiving | 7 of 12 chunks, 28 B of 48 B; chunk 2, chunks 8-11 missing"


def test_a_whole_file_that_is_not_visible_yet_says_why(folder: Folder) -> None:
    folder.download()
    folder.says("download", LiveFile("a", "finishing", 1, 1, 5, 5))
    assert folder.line("a") == "finishing | all of it has come, 5 B; it is being verified and made durable"


def test_a_file_without_room_says_what_it_needs(folder: Folder) -> None:
    folder.download()
    folder.says("download", LiveFile("a", "set aside", reason="it needs 2.00 GB, 1.00 GB are free"))
    assert folder.line("a") == "set aside | it needs 2.00 GB, 1.00 GB are free"


def test_an_incomplete_file_says_since_when_and_what_is_missing(folder: Folder) -> None:
    folder.download(incomplete=(unfinished("a", retired=True), unfinished("b", retired=False)))
    folder.stop()
    assert matches(rf"incomplete \| since {STAMP}, chunks 3-5 missing; waited for no longer", folder.line("a"))
    assert matches(
        rf"incomplete \| since {STAMP}, chunks 3-5 missing; goes on when the program starts", folder.line("b")
    )


def test_an_incomplete_file_that_was_replaced_says_so(folder: Folder) -> None:
    folder.download(received("a", offset=5), incomplete=(unfinished("a", retired=True, offset=1),))
    assert "  replaced    a: by a newer version before it was whole" in folder.status()


def test_a_failed_download_says_why_and_what_to_do(folder: Folder) -> None:
    folder.download(received("a", "failed", "Not a directory"))
    pattern = rf"failed \| Not a directory \(at {STAMP}\); fetched again by: openmsistream retry"
    assert matches(pattern, folder.line("a"))


def test_records_in_quarantine_are_counted(folder: Folder) -> None:
    ledger = folder.download()
    ledger.quarantine([QuarantinedRecord("t", 0, 1, 0, "bad", None, None, None, [], NOW)])
    assert f"1 records could not be used: openmsistream quarantine list {folder.root}" in folder.status()


# -- the program -------------------------------------------------------------------------------------------------


def test_a_running_program_says_since_when_how_fast_and_how_far_behind(folder: Folder) -> None:
    folder.download()
    folder.says(
        "download", files=1200, bytes=3_400_000_000, rate_10s=12_300_000, rate_60s=10_000_000, lag=1234, lag_bytes=5
    )
    head, pace, *_ = folder.status().splitlines()
    assert matches(rf"download from topic t: Program is at work since {STAMP} \(process 4711\)", head)
    expected = (
        "  received 1,200 files, 3.4 GB since then; 12.3 MB/s over 10 s, 10.0 MB/s over 60 s; 1,234 records behind"
    )
    assert pace == f"{expected} (about 5 B)"


def test_what_is_in_the_way_is_told(folder: Folder) -> None:
    folder.upload()
    folder.says("upload", trouble="no broker answers")
    assert "\n  no broker answers\n" in folder.status()


def test_a_program_that_was_killed_is_not_at_work(folder: Folder) -> None:
    folder.upload(sent("a", folder.put("a", "x" * 48), "sending", acked_chunks=5))
    folder.says("upload", LiveFile("a", "sending", 7, 12, 28, 48), updated=NOW - 180)
    folder.stop()
    said = folder.status()
    assert matches(
        r"upload to topic t: no program is at work here; last seen \d+ min \d+ s ago, killed or cut off",
        said.split("\n")[0],
    )
    assert "7 of 12" not in said


def test_a_program_that_ended_with_an_error_says_so(folder: Folder) -> None:
    folder.upload()
    folder.says("upload", ended=NOW - 7200, error="the disk is full; make room")
    folder.stop()
    pattern = (
        rf"upload to topic t: no program is at work here; last seen at {STAMP}, when it ended with: the disk is full.*"
    )
    assert matches(pattern, folder.status().split("\n")[0])


def test_the_word_of_an_earlier_run_is_not_that_of_the_program(folder: Folder) -> None:
    folder.upload()
    folder.says("upload", ended=NOW - 7200)
    assert folder.status().startswith("upload to topic t: a program is at work; it has not said yet how it stands\n")


def test_a_broken_live_file_counts_for_nothing(folder: Folder) -> None:
    folder.upload()
    for text in ("", "[]", '{"form": 99}', '{"form": 1, "at_work": [{}]}', "\x00"):
        live.place(folder.ledger("upload")).write_text(text)
        assert "it has not said yet how it stands" in folder.status()


def test_each_ledger_of_a_folder_has_a_section(folder: Folder) -> None:
    folder.upload(topic="one")
    folder.upload(topic="two")
    folder.download()
    heads = [line.split(":")[0] for line in folder.status().splitlines() if " topic " in line]
    assert heads == ["upload to topic one", "upload to topic two", "download from topic t"]


# -- how much is told --------------------------------------------------------------------------------------------


def test_of_many_files_only_what_is_not_done_is_named(folder: Folder) -> None:
    rows = [sent(f"f{n}", folder.put(f"f{n}")) for n in range(50)]
    folder.upload(*rows, sent("bad", folder.put("bad"), "failed", reason="no"))
    lines = folder.status().splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["failed", "51"]
    assert lines[-1] == "  51 files: 50 sent (50 B), 1 failed (1 B)"


def test_of_many_files_that_are_not_done_some_are_named(folder: Folder) -> None:
    folder.upload(*(sent(f"f{n:02}", folder.put(f"f{n:02}"), "failed", reason="no") for n in range(50)))
    lines = folder.status().splitlines()
    assert sum(line.startswith("  failed") for line in lines) == 20
    assert "  30 more failed (--all names them)" in lines


def test_all_names_every_file(folder: Folder) -> None:
    folder.upload(*(sent(f"f{n}", folder.put(f"f{n}")) for n in range(50)))
    assert sum(line.startswith("  sent") for line in folder.status("--all").splitlines()) == 50


def test_a_folder_in_it_is_told_alone(folder: Folder) -> None:
    folder.upload(sent("a/one", folder.put("a/one")), sent("a.b", folder.put("a.b")))
    said = folder.status("a")
    assert "  a/one: " in said
    assert "a.b" not in said
    assert "  1 file: 1 sent" in said


def test_a_file_may_be_named_as_seen_from_here(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.upload(sent("a/one", folder.put("a/one")))
    monkeypatch.chdir(folder.root / "a")
    assert folder.line("a/one", "one").startswith("sent")
    assert folder.line("a/one", str(folder.root / "a" / "one")).startswith("sent")


def test_control_characters_in_a_name_are_spelt_out(folder: Folder) -> None:
    folder.download(received("a\x1b[2J"))
    assert "  a\\x1b[2J: at " in folder.status()


# -- for programs ------------------------------------------------------------------------------------------------


def test_json_holds_what_is_not_done_and_the_totals(folder: Folder) -> None:
    folder.upload(sent("a", folder.put("a")), sent("b", folder.put("b"), "failed", reason="no"))
    folder.says("upload", trouble="x")
    said = json.loads(folder.status("--json"))
    (ledger,) = said["ledgers"]
    assert (ledger["direction"], ledger["topic"], ledger["running"]) == ("upload", "t", True)
    assert (ledger["program"]["pid"], ledger["program"]["trouble"]) == (4711, "x")
    assert [(file["path"], file["state"], file["size"]) for file in ledger["files"]] == [("b", "failed", 1)]
    assert ledger["totals"] == {"failed": {"files": 1, "bytes": 1}, "sent": {"files": 1, "bytes": 1}}


def test_json_holds_all_files_when_asked(folder: Folder) -> None:
    folder.upload(sent("a", folder.put("a")))
    (file,) = json.loads(folder.status("--json", "--all"))["ledgers"][0]["files"]
    assert (file["path"], file["state"]) == ("a", "sent")
    assert file["since"].endswith("Z")


# -- mistakes ----------------------------------------------------------------------------------------------------


def test_a_folder_that_is_not_there(folder: Folder) -> None:
    folder.root.rmdir()
    assert folder.refused() == (
        f"error: there is no folder {folder.root}; name the folder that a program sends from or writes to\n"
    )


def test_a_file_in_place_of_its_folder(folder: Folder, tmp_path: Path) -> None:
    folder.root.rmdir()
    folder.root.write_text("")
    expected = f"error: {folder.root} is a file, not a folder; name the folder that a program works on, then the file\n"
    assert folder.refused() == expected


def test_a_folder_that_no_program_worked_on(folder: Folder) -> None:
    assert f"error: no program has worked on {folder.root} yet" in folder.refused()


def test_a_file_that_nobody_knows(folder: Folder) -> None:
    folder.upload()
    expected = (
        f"error: nothing is known of x: it is not in {folder.root}, and no program remembers it; check the name\n"
    )
    assert folder.refused("x") == expected


def test_a_file_outside(folder: Folder, tmp_path: Path) -> None:
    folder.upload()
    assert folder.refused("../x") == f"error: ../x is not in the folder {folder.root}; name a path below it\n"


def test_a_ledger_that_is_only_being_made(folder: Folder) -> None:
    folder.ledger("upload").parent.mkdir()
    folder.ledger("upload").touch()
    expected = (
        f"error: the ledger {folder.ledger('upload')} cannot be read (no such table: stream); try again, as the user"
    )
    assert folder.refused().startswith(expected)


def test_a_damaged_ledger(folder: Folder) -> None:
    folder.upload()
    folder.stop()
    for file in (folder.root / "LOGS").iterdir():
        file.write_bytes(b"no ledger" * 1000)
    assert f"the ledger {folder.ledger('upload')} is damaged" in folder.refused()
