"""A folder that OpenMSIStream sent from, and our uploader in its place."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from lab import Lab, expect, put

from openmsistream.ledger import registries
from openmsistream.ledger.registry_csv import Completed, InProgress, completed_of, completed_rows, in_progress_rows
from openmsistream.ledger.registry_csv import lines_of as lines
from openmsistream.transfer.uploader import Uploader

HOUR = 3600.0
HEADER = "filename;rel_filepath;n_chunks;started;completed"
HEADER_IN_PROGRESS = (
    "filename;rel_filepath;n_chunks;n_chunks_delivered;n_chunks_to_send;started;chunks_delivered;chunks_to_send"
)


def backdate(file: Path, age: float) -> None:
    """Let a file look as if it had been written so many seconds ago. Its change time stays that of now."""
    when = time.time() - age
    os.utime(file, (when, when))


def left_behind(lab: Lab, completed: list[str], in_progress: list[str], age: float) -> None:
    """The files of an OpenMSIStream that completed these uploads so many seconds ago."""
    at = time.time() - age
    rows = completed_rows(Completed(path, 1, at - 1, at) for path in completed)
    put(lab.source, f"LOGS/uploaded_to_{lab.topic}.csv", "\n".join([HEADER, *rows]))
    rows = in_progress_rows(InProgress(path, 3, 1, at) for path in in_progress)
    put(lab.source, f"LOGS/upload_to_{lab.topic}_in_progress.csv", "\n".join([HEADER_IN_PROGRESS, *rows]))


def sent(uploader: Uploader, files: int) -> None:
    expect(lambda: uploader.tally.files >= files)


def keys(lab: Lab) -> list[str]:
    return sorted({(message.key() or b"").decode() for message in lab.records()})


def paths_in(file: Path) -> list[str]:
    return [completed_of(line).path for _, line in lines(file)]


def test_what_was_sent_stays_what_was_not_is_sent_and_the_list_goes_on(lab: Lab) -> None:
    for name in ("done.dat", "half.dat", "changed.dat"):
        backdate(put(lab.source, name, "old"), 2 * HOUR)
    left_behind(lab, ["done.dat", "changed.dat"], ["half.dat"], HOUR)
    put(lab.source, "changed.dat", "changed while nobody was there")
    put(lab.source, "came.dat", "came while nobody was there")
    with lab.uploading() as uploader:
        sent(uploader, 3)
        put(lab.source, "new.dat", "new")
        sent(uploader, 4)
    assert keys(lab) == ["came.dat", "changed.dat", "half.dat", "new.dat"]
    listed = paths_in(lab.source / "LOGS" / f"uploaded_to_{lab.topic}.csv")
    assert listed[:2] == ["done.dat", "changed.dat"]
    assert sorted(listed[2:]) == ["came.dat", "changed.dat", "half.dat", "new.dat"]
    assert list(lines(lab.source / "LOGS" / f"upload_to_{lab.topic}_in_progress.csv")) == []


def test_a_later_start_sends_none_of_it_again(lab: Lab) -> None:
    backdate(put(lab.source, "done.dat", "old"), 2 * HOUR)
    left_behind(lab, ["done.dat"], [], HOUR)
    for turn in (1, 2):
        with lab.uploading() as uploader:
            put(lab.source, f"new{turn}.dat", "new")
            sent(uploader, 1)
    assert keys(lab) == ["new1.dat", "new2.dat"]


def test_a_file_taken_over_is_sent_again_when_it_changes(lab: Lab) -> None:
    backdate(put(lab.source, "done.dat", "old"), 2 * HOUR)
    left_behind(lab, ["done.dat"], [], HOUR)
    with lab.uploading() as uploader:
        put(lab.source, "mark.dat", "")
        sent(uploader, 1)
        put(lab.source, "done.dat", "changed")
        sent(uploader, 2)
    assert keys(lab) == ["done.dat", "mark.dat"]


def test_after_the_ledger_is_lost_the_list_stands_in_for_it(lab: Lab) -> None:
    backdate(put(lab.source, "a.dat", "a"), 2 * HOUR)
    with lab.uploading(upload_existing=True) as uploader:
        sent(uploader, 1)
    for file in (lab.source / "LOGS").glob("*.sqlite*"):
        file.unlink()
    with lab.uploading(upload_existing=True) as uploader:
        put(lab.source, "b.dat", "b")
        sent(uploader, 1)
    assert keys(lab) == ["a.dat", "b.dat"]
    assert len(lab.records()) == 2


def test_a_large_file_is_listed_while_it_is_on_its_way(lab: Lab) -> None:
    """A stop in its midst leaves it in the list, and the next start goes on with it."""
    file = lab.source / "LOGS" / f"upload_to_{lab.topic}_in_progress.csv"
    with lab.uploading(chunk_size=4096) as uploader:
        put(lab.source, "big.dat", os.urandom(64 << 20))
        expect(lambda: uploader.tally.chunk_bytes > 0)
    if uploader.tally.files == 0:
        assert [line.split(";")[1] for _, line in lines(file)] == ["'big.dat'"]
    with lab.uploading(chunk_size=4096) as uploader:
        expect(lambda: "big.dat" in paths_in_or_none(lab), 60)
    assert list(lines(file)) == []


def paths_in_or_none(lab: Lab) -> list[str]:
    file = lab.source / "LOGS" / f"uploaded_to_{lab.topic}.csv"
    return paths_in(file) if file.exists() else []


def test_where_the_state_is_elsewhere_the_list_is_there(lab: Lab, tmp_path: Path) -> None:
    with lab.uploading(state_dir=tmp_path / "state") as uploader:
        put(lab.source, "a.dat", "a")
        sent(uploader, 1)
    (found,) = (tmp_path / "state").rglob(f"uploaded_to_{lab.topic}.csv")
    assert paths_in(found) == ["a.dat"]
    assert not (lab.source / "LOGS").exists()


def test_the_list_grows_while_the_program_runs(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registries, "WRITE_EVERY", 0.2)
    with lab.uploading():
        put(lab.source, "a.dat", "a")
        expect(lambda: paths_in_or_none(lab) == ["a.dat"])
