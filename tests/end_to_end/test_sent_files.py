"""Which files of a folder are sent, and when, through a real broker."""

from __future__ import annotations

import os
import re
import threading
import time
from pathlib import Path

import pytest
from lab import Lab, expect, files_of, header, put, same, tree

from openmsistream.kafka.producer import ChunkProducer, Report
from openmsistream.program.run import wait_until
from openmsistream.transfer import uploader as uploader_module


def arrive(lab: Lab, limit: float = 30.0) -> None:
    """Wait until the target holds what the source holds."""
    expect(lambda: same(lab.source, lab.target), limit, lambda: [sorted(files_of(r)) for r in (lab.source, lab.target)])


def test_the_two_programs_carry_new_files_of_all_sizes(lab: Lab) -> None:
    up, down = lab.upload_program(), lab.download_program()
    up.wait_for("first start")
    down.wait_for("reading as a member of group")
    put(lab.source, "small.csv", "1,2,3\n")
    put(lab.source, "empty.dat")
    put(lab.source, "run 7/scan_0001.tif", os.urandom(3_000_000))
    put(lab.source, "exactly/two/chunks.bin", os.urandom(1 << 20))
    arrive(lab)
    assert (up.stop(), down.stop()) == (0, 0)
    assert re.search(r"sent 4 files, 4\.0 MB", up.said)
    assert re.search(r"received 4 files, 4\.0 MB", down.said)


def test_a_log_that_is_kept_elsewhere_changes_nothing_of_what_is_sent(lab: Lab, tmp_path: Path) -> None:
    up = lab.upload_program("--logger_file_path", tmp_path / "elsewhere" / "my.log")
    up.wait_for("first start")
    with lab.downloading():
        put(lab.source, "a/b.dat", "content")
        arrive(lab)
    assert up.stop() == 0
    assert list((tmp_path / "elsewhere").iterdir())


NAMES = [
    "Härte_α-Titan.csv", "測定 結果/试样一.dat", "данные/образец №3.txt", "نتيجة.csv", "🔬/🧪 run.json",
    "with  two blanks.txt", " leading.txt", "trailing .txt", "quote'and\"double.txt", "semi;colon,comma.txt",
    "percent%20sign%.txt", "hash#and?mark.txt", "star*and[bracket].txt", "back\\slash.txt", "tab\there.txt",
    "new\nline.txt", "-rf", "--help", "$HOME", "a=b&c", "e\u0301 decomposed.txt", "é composed.txt", "x" * 255, "aux.h",
]  # fmt: skip


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot hold these names")
def test_names_of_any_language_and_with_odd_characters_arrive(lab: Lab) -> None:
    with lab.uploading(), lab.downloading():
        for number, name in enumerate(NAMES):
            put(lab.source, name, f"content {number}")
        put(lab.source, "/".join(f"folder {depth}" for depth in range(40)) + "/deep.txt", "deep")
        arrive(lab)


@pytest.mark.skipif(os.name == "nt", reason="names are bytes on Linux only")
def test_a_name_that_is_not_utf8_is_skipped_and_listed_and_the_others_go(lab: Lab) -> None:
    try:
        Path(os.fsdecode(os.fsencode(lab.source) + b"/\xff\xfe.dat")).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    put(lab.source, "good.dat", "good")
    dry = lab.upload_program("--dry_run")
    assert dry.ends() == 0
    assert re.search(r"skip  .*xff.*not valid UTF-8", dry.said), dry.said
    with lab.uploading(upload_existing=True), lab.downloading():
        expect(lambda: tree(lab.target) == {"good.dat": b"good"})


def test_files_in_folders_that_appear_after_the_start_arrive(lab: Lab) -> None:
    with lab.uploading(), lab.downloading():
        for number in range(20):
            put(lab.source, f"new/{number}/deeper/{number}.txt", f"{number}")
        arrive(lab)


