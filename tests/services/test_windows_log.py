"""The messages of a Windows service: a file that goes round, its last lines, its last error."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from openmsistream.services.windows.log import RoundFile, following, last_error, last_lines, older


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "messages.log"


def test_a_full_file_becomes_the_one_before(file: Path) -> None:
    log = RoundFile(file, largest=20)
    for number in range(5):
        log.add(b"line %d 12345" % number)
    log.close()
    assert older(file).read_bytes() == b"line 2 12345\nline 3 12345\n"
    assert file.read_bytes() == b"line 4 12345\n"


def test_the_last_lines_reach_into_the_file_before(file: Path) -> None:
    log = RoundFile(file, largest=20)
    for number in range(5):
        log.add(b"line %d 12345\r\n" % number)
    log.close()
    assert last_lines(file, 2) == ["line 3 12345", "line 4 12345"]
    assert last_lines(file, 0) == []


def test_a_file_that_somebody_holds_open_grows_on(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def held(source: object, target: object) -> None:
        raise PermissionError(13, "The process cannot access the file")

    now = [0.0]
    monkeypatch.setattr(os, "replace", held)
    log = RoundFile(file, largest=10, clock=lambda: now[0])
    log.add(b"0123456789")
    log.add(b"0123456789")
    monkeypatch.undo()
    assert file.read_bytes().count(b"\n") == 2
    now[0] = 61.0
    log.add(b"0123456789")
    log.close()
    assert older(file).read_bytes().count(b"\n") == 3


def test_without_a_file_there_are_no_lines(file: Path) -> None:
    assert last_lines(file, 10) == []
    assert last_error(file) == ""


@pytest.mark.parametrize(
    "line",
    [
        "2026-11-21 12:41:16.123+01:00 ERROR   no broker",
        "error: no broker",
        "2026-11-21 12:41:16.123+01:00 CRITICAL no broker",
    ],
)
def test_the_last_error_is_found_in_either_form(file: Path, line: str) -> None:
    file.write_text(f"error: an older one\n{line}\n2026-11-21 12:41:17.123+01:00 INFO    error: no\n", encoding="utf-8")
    assert last_error(file) == "no broker"


def test_lines_that_come_are_followed_into_the_next_file(file: Path) -> None:
    log = RoundFile(file, largest=30)
    log.add(b"before")

    def write() -> Iterator[None]:
        log.add(b"one, which is long enough to turn")
        yield
        log.add(b"two")
        log._out.write(b"thr")  # type: ignore[union-attr]
        log._out.flush()  # type: ignore[union-attr]
        yield
        log.add(b"ee")
        yield

    steps = write()
    lines = following(file, wait=lambda _: next(steps))
    assert [next(lines), next(lines)] == ["two", "three"]
    log.close()
