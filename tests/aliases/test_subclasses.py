"""Programs that users made of our classes, as they made them of OpenMSIStream's."""

from __future__ import annotations

import argparse
import inspect
import io
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from openmsistream import DataFileDownloadDirectory, DataFileUploadDirectory, UploadDataFile
from openmsistream.aliases.argument_parser import OpenMSIStreamArgumentParser


class MyParser(OpenMSIStreamArgumentParser):
    """As in OpenMSIStream's short course."""

    ARGUMENTS: ClassVar = {**OpenMSIStreamArgumentParser.ARGUMENTS, "lab": ["positional", {"help": "the laboratory"}]}


class Mine(DataFileUploadDirectory):
    """An uploader with an argument of its own."""

    ARGUMENT_PARSER_TYPE = MyParser
    made: ClassVar[list[Mine]] = []

    def __init__(self, *args: Any, lab: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lab = lab
        self.made.append(self)

    def upload_files_as_added(self, topic: str, *args: Any, **kwargs: Any) -> list[str]:
        self.given = (topic, args)
        return []

    @classmethod
    def get_command_line_arguments(cls) -> tuple[list[str], dict[str, Any]]:
        names, defaults = super().get_command_line_arguments()
        return [*names, "lab"], {**defaults, "chunk_size": 1024}

    @classmethod
    def get_init_args_kwargs(cls, parsed_args: argparse.Namespace) -> tuple[list[Any], dict[str, Any]]:
        args, kwargs = super().get_init_args_kwargs(parsed_args)
        return args, {**kwargs, "lab": parsed_args.lab}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "my.config"
    file.write_text("[broker]\nbootstrap.servers = localhost:1\n", "utf-8")
    return file


def test_a_subclass_is_run_with_its_own_arguments(
    tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    line = [str(tmp_path), "north", "--config", str(config), "--topic_name", "t", "--n_threads", "3"]
    with pytest.raises(SystemExit) as ended:
        Mine.run_from_command_line(line)
    assert ended.value.code == 0
    (made,) = Mine.made
    assert made.lab == "north"
    assert made.given == ("t", (3, 1024, 500, False))


def test_a_subclass_may_run_itself(tmp_path: Path, config: Path) -> None:
    """The way of OpenMSIStream's own examples: parser, arguments, object, run, close."""
    parsed = Mine.get_argument_parser().parse_args(args=[str(tmp_path), "north", "--config", str(config)])
    args, kwargs = Mine.get_init_args_kwargs(parsed)
    mine = Mine(*args, **kwargs)
    assert parsed.producer_topic_name == "test"
    mine.close()
    mine.close()


def test_a_class_with_an_abstract_runnable_beside_ours_works(tmp_path: Path, config: Path) -> None:
    """openmsitoolbox's Runnable is such a class: abstract, with class methods of the same names."""

    class Theirs(ABC):
        ARGUMENT_PARSER_TYPE: ClassVar[type] = argparse.ArgumentParser

        @classmethod
        def get_command_line_arguments(cls) -> tuple[list[str], dict[str, Any]]:
            return [], {}

        @classmethod
        @abstractmethod
        def run_from_command_line(cls, args: list[str] | None = None) -> None: ...

    class Both(DataFileDownloadDirectory, Theirs):
        pass

    names, _ = Both.get_command_line_arguments()
    assert "output_dir" in names
    Both(tmp_path, config, "t").close()


ARGUMENTS = [
    (UploadDataFile, "filepath to_upload rootdir filename_append"),
    (UploadDataFile.upload_whole_file, "config_path topic n_threads chunk_size"),
    (
        DataFileUploadDirectory,
        "dirpath config_path upload_regex datafile_type watchdog_lag_time use_polling_observer",
    ),
    (DataFileUploadDirectory.upload_files_as_added, "topic n_threads chunk_size max_queue_size upload_existing"),
    (DataFileDownloadDirectory, "dirpath config_path topic_name datafile_type filepath_regex"),
    (DataFileDownloadDirectory.reconstruct, ""),
]


@pytest.mark.parametrize(("called", "names"), ARGUMENTS, ids=lambda value: getattr(value, "__qualname__", ""))
def test_constructors_and_run_methods_take_the_arguments_they_always_took(
    called: Callable[..., Any], names: str
) -> None:
    found = [p.name for p in inspect.signature(called).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert [name for name in found if name != "self"] == names.split()


COMMON: dict[str, Any] = {
    "logger_name": "mine", "streamlevel": "warning", "filelevel": 40, "update_secs": -1, "heartbeat_topic_name": None,
    "heartbeat_program_id": "x", "heartbeat_interval_secs": 60, "log_topic_name": None, "log_program_id": "x",
    "log_interval_secs": 60, "treat_undecryptable_as_plaintext": False, "max_wait_per_decrypt": 5.0,
    "max_initial_wait_per_decrypt": 60.0,
}  # fmt: skip


def test_the_keyword_arguments_that_all_classes_took_are_taken(tmp_path: Path, config: Path) -> None:
    DataFileUploadDirectory(tmp_path, config, consumer_group_id="g", **COMMON).close()
    DataFileDownloadDirectory(tmp_path, config, "t", n_threads=5, consumer_group_id="g", **COMMON).close()
    file = tmp_path / "f"
    file.touch()
    UploadDataFile(file, logger_name="mine", streamlevel=30, filelevel="error").close()


def test_a_downloader_has_the_attributes_that_programs_read(tmp_path: Path, config: Path) -> None:
    with DataFileDownloadDirectory(tmp_path, config, "t", consumer_group_id="g") as download:
        assert (download.n_msgs_read, download.n_msgs_processed, download.n_processed_files) == (0, 0, 0)
        assert download.recent_processed_filepaths == []
        assert (download.consumer_topic_name, download.consumer_group_id) == ("t", "g")
        download.control_command_queue.put("q")
        assert download.logger.name == "DataFileDownloadDirectory"


def test_an_error_that_is_logged_with_a_type_is_raised(tmp_path: Path, config: Path) -> None:
    with (
        DataFileUploadDirectory(tmp_path, config) as upload,
        pytest.raises(ValueError, match="no such laboratory"),
    ):
        upload.logger.error("no such laboratory", exc_type=ValueError)  # type: ignore[call-arg]


def test_an_error_that_is_logged_is_raised_again_where_that_is_asked_for(tmp_path: Path, config: Path) -> None:
    with DataFileUploadDirectory(tmp_path, config) as upload:
        upload.logger.error("it failed", exc_info=KeyError("x"))
        with pytest.raises(KeyError):
            upload.logger.error("it failed", exc_info=KeyError("x"), reraise=True)  # type: ignore[call-arg]
