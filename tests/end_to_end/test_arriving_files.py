"""How files appear in the target folder: whole, with their time, once, and never an older version over a newer one."""

from __future__ import annotations

import os
import shutil

import pytest
from lab import Lab, chunks, expect, files_of, parts_in, put, record_of, same, tree

from openmsistream.errors import LedgerError
from openmsistream.files.chunk import new_generation
from openmsistream.files.wire import native
from openmsistream.transfer.downloader import Downloader, DownloadOptions


def delivered(lab: Lab, **contents: bytes) -> None:
    """Files that have gone all the way."""
    with lab.uploading(), lab.downloading():
        for path, content in contents.items():
            put(lab.source, path, content)
        expect(lambda: same(lab.source, lab.target))


def inodes(lab: Lab) -> dict[str, int]:
    return {path: file.stat().st_ino for path, file in files_of(lab.target).items()}


def test_the_time_of_the_source_is_kept(lab: Lab) -> None:
    with lab.uploading(), lab.downloading():
        for path, when in (("new.dat", 1_600_000_000_123_456_789), ("big.dat", 946_684_800_000_000_007), ("old", -5)):
            outside = put(lab.place, path, b"x" * (2_000_000 if path == "big.dat" else 5))
            os.utime(outside, ns=(when, when))
            outside.rename(lab.source / path)
        expect(lambda: same(lab.source, lab.target))
        times = {path: file.stat().st_mtime_ns for path, file in files_of(lab.target).items()}
    assert times == {path: file.stat().st_mtime_ns for path, file in files_of(lab.source).items()}


def test_a_restart_neither_rewrites_nor_reads_again_what_is_done(lab: Lab) -> None:
    delivered(lab, a=b"a", b=os.urandom(1_500_000))
    before = inodes(lab)
    with lab.uploading(), lab.downloading() as down:
        put(lab.source, "c", "c")
        expect(lambda: same(lab.source, lab.target))
    assert (down.tally.records, down.tally.files) == (1, 1)
    assert {path: inode for path, inode in inodes(lab).items() if path != "c"} == before


def test_from_beginning_reads_everything_again_and_writes_nothing_that_is_there(lab: Lab) -> None:
    delivered(lab, a=b"a", b=os.urandom(1_500_000), empty=b"")
    before = inodes(lab)
    with lab.downloading(from_beginning=True) as down:
        expect(lambda: down.tally.records == len(lab.records()))
    assert inodes(lab) == before


def test_from_beginning_brings_back_what_was_deleted_when_the_ledger_is_gone_too(lab: Lab) -> None:
    delivered(lab, a=b"a", b=os.urandom(1_500_000))
    before = inodes(lab)
    (lab.target / "a").unlink()
    shutil.rmtree(lab.target / "LOGS")
    with lab.downloading() as down:
        expect(lambda: down.tally.files == 2)
    assert tree(lab.target) == tree(lab.source)
    assert down.tally.unchanged == 1
    assert inodes(lab)["b"] == before["b"], "a file that has the digest already is not written again"


def test_reading_again_never_puts_an_older_version_over_a_newer_one(lab: Lab) -> None:
    with lab.uploading(), lab.downloading():
        for content in (b"first", b"second", b"third and last"):
            put(lab.source, "a", content)
            expect(lambda: same(lab.source, lab.target))
    before = inodes(lab)
    with lab.downloading(from_beginning=True) as down:
        expect(lambda: down.tally.records == 3)
    assert inodes(lab) == before


def test_an_own_group_for_each_installation_gives_each_folder_a_full_copy(lab: Lab) -> None:
    other = lab.place / "other"
    with lab.uploading(), lab.downloading() as one, lab.downloading(other) as two:
        put(lab.source, "a", "a")
        put(lab.source, "b", os.urandom(1_500_000))
        expect(lambda: same(lab.source, lab.target) and same(lab.source, other))
        assert one.group != two.group
        assert one.group.startswith("openmsistream-DataFileDownloadDirectory-")
    with lab.downloading() as again:
        assert again.group == one.group


def test_a_second_program_on_the_same_target_and_topic_is_refused(lab: Lab) -> None:
    lab.make_topic()
    with lab.downloading(), pytest.raises(LedgerError, match="another program is already at work on this folder"):
        Downloader(DownloadOptions(lab.target, lab.topic), lab.settings)


