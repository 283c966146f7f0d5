"""How programs end: in good order within 8 s, resumable, at once when asked twice, and never silently."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing

import pytest
from lab import UPLOAD, Lab, Program, expect, header, parts_in, put, same

from openmsistream.kafka.producer import WINDOW_BYTES

CHUNK = 1 << 14
LARGE = 120 << 20
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals to send")


def by_signal(number: signal.Signals) -> Callable[[Program], None]:
    return lambda program: program.signal(number)


WAYS = {
    "SIGINT": by_signal(signal.SIGINT),
    "SIGTERM": by_signal(signal.SIGTERM),
    "q": lambda program: program.tell("q"),
}


@posix_only
@pytest.mark.parametrize("way", WAYS)
def test_programs_at_work_end_within_8_s_with_exit_code_0_and_a_large_file_is_gone_on_with(lab: Lab, way: str) -> None:
    lab.make_topic(1)
    up, down = lab.upload_program("--chunk_size", CHUNK), lab.download_program("--logger_stream_level", "debug")
    up.wait_for("first start on this folder")
    down.wait_for("reading partitions")  # else the upload may be over before the first part is seen
    put(lab.place, "large.bin", os.urandom(LARGE)).rename(lab.source / "large.bin")
    expect(lambda: parts_in(lab.target) and parts_in(lab.target)[0].stat().st_size > LARGE // 20)
    began = time.monotonic()
    for program in (up, down):
        WAYS[way](program)
    assert (up.ends(), down.ends()) == (0, 0)
    assert time.monotonic() - began < 8
    assert "sent 0 files" in up.said
    again = [lab.upload_program("--chunk_size", CHUNK), lab.download_program()]
    expect(lambda: same(lab.source, lab.target), 60)
    assert [program.stop() for program in again] == [0, 0]
    records = lab.records()
    assert len({header(m, "gen") for m in records}) == 1, "the same generation was gone on with"
    assert LARGE // CHUNK <= len(records) <= LARGE // CHUNK + WINDOW_BYTES // CHUNK + 1


@posix_only
def test_idle_programs_end_at_once(lab: Lab) -> None:
    up, down = lab.upload_program(), lab.download_program()
    up.wait_for("first start on this folder")
    put(lab.source, "a", "a")
    expect(lambda: same(lab.source, lab.target))
    began = time.monotonic()
    up.signal(signal.SIGTERM)
    down.signal(signal.SIGTERM)
    assert (up.ends(), down.ends()) == (0, 0)
    assert time.monotonic() - began < 4


def test_c_on_standard_input_says_how_far_it_is(lab: Lab) -> None:
    up = lab.upload_program()
    up.wait_for("first start on this folder")
    put(lab.source, "a", "a")
    with lab.downloading():
        expect(lambda: same(lab.source, lab.target))
    up.tell("c")
    up.wait_for(r"INFO +sent 1 files, 1 B; .*/s")
    up.tell("what")
    up.wait_for("'what' is no command here; q stops, c shows how far it is")


def test_update_seconds_writes_a_line_now_and_then(lab: Lab) -> None:
    down = lab.download_program("--update_seconds", "1")
    with lab.uploading():
        put(lab.source, "a", "a")
        expect(lambda: same(lab.source, lab.target))
    down.wait_for(r"INFO +received 1 files, 1 B; .*/s")


def test_a_ledger_that_breaks_ends_the_uploader_with_its_exit_code(lab: Lab) -> None:
    up = lab.upload_program()
    up.wait_for("first start on this folder")
    with closing(sqlite3.connect(lab.source / "LOGS" / f"upload-{lab.topic}.sqlite", timeout=10)) as ledger:
        ledger.execute("DROP TABLE sent")
    put(lab.source, "a", "a")
    assert up.ends(15) == 8
    assert "error: the ledger" in up.said


def test_a_ledger_that_breaks_ends_the_downloader_with_its_exit_code(lab: Lab) -> None:
    lab.make_topic()
    down = lab.download_program()
    down.wait_for("reading as a member of group")
    expect(lambda: (lab.target / "LOGS" / f"download-{lab.topic}.sqlite").exists())
    with lab.uploading():
        put(lab.source, "first", "x")
        expect(lambda: same(lab.source, lab.target))
        with closing(sqlite3.connect(lab.target / "LOGS" / f"download-{lab.topic}.sqlite", timeout=10)) as ledger:
            ledger.execute("DROP TABLE received")
        put(lab.source, "a", "a")
        assert down.ends(15) == 8
    assert "error: the ledger" in down.said


@posix_only
def test_a_target_folder_that_is_removed_ends_the_downloader_with_a_clear_line(lab: Lab) -> None:
    lab.make_topic()
    down = lab.download_program("--state_dir", lab.place / "state")
    with lab.uploading():
        put(lab.source, "first", "x")
        expect(lambda: same(lab.source, lab.target))
        shutil.rmtree(lab.target)
        put(lab.source, "a", "a")
        assert down.ends(20) == 7
    assert str(lab.target) in down.said


@posix_only
def test_a_source_folder_that_is_removed_ends_the_uploader_with_a_clear_line(lab: Lab) -> None:
    up = lab.upload_program("--state_dir", lab.place / "state", "--use_polling_observer")
    up.wait_for("first start on this folder")
    shutil.rmtree(lab.source)
    assert up.ends(20) == 7
    assert str(lab.source) in up.said


def test_folders_that_cannot_be_used_are_refused_with_their_exit_codes(lab: Lab) -> None:
    file = put(lab.place, "file", "x")
    missing = lab.program(UPLOAD, lab.place / "missing", "--config", lab.config, "--topic_name", lab.topic)
    not_a_folder = lab.download_program(target=file)
    assert missing.ends() == 2
    assert "there is no folder" in missing.said
    assert not_a_folder.ends() == 7
    assert f"{file} is a file, not a folder" in not_a_folder.said
