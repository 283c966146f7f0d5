"""The CSV files that are written on from the ledger for the people and programs that read them."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from openmsistream.files.chunk import FileState
from openmsistream.ledger import lists
from openmsistream.ledger.registries import WRITE_EVERY, Registries
from openmsistream.ledger.registry_csv import FIRST_LINE, completed_of, lines_of
from openmsistream.ledger.sent import SentFile, SentLedger

HEADER = "filename;rel_filepath;n_chunks;started;completed"
ON_THE_WAY = SentFile("big", "sending", FileState(1000, 2, 3, 4), "g1", 0, 400, 0, None, updated=1000.0)
DONE = replace(ON_THE_WAY, state="sent", acked_chunks=3, digest="blake3:1", updated=1003.5)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SentLedger]:
    with SentLedger(tmp_path / "l.sqlite") as ledger:
        ledger.use_stream("cluster", "data", "id")
        yield ledger


@pytest.fixture
def completed(tmp_path: Path) -> Path:
    return tmp_path / "uploaded_to_data.csv"


@pytest.fixture
def in_progress(tmp_path: Path) -> Path:
    return tmp_path / "upload_to_data_in_progress.csv"


def send(ledger: SentLedger, *paths: str, generation: str = "g1", at: float = 1000.0) -> None:
    for state in ("sending", "sent"):
        ledger.write(
            SentFile(path, state, FileState(5, 2, 3, 4), generation, 0, 400, 1, updated=at)  # type: ignore[arg-type]
            for path in paths
        )


def paths_in(file: Path) -> list[str]:
    return [completed_of(line).path for _, line in lines_of(file)]


def test_a_completed_upload_becomes_a_row_with_the_time_of_its_beginning(ledger: SentLedger, completed: Path) -> None:
    ledger.write([ON_THE_WAY])
    ledger.write([replace(ON_THE_WAY, acked_chunks=1, updated=1001.0)])
    ledger.write([DONE])
    Registries(ledger, "data").finish([])
    (row,) = (completed_of(line) for _, line in lines_of(completed))
    assert (row.path, row.chunks, row.started, row.completed) == ("big", 3, 1000.0, 1003.0)


def test_the_file_has_the_header_and_no_line_end_after_its_last_row(ledger: SentLedger, completed: Path) -> None:
    send(ledger, "a", "b")
    Registries(ledger, "data").finish([])
    text = completed.read_bytes().decode()
    assert text.startswith(FIRST_LINE + HEADER + "\n'a';'a';1;'")
    assert not text.endswith("\n")
    assert paths_in(completed) == ["a", "b"]


def test_each_upload_of_a_file_is_a_row_and_a_look_that_found_it_unchanged_is_none(
    ledger: SentLedger, completed: Path
) -> None:
    send(ledger, "a", generation="g1")
    ledger.write([SentFile("a", "sent", FileState(5, 2, 9, 4), "g1", 0, 400, 1, updated=1001.0)])
    send(ledger, "a", generation="g2")
    Registries(ledger, "data").finish([])
    assert paths_in(completed) == ["a", "a"]


def test_what_was_taken_over_becomes_no_row(ledger: SentLedger, completed: Path) -> None:
    ledger.write([SentFile("a", "sent", FileState(5, 2, 3, 4), updated=1000.0)])
    Registries(ledger, "data").finish([])
    assert not completed.exists()


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
def test_rows_that_are_there_stay_as_they_are(ledger: SentLedger, completed: Path, end: str) -> None:
    before = f"{HEADER}\n'old';'old';1;'Mon Apr 06, 2026 at 17:32:08';'Mon Apr 06, 2026 at 17:32:08'"
    completed.write_text(before + end, newline="")
    send(ledger, "a")
    Registries(ledger, "data").finish([])
    text = completed.read_bytes().decode()
    assert text.startswith(before + "\n'a';'a';")
    assert paths_in(completed) == ["old", "a"]


def test_half_a_row_left_by_a_power_cut_is_cut_off(ledger: SentLedger, completed: Path) -> None:
    completed.write_text(f"{HEADER}\n'a';'a';1;'Mon Apr", newline="")
    send(ledger, "b")
    Registries(ledger, "data").finish([])
    assert paths_in(completed) == ["b"]
    assert completed.read_text().startswith(HEADER + "\n")


def test_after_a_crash_between_writing_and_forgetting_no_row_stands_twice(
    ledger: SentLedger, completed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(ledger, "a", "b")

    def crash() -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "transaction", crash)
        with pytest.raises(KeyboardInterrupt):
            Registries(ledger, "data").finish([])
    assert paths_in(completed) == ["a", "b"]
    send(ledger, "c")
    Registries(ledger, "data").finish([])
    assert paths_in(completed) == ["a", "b", "c"]


def test_a_list_that_somebody_moved_away_is_begun_anew(ledger: SentLedger, completed: Path) -> None:
    kept = Registries(ledger, "data")
    send(ledger, "a")
    kept.finish([])
    completed.unlink()
    send(ledger, "b")
    kept.finish([])
    assert completed.read_text("utf-8").splitlines()[len(FIRST_LINE.splitlines())] == HEADER
    assert paths_in(completed) == ["b"]


def test_it_is_written_every_few_seconds_at_most(ledger: SentLedger, completed: Path) -> None:
    kept = Registries(ledger, "data")
    kept.keep(100.0, list)
    send(ledger, "a")
    kept.keep(100.0 + WRITE_EVERY - 0.1, list)
    assert not completed.exists()
    kept.keep(100.0 + WRITE_EVERY, list)
    assert paths_in(completed) == ["a"]


def test_many_rows_are_written_in_several_turns(
    ledger: SentLedger, completed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "_ROWS_AT_ONCE", 10)
    kept = Registries(ledger, "data")
    send(ledger, *(f"f{number:02}" for number in range(25)))
    for turn in (10, 20, 25):
        kept.keep(100.0, list)
        assert len(paths_in(completed)) == turn
    assert ledger.connection.execute("SELECT count(*) FROM completed").fetchone() == (0,)


def test_what_is_on_its_way_is_listed_with_its_chunks(ledger: SentLedger, in_progress: Path) -> None:
    kept = Registries(ledger, "data")
    ledger.write([ON_THE_WAY, replace(ON_THE_WAY, path="other", acked_chunks=2)])
    kept.keep(100.0, lambda: ["big", "other", "unknown"])
    (row,) = (line for _, line in lines_of(in_progress))
    assert re.fullmatch(r"'other';'other';3;2;1;'[^;]*';\{1, 2\};\{3\}", row)
    ledger.write([replace(DONE, path="other")])
    kept.keep(200.0, lambda: ["other"])
    assert list(lines_of(in_progress)) == []


def test_what_is_on_its_way_is_written_only_when_it_changed(ledger: SentLedger, in_progress: Path) -> None:
    kept = Registries(ledger, "data")
    kept.keep(100.0, list)
    in_progress.unlink()
    kept.keep(200.0, list)
    assert not in_progress.exists()


def test_a_list_that_cannot_be_written_is_said_once_and_written_when_it_can_be(
    ledger: SentLedger, completed: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = Registries(ledger, "data")
    send(ledger, "a")
    completed.mkdir()
    kept.keep(100.0, list)
    kept.keep(200.0, list)
    (said,) = caplog.messages
    assert said.startswith(f"{completed} cannot be written: ")
    assert said.endswith("; files are sent all the same, and the list is written when it can be")
    completed.rmdir()
    kept.keep(300.0, list)
    assert paths_in(completed) == ["a"]


def test_a_full_disk_leaves_no_half_row(
    ledger: SentLedger, completed: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    send(ledger, "a")
    kept = Registries(ledger, "data")
    kept.finish([])
    before = completed.read_bytes()
    send(ledger, "b")
    opened = Path.open

    class Short:
        def __init__(self, file: object) -> None:
            self._file = file

        def __getattr__(self, name: str) -> object:
            return getattr(self._file, name)

        def __enter__(self) -> Short:
            return self

        def __exit__(self, *exc: object) -> None:
            self._file.close()  # type: ignore[attr-defined]

        def write(self, text: bytes) -> int:
            return int(self._file.write(text[:5]))  # type: ignore[attr-defined]

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda *args, **kwargs: Short(opened(*args, **kwargs)))
        kept.finish([])
    assert completed.read_bytes() == before
    assert "No space left" in caplog.text or str(errno.ENOSPC) in caplog.text
    kept.finish([])
    assert paths_in(completed) == ["a", "b"]
