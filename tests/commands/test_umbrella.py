"""The umbrella program: its list of sub-commands, and what is loaded for it."""

from __future__ import annotations

import argparse
import subprocess
import sys

import pytest

from openmsistream.commands.main import COMMANDS, load, main


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_what_the_command_itself_says(name: str) -> None:
    commands = argparse.ArgumentParser().add_subparsers()
    load(name).add_parser(commands)
    assert [choice.help for choice in commands._choices_actions] == [COMMANDS[name]]


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    said = capsys.readouterr().out
    assert end.value.code == 0
    assert all(f"\n    {name}" in said for name in COMMANDS)


@pytest.mark.parametrize("words", [["--help"], ["status", "--help"], ["retry", "--help"], ["ls", "--help"]])
def test_help_loads_no_kafka_client_and_no_picture(words: list[str]) -> None:
    code = (
        "import sys\nfrom openmsistream.commands.main import main\n"
        f"try:\n    main({words!r})\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('confluent_kafka', 'rich', 'watchdog') if name in sys.modules], file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stderr == "[]\n"


def test_a_command_that_there_is_not_is_named_with_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["stauts"])
    assert end.value.code == 2
    assert "invalid choice: 'stauts'" in capsys.readouterr().err
