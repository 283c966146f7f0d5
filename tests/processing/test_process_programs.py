"""Whole programs whose files are worked on by processes: scripts of users, and how these may be ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from openmsistream.program.run import wait_until

HERE = Path(__file__).parent
posix = pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")

HEAD = """
import logging, os, sys
from worked import a_file, holds_the_lock
from openmsistream.processing.callers.in_process import InProcess
from openmsistream.processing.callers.rebuilt import AsItIs

def analyse(file):
    open(sys.argv[1] + ".part", "w").write(str(os.getpid()))
    os.rename(sys.argv[1] + ".part", sys.argv[1])
    if len(sys.argv) > 2:
        holds_the_lock(file)

def main():
    caller = InProcess(AsItIs(analyse))
    print(caller.run(a_file()).failure)
"""
GUARDED = HEAD + '\nif __name__ == "__main__":\n    main()\n'


@pytest.fixture
def script(tmp_path: Path) -> Path:
    return tmp_path / "script.py"


def started(script: Path, text: str, *args: str, **options: object) -> subprocess.Popen[str]:
    script.write_text(text, encoding="utf-8")
    paths = os.pathsep.join((str(HERE), str(HERE.parents[1])))
    return subprocess.Popen(
        [sys.executable, str(script), str(script.with_name("pid")), *args], text=True, encoding="utf-8",
        env={**os.environ, "PYTHONPATH": paths}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options,
    )  # type: ignore[call-overload,no-any-return]  # fmt: skip


def its_worker(script: Path) -> int:
    note = script.with_name("pid")
    assert wait_until(note.exists, 20)
    return int(note.read_text())


def ends(pid: int) -> bool:
    return wait_until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE, 10)


def test_a_function_of_the_script_itself_is_found(script: Path) -> None:
    shown = started(script, GUARDED).communicate(timeout=60)
    assert shown == ("None\n", "")


def test_a_program_that_closes_nothing_ends_and_leaves_no_process(script: Path) -> None:
    program = started(script, GUARDED)
    program.communicate(timeout=60)
    assert program.returncode == 0
    assert ends(its_worker(script))


def test_a_script_without_the_guard_gets_one_clear_line(script: Path) -> None:
    out, err = started(script, HEAD + "\nmain()\n").communicate(timeout=60)
    assert err == ""
    assert out == (
        f"{script} begins to process files when it is imported, which a process of its own does to find the function; "
        'put that call below a line `if __name__ == "__main__":`\n'
    )


def test_a_function_that_was_typed_in_is_refused(script: Path) -> None:
    text = f"import sys\nsys.argv = ['', 'x']\nexec({HEAD!r})\nmain()"
    paths = os.pathsep.join((str(HERE), str(HERE.parents[1])))
    done = subprocess.run(
        [sys.executable, "-c", text], env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert "what was typed in, rather than written in a file, cannot be passed to a process of its own" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread has to see it, which runs when it can")
def test_no_process_is_left_when_the_program_is_killed_while_the_work_hangs(script: Path) -> None:
    program = started(script, GUARDED, "hang")
    worker = its_worker(script)
    program.kill()
    program.communicate(timeout=60)
    assert ends(worker)


@posix
def test_an_interrupt_of_the_terminal_reaches_the_program_and_not_its_worker(script: Path) -> None:
    text = HEAD + (
        '\nif __name__ == "__main__":\n    try:\n        main()\n'
        '    except KeyboardInterrupt:\n        os.kill(int(open(sys.argv[1]).read()), 0)\n        print("both live")\n'
    )
    program = started(script, text, "hang", start_new_session=True)
    its_worker(script)
    os.killpg(program.pid, signal.SIGINT)
    out, err = program.communicate(timeout=60)
    assert (out, err) == ("both live\n", "")
