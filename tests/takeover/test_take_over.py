"""What the first start takes over from the files that OpenMSIStream left in LOGS/."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from openmsistream.errors import LedgerError
from openmsistream.files.chunk import FileState
from openmsistream.ledger.registry_csv import Completed, InProgress, completed_rows, in_progress_rows
from openmsistream.ledger.sent import SentLedger, finished_states
from openmsistream.transfer.plan import planned
from openmsistream.transfer.scan import Skipped
from openmsistream.transfer.takeover import CHANGED, NOT_FINISHED, take_over_once
from openmsistream.transfer.uploader import UploadOptions

SENT_AT = 1_700_000_000.0
HEADER = "filename;rel_filepath;n_chunks;started;completed"
HEADER_IN_PROGRESS = (
    "filename;rel_filepath;n_chunks;n_chunks_delivered;n_chunks_to_send;started;chunks_delivered;chunks_to_send"
)


class Folder:
    """A folder on which OpenMSIStream was at work, and a ledger that knows nothing yet."""

    def __init__(self, root: Path, ledger: SentLedger) -> None:
        self.root, self.ledger = root, ledger
        (root / "LOGS").mkdir()

    def put(self, path: str, written: float = SENT_AT - 10) -> FileState:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
        os.utime(file, (written, written))
        return FileState.of(file.stat())

    def completed(self, *paths: str, at: float = SENT_AT, name: str = "uploaded_to_data.csv") -> None:
        rows = completed_rows(Completed(path, 1, at - 1, at) for path in paths)
        (self.root / "LOGS" / name).write_text("\n".join([HEADER, *rows]), encoding="utf-8")

    def in_progress(self, *paths: str) -> None:
        rows = in_progress_rows(InProgress(path, 3, 1, SENT_AT) for path in paths)
        (self.root / "LOGS" / "upload_to_data_in_progress.csv").write_text(
            "\n".join([HEADER_IN_PROGRESS, *rows]), "utf-8"
        )

    def take_over(self) -> float:
        return take_over_once(self.ledger, self.root, "data", lambda path: FileState.of((self.root / path).stat()))

    def state_of(self, path: str) -> tuple[str, str | None] | None:
        row = self.ledger.get(path)
        return None if row is None else (row.state, row.reason)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    (tmp_path / "root").mkdir()
    with SentLedger(tmp_path / "l.sqlite") as ledger:
        ledger.use_stream("cluster", "data", "id")
        yield Folder(tmp_path / "root", ledger)


def test_what_was_completed_and_has_not_changed_counts_as_sent(folder: Folder) -> None:
    state = folder.put("sub/a.dat")
    folder.completed("sub/a.dat")
    assert folder.take_over() == SENT_AT
    assert folder.state_of("sub/a.dat") == ("sent", None)
    assert finished_states(folder.ledger.connection, folder.ledger.stream, ["sub/a.dat"], known_too=True) == {
        "sub/a.dat": state
    }


@pytest.mark.parametrize("written", [SENT_AT, SENT_AT + 0.5, SENT_AT + 1000])
def test_what_was_written_in_the_second_of_its_completion_or_later_is_sent_anew(folder: Folder, written: float) -> None:
    folder.put("a.dat", written)
    folder.completed("a.dat")
    folder.take_over()
    assert folder.state_of("a.dat") == ("abandoned", CHANGED)


def test_of_several_rows_of_a_file_the_newest_counts(folder: Folder) -> None:
    folder.put("a.dat", SENT_AT + 5)
    folder.completed("a.dat", at=SENT_AT)
    folder.completed("a.dat", at=SENT_AT + 60, name="uploaded_to_data_p7f95f9a17ed0.csv")
    assert folder.take_over() == SENT_AT + 60
    assert folder.state_of("a.dat") == ("sent", None)


def test_the_order_of_rows_does_not_matter(folder: Folder) -> None:
    folder.put("a.dat", SENT_AT + 5)
    folder.completed("a.dat", at=SENT_AT + 60, name="uploaded_to_data.csv")
    folder.completed("a.dat", at=SENT_AT, name="uploaded_to_data_p7f95f9a17ed0.csv")
    folder.take_over()
    assert folder.state_of("a.dat") == ("sent", None)


def test_what_was_on_its_way_is_sent_anew_even_when_an_earlier_version_was_completed(folder: Folder) -> None:
    folder.put("big.dat")
    folder.completed("big.dat")
    folder.in_progress("big.dat")
    folder.take_over()
    assert folder.state_of("big.dat") == ("abandoned", NOT_FINISHED)


def test_what_is_gone_is_not_noted(folder: Folder) -> None:
    folder.completed("gone.dat")
    folder.in_progress("gone too.dat")
    folder.take_over()
    assert folder.state_of("gone.dat") is None


@pytest.mark.parametrize("name", ["../out.dat", "/etc/hostname", "LOGS/x", "a\0b"])
def test_a_name_that_leads_out_of_the_folder_is_not_looked_at(folder: Folder, name: str) -> None:
    folder.put("../out.dat")
    folder.completed(name)
    folder.take_over()
    assert folder.ledger.connection.execute("SELECT count(*) FROM sent").fetchone() == (0,)


def test_the_list_of_another_topic_is_not_taken(folder: Folder) -> None:
    folder.put("a.dat")
    folder.completed("a.dat", name="uploaded_to_data2.csv")
    assert folder.take_over() == 0.0
    assert folder.state_of("a.dat") is None


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
@pytest.mark.parametrize("name", ["tab\there", "both'\"x", "back\\slash", "narrow\u202fspace"])
def test_a_name_that_openmsistream_escaped_at_each_start_is_found(folder: Folder, name: str) -> None:
    folder.put(name)
    folder.completed(repr(repr(name)[1:-1])[1:-1])
    folder.take_over()
    assert folder.state_of(name) == ("sent", None)


def test_a_line_that_cannot_be_read_is_passed_over_and_named(folder: Folder, caplog: pytest.LogCaptureFixture) -> None:
    folder.put("a.dat")
    folder.completed("a.dat")
    file = folder.root / "LOGS" / "uploaded_to_data.csv"
    good = file.read_text("utf-8").splitlines()[1]
    file.write_bytes(f"{HEADER}\n'half;a row\n".encode() + b"'\xff';'\xff';1;'x';'x'\n" + good.encode())
    folder.take_over()
    assert folder.state_of("a.dat") == ("sent", None)
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert said[0] == f"{file}, line 2, is passed over: it has 2 columns instead of 5"
    assert said[1].startswith(f"{file}, line 3, is passed over: ")
    assert len(said) == 2


def test_of_many_bad_lines_the_rest_is_counted(folder: Folder, caplog: pytest.LogCaptureFixture) -> None:
    file = folder.root / "LOGS" / "uploaded_to_data.csv"
    file.write_text("\n".join([HEADER, *["?"] * 50]), "utf-8")
    folder.take_over()
    assert len(caplog.records) == 11
    assert caplog.records[-1].getMessage() == f"{file}: 40 lines more are passed over"


def test_a_list_that_cannot_be_opened_stops_the_start(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.completed("a.dat")

    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(LedgerError) as caught:
        folder.take_over()
    assert str(caught.value) == (
        f"{folder.root / 'LOGS' / 'uploaded_to_data.csv'}, the list of what OpenMSIStream sent, cannot be read: Permission "
        "denied; give this user the right to, or move it away: then its files count as never sent"
    )


def test_it_is_done_once(folder: Folder) -> None:
    folder.put("a.dat")
    folder.completed("a.dat")
    assert folder.take_over() == SENT_AT
    folder.put("b.dat")
    folder.completed("b.dat", at=SENT_AT + 60)
    assert folder.take_over() == SENT_AT
    assert folder.state_of("b.dat") is None


def test_it_says_how_much_it_was(folder: Folder, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for name in ("a", "b", "c"):
        folder.put(name)
    folder.completed("a", "b")
    folder.in_progress("c")
    folder.take_over()
    assert caplog.messages == ["taken over from OpenMSIStream: 2 files were sent and have not changed, 1 are sent anew"]


def test_a_dry_run_tells_it_before_the_first_start(folder: Folder) -> None:
    folder.put("sent.dat")
    folder.put("changed.dat", SENT_AT + 10)
    folder.put("unfinished.dat")
    folder.completed("sent.dat", "changed.dat", at=SENT_AT)
    folder.in_progress("unfinished.dat")
    folder.put("new.dat")  # its change time is that of today
    plan = {
        item.path: item.reason if isinstance(item, Skipped) else "sent"
        for item in planned(UploadOptions(folder.root, "data"))
    }
    plan.pop("LOGS", None)
    assert plan == {
        "sent.dat": "was sent already", "changed.dat": "sent", "unfinished.dat": "sent", "new.dat": "sent",
    }  # fmt: skip
    assert sorted(file.name for file in (folder.root / "LOGS").iterdir()) == [
        "upload_to_data_in_progress.csv", "uploaded_to_data.csv",
    ]  # fmt: skip
