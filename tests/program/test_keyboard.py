"""What is typed goes to whoever asked last, and nobody is disturbed where there is nothing to read."""

from __future__ import annotations

import io
import queue
import subprocess
import sys
from pathlib import Path

import pytest

import openmsistream
from openmsistream.program import run

TWO_RUNS = """
import queue
from openmsistream.program import run
for word in ("one", "two"):
    commands = queue.Queue()
    run.listen_to_keyboard(commands)
    run.listen_to_keyboard(commands)
    print(word, flush=True)
    print(commands.get(timeout=20).strip(), flush=True)
"""


def test_two_runs_in_one_process_are_given_what_is_typed_meanwhile() -> None:
    here = Path(openmsistream.__file__).parents[1]
    process = subprocess.Popen(
        [sys.executable, "-c", TWO_RUNS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=here
    )
    assert process.stdin is not None
    assert process.stdout is not None
    for word, typed in (("one", "c"), ("two", "q")):
        assert process.stdout.readline() == f"{word}\n"
        process.stdin.write(f"{typed}\n")
        process.stdin.flush()
        assert process.stdout.readline() == f"{typed}\n"
    process.communicate(timeout=20)
    assert process.returncode == 0


def test_at_pythons_own_prompt_the_keyboard_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    monkeypatch.setattr(sys, "stdin", io.StringIO("q\n"))
    commands: run.Commands = queue.Queue()
    run.listen_to_keyboard(commands)
    assert sys.stdin.read() == "q\n"
    assert commands.empty()
