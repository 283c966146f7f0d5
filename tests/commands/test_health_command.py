"""`openmsistream health`: one line and an exit code for whoever watches a container."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from openmsistream.commands.main import main
from openmsistream.program.pulse import Pulse


def health(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["health", *words])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def say(file: Path, age: float) -> None:
    now = time.time()
    pulse = Pulse("Up", os.getpid(), now - 100, now - age, files=3)
    file.write_text(json.dumps({"form": 1, **asdict(pulse)}))


def test_a_program_that_works_is_healthy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    say(tmp_path / "health", 1)
    monkeypatch.setenv("OPENMSISTREAM_HEALTH_FILE", str(tmp_path / "health"))
    assert health() == 0
    assert capsys.readouterr().out == "Up: 3 done\n"


def test_a_silent_program_is_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    say(tmp_path / "health", 20)
    assert health("--file", str(tmp_path / "health"), "--max_age", "10") == 1
    assert "stands still: its last sign of life is 20 s old" in capsys.readouterr().out


def test_a_program_that_never_said_anything_is_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert health("--file", str(tmp_path / "health")) == 1
    assert capsys.readouterr().out == "no program has said yet that it runs\n"


def test_without_a_file_it_says_which_variable_names_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("OPENMSISTREAM_HEALTH_FILE", raising=False)
    assert health() == 2
    assert "OPENMSISTREAM_HEALTH_FILE is not set; give --file" in capsys.readouterr().err