def test_a_file_that_is_renamed_inside_the_tree_arrives_under_its_new_name(lab: Lab) -> None:
    with lab.uploading(), lab.downloading():
        put(lab.source, "writing.tmp", "whole").rename(lab.source / "result.csv")
        expect(lambda: tree(lab.target) == {"result.csv": b"whole"})


def test_a_file_and_a_folder_that_are_moved_in_from_outside_arrive(lab: Lab) -> None:
    outside = lab.place / "outside"
    file, inner = put(outside, "one.dat", "one"), put(outside, "batch/sub/two.dat", "two")
    for old in (file, inner):
        os.utime(old, (1_000_000_000, 1_000_000_000))
    with lab.uploading(), lab.downloading():
        file.rename(lab.source / "one.dat")
        (outside / "batch").rename(lab.source / "batch")
        expect(lambda: tree(lab.target) == {"one.dat": b"one", "batch/sub/two.dat": b"two"})


def test_a_rewritten_file_arrives_anew_in_place_of_its_old_version(lab: Lab) -> None:
    with lab.uploading(), lab.downloading():
        put(lab.source, "a.dat", os.urandom(700_000))
        arrive(lab)
        put(lab.source, "a.dat", os.urandom(900_000))
        arrive(lab)
        put(lab.source, "a.dat", "short")
        arrive(lab)


def test_an_empty_file_that_is_filled_later_arrives_both_times(lab: Lab) -> None:
    with lab.uploading(), lab.downloading():
        put(lab.source, "a.dat")
        expect(lambda: tree(lab.target) == {"a.dat": b""})
        put(lab.source, "a.dat", "filled")
        arrive(lab)


def test_a_closed_file_leaves_without_waiting_for_any_interval_after_a_long_silence(lab: Lab) -> None:
    with lab.uploading(), lab.downloading():
        put(lab.source, "warm-up.txt", "x")
        arrive(lab)
        assert not wait_until(lambda: len(files_of(lab.target)) > 1, 3.0)  # a silence
        began = time.monotonic()
        put(lab.source, "a.txt", "x")
        arrive(lab)
        assert time.monotonic() - began < 0.9, "less than any interval: the lag is a second here, the scan every minute"


SENT = ["catalog.csv", "my_logs/data.csv", "blog.txt", "deep/LOGS/inner.csv", "aux.h"]
SKIPPED = [
    ".hidden", ".git/config", "sub/.secret/x.txt", "LOGS/own.txt", "run.log", "deep/RUN.LOG", "~$report.docx", "a.tmp",
    "video.mp4.part", "x.crdownload",
]  # fmt: skip


def test_hidden_names_logs_and_unfinished_files_are_skipped_and_what_only_looks_alike_is_sent(lab: Lab) -> None:
    with lab.uploading(), lab.downloading():
        for path in SKIPPED + SENT:
            put(lab.source, path, path)
        expect(lambda: files_of(lab.target).keys() == set(SENT), shown=lambda: files_of(lab.target))
        put(lab.source, "last.txt", "sent after all of them")
        expect(lambda: (lab.target / "last.txt").exists())
    assert files_of(lab.target).keys() == {*SENT, "last.txt"}
    sent = {(m.key() or b"").decode() for m in lab.records()}
    assert sent == {*SENT, "last.txt"}


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_link_that_leads_outside_is_skipped_and_one_that_stays_inside_is_sent(lab: Lab) -> None:
    secret = put(lab.place, "secret.txt", "secret")
    with lab.uploading(), lab.downloading():
        (lab.source / "out.txt").symlink_to(secret)
        (lab.source / "folder-out").symlink_to(lab.place)
        put(lab.source, "real.txt", "real")
        (lab.source / "inside.txt").symlink_to("real.txt")
        expect(lambda: tree(lab.target) == {"real.txt": b"real", "inside.txt": b"real"}, shown=lambda: tree(lab.target))
    assert all(m.value() == b"real" for m in lab.records())


