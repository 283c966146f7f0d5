"""Whole files become visible and durable, in this order, and each failure is a matter of one file."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path

import pytest
from handmade import MTIME, Inside, Topic

from openmsistream.errors import FolderError
from openmsistream.ledger.received import ReceivedFile, ReceivedLedger
from openmsistream.transfer import finishing
from openmsistream.transfer.disk import Folder, Target


@pytest.mark.parametrize("length", [4, 100], ids=["large", "small"])
def test_each_file_is_written_synced_renamed_its_folder_synced_and_only_then_on_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    steps: list[str] = []

    class Watched(Target):
        def sync(self, fd: int) -> None:
            super().sync(fd)
            steps.append(f"sync {os.fstat(fd).st_size} bytes")

        def replace(self, folder: Folder, part: str, name: str) -> None:
            super().replace(folder, part, name)
            steps.append(f"rename to {name}")

        def sync_folder(self, folder: Folder) -> None:
            super().sync_folder(folder)
            steps.append(f"sync {folder.relative}/")

    class WatchedLedger(ReceivedLedger):
        def write(self, rows: Iterable[ReceivedFile]) -> None:
            rows = list(rows)
            super().write(rows)
            steps.append(f"row {rows[0].path}")

    monkeypatch.setattr(finishing, "Target", Watched)
    monkeypatch.setattr("handmade.ReceivedLedger", WatchedLedger)
    topic = Topic()
    topic.file("a/b", b"0123456789", length)
    with Inside(tmp_path / "root") as inside:
        inside.feed(topic)
        assert inside.commits[0].offset == topic.end
    assert steps == ["sync 10 bytes", "rename to b", "sync a/", "row a/b"]


def test_nothing_is_committed_before_the_row_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: ReceivedLedger, rows: object) -> None:
        raise RuntimeError("the ledger's disk is gone")

    monkeypatch.setattr(ReceivedLedger, "write", fail)
    topic = Topic()
    topic.file("x", b"data", 100)
    inside = Inside(tmp_path / "root")
    with inside:
        inside.feed(topic)
        assert inside.commits[0].offset == 0
        died, inside.finisher.error = inside.finisher.error, None
    assert isinstance(died, RuntimeError)


@pytest.mark.parametrize("length", [4, 100], ids=["large", "small"])
def test_the_time_of_the_source_is_kept(tmp_path: Path, length: int) -> None:
    topic = Topic()
    topic.file("x", b"0123456789", length)
    with Inside(tmp_path / "root") as inside:
        inside.feed(topic)
    assert (tmp_path / "root" / "x").stat().st_mtime_ns == MTIME


@pytest.mark.parametrize("length", [4, 100], ids=["large", "small"])
def test_a_target_with_the_same_bytes_is_not_written_again(tmp_path: Path, length: int) -> None:
    topic = Topic()
    topic.file("x", b"0123456789", length)
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "x").write_bytes(b"0123456789")
    inode = (tmp_path / "root" / "x").stat().st_ino
    with Inside(tmp_path / "root") as inside:
        inside.feed(topic)
        assert (inside.tally.files, inside.tally.unchanged) == (1, 1)
        assert inside.files() == {"x": b"0123456789"}
    found = (tmp_path / "root" / "x").stat()
    assert (found.st_ino, found.st_mtime_ns) == (inode, MTIME)


def test_a_target_that_is_already_there_is_made_durable_before_it_is_on_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    monkeypatch.setattr(Target, "sync", lambda self, fd: steps.append("sync"))
    monkeypatch.setattr(Target, "sync_folder", lambda self, folder: steps.append("sync folder"))
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "x").write_bytes(b"data")
    topic = Topic()
    topic.file("x", b"data")
    with Inside(tmp_path / "root") as inside:
        inside.feed(topic)
    assert steps == ["sync", "sync folder"]


def test_a_target_of_the_same_size_with_other_bytes_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "x").write_bytes(b"atad")
    topic = Topic()
    topic.file("x", b"data")
    with Inside(tmp_path / "root") as inside:
        inside.feed(topic)
        assert inside.files() == {"x": b"data"}
        assert inside.tally.unchanged == 0


@pytest.mark.parametrize("length", [4, 100], ids=["large", "small"])
def test_a_wrong_digest_fails_and_is_listed_and_leaves_what_is_there(tmp_path: Path, length: int) -> None:
    topic = Topic()
    topic.file("x", b"first version")
    topic.file("x", b"second one", length, wrong=True)
    topic.file("y", b"good")
    with Inside(tmp_path / "root") as inside:
        inside.feed(topic)
        assert inside.files() == {"x": b"first version", "y": b"good"}
        reason = inside.failures()["x"]
        assert reason is not None
        assert reason.startswith("its digest is blake3:")
        assert "the sender's was blake3:" in reason
        assert inside.tally.failed == {"x": reason}
        assert inside.commits[0].offset == topic.end


@pytest.mark.parametrize("length", [4, 100], ids=["large", "small"])
def test_a_folder_where_the_file_must_be_fails_that_file_and_leaves_no_part(tmp_path: Path, length: int) -> None:
    (tmp_path / "root" / "x").mkdir(parents=True)
    topic = Topic()
    topic.file("x", b"0123456789", length)
    topic.file("y", b"good")
    with Inside(tmp_path / "root") as inside:
        inside.feed(topic)
        assert inside.failures() == {"x": "Is a directory"}
        assert inside.files() == {"y": b"good"}


def test_a_broken_disk_is_no_matter_of_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Target, fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Target, "sync", broken)
    topic = Topic()
    topic.file("x", b"data")
    with pytest.raises(FolderError) as caught, Inside(tmp_path / "root") as inside:
        inside.feed(topic)
    assert caught.value.what == "the target folder's disk cannot be used: Input/output error"
    assert caught.value.advice == "repair or remount it, then start again"
    assert not (tmp_path / "root" / "x").exists()


def test_many_small_files_share_the_steps(tmp_path: Path) -> None:
    topic = Topic()
    for i in range(600):
        topic.file(f"d{i % 7}/f{i}", b"%d" % i)
    with Inside(tmp_path / "root") as inside:
        inside.feed(topic)
        assert inside.files() == {f"d{i % 7}/f{i}": b"%d" % i for i in range(600)}
        assert inside.commits[0].offset == 600


def test_a_folder_removed_between_two_files_is_made_again(tmp_path: Path) -> None:
    topic = Topic()
    topic.file("a/b/one", b"1")
    with Inside(tmp_path / "root") as inside:
        inside.feed(topic)
        (tmp_path / "root/a/b/one").unlink()
        (tmp_path / "root/a/b").rmdir()
        (tmp_path / "root/a").rmdir()
        inside.feed([topic.file("a/b/two", b"2") and topic.records[-1]])
        assert inside.files() == {"a/b/two": b"2"}
        assert inside.failures() == {}


def test_a_folder_removed_with_a_part_in_it_only_delays_the_file(tmp_path: Path) -> None:
    topic = Topic()
    chunks = topic.file("a/big", b"0123456789")
    with Inside(tmp_path / "root") as inside:
        inside.feed(topic.records[:2])
        for part in (tmp_path / "root/a").iterdir():
            part.unlink()
        (tmp_path / "root/a").rmdir()
        inside.feed(topic.records[2:])
        assert inside.files() == {}
        assert inside.receiving.places_to_read_again() == {0: 0}
        inside.feed(topic)
        assert inside.files() == {"a/big": b"0123456789"}
        assert inside.commits[0].offset == len(chunks)
