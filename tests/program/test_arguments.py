"""The command line that programs share: values, defaults, topics and help."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest

from openmsistream.program import arguments
from openmsistream.program.arguments import (
    create_dir,
    existing_dir,
    existing_file,
    int_power_of_two,
    logger_string_to_level,
    positive_float,
    positive_int,
    regex,
    seconds_or_never,
)


@pytest.fixture
def parser() -> argparse.ArgumentParser:
    parser = arguments.new_parser("Program", "does it")
    arguments.add_logging(parser)
    arguments.add_connection(parser)
    arguments.add_control(parser)
    arguments.add_heartbeats_and_logs(parser)
    return parser


def test_the_defaults_are_those_that_people_know(parser: argparse.ArgumentParser) -> None:
    assert vars(arguments.parse(parser, [])) == {
        "logger_stream_level": 20,
        "logger_file_path": None,
        "logger_file_level": 30,
        "log_format": "text",
        "config": "test",
        "topic_name": "test",
        "consumer_topic_name": "test",
        "producer_topic_name": "test",
        "consumer_group_id": "create_new",
        "treat_undecryptable_as_plaintext": False,
        "max_wait_per_decrypt": 5.0,
        "max_initial_wait_per_decrypt": 60.0,
        "update_seconds": 300,
        "heartbeat_topic_name": None,
        "heartbeat_program_id": None,
        "heartbeat_interval_secs": 900.0,
        "log_topic_name": None,
        "log_program_id": None,
        "log_interval_secs": 60.0,
    }


def test_the_topic_is_for_both_ways_when_no_other_is_given(parser: argparse.ArgumentParser) -> None:
    args = arguments.parse(parser, ["--topic_name", "data", "--producer_topic_name", "results"])
    assert (args.consumer_topic_name, args.producer_topic_name) == ("data", "results")


def test_a_topic_named_test_is_honoured(parser: argparse.ArgumentParser) -> None:
    args = arguments.parse(parser, ["--topic_name", "data", "--consumer_topic_name", "test"])
    assert args.consumer_topic_name == "test"


def test_a_program_without_topics_can_be_parsed() -> None:
    assert vars(arguments.parse(arguments.new_parser("Program", ""), [])) == {}


def test_minus_one_is_never(parser: argparse.ArgumentParser) -> None:
    assert arguments.parse(parser, ["--update_seconds", "-1"]).update_seconds == -1


def test_help_tells_the_defaults_and_never_none(parser: argparse.ArgumentParser) -> None:
    text = " ".join(parser.format_help().split())
    for default in ("info", "warning", "test", "create_new", "300", "900", "60", "5", "that of --topic_name"):
        assert f"(default: {default})" in text
    assert "None" not in text
    assert "False" not in text


def test_a_wrong_value_ends_with_code_2_and_a_sentence(
    parser: argparse.ArgumentParser, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        arguments.parse(parser, ["--logger_stream_level", "loud"])
    assert caught.value.code == 2
    assert "argument --logger_stream_level: loud is not a level: give debug, info" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("validator", "text", "value"),
    [
        (positive_int, "1", 1),
        (int_power_of_two, "1", 1),
        (int_power_of_two, "524288", 524288),
        (positive_float, "0", 0.0),
        (positive_float, "2.5", 2.5),
        (seconds_or_never, "0", 0),
        (logger_string_to_level, "Error", 40),
        (logger_string_to_level, "7", 7),
    ],
)
def test_values_that_are_right(validator: Callable[[str], object], text: str, value: object) -> None:
    assert validator(text) == value


@pytest.mark.parametrize(
    ("validator", "text", "sentence"),
    [
        (positive_int, "0", "0 is not a whole number above zero"),
        (positive_int, "1.5", "1.5 is not a whole number"),
        (int_power_of_two, "0", "0 is not a power of two, such as 524288"),
        (int_power_of_two, "-2", "-2 is not a power of two, such as 524288"),
        (int_power_of_two, "500000", "500000 is not a power of two, such as 524288"),
        (int_power_of_two, "x", "x is not a whole number"),
        (positive_float, "-0.1", "-0.1 is not a number of zero or more"),
        (positive_float, "nan", "nan is not a number of zero or more"),
        (positive_float, "inf", "inf is not a number of zero or more"),
        (positive_float, "x", "x is not a number of zero or more"),
        (seconds_or_never, "-2", "-2 is neither a number of seconds nor -1 for never"),
        (logger_string_to_level, "-1", "-1 is not a level: give debug, info, warning, error, critical, or a number"),
        (regex, "(", "( is not a regular expression: missing ), unterminated subpattern at position 0"),
    ],
)
def test_values_that_are_wrong(validator: Callable[[str], object], text: str, sentence: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError) as caught:
        validator(text)
    assert str(caught.value) == sentence


def test_a_regular_expression_is_compiled() -> None:
    assert regex(r".*\.csv").match("a.csv")


def test_a_file_that_is_there_is_resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x").write_text("")
    assert existing_file("x") == (tmp_path / "x").resolve()
    assert existing_dir(".") == tmp_path.resolve()


def test_a_folder_is_made_with_those_above_it(tmp_path: Path) -> None:
    made = create_dir(str(tmp_path / "a" / "b"))
    assert made.is_dir()
    assert create_dir(str(made)) == made


def test_paths_of_the_wrong_kind_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    absent = tmp_path / "absent"
    for validator, path, sentence in (
        (existing_file, tmp_path, f"{tmp_path} is a folder, not a file"),
        (existing_file, absent, f"there is no file {absent}"),
        (existing_dir, file, f"{file} is not a folder"),
        (existing_dir, absent, f"there is no folder {absent}"),
        (create_dir, file, f"{file} is a file, not a folder"),
    ):
        with pytest.raises(argparse.ArgumentTypeError) as caught:
            validator(str(path))
        assert str(caught.value) == sentence


def test_a_folder_below_a_file_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(argparse.ArgumentTypeError, match="cannot be made"):
        create_dir(str(tmp_path / "file" / "x"))