def test_upload_regex_decides_alone_and_download_regex_takes_a_part(lab: Lab) -> None:
    up = lab.upload_program("--upload_regex", r"(keep|also)/.*\.(log|csv)$")
    down = lab.download_program("--download_regex", "keep/")
    up.wait_for("first start")
    for path in ("keep/a.log", "keep/b.csv", "also/c.csv", "keep/d.txt", "other/keep/e.csv"):
        put(lab.source, path, path)
    expect(lambda: files_of(lab.target).keys() == {"keep/a.log", "keep/b.csv"}, shown=lambda: up.said + down.said)
    expect(lambda: {(m.key() or b"").decode() for m in lab.records()} == {"keep/a.log", "keep/b.csv", "also/c.csv"})


def test_dry_run_lists_what_would_be_sent_and_skipped_and_writes_nothing(lab: Lab) -> None:
    put(lab.source, "a.csv", b"x" * 1500)
    put(lab.source, "run.log", "x")
    dry = lab.upload_program("--dry_run")
    assert dry.ends() == 0
    assert "skip  a.csv  (was there before the first start; --upload_existing sends it)" in dry.said
    dry = lab.upload_program("--dry_run", "--upload_existing")
    assert dry.ends() == 0
    assert "send  a.csv  (1.5 kB)" in dry.said
    assert re.search(r"skip  run\.log  \(name matches \*\.log\)", dry.said)
    assert f"would send 1 files, 1.5 kB to topic {lab.topic}" in dry.said
    assert not (lab.source / "LOGS").exists()
    assert lab.topic not in lab.admin.list_topics(timeout=10).topics


# -- what was there before ------------------------------------------------------------------------------------


def test_what_was_there_before_the_first_start_is_known_and_sent_only_when_it_changes(lab: Lab) -> None:
    put(lab.source, "old/kept.dat", "kept")
    put(lab.source, "old/changed.dat", "before")
    with lab.downloading():
        with lab.uploading():
            put(lab.source, "new.dat", "new")
            expect(lambda: tree(lab.target) == {"new.dat": b"new"})
            put(lab.source, "old/changed.dat", "after")
            expect(lambda: tree(lab.target) == {"new.dat": b"new", "old/changed.dat": b"after"})
        put(lab.source, "while-away.dat", "new")
        with lab.uploading():
            expect(lambda: "while-away.dat" in tree(lab.target))
    assert "old/kept.dat" not in tree(lab.target)


def test_upload_existing_sends_what_was_there_also_when_it_was_known_before(lab: Lab) -> None:
    put(lab.source, "old.dat", "old")
    with lab.uploading() as up:
        put(lab.source, "new.dat", "new")
        expect(lambda: up.tally.files == 1)
    with lab.uploading(upload_existing=True), lab.downloading():
        arrive(lab)


def test_later_starts_send_what_is_new_or_changed_since_and_nothing_else(lab: Lab) -> None:
    with lab.uploading(), lab.downloading():
        for number in range(5):
            put(lab.source, f"{number}.dat", f"{number}")
        arrive(lab)
    count = len(lab.records())
    put(lab.source, "3.dat", "changed while nobody watched")
    put(lab.source, "5.dat", "new while nobody watched")
    with lab.uploading(), lab.downloading():
        arrive(lab)
    assert len(lab.records()) == count + 2


def test_a_file_whose_times_were_touched_and_not_its_bytes_is_not_sent_again(lab: Lab) -> None:
    with lab.uploading() as up:
        file = put(lab.source, "a.dat", os.urandom(100_000))
        expect(lambda: up.tally.files == 1)
        file.chmod(0o600)
        put(lab.source, "marker.dat", "x")
        expect(lambda: up.tally.files == 2)
    with lab.uploading() as up:
        put(lab.source, "second.dat", "x")
        expect(lambda: up.tally.files == 1)
    assert sorted((m.key() or b"").decode() for m in lab.records()) == ["a.dat", "marker.dat", "second.dat"]


