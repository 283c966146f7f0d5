"""Messages of a program: where they go, how they look, and that nobody can forge them."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from io import StringIO
from pathlib import Path

import pytest

from openmsistream.errors import FolderError
from openmsistream.program.logs import level_of, log_file, logging_to, say

log = logging.getLogger("openmsistream.test")

Capture = pytest.CaptureFixture[str]


def shown(capsys: Capture) -> str:
    return capsys.readouterr().err


def test_a_line_has_local_time_with_offset_level_and_message(capsys: Capture) -> None:
    with logging_to():
        log.warning("%s files", 3)
    pattern = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d WARNING 3 files\n"
    assert re.fullmatch(pattern, shown(capsys))


def test_what_is_below_the_level_is_not_shown(capsys: Capture) -> None:
    with logging_to(stream_level="warning"):
        log.info("no")
        log.warning("yes")
    assert [line[-3:] for line in shown(capsys).splitlines()] == ["yes"]


def test_the_file_has_a_level_of_its_own(capsys: Capture, tmp_path: Path) -> None:
    file = tmp_path / "LOGS" / "program.log"
    with logging_to(stream_level="error", file=file, file_level=logging.DEBUG):
        log.debug("détail")
    assert file.read_text(encoding="utf-8").endswith("DEBUG   détail\n")
    assert shown(capsys) == ""


def test_the_file_is_added_to(capsys: Capture, tmp_path: Path) -> None:
    for _ in range(2):
        with logging_to(file=tmp_path / "program.log"):
            log.error("again")
    assert (tmp_path / "program.log").read_text(encoding="utf-8").count("again\n") == 2
    assert shown(capsys).count("again\n") == 2  # handlers of the first time are gone


def test_afterwards_logging_is_as_it_was() -> None:
    root = logging.getLogger()
    before = root.level, list(root.handlers)
    with pytest.raises(KeyError), logging_to(stream_level="debug"):
        raise KeyError
    assert (root.level, root.handlers) == before


def test_messages_follow_standard_error_to_another_stream(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    with logging_to():
        other = StringIO()
        monkeypatch.setattr(sys, "stderr", other)
        log.info("here")
    assert other.getvalue().endswith("here\n")
    assert shown(capsys) == ""


def test_a_name_cannot_forge_a_line_or_draw_on_the_terminal(capsys: Capture) -> None:
    with logging_to():
        log.info("received %s", "a\n2026-01-01 00:00:00.000+00:00 ERROR   gone\r\x1b[2J\u2028b")
    first, second = shown(capsys).splitlines()
    assert first.endswith("received a")
    assert second == "    2026-01-01 00:00:00.000+00:00 ERROR   gone\\r\\x1b[2J\\u2028b"


def test_a_name_that_is_no_unicode_is_written_to_the_file(capsys: Capture, tmp_path: Path) -> None:
    with logging_to(stream_level="critical", file=tmp_path / "program.log"):
        log.error("skipped %s", "\udcff")
    assert "skipped \\udcff" in (tmp_path / "program.log").read_text(encoding="utf-8")


def test_a_traceback_is_shown_as_it_is(capsys: Capture) -> None:
    with logging_to():
        try:
            raise KeyError("x")
        except KeyError:
            log.exception("failed")
    assert "\nTraceback (most recent call last):\n" in shown(capsys)


def test_a_file_that_cannot_be_written_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FolderError, match="cannot be written") as caught, logging_to(file=tmp_path / "file" / "x.log"):
        pass
    assert caught.value.advice == "choose another one with --logger_file_path"


@pytest.mark.parametrize(("text", "number"), [("info", 20), ("WARNING", 30), (" debug ", 10), ("15", 15), (0, 0)])
def test_a_level_is_a_name_or_a_number(text: str | int, number: int) -> None:
    assert level_of(text) == number


@pytest.mark.parametrize("text", ["loud", "-1", "", "1.5", -1])
def test_anything_else_is_no_level(text: str | int) -> None:
    with pytest.raises(ValueError, match=r"below every level|invalid literal"):
        level_of(text)


def test_a_name_with_a_dot_is_a_file_and_one_without_a_folder(tmp_path: Path) -> None:
    (tmp_path / "my.logs").mkdir()
    assert log_file(tmp_path / "x.log", "Upload") == tmp_path / "x.log"
    assert log_file(tmp_path / "x", "Upload") == tmp_path / "x" / "Upload.log"
    assert log_file(tmp_path / "my.logs", "Upload") == tmp_path / "my.logs" / "Upload.log"


def test_a_json_line_has_time_in_utc_level_logger_and_message(capsys: Capture) -> None:
    with logging_to(form="json"):
        log.warning("%s\nfiles %s", 3, "é\u2028")
    line = shown(capsys)
    assert line.count("\n") == 1
    said = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", said.pop("time"))
    assert said == {"level": "WARNING", "logger": "openmsistream.test", "message": "3\nfiles é\u2028"}


def test_a_json_line_of_an_exception_has_its_traceback(capsys: Capture) -> None:
    with logging_to(form="json"):
        try:
            raise KeyError("x")
        except KeyError:
            log.exception("failed")
    assert json.loads(shown(capsys))["exc"].endswith("KeyError: 'x'")


def test_the_file_has_the_same_form(capsys: Capture, tmp_path: Path) -> None:
    with logging_to(file=tmp_path / "program.log", form="json"):
        log.error("again")
    assert json.loads((tmp_path / "program.log").read_text(encoding="utf-8"))["message"] == "again"


def test_the_last_word_is_plain_text(capsys: Capture) -> None:
    say("sent 1 files", "text")
    say("it broke", "text", error=True)
    assert capsys.readouterr() == ("sent 1 files\n", "error: it broke\n")


def test_the_last_word_can_be_json(capsys: Capture) -> None:
    say("it broke", "json", error=True)
    assert json.loads(shown(capsys)).items() >= {("level", "ERROR"), ("message", "it broke")}


def test_in_the_journal_each_line_has_its_level_and_no_time_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "journal").open("w+") as stream:
        found = os.fstat(stream.fileno())
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
        with logging_to(stream_level="DEBUG"):
            logging.getLogger("x").warning("two\nlines of %s\x1b", "it")
            logging.getLogger("x").info("all is well")
            logging.getLogger("x").debug("detail")
        say("it ended", "text", error=True)
    assert (tmp_path / "journal").read_text().split("\n") == [
        "<4>two", "<4>    lines of it\\x1b", "<6>all is well", "<7>detail", "<3>error: it ended", "",
    ]  # fmt: skip


def test_a_stream_that_the_journal_does_not_read_is_as_it_was(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    say("it ended", "text", error=True)
    assert capsys.readouterr().err == "error: it ended\n"
