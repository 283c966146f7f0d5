"""Subclasses change the command line of a program the way that OpenMSIStream's subclasses do."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, ClassVar

import pytest

from openmsistream.aliases.argument_parser import OpenMSIStreamArgumentParser
from openmsistream.processing.command_lines import processor_parser
from openmsistream.program.named_arguments import NamedArguments, table_of
from openmsistream.program.runnable import Runnable
from openmsistream.transfer import download_directory, upload_data_file, upload_directory


class MyParser(OpenMSIStreamArgumentParser):
    """As in OpenMSIStream's short course."""

    ARGUMENTS: ClassVar = {
        **OpenMSIStreamArgumentParser.ARGUMENTS,
        "lab": ["positional", {"help": "the laboratory"}],
        "run_number": ["optional", {"type": int, "default": 7, "help": "the run"}],
    }


class Program(Runnable):
    """A program as ours are."""

    def __init__(self, folder: Path, chunk_size: int) -> None:
        self.folder, self.chunk_size = folder, chunk_size

    @classmethod
    def own_parser(cls) -> argparse.ArgumentParser:
        return upload_directory.parser()

    @classmethod
    def get_init_args_kwargs(cls, parsed_args: argparse.Namespace) -> tuple[list[Any], dict[str, Any]]:
        return [parsed_args.upload_dir], {"chunk_size": parsed_args.chunk_size}


class Mine(Program):
    ARGUMENT_PARSER_TYPE = MyParser

    def __init__(self, folder: Path, chunk_size: int, lab: str) -> None:
        super().__init__(folder, chunk_size)
        self.lab = lab

    @classmethod
    def get_command_line_arguments(cls) -> tuple[list[str], dict[str, Any]]:
        names, defaults = super().get_command_line_arguments()
        return [*names, "lab", "run_number"], {**defaults, "chunk_size": 1024}

    @classmethod
    def get_init_args_kwargs(cls, parsed_args: argparse.Namespace) -> tuple[list[Any], dict[str, Any]]:
        args, kwargs = super().get_init_args_kwargs(parsed_args)
        return args, {**kwargs, "lab": parsed_args.lab}


def test_a_subclass_adds_arguments_and_changes_defaults(tmp_path: Path) -> None:
    parsed = Mine.get_argument_parser().parse_args([str(tmp_path), "north", "--n_threads", "3"])
    assert (parsed.upload_dir, parsed.lab, parsed.run_number, parsed.n_threads) == (tmp_path, "north", 7, 3)
    assert (parsed.chunk_size, parsed.upload_existing) == (1024, False)
    args, kwargs = Mine.get_init_args_kwargs(parsed)
    mine = Mine(*args, **kwargs)
    assert (mine.folder, mine.chunk_size, mine.lab) == (tmp_path, 1024, "north")


class Receiving(Program):
    """A program whose output folder is an option, and whose configuration has another default."""

    @classmethod
    def own_parser(cls) -> argparse.ArgumentParser:
        made = processor_parser("Receiving", "")
        made.set_defaults(config="mine")
        return made


def test_a_program_keeps_its_own_arguments_where_the_parser_class_knows_others_of_that_name(tmp_path: Path) -> None:
    class Extended(Receiving):
        ARGUMENT_PARSER_TYPE = MyParser

    parsed = Extended.get_argument_parser().parse_args(["--output_dir", str(tmp_path)])
    assert (parsed.output_dir, parsed.config, parsed.mode) == (tmp_path, "mine", "memory")


def test_an_argument_that_the_users_parser_class_replaces_is_as_it_says() -> None:
    class Other(OpenMSIStreamArgumentParser):
        ARGUMENTS: ClassVar = {
            **OpenMSIStreamArgumentParser.ARGUMENTS,
            "mode": ["optional", {"default": "disk", "choices": ["disk"]}],
        }

    class Extended(Receiving):
        ARGUMENT_PARSER_TYPE = Other

    assert Extended.get_argument_parser().parse_args([]).mode == "disk"


