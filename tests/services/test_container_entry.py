"""What people type behind an image's name becomes the program that they mean, or one line that says what they meant."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from openmsistream.errors import FolderError, UsageError
from openmsistream.services import container
from openmsistream.services.container import program_of

INSTALLED = {"DataFileUploadDirectory", "bash", "openmsistream", "python", "echo", "ls"}
UPLOAD = ["DataFileUploadDirectory", "data", "--config", "config.config", "--topic_name", "T"]

linux = pytest.mark.skipif(sys.platform != "linux", reason="containers are Linux")


def which(word: str) -> str | None:
    return f"/bin/{word}" if word in INSTALLED else None


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a folder `data` in it."""
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


# -- what is meant -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [[], [""], ["--help"], ["-h"], ["help"]])
def test_nothing_or_a_cry_for_help_is_the_help(words: list[str]) -> None:
    assert program_of(words, which) == []


def test_a_program_is_started_with_its_arguments() -> None:
    assert program_of(UPLOAD, which) == UPLOAD


def test_an_argument_with_a_space_stays_one() -> None:
    assert program_of(["DataFileUploadDirectory", "my data"], which) == ["DataFileUploadDirectory", "my data"]


@pytest.mark.parametrize(
    "words", [[" ".join(UPLOAD)], ["-c", " ".join(UPLOAD)], ["DataFileUploadDirectory data", *UPLOAD[2:]]]
)
def test_one_quoted_string_is_the_same_with_c_before_it_or_without(words: list[str]) -> None:
    assert program_of(words, which) == UPLOAD


def test_a_quoted_command_may_be_longer_than_a_name_of_a_file() -> None:
    words = ["DataFileUploadDirectory", "data", "--topic_name", "t" * 300]
    assert program_of([" ".join(words)], which) == words


def test_quotation_marks_inside_a_quoted_string_hold_words_together() -> None:
    assert program_of(["DataFileUploadDirectory 'my data'"], which) == ["DataFileUploadDirectory", "my data"]


@pytest.mark.parametrize(
    "text",
    [
        "cd data && ls",
        "echo $HOME",
        "ls *.txt",
        "cd data",
        "A=b ls",
        r"DataFileUploadDirectory data --upload_regex '.*\.csv'",
    ],
)
def test_what_only_a_shell_understands_is_left_to_one(text: str) -> None:
    assert program_of(["-c", text], which) == program_of([text], which) == ["bash", "-c", text]


def test_other_options_of_a_shell_are_left_to_it() -> None:
    assert program_of(["-lc", "ls", "x"], which) == ["bash", "-lc", "ls", "x"]


@pytest.mark.parametrize("words", [["bash"], ["python", "x.py"], ["ls", "-l"]])
def test_whatever_is_installed_is_started(words: list[str]) -> None:
    assert program_of(words, which) == words


def test_the_version_is_told() -> None:
    assert program_of(["--version"], which) == ["openmsistream", "--version"]


def test_a_sub_command_is_given_to_its_program() -> None:
    assert program_of(["status", "data"], which) == ["openmsistream", "status", "data"]


def test_every_sub_command_is_known() -> None:
    from openmsistream.commands.main import COMMANDS

    assert COMMANDS.keys() <= set(container.commands())


# -- files -------------------------------------------------------------------------------------------------------


def test_a_python_file_is_run_by_the_python_that_has_openmsistream(home: Path) -> None:
    (home / "x.py").touch()
    assert program_of(["x.py", "1"], which) == [sys.executable, "./x.py", "1"]


@pytest.mark.parametrize(
    ("first", "by"),
    [
        (b"#!/usr/bin/env bash\n", ["/usr/bin/env", "bash"]),
        (b"#!/bin/sh -eu\n", ["/bin/sh", "-eu"]),
        (b"ls\n", ["bash"]),
        (b"", ["bash"]),
    ],
)
def test_a_script_is_run_by_what_it_names_whatever_its_mode(home: Path, first: bytes, by: list[str]) -> None:
    (home / "startup-script.sh").write_bytes(first)
    for word in ("./startup-script.sh", "startup-script.sh"):
        assert program_of([word, "a"], which) == [*by, "./startup-script.sh", "a"]


def test_a_script_with_the_line_ends_of_windows_is_refused(home: Path) -> None:
    (home / "s.sh").write_bytes(b"#!/usr/bin/env bash\r\nls\r\n")
    with pytest.raises(UsageError, match=r"^s.sh has the line ends of Windows, .*; save it with those of Unix"):
        program_of(["s.sh"], which)


