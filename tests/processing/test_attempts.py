"""What was running when a program died is found out at the next start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from openmsistream.errors import LedgerError
from openmsistream.files.names import MAX_PATH_BYTES
from openmsistream.processing.attempts import Attempt, Attempts

PROGRAM = """
import os, sys
from pathlib import Path
from openmsistream.processing.attempts import Attempts
attempts = Attempts(Path(sys.argv[1]), 3)
attempts.begin(0, "g0", "done")
attempts.begin(2, "g2", "run/é.tif")
attempts.end(0)
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "process-topic.attempts"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_what_ran_when_the_program_was_killed_is_known(file: Path) -> None:
    subprocess.run([sys.executable, "-c", PROGRAM, os.fspath(file)], check=False)
    assert Attempts.left(file) == (Attempt("g2", "run/é.tif"),)


def test_each_worker_has_a_place_of_its_own(file: Path) -> None:
    with Attempts(file, 2) as attempts:
        attempts.begin(0, "g0", "a")
        attempts.begin(1, "g1", "b")
        assert Attempts.left(file) == (Attempt("g0", "a"), Attempt("g1", "b"))


def test_a_run_that_ended_leaves_nothing(file: Path) -> None:
    with Attempts(file, 1) as attempts:
        attempts.begin(0, "g", "a")
        attempts.end(0)
    assert Attempts.left(file) == ()


def test_a_shorter_note_replaces_a_longer_one(file: Path) -> None:
    with Attempts(file, 1) as attempts:
        attempts.begin(0, "g" * 200, "a/long/path")
        attempts.begin(0, "g", "b")
    assert Attempts.left(file) == (Attempt("g", "b"),)


def test_the_longest_path_fits(file: Path) -> None:
    note = Attempt("sha512:" + "0" * 128 + ":1.5", "p" * MAX_PATH_BYTES)
    with Attempts(file, 2) as attempts:
        attempts.begin(0, note.generation, note.path)
        attempts.begin(1, "g", "b")
    assert Attempts.left(file) == (note, Attempt("g", "b"))


def test_a_stop_in_good_order_blames_nothing(file: Path) -> None:
    attempts = Attempts(file, 1)
    attempts.begin(0, "g", "a")
    attempts.clear()
    assert Attempts.left(file) == ()


def test_workers_that_go_on_after_that_write_nothing(file: Path) -> None:
    attempts = Attempts(file, 1)
    attempts.clear()
    attempts.begin(0, "g", "a")
    attempts.end(0)
    attempts.clear()
    assert not file.exists()


def test_a_new_start_forgets_what_was_left(file: Path) -> None:
    with Attempts(file, 3) as attempts:
        attempts.begin(2, "g", "a")
    with Attempts(file, 1):
        assert Attempts.left(file) == ()


@pytest.mark.parametrize("kept", range(8190, 8220))
def test_a_file_that_ends_too_early_says_nothing(file: Path, kept: int) -> None:
    with Attempts(file, 1) as attempts:
        attempts.begin(0, "generation", "a path that is longer than that")
    os.truncate(file, kept)
    assert Attempts.left(file) == ()


def test_a_torn_note_says_nothing_and_the_others_are_read(file: Path) -> None:
    with Attempts(file, 2) as attempts:
        attempts.begin(0, "g0", "a")
        attempts.begin(1, "g1", "b")
    torn = bytearray(file.read_bytes())
    torn[torn.index(b"g0a")] ^= 1
    file.write_bytes(torn)
    assert Attempts.left(file) == (Attempt("g1", "b"),)


@pytest.mark.parametrize("found", [b"", b"PK\x03\x04", os.urandom(20_000)], ids=["empty", "short", "long"])
def test_a_foreign_file_says_nothing(file: Path, found: bytes) -> None:
    file.write_bytes(found)
    assert Attempts.left(file) == ()


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(LedgerError) as caught:
        Attempts(tmp_path / "gone" / "file", 1)
    assert str(caught.value) == (
        f"the list of running attempts {tmp_path / 'gone' / 'file'} cannot be used: No such file or directory; "
        "make room or see to the rights of its folder, then start this program again"
    )
