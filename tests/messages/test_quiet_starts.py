"""What a program loads to say how it is used: next to nothing, so that `--help` comes at once.

Counted, not timed: what costs time are the libraries, and which of them are loaded is the same on every machine.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from openmsistream.commands.main import COMMANDS
from openmsistream.files.wire.msgpack import FIELDS
from openmsistream.transfer.command_lines import WIRE_FIELDS

HEAVY = {"asyncio", "blake3", "confluent_kafka", "msgpack", "psutil", "rich", "sqlite3", "ssl", "watchdog"}

PROGRAMS = {
    "DataFileUploadDirectory": "from openmsistream.transfer.command_lines import upload_directory as main",
    "DataFileDownloadDirectory": "from openmsistream.transfer.command_lines import download_directory as main",
    "UploadDataFile": "from openmsistream.transfer.command_lines import upload_data_file as main",
    "openmsistream": "from openmsistream.commands.main import main",
}


def run(code: str, *args: str) -> tuple[set[str], str, int]:
    """Which of the heavy libraries a program loads with these arguments, what it says, and its exit code."""
    script = (
        f"import sys\ntry:\n  {code}\n  main(sys.argv[1:])\nfinally:\n  print(*sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script, *args], capture_output=True, text=True, check=False)
    *said, modules = (done.stdout + done.stderr).splitlines()
    return HEAVY & set(modules.split()), "\n".join(said), done.returncode


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_loads_no_heavy_library(program: str) -> None:
    loaded, said, code = run(PROGRAMS[program], "--help")
    assert (loaded, code) == (set(), 0)
    assert said.startswith(f"usage: {program}")


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_wrong_command_line_is_one_line_and_loads_no_heavy_library(program: str) -> None:
    loaded, said, code = run(PROGRAMS[program], "--no_such_option")
    assert (loaded, code) == (set(), 2)
    (line,) = said.splitlines()
    assert line.startswith("error: ")
    assert line.endswith(f"; see {program} --help")


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_program_that_is_installed_is_the_one_that_was_counted(program: str) -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    module, _, function = project["scripts"][program].partition(":")
    assert PROGRAMS[program].startswith(f"from {module} import {function}")


def test_the_elements_of_a_record_that_can_be_chosen_are_those_that_can_be_written() -> None:
    assert WIRE_FIELDS == FIELDS


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_does_not_load_the_client(command: str) -> None:
    loaded, said, code = run(PROGRAMS["openmsistream"], command, "--help")
    assert code == 0
    assert said.startswith(f"usage: openmsistream {command}")
    assert not loaded & {"confluent_kafka", "watchdog", "asyncio"}
