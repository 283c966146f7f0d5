"""What may stand behind the image's name in `docker run`."""

from __future__ import annotations

import pytest
from containers import Harbour

import openmsistream

PROGRAM = "DataFileUploadDirectory"


@pytest.mark.parametrize(
    "words",
    [
        [PROGRAM, "--help"],
        [f"{PROGRAM} --help"],
        ["-c", f"{PROGRAM} --help"],
        ["bash", "-c", f"{PROGRAM} --help"],
        ["python", "-m", "openmsistream.transfer.upload_directory", "--help"],
    ],
    ids=["words", "one quoted string", "-c as with bash", "bash", "python"],
)
def test_a_program_is_named_in_any_usual_form(base_image: str, harbour: Harbour, words: list[str]) -> None:
    code, said = harbour.ran(base_image, *words)

    assert code == 0
    assert PROGRAM in said
    assert "--topic_name" in said


def test_no_command_gives_a_short_help(base_image: str, harbour: Harbour) -> None:
    code, said = harbour.ran(base_image)

    assert code == 0
    assert PROGRAM in said
    assert "docker run" in said
    assert len(said.splitlines()) <= 30


def test_the_umbrella_s_commands_need_not_be_preceded_by_its_name(base_image: str, harbour: Harbour) -> None:
    assert harbour.ran(base_image, "--version") == (0, f"openmsistream {openmsistream.__version__}\n")
    assert "quarantine" in harbour.ran(base_image, "--help")[1]
    assert harbour.ran(base_image, "config", "--help")[0] == 0


def test_an_unknown_word_is_said_in_one_line_with_what_was_meant(base_image: str, harbour: Harbour) -> None:
    code, said = harbour.ran(base_image, "DataFileUploadDirectoy", "data")

    assert code != 0
    assert "DataFileUploadDirectoy" in said
    assert PROGRAM in said
    assert "Traceback" not in said
    assert len(said.splitlines()) <= 2


def test_a_mounted_script_runs(base_image: str, harbour: Harbour) -> None:
    script = harbour.file(
        "look.py", "import openmsistream, sys\nprint('look', openmsistream.__version__, *sys.argv[1:])\n"
    )
    volumes = [f"{script}:/home/openmsi/look.py:ro"]

    for words in (["look.py", "a b"], ["python", "look.py", "a b"]):
        assert harbour.ran(base_image, *words, volumes=volumes) == (0, f"look {openmsistream.__version__} a b\n")


def test_a_shell_script_that_may_be_executed_runs(base_image: str, harbour: Harbour) -> None:
    script = harbour.file("start.sh", "#!/usr/bin/env bash\nset -eu\nexec openmsistream --version\n")
    script.chmod(0o755)

    code, said = harbour.ran(base_image, "./start.sh", volumes=[f"{script}:/home/openmsi/start.sh:ro"])

    assert (code, said) == (0, f"openmsistream {openmsistream.__version__}\n")


def test_a_shell_has_the_programs_and_the_data_folder(base_image: str, harbour: Harbour) -> None:
    harbour.folder("FOLDER")

    said = harbour.typed(
        "echo 'pwd; command -v DataFileUploadDirectory; ls -d data; exit' |"
        f" docker run --rm -i -v $(pwd)/FOLDER:/home/openmsi/data --entrypoint /bin/bash {base_image}"
    )

    assert said.split() == ["/home/openmsi", "/opt/openmsistream/bin/DataFileUploadDirectory", "data"]


def test_the_program_is_process_1(base_image: str, harbour: Harbour) -> None:
    code, said = harbour.ran(base_image, "python", "-c", "import os; print(os.getpid())")

    assert (code, said) == (0, "1\n")


def test_an_error_s_exit_code_is_that_of_the_container(base_image: str, harbour: Harbour) -> None:
    code, said = harbour.ran(base_image, PROGRAM, "nowhere", "--topic_name", "t")

    assert (code, "nowhere" in said) == (2, True), said