@pytest.mark.parametrize("word", ["x.py", "./x.py", "./startup-script.sh", "folder/thing"])
def test_a_file_that_is_not_there_is_told_how_to_mount(home: Path, word: str) -> None:
    file = home / word
    with pytest.raises(FolderError) as caught:
        program_of([word], which)
    assert caught.value.what == f"there is no file {file} in this container"
    assert caught.value.advice == f"mount it: -v $(pwd)/{file.name}:{file}"


# -- mistakes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("statsu", "status"),
        ("datafileuploaddirectory", "DataFileUploadDirectory"),
        ("DataFileUploadDir", "DataFileUploadDirectory"),
    ],
)
def test_a_word_that_is_nearly_a_program_is_told_which(word: str, meant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "programs", lambda: ["DataFileUploadDirectory", "UploadDataFile"])
    with pytest.raises(UsageError, match=f"^{word} is no program in this image; did you mean {meant}$"):
        program_of([word], which)


def test_a_word_that_is_nothing_is_told_where_the_list_is() -> None:
    with pytest.raises(UsageError, match=r"^qqq is no program in this image; docker run IMAGE without a program lists"):
        program_of(["qqq"], which)


def test_a_folder_is_told_that_a_program_comes_first() -> None:
    with pytest.raises(UsageError, match=r"^data is a folder, not a program; .*: DataFileUploadDirectory data$"):
        program_of(["data", "--config", "x"], which)


@pytest.mark.parametrize("words", [["-it", "bash"], ["--config", "x"], ["-e", "A=b"]])
def test_an_option_first_is_told_where_options_stand(words: list[str]) -> None:
    with pytest.raises(
        UsageError, match=f"^{words[0]} is no program; options of docker run stand before the image's name"
    ):
        program_of(words, which)


@pytest.mark.parametrize("words", [["-c"], ["-c", " "]])
def test_c_without_a_command_is_told_what_is_missing(words: list[str]) -> None:
    with pytest.raises(UsageError, match=r"^-c is followed by nothing; write the command behind it"):
        program_of(words, which)


def test_a_quotation_mark_that_is_not_closed_is_told() -> None:
    with pytest.raises(UsageError, match=r"No closing quotation; see to its quotation marks$"):
        program_of(["DataFileUploadDirectory 'my data"], which)


# -- the process -------------------------------------------------------------------------------------------------


def run(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "openmsistream.services.container", *words]
    return subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **environ}, timeout=60, check=False
    )


def test_the_help_says_what_the_image_is_and_three_commands_to_type() -> None:
    done = run()
    assert done.returncode == 0
    assert done.stdout.startswith("openmsistream: laboratory files through Apache Kafka.")
    assert done.stdout.count("    docker run ") == 3
    assert " status " in done.stdout


def test_a_mistake_is_one_line_and_exit_code_2() -> None:
    done = run("DataFileUploadDirectori")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: DataFileUploadDirectori is no program in this image")
    assert done.stderr.count("\n") == 1


@linux
def test_the_program_takes_the_process_over() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "openmsistream.services.container", "python3", "-c", "import os; print(os.getpid())"],
        stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        said, _ = process.communicate(timeout=60)
    assert int(said) == process.pid


ASKING = {signal.SIGINT, signal.SIGTERM}


@linux
@pytest.mark.parametrize(
    ("number", "program", "held"), [(1, "openmsistream", True), (1, "somebodys", False), (7, "openmsistream", False)]
)
def test_as_process_1_signals_are_held_back_until_a_program_of_ours_listens_and_no_other(
    monkeypatch: pytest.MonkeyPatch, number: int, program: str, held: bool
) -> None:
    """It would lose a signal that comes while it is being loaded; below an init of the engine nobody does."""
    seen = []
    monkeypatch.setattr(os, "getpid", lambda: number)
    monkeypatch.setattr(os, "execvp", lambda *_: seen.append(signal.pthread_sigmask(0, []) >= ASKING))
    monkeypatch.setattr(container, "programs", lambda: ["openmsistream"])
    try:
        container._become([program])
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ASKING)
    assert seen == [held]


@linux
def test_where_everything_is_read_only_what_is_needed_for_a_moment_is_in_memory(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TMPDIR", raising=False)
    nowhere = str(home / "nowhere")
    assert container.scratch((nowhere,), str(home)) == {"TMPDIR": str(home)}
    assert container.scratch((nowhere, str(home)), str(home)) == {}
    assert container.scratch((nowhere,), nowhere) == {}
    monkeypatch.setenv("TMPDIR", "/chosen")
    assert container.scratch((nowhere,), str(home)) == {}


@linux
def test_a_time_zone_that_is_not_known_is_told() -> None:
    assert run("true", TZ="Europe/Berln").stderr == (
        "warning: TZ=Europe/Berln is no time zone that this image knows, so times are shown in UTC\n"
    )
