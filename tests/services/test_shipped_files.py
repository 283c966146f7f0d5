"""The files at the top level that people copy and edit: they fit together, and run as they are."""

from __future__ import annotations

import filecmp
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from lab import Lab, expect, put

from openmsistream.config import load
from openmsistream.config.wire import Wire

HERE = Path(__file__).parents[2]
CUSTOM = HERE / "custom_image"
CREDENTIALS = {"CONFLUENT_BOOTSTRAP_SERVERS": "kafka:9092", "CONFLUENT_USERNAME": "me", "CONFLUENT_PASSWORD": "hush"}

bash = pytest.mark.skipif(shutil.which("bash") is None or sys.platform == "win32", reason="needs bash")


# -- the configuration -----------------------------------------------------------------------------------------------


def test_the_configuration_is_complete_with_the_three_credentials() -> None:
    got = load(HERE / "config.config", environ=CREDENTIALS)
    assert got.warnings == ()
    assert got.unknown == ()
    assert got.wire is Wire.NATIVE
    assert got.producer.properties["sasl.password"] == "hush"
    assert got.consumer.properties["auto.offset.reset"] == "earliest"


def test_its_group_is_each_installation_s_own_so_that_a_restart_goes_on() -> None:
    assert load(HERE / "config.config", environ=CREDENTIALS).group_id is None


def test_the_custom_image_has_the_same_configuration() -> None:
    assert filecmp.cmp(HERE / "config.config", CUSTOM / "config.config", shallow=False)


def test_the_env_file_lists_every_variable_of_the_configuration_with_a_comment_before_it() -> None:
    wanted = set(re.findall(r"= \$(\w+)", (HERE / "config.config").read_text()))
    lines = (HERE / "openmsi.env.example").read_text().splitlines()
    explained = {found[1] for found in (re.match(r"#?([A-Z_]+)=", line) for line in lines) if found}
    assert wanted == {*CREDENTIALS, "ACCESS_KEY_ID", "SECRET_KEY_ID", "ENDPOINT_URL", "REGION"}
    assert wanted <= explained
    for name in CREDENTIALS:
        assert lines[lines.index(f"{name}=") - 1].startswith("# ")


def test_the_s3_section_of_the_configuration_is_right_when_it_is_taken_in(tmp_path: Path) -> None:
    file = tmp_path / "config.config"
    text = (HERE / "config.config").read_text()
    file.write_text(re.sub(r"^#(\[s3\]|\w+ = )", r"\1", text, flags=re.M))
    s3 = {"ACCESS_KEY_ID": "a", "SECRET_KEY_ID": "b", "ENDPOINT_URL": "c", "REGION": "d"}
    got = load(file, environ={**CREDENTIALS, **s3}).section("s3")
    assert got == {"access_key_id": "a", "secret_key_id": "b", "endpoint_url": "c", "region": "d"}


def test_passwords_are_left_out_by_git_and_by_the_builds() -> None:
    assert "openmsi.env" in (HERE / ".gitignore").read_text().split()
    assert (HERE / ".dockerignore").read_text().splitlines()[1] == "*"
    assert "**/*.env" in (CUSTOM / ".dockerignore").read_text().split()


def test_the_image_s_label_has_the_version_of_the_package() -> None:
    version = tomllib.loads((HERE / "pyproject.toml").read_text())["project"]["version"]
    assert f"\nARG VERSION={version}\n" in (HERE / "Dockerfile").read_text()


# -- the startup script ------------------------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with the script, and on the way to programs one that says what it was started with."""
    shutil.copy(CUSTOM / "startup-script.sh", tmp_path)
    start = tmp_path / "bin" / "openmsistream-start"
    start.parent.mkdir()
    start.write_text(f"#!{sys.executable}\nfrom openmsistream.services.container import main\nmain()\n")
    start.chmod(0o755)
    for name in ("DataFileDownloadDirectory", "DataFileUploadDirectory", "S3TransferStreamProcessor"):
        program = tmp_path / "bin" / name
        program.write_text('#!/bin/sh\nprintf "<%s>" "${0##*/}" "$@"\n')
        program.chmod(0o755)
    return tmp_path