def test_a_default_is_changed_under_the_name_that_openmsistream_has_for_an_option(tmp_path: Path) -> None:
    class Extended(Receiving):
        @classmethod
        def get_command_line_arguments(cls) -> tuple[list[str], dict[str, Any]]:
            names, defaults = super().get_command_line_arguments()
            return names, {**defaults, "optional_output_dir": tmp_path}

    assert Extended.get_argument_parser().parse_args([]).output_dir == tmp_path


def test_a_subclass_may_leave_arguments_out(tmp_path: Path) -> None:
    class Fewer(Program):
        @classmethod
        def get_command_line_arguments(cls) -> tuple[list[str], dict[str, Any]]:
            names, defaults = super().get_command_line_arguments()
            return [name for name in names if name != "upload_regex"], defaults

    assert not hasattr(Fewer.get_argument_parser().parse_args([str(tmp_path)]), "upload_regex")


def test_without_changes_it_is_the_programs_own_parser(tmp_path: Path) -> None:
    assert Program.get_argument_parser().format_help() == upload_directory.parser().format_help()


@pytest.mark.parametrize("module", [upload_directory, download_directory, upload_data_file])
def test_a_parser_put_together_from_names_reads_what_the_programs_own_reads(module: Any, tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.touch()
    line = [str(file if module is upload_data_file else tmp_path), "--topic_name", "t", "--n_threads", "4"]
    parser = OpenMSIStreamArgumentParser()
    parser.add_arguments(*table_of(module.parser()))
    ours = vars(module.parser().parse_args(line))
    theirs = vars(parser.parse_args(line))
    for name in ("consumer_topic_name", "producer_topic_name"):
        assert theirs.pop(name, "t") == "t"
        ours.pop(name, None)
    assert ours == theirs


def test_a_name_that_is_not_known_is_told() -> None:
    with pytest.raises(
        ValueError, match=r"^there is no argument 'nothing' in ARGUMENTS of the parser; there are girder_api_url, "
    ):
        OpenMSIStreamArgumentParser().add_arguments("nothing")


def test_the_option_for_an_output_folder_stands_beside_the_positional_one(tmp_path: Path) -> None:
    parser = OpenMSIStreamArgumentParser()
    parser.add_arguments("optional_output_dir")
    assert parser.parse_args(["--output_dir", str(tmp_path / "new")]).output_dir == tmp_path / "new"


def test_every_argument_of_openmsistreams_programs_is_known() -> None:
    messages = ["logger_stream_level", "logger_file_level", "logger_file_path", "update_seconds", "n_threads"]
    kafka = ["config", "topic_name", "consumer_topic_name", "producer_topic_name", "consumer_group_id"]
    decrypting = ["treat_undecryptable_as_plaintext", "max_wait_per_decrypt", "max_initial_wait_per_decrypt"]
    own = [
        "filepath",
        "upload_dir",
        "output_dir",
        "optional_output_dir",
        "upload_regex",
        "download_regex",
        "chunk_size",
    ]
    uploads = ["queue_max_size", "upload_existing", "watchdog_lag_time", "use_polling_observer"]
    heartbeats = ["heartbeat_topic_name", "heartbeat_program_id", "heartbeat_interval_secs"]
    logs = ["log_topic_name", "log_program_id", "log_interval_secs"]
    processing = ["mode", "n_consumer_threads", "n_producer_threads", "bucket_name", "replace_existing", "metadata"]
    girder = ["girder_api_url", "girder_api_key", "girder_root_folder_id", "collection_name", "girder_root_folder_path"]
    names = {*messages, *kafka, *decrypting, *own, *uploads, *heartbeats, *logs, *processing, *girder}
    assert names <= set(OpenMSIStreamArgumentParser.ARGUMENTS)


def test_the_actions_can_be_looked_at() -> None:
    parser = NamedArguments()
    assert [action.dest for action in parser.actions] == ["help"]
