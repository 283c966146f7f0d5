"""The live file of a running program: how often it is written, and that it disturbs nothing."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from openmsistream.ledger import live
from openmsistream.ledger.live import Live, LiveFile
from openmsistream.program.progress import Snapshot
from openmsistream.transfer.reporting import MOST, Reporter


class Running:
    """A program whose clock is turned by hand."""

    def __init__(self, place: Path) -> None:
        self.ledger = place / "upload-t.sqlite"
        self.time = 100.0
        self.snapshot = Snapshot("sent", 0, 0, 0)
        self.files: list[LiveFile] = []
        self.looks = 0
        self.reporter = Reporter(
            "Program", self.ledger, {"lag": None}, self.look, lambda: self.files,
            steady=lambda: self.time, wall=lambda: self.time + 1e9,
        )  # fmt: skip

    def look(self) -> Snapshot:
        self.looks += 1
        return self.snapshot

    def after(self, seconds: float) -> Live:
        """What is said when so many seconds have passed."""
        self.time += seconds
        self.reporter.beat()
        said = live.read(self.ledger)
        assert said is not None
        return said


@pytest.fixture
def running(tmp_path: Path) -> Running:
    return Running(tmp_path)


def test_the_first_word_comes_at_once(running: Running) -> None:
    said = running.after(0)
    assert (said.program, said.pid, said.started, said.settings) == ("Program", os.getpid(), 1e9 + 100, {"lag": None})


def test_it_looks_once_a_second_at_most(running: Running) -> None:
    for _ in range(100):
        running.after(0.1)
    assert 9 <= running.looks <= 11


def test_what_has_not_changed_is_written_every_ten_seconds(running: Running) -> None:
    first = running.after(0)
    assert running.after(9).updated == first.updated
    assert running.after(1).updated == first.updated + 10


def test_what_has_changed_is_written_after_a_second(running: Running) -> None:
    running.after(0)
    running.snapshot = replace(running.snapshot, files=1, behind=7, trouble="no broker answers")
    said = running.after(1)
    assert (said.files, said.lag, said.trouble) == (1, 7, "no broker answers")


def test_rates_are_those_of_ten_and_sixty_seconds(running: Running) -> None:
    for second in range(1, 121):
        running.snapshot = replace(running.snapshot, moved=1000 * min(second, 90))
        said = running.after(1)
    assert (said.rate_10s, said.rate_60s) == (0, 500)


def test_only_the_first_files_are_named(running: Running) -> None:
    running.files = [LiveFile(f"f{n}", "waiting") for n in range(500)]
    assert len(running.after(0).at_work) == MOST


def test_the_last_word_says_that_it_ended_and_how(running: Running) -> None:
    running.files = [LiveFile("a", "sending")]
    running.after(0)
    running.reporter.end(ValueError("it broke"))
    said = live.read(running.ledger)
    assert said is not None
    assert (said.ended, said.error, said.at_work) == (1e9 + 100, "it broke", ())


def test_a_file_that_cannot_be_written_is_left_out(tmp_path: Path) -> None:
    running = Running(tmp_path / "not there")
    running.reporter.beat()
    running.reporter.end()
    assert live.read(running.ledger) is None


def test_any_name_can_be_said(running: Running) -> None:
    running.files = [LiveFile("é\x1b\udcff", "sending")]
    assert running.after(0).at_work[0].path == "é\x1b\udcff"


def test_nobody_meets_half_a_file(running: Running) -> None:
    running.after(0)
    assert [file.name for file in running.ledger.parent.iterdir()] == ["upload-t.live.json"]
