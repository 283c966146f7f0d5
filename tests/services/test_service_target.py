"""What is to run, and its arguments: read, checked and kept with absolute paths."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from openmsistream.errors import ConfigError, UsageError
from openmsistream.program.arguments import create_dir
from openmsistream.services.arguments import Understood, unchecked, understood
from openmsistream.services.programs import PROGRAMS
from openmsistream.services.target import Target, importing_from, parser_of, source_folder, target

CODE = """\
from openmsistream import DataFileStreamProcessor

class Lines(DataFileStreamProcessor):
    def _process_downloaded_data_file(self, datafile, lock):
        pass

class NoProgram:
    pass

number = 1

def work(args):
    pass
"""


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a module `some_lines` of a user's own, which is the current one."""
    (tmp_path / "some_lines.py").write_text(CODE, "utf-8")
    monkeypatch.chdir(tmp_path)
    with importing_from(tmp_path):
        yield tmp_path
    sys.modules.pop("some_lines", None)


def of(program: str, *words: str, folder: Path, environ: dict[str, str] | None = None) -> Understood:
    return understood(PROGRAMS[program].own_parser(), words, folder, environ or {})


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program_is_found_by_its_name_and_has_its_own_parser(name: str) -> None:
    found = target(name)
    assert found.default_name == name
    parser = parser_of(found)
    assert parser is not None
    assert parser.prog == name


@pytest.mark.parametrize(
    ("spec", "wanted", "name"),
    [
        ("Mine=lab.code", Target("Mine=lab.code", module="lab.code", class_name="Mine"), "Mine"),
        ("lab.code:go", Target("lab.code:go", module="lab.code", function="go"), "go"),
        ("Mine=lab:go", Target("Mine=lab:go", module="lab", class_name="Mine", function="go"), "Mine"),
    ],
)
def test_a_user_s_own_is_a_class_a_function_or_both(spec: str, wanted: Target, name: str) -> None:
    assert target(spec) == wanted
    assert target(spec).default_name == name


def test_a_name_that_is_nearly_right_is_told() -> None:
    with pytest.raises(
        UsageError, match=r"there is no program 'DataFileUploadDir'; did you mean DataFileUploadDirectory"
    ):
        target("DataFileUploadDir")


@pytest.mark.parametrize("spec", ["=x", "A=", "a:", ":b", "A=b:", "1=b", "a-b:c", "a..b:c"])
def test_what_names_nothing_is_refused(spec: str) -> None:
    with pytest.raises(UsageError, match=r"does not name a target; give the name of a program, Class=module\.path"):
        target(spec)


def test_the_path_of_a_file_is_refused_with_what_is_meant(code: Path) -> None:
    with pytest.raises(UsageError, match="with a module as `import` takes it and not the path of a file"):
        target("./some_lines.py:work")


def test_a_class_of_a_module_in_the_current_folder_has_its_parser(code: Path) -> None:
    parser = parser_of(target("Lines=some_lines"))
    assert parser is not None
    assert parser.prog == "Lines"
    assert source_folder("some_lines") == code


def test_loading_a_user_s_code_leaves_no_byte_code_beside_it(code: Path) -> None:
    parser_of(target("Lines=some_lines"))
    assert not (code / "__pycache__").exists()


def test_a_module_that_is_installed_is_found_without_a_folder() -> None:
    assert source_folder("pytest") is None


