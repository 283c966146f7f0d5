"""The command line of GirderUploadStreamProcessor: as it was, and with a key that nobody sees."""

from __future__ import annotations

import sys

import pytest

from openmsistream.destinations import girder_command_line
from openmsistream.destinations.girder_command_line import of_girder_upload

KEY = "0kCZLdXq3zfPPIhHA4qM5VMEAYxAsgUP20826eYt"


@pytest.mark.parametrize(
    "line",
    ["URL KEY", "URL KEY --config lab", "--config lab URL KEY", "URL --config lab KEY", "URL --public KEY --mode disk"],
)
def test_the_key_stands_after_the_url_wherever_options_are(line: str) -> None:
    parsed = of_girder_upload().parse_args(line.split())
    assert (parsed.girder_api_url, parsed.girder_api_key) == ("URL", "KEY")


def test_the_key_may_be_left_out() -> None:
    parsed = of_girder_upload().parse_args(["URL", "--metadata", '{"a": 1}', "--girder_api_key_file", "key.txt"])
    assert parsed.girder_api_key is None
    assert str(parsed.girder_api_key_file) == "key.txt"


def test_the_defaults_are_those_of_openmsistream() -> None:
    parsed = of_girder_upload().parse_args(["URL", "KEY"])
    assert (parsed.config, parsed.topic_name, parsed.mode, parsed.n_threads) == ("test", "test", "memory", 2)
    assert (parsed.replace_existing, parsed.public, parsed.metadata) == (False, False, None)
    assert (parsed.girder_root_folder_id, parsed.collection_name, parsed.girder_root_folder_path) == (None, None, None)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["URL", "--metadata", "{"], "metadata are not JSON"),
        (["URL", "--metadata", "[]"], "metadata are JSON, but not an object; give an object such as"),
        (["URL", "KEY", KEY], "unrecognized arguments: ********"),
        (["URL", "--mode", KEY], "invalid choice: '********'"),
        ([], "the following arguments are required: girder_api_url"),
    ],
)
def test_a_mistake_is_said_in_one_line_without_the_key(
    line: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        of_girder_upload().parse_args(line)
    assert ended.value.code == 2
    words = capsys.readouterr().err
    assert said in words
    assert words.count("\n") == 1
    assert KEY not in words


def test_help_names_both_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        of_girder_upload().parse_args(["--help"])
    assert "girder_api_url [girder_api_key]" in capsys.readouterr().out


class _Started(Exception):
    pass


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What the program would be started again with."""
    seen: list[object] = []

    def execve(program: str, words: list[str], environ: dict[str, str]) -> None:
        seen.append((program, words, environ))
        raise _Started

    monkeypatch.setattr("os.execve", execve)
    monkeypatch.setattr("os.name", "posix")
    return seen


def test_a_key_on_the_command_line_goes_to_the_environment_where_others_do_not_see_it(
    started: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "program", "URL", KEY, "--public"])
    with pytest.raises(_Started):
        girder_command_line.hide(KEY)
    ((program, words, environ),) = started  # type: ignore[misc]
    assert words == [sys.executable, "-m", "program", "URL", "--public"]
    assert program == sys.executable
    assert environ["GIRDER_API_KEY"] == KEY


@pytest.mark.parametrize("line", [["python", "URL"], ["python", "URL", "lab", "--config", "lab"]])
def test_nothing_is_started_again_without_a_key_or_with_one_that_is_a_word_of_its_own(
    started: list[object], line: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "orig_argv", line)
    girder_command_line.hide("lab" if "lab" in line else None)
    assert not started