def test_repeated_chunks_and_interleaved_generations_give_the_newest_complete_version(lab: Lab) -> None:
    lab.make_topic()
    old, new = chunks("a", os.urandom(300_000)), chunks("a", b"new" * 70_000)
    mixed = [old[0], old[0], old[1], new[0], old[2], new[1], new[1], old[1], new[2], new[3], old[3], old[4], new[3]]
    lab.produce(*map(record_of, mixed))
    with lab.downloading() as down:
        expect(lambda: down.tally.records == len(mixed))
        expect(lambda: tree(lab.target) == {"a": b"new" * 70_000})
    assert down.tally.quarantined == 0
    assert parts_in(lab.target) == []


def test_two_unfinished_generations_leave_nothing_visible(lab: Lab) -> None:
    lab.make_topic()
    lab.produce(*[record_of(c) for path in ("a", "b/c") for c in chunks(path, os.urandom(300_000))[:-1]])
    with lab.downloading() as down:
        expect(lambda: down.tally.records == 8)
        assert tree(lab.target) == {}
        assert len(parts_in(lab.target)) == 2
    assert parts_in(lab.target) == []


def test_what_a_killed_run_left_behind_is_removed_and_the_file_is_received_again(lab: Lab) -> None:
    content = os.urandom(300_000)
    sent = chunks("a/b", content)
    lab.make_topic()
    lab.produce(*map(record_of, sent[:3]))
    killed = lab.download_program()
    expect(lambda: len(parts_in(lab.target)) == 1 and parts_in(lab.target)[0].stat().st_size > 0)
    killed.kill()
    assert len(parts_in(lab.target)) == 1
    lab.produce(*map(record_of, sent[3:]))
    with lab.downloading() as down:
        expect(lambda: tree(lab.target) == {"a/b": content})
    assert parts_in(lab.target) == []
    assert down.tally.files == 1


def test_an_unfinished_file_is_gone_on_with_after_a_restart_while_finished_ones_are_not_done_again(lab: Lab) -> None:
    content = os.urandom(300_000)
    long = chunks("long", content)
    lab.make_topic()
    lab.produce(record_of(long[0]), *[record_of(chunks(f"{n}", b"x")[0]) for n in range(50)], record_of(long[1]))
    with lab.downloading() as down:
        expect(lambda: down.tally.files == 50)
    assert lab.committed(down.group) == [0], "the unfinished file holds the offset"
    lab.produce(*map(record_of, long[2:]))
    with lab.downloading() as down:
        expect(lambda: (lab.target / "long").exists())
    assert down.tally.files == 1
    assert (lab.target / "long").read_bytes() == content
    assert lab.committed(down.group) == [55]


def test_an_abandoned_generation_is_dropped_at_once_and_holds_no_offset(lab: Lab) -> None:
    generation = new_generation()
    begun = chunks("a", os.urandom(300_000), generation=generation)[:2]
    lab.make_topic()
    lab.produce(*map(record_of, begun), (native.key("a"), b"", native.abandoned_headers(generation)))
    with lab.downloading() as down:
        expect(lambda: lab.committed(down.group) == [3])
    assert tree(lab.target) == {}


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_link_planted_in_the_target_is_not_followed(lab: Lab) -> None:
    outside = lab.place / "outside"
    outside.mkdir()
    secret = put(outside, "secret", "mine")
    lab.target.mkdir()
    (lab.target / "folder").symlink_to(outside)
    (lab.target / "file").symlink_to(secret)
    with lab.uploading(), lab.downloading() as down:
        put(lab.source, "folder/a", "a")
        put(lab.source, "folder/big", os.urandom(1_500_000))
        put(lab.source, "file", "replaces the link")
        put(lab.source, "good", "good")
        expect(lambda: down.tally.files == 2 and len(down.tally.failed) == 2, shown=lambda: down.tally)
    assert (lab.target / "file").read_text() == "replaces the link"
    assert tree(outside) == {"secret": b"mine"}
    assert "'folder' is a link or a file, not a folder" in down.tally.failed["folder/a"]