def test_a_function_has_arguments_that_only_it_knows(code: Path) -> None:
    assert parser_of(target("some_lines:work")) is None


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("Lins=some_lines", "some_lines has no Lins; did you mean Lines"),
        ("some_lines:number", "number of some_lines is no function"),
        ("NoProgram=some_lines", "NoProgram of some_lines is no program: it has no command line of its own"),
        (
            "nowhere.at.all:x",
            "there is no module nowhere.at.all for .*; stand in its folder when you install the service",
        ),
    ],
)
def test_what_is_not_there_is_told_when_it_is_installed(code: Path, spec: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parser_of(target(spec))


def test_a_module_that_fails_is_told_with_its_error(code: Path) -> None:
    (code / "failing.py").write_text("1 / 0", "utf-8")
    with pytest.raises(UsageError, match="failing cannot be imported: ZeroDivisionError: division by zero"):
        parser_of(target("failing:x"))


def test_a_module_that_needs_another_is_told_which(code: Path) -> None:
    (code / "needing.py").write_text("import not_installed_anywhere", "utf-8")
    with pytest.raises(UsageError, match="needing needs the module not_installed_anywhere, which is not installed"):
        parser_of(target("needing:x"))


# -- arguments -----------------------------------------------------------------------------------------------


def test_relative_paths_are_kept_as_absolute_ones(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "lab.config").write_text("", "utf-8")
    found = of("DataFileUploadDirectory", "in", "--config", "lab.config", "--state_dir", "st", folder=tmp_path)
    assert found.args == (
        str(tmp_path / "in"), "--config", str(tmp_path / "lab.config"), "--state_dir", str(tmp_path / "st")
    )  # fmt: skip
    assert set(found.writes) == {tmp_path / "in", tmp_path / "st"}
    assert found.reads == (tmp_path / "lab.config",)
    assert found.config == tmp_path / "lab.config"


def test_an_option_with_an_equals_sign_is_understood_too(tmp_path: Path) -> None:
    (tmp_path / "lab.config").write_text("", "utf-8")
    found = of("DataFileDownloadDirectory", "--config=lab.config", "out", "--state_dir=st", folder=tmp_path)
    assert found.args == (
        "--config", str(tmp_path / "lab.config"), str(tmp_path / "out"), "--state_dir", str(tmp_path / "st")
    )  # fmt: skip


def test_a_word_that_only_looks_like_the_folder_stays(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    found = of("DataFileUploadDirectory", "data", "--topic_name", "data", "--config", "local", folder=tmp_path)
    assert found.args == (str(tmp_path / "data"), "--topic_name", "data", "--config", "local")


def test_a_configuration_of_the_package_keeps_its_name(tmp_path: Path) -> None:
    found = of("DataFileDownloadDirectory", "out", "--config", "local", folder=tmp_path)
    assert found.args == (str(tmp_path / "out"), "--config", "local")
    assert found.config is not None
    assert found.config.name == "local.config"


def test_a_configuration_is_found_by_its_name_without_the_ending(tmp_path: Path) -> None:
    (tmp_path / "lab.config").write_text("", "utf-8")
    found = of("DataFileDownloadDirectory", "out", "--config", "lab", folder=tmp_path)
    assert found.config == tmp_path / "lab.config"


def test_the_default_configuration_is_looked_into_as_well(tmp_path: Path) -> None:
    found = of("DataFileDownloadDirectory", "out", folder=tmp_path)
    assert found.args == (str(tmp_path / "out"),)
    assert found.config is not None
    assert found.config.name == "test.config"


def test_a_configuration_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no configuration file 'nowhere\.config'"):
        of("DataFileDownloadDirectory", "out", "--config", "nowhere", folder=tmp_path)


def test_checking_makes_no_folders(tmp_path: Path) -> None:
    of("DataFileDownloadDirectory", "out", "--logger_file_path", "logs", folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_log_file_is_written_to_in_its_folder(tmp_path: Path) -> None:
    found = of("DataFileDownloadDirectory", "out", "--logger_file_path", "logs/a.log", folder=tmp_path)
    assert tmp_path / "logs" in found.writes


def test_a_wrong_argument_is_told_in_the_program_s_own_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        of("DataFileUploadDirectory", "nowhere", folder=tmp_path)
    assert ended.value.code == 2
    assert f"there is no folder {tmp_path / 'nowhere'}; see DataFileUploadDirectory --help" in capsys.readouterr().err


def test_an_unknown_argument_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        of("DataFileDownloadDirectory", "out", "--bogus", folder=tmp_path)
    assert "unrecognized arguments: --bogus" in capsys.readouterr().err


def test_the_output_folder_of_a_processor_is_where_it_was_installed(tmp_path: Path) -> None:
    found = of("S3TransferStreamProcessor", "my-bucket", folder=tmp_path)
    expected = tmp_path / "S3TransferStreamProcessor_output"
    assert found.args == ("my-bucket", "--output_dir", str(expected))
    assert found.writes == (expected,)


def test_a_folder_that_a_user_s_parser_has_as_a_default_is_where_it_was_installed(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--output_dir", type=create_dir, default="results")
    parser.add_argument("--state_dir", type=Path)
    found = understood(parser, ["--state_dir", "st"], tmp_path, {})
    assert found.args == ("--state_dir", str(tmp_path / "st"), "--output_dir", str(tmp_path / "results"))
    assert set(found.writes) == {tmp_path / "st", tmp_path / "results"}
    assert list(tmp_path.iterdir()) == []


def test_a_key_on_the_command_line_is_taken_out_of_it(tmp_path: Path) -> None:
    key = "k" * 40
    found = of("GirderUploadStreamProcessor", "https://girder/api/v1", "--config", "local", key, folder=tmp_path)
    assert found.key == key
    assert key not in found.args
    assert found.args[:3] == ("https://girder/api/v1", "--config", "local")


def test_the_channels_that_are_used_are_told(tmp_path: Path) -> None:
    found = of("DataFileDownloadDirectory", "out", "--heartbeat_topic_name", "beats", folder=tmp_path)
    assert found.channels == ("heartbeat",)


def test_of_a_function_s_arguments_only_the_configuration_is_known(tmp_path: Path) -> None:
    (tmp_path / "lab.config").write_text("", "utf-8")
    found = unchecked(["in", "--config", "lab.config", "--x"], tmp_path, {})
    assert found.args == ("in", "--config", str(tmp_path / "lab.config"), "--x")
    assert unchecked(["--config=lab"], tmp_path, {}).args == (f"--config={tmp_path / 'lab.config'}",)