def test_a_second_program_on_the_same_folder_and_topic_ends_with_a_clear_line(lab: Lab) -> None:
    first = lab.upload_program()
    first.wait_for("first start")
    expect(lambda: (lab.source / "LOGS" / f"upload-{lab.topic}.sqlite").exists())
    second = lab.upload_program()
    assert second.ends() == 8
    assert re.search(r"error: another program is already at work on this folder and topic", second.said), second.said
    assert first.running


# -- files that never rest, and events that never come ------------------------------------------------------------


def test_a_file_that_is_appended_to_and_closed_all_the_time_is_sent_a_few_times_and_its_end_arrives(lab: Lab) -> None:
    ended = threading.Event()

    def append() -> None:
        for number in range(25):
            with (lab.source / "growing.csv").open("a") as file:
                file.write(f"{number},{number * number}\n")
            ended.wait(0.2)

    with lab.uploading(), lab.downloading():
        writer = threading.Thread(target=append)
        writer.start()
        writer.join()
        arrive(lab, 40)
    generations = {header(m, "gen") for m in lab.records() if header(m, "last")}
    assert 2 <= len(generations) <= 6


def test_the_polling_observer_finds_new_rewritten_and_moved_files(lab: Lab) -> None:
    up = lab.upload_program("--use_polling_observer", "--watchdog_lag_time", "0")
    up.wait_for("first start")
    with lab.downloading():
        put(lab.source, "sub/a.dat", "one")
        put(lab.source, "b.tmp", "b").rename(lab.source / "b.dat")
        arrive(lab)
        put(lab.source, "sub/a.dat", "two!")
        arrive(lab)


class Blind:
    """A watch that sees nothing and does not know it."""

    def trouble(self) -> None: ...

    def stop(self) -> None: ...


def test_the_scan_alone_is_enough_when_every_event_is_lost(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploader_module, "watch", lambda root, notes: Blind())
    monkeypatch.setattr(uploader_module, "SCAN_EVERY", 0.5)
    with lab.uploading(), lab.downloading():
        put(lab.source, "new/a.dat", "one")
        put(lab.source, "b.tmp", "b").rename(lab.source / "b.dat")
        arrive(lab)
        put(lab.source, "new/a.dat", "two!")
        arrive(lab)


def test_the_lag_time_holds_every_file_back_that_long(lab: Lab) -> None:
    with lab.uploading(lag=2.0) as up:
        began = time.monotonic()
        put(lab.source, "a.dat", "x")
        expect(lambda: up.tally.files == 1)
        assert time.monotonic() - began >= 1.9


def test_a_huge_file_does_not_hold_small_ones_back(lab: Lab) -> None:
    huge = lab.place / "huge.bin"
    huge.write_bytes(os.urandom(48 << 20))
    lab.make_topic(2)
    with lab.uploading(lanes=1) as up:
        huge.rename(lab.source / "huge.bin")
        expect(lambda: any(out.acked for out in up.sending.current))
        for number in range(20):
            put(lab.source, f"{number}.txt", "small")
        expect(lambda: up.tally.files == 21)
    offsets = {(m.key() or b"").decode(): m.timestamp()[1] for m in lab.records() if header(m, "last")}
    assert all(when < offsets["huge.bin"] for path, when in offsets.items() if path != "huge.bin")


def test_while_nothing_is_acknowledged_an_uploader_looks_around_ten_times_a_second_and_sees_what_is_new(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    def silent(self: ChunkProducer, timeout: float = 0.0) -> list[Report]:
        waits.append(timeout)
        time.sleep(timeout)  # as long as a broker that is away lets it wait
        return []

    with lab.uploading() as up:
        put(lab.source, "a")
        expect(lambda: up.tally.files == 1)
        with monkeypatch.context() as patch:
            patch.setattr(ChunkProducer, "reports", silent)
            put(lab.source, "b")
            expect(lambda: sorted(waits[-4:]) == [0.0, 0.0, 0.1, 0.1])  # seen in whichever of the two it is
            put(lab.source, "c")
            expect(lambda: len(up.sending._busy) == 2)
            assert max(waits) == 0.1
        expect(lambda: up.tally.files == 3)