def run(place: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    path = f"{place / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", *words], cwd=place, env={"PATH": path, **environ}, capture_output=True, text=True, timeout=60, check=False
    )  # fmt: skip


def words(*all_of_them: str) -> str:
    return "".join(f"<{word}>" for word in all_of_them)


@bash
def test_the_script_has_a_default_for_everything(place: Path) -> None:
    assert run(place, "startup-script.sh").stdout == words(
        "DataFileDownloadDirectory", "data", "--config", "config.config", "--topic_name", "test"
    )


@bash
def test_the_environment_goes_before_what_the_script_says(place: Path) -> None:
    done = run(
        place, "startup-script.sh", MODULE="DataFileUploadDirectory", TOPIC_NAME="my topic", DATA="my data",
        CONFIG="local", ARGS=r"--upload_regex .*\.csv --n_threads 3",
    )  # fmt: skip
    assert done.stdout == words(
        "DataFileUploadDirectory", "my data", "--config", "local", "--topic_name", "my topic",
        "--upload_regex", r".*\.csv", "--n_threads", "3",
    )  # fmt: skip


@bash
def test_words_behind_the_image_s_name_come_last(place: Path) -> None:
    assert run(place, "startup-script.sh", "--n_threads", "3").stdout.endswith(words("test", "--n_threads", "3"))


@bash
def test_a_processor_is_given_no_folder_but_what_it_asks_for(place: Path) -> None:
    module = "S3TransferStreamProcessor"
    assert run(place, "startup-script.sh", MODULE=module).stdout.startswith(words(module, "--config"))
    assert run(place, "startup-script.sh", MODULE=module, DATA="bucket").stdout.startswith(words(module, "bucket"))


@bash
def test_a_script_of_one_s_own_may_be_the_module(place: Path) -> None:
    (place / "mine.py").write_text("import sys; print(*sys.argv)")
    done = run(place, "startup-script.sh", MODULE="python mine.py")
    assert done.stdout == "mine.py --config config.config --topic_name test\n"


@bash
def test_the_program_takes_the_place_of_the_script(place: Path) -> None:
    (place / "bin" / "DataFileDownloadDirectory").write_text("#!/bin/sh\necho $$\n")
    environ = {"PATH": f"{place / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"}
    with subprocess.Popen(["bash", "startup-script.sh"], cwd=place, env=environ, stdout=subprocess.PIPE) as process:
        said, _ = process.communicate(timeout=60)
    assert int(said) == process.pid


@bash
@pytest.mark.parametrize(
    ("environ", "missing"),
    [
        ({"TOPIC_NAME": ""}, "TOPIC_NAME is empty; name a topic"),
        ({"MODULE": "DataFile"}, "DataFile is no program in this image"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_variable(place: Path, environ: dict[str, str], missing: str) -> None:
    done = run(place, "startup-script.sh", **environ)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {missing}")
    assert done.stderr.count("\n") == 1


@bash
def test_sourced_it_leaves_the_shell_as_it_was_also_after_a_mistake(place: Path) -> None:
    typed = "MODULE=DataFile; . ./startup-script.sh; echo; echo $- and $?; MODULE=DataFileUploadDirectory; . ./startup-script.sh"
    done = run(place, "-c", f"before=$-; {typed}; [ $- = $before ] && echo '|the same'")
    assert "DataFile is no program in this image" in done.stderr
    assert words("DataFileUploadDirectory", "data", "--config") in done.stdout
    assert done.stdout.endswith("|the same\n")


# -- the example -------------------------------------------------------------------------------------------------------


def test_the_example_counts_the_lines_of_each_file(lab: Lab) -> None:
    (lab.place / "data").mkdir()
    example = CUSTOM / "custom_folder" / "lines.py"
    put(lab.source, "a/notes.txt", "one\ntwo\n")
    lab.upload_program("--upload_existing")
    with subprocess.Popen(
        [sys.executable, example, "--config", lab.config, "--topic_name", lab.topic], cwd=lab.place
    ) as process:  # fmt: skip
        result = lab.place / "data" / "lines" / "a" / "notes.txt.txt"
        expect(lambda: result.exists() and result.read_text() == "2\n")
        process.terminate()
        assert process.wait(15) == 0
