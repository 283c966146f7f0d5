"""The outermost shell of a program."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from openmsistream.errors import ConfigError
from openmsistream.program.run import main


def refuse() -> int:
    raise ConfigError("there is no such thing", "name another")


def test_an_error_is_one_line_and_its_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(refuse) == 3
    assert capsys.readouterr() == ("", "error: there is no such thing; name another\n")


def test_an_error_is_a_json_line_where_messages_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(refuse, "json") == 3
    said = json.loads(capsys.readouterr().err)
    assert (said["level"], said["message"]) == ("ERROR", "there is no such thing; name another")


def test_a_defect_is_a_json_line_with_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(lambda: 1 // 0, "json") == 1
    said = json.loads(capsys.readouterr().err)
    assert said["message"].startswith("a defect of this program: ZeroDivisionError: ")
    assert "Traceback" in said["exc"]
    with pytest.raises(ZeroDivisionError):
        main(lambda: 1 // 0)


def test_a_name_that_the_console_cannot_show_is_spelt_out() -> None:
    code = "from openmsistream.program.run import main\nmain(lambda: print('caf\\xe9 \\u4e2d'))"
    ran = subprocess.run(
        [sys.executable, "-X", "utf8=0", "-c", code], capture_output=True, check=True,
        env={"PYTHONIOENCODING": "cp1252", **{k: v for k, v in os.environ.items() if k != "PYTHONIOENCODING"}},
    )  # fmt: skip
    assert ran.stdout.split() == [b"caf\xe9", b"\\u4e2d"]
