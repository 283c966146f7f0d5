"""`openmsistream retry`: what is asked for, and what is said."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from openmsistream.commands.main import main
from openmsistream.files.chunk import FileState
from openmsistream.ledger.database import reader
from openmsistream.ledger.received import ReceivedFile, ReceivedLedger
from openmsistream.ledger.requests import answer, ask, asked
from openmsistream.ledger.sent import SentFile, SentLedger

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def upload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SentLedger]:
    """A folder from which two files were not sent, and one was."""
    monkeypatch.delenv("OPENMSISTREAM_STATE_DIR", raising=False)
    states = (("a/one", "failed"), ("b", "failed"), ("c", "sent"))
    with SentLedger(tmp_path / "LOGS" / "upload-t.sqlite") as ledger:
        ledger.use_stream("cluster", "t", "id")
        ledger.write([SentFile(path, state, FileState(1, 1, 1, 1)) for path, state in states])  # type: ignore[arg-type]
        yield ledger


def requests(ledger: Path) -> list[str]:
    with closing(reader(ledger)) as connection:
        return sorted(asked(connection))


def retry(capture: Capture, *args: object) -> str:
    with pytest.raises(SystemExit) as end:
        main(["retry", *map(str, args)])
    said = capture.readouterr()
    assert end.value.code == 0, said.err
    return said.out


def test_all_that_failed_is_asked_for(tmp_path: Path, upload: SentLedger, capsys: Capture) -> None:
    assert retry(capsys, tmp_path) == "  a/one\n  b\n2 files are sent again to topic t now\n"
    assert requests(upload.path) == ["a/one", "b"]


def test_a_folder_means_what_failed_in_it(tmp_path: Path, upload: SentLedger, capsys: Capture) -> None:
    assert retry(capsys, tmp_path, "a") == "  a/one\n1 file is sent again to topic t now\n"
    assert requests(upload.path) == ["a/one"]


def test_what_has_not_failed_is_named(tmp_path: Path, upload: SentLedger, capsys: Capture) -> None:
    said = retry(capsys, tmp_path, "b", "c").splitlines()
    assert said[:2] == ["  b", "1 file is sent again to topic t now"]
    assert said[2:] == [f"c has not failed; see: openmsistream status {tmp_path} c"]


def test_without_a_program_it_happens_at_the_next_start(tmp_path: Path, upload: SentLedger, capsys: Capture) -> None:
    upload.close()
    said = retry(capsys, tmp_path, "b").splitlines()
    assert said[-1] == "1 file is sent again to topic t when the program is started: none is at work here"


def test_nothing_failed_is_said_as_well(tmp_path: Path, upload: SentLedger, capsys: Capture) -> None:
    upload.write([SentFile(path, "sent", FileState(1, 1, 1, 1)) for path in ("a/one", "b")])
    assert retry(capsys, tmp_path) == "nothing has failed\n"


def test_a_failed_download_is_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.delenv("OPENMSISTREAM_STATE_DIR", raising=False)
    with ReceivedLedger(tmp_path / "LOGS" / "download-t.sqlite") as ledger:
        ledger.use_stream("cluster", "t", "id")
        ledger.write(
            [ReceivedFile(
                path="x", state="failed", generation="g", partition=0, first_offset=1, timestamp_ms=1, last_timestamp_ms=1,
                size=1, mtime_ns=1, digest=None, reason="no", updated=1.0,
            )]
        )  # fmt: skip
        assert retry(capsys, tmp_path) == "  x\n1 file is fetched again from topic t now\n"
        assert requests(ledger.path) == ["x"]


def test_many_files_are_counted(tmp_path: Path, upload: SentLedger, capsys: Capture) -> None:
    upload.write([SentFile(f"f{n:04}", "failed", FileState(1, 1, 1, 1)) for n in range(1200)])
    said = retry(capsys, tmp_path).splitlines()
    assert said[20:] == ["  and 1,182 more", "1,202 files are sent again to topic t now"]


def test_what_is_answered_is_asked_for_no_longer(upload: SentLedger) -> None:
    ask(upload.path, ["a", "b"], 1.0)
    ask(upload.path, ["a"], 2.0)
    assert requests(upload.path) == ["a", "b"]
    answer(upload.path, ["a"])
    assert requests(upload.path) == ["b"]


def test_a_request_waits_for_its_turn_at_the_ledger(upload: SentLedger) -> None:
    """Also while the program is in the middle of a transaction of its own: nobody gets an error."""
    with upload.transaction():
        thread = threading.Thread(target=ask, args=(upload.path, ["a"], 1.0))
        thread.start()
        thread.join(0.2)
        assert thread.is_alive()
    thread.join(10)
    assert requests(upload.path) == ["a"]
