"""A hook's data file has the attributes that programs read, whatever the file behind it is kept in."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Any

import pytest

from openmsistream.errors import UsageError
from openmsistream.files import digest
from openmsistream.processing.data_file import (
    BY_MODE,
    DataFile,
    DataFileDirectory,
    DownloadDataFile,
    DownloadDataFileToDisk,
    DownloadDataFileToMemory,
    DownloadDataFileToMemoryAndDisk,
    type_for,
)
from openmsistream.processing.file import File, Source
from openmsistream.processing.reproducer_message import ReproducerMessage

CONTENT = b"a,b\n1,2\n"
SHA512 = hashlib.sha512(CONTENT).digest()


def in_memory(path: str = "sub/deep/x.csv", kind: str = digest.BLAKE3) -> File:
    source = Source("topic", 0, 7, "g")
    return File(path, source, size=len(CONTENT), digest=digest.of(CONTENT, kind), chunks=3, data=CONTENT)


def on_disk(place: Path, path: str = "sub/deep/x.csv") -> File:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(CONTENT)
    return File(path, Source("topic", 0, 7, "g"), size=len(CONTENT), digest=digest.of(CONTENT), place=place)


def test_its_attributes_are_those_of_the_published_package() -> None:
    file = DownloadDataFileToMemory.of(in_memory(), Path("out"))
    assert (file.filename, file.subdir_str, file.n_total_chunks) == ("x.csv", "sub/deep", 3)
    assert file.filepath == file.full_filepath == Path("out/sub/deep/x.csv")
    assert file.relative_filepath == Path("sub/deep/x.csv")
    assert (file.bytestring, file.size, file.check_file_hash) == (CONTENT, len(CONTENT), SHA512)


def test_a_file_in_no_folder_has_an_empty_one() -> None:
    file = DownloadDataFileToMemory.of(in_memory("x.csv"), "out")
    assert (file.subdir_str, file.full_filepath, file.relative_filepath) == ("", Path("out/x.csv"), Path("x.csv"))


def test_the_bytes_of_a_file_in_memory_are_not_copied() -> None:
    file = in_memory()
    assert DownloadDataFileToMemory.of(file, "out").bytestring is file.read_bytes()


def test_a_file_on_disk_is_read_where_it_stands(tmp_path: Path) -> None:
    place = tmp_path / "elsewhere" / "x.csv"
    file = DownloadDataFileToDisk.of(on_disk(place), "out")
    assert (file.full_filepath, file.bytestring, file.check_file_hash) == (place, CONTENT, SHA512)


def test_in_mode_memory_its_path_is_below_the_output_folder_even_where_the_file_was_too_large(tmp_path: Path) -> None:
    file = DownloadDataFileToMemory.of(on_disk(tmp_path / ".part"), "out")
    assert (file.full_filepath, file.bytestring) == (Path("out/sub/deep/x.csv"), CONTENT)


def test_a_digest_that_came_as_sha512_is_not_calculated_again() -> None:
    file = in_memory(kind=digest.SHA512)
    file.digest = "sha512:" + "ab" * 64
    assert DownloadDataFileToMemory.of(file, "out").check_file_hash == b"\xab" * 64


def test_the_file_behind_it_can_be_had() -> None:
    file = in_memory()
    assert DownloadDataFile.of(file, "out").file is file


def test_a_type_of_ones_own_is_given_the_path_the_logger_and_the_other_arguments() -> None:
    given: list[Any] = []

    class Mine(DownloadDataFileToMemory):
        def __init__(self, *args: Any, separator: str, **kwargs: Any) -> None:
            given.extend((args, separator, kwargs))
            super().__init__(*args, **kwargs)

    logger = logging.getLogger("mine")
    file = Mine.of(in_memory(), "out", logger=logger, separator=";")
    assert given == [(Path("out/sub/deep/x.csv"),), ";", {"logger": logger}]
    assert (file.logger, file.bytestring) == (logger, CONTENT)


def test_in_its_constructor_the_file_is_not_there_yet() -> None:
    with pytest.raises(AttributeError, match=r"^DownloadDataFileToDisk\.file is there as soon as the file is whole$"):
        _ = DownloadDataFileToDisk("x").bytestring


def test_data_files_and_folders_have_a_path_and_a_logger_that_raises() -> None:
    for made in (DataFile("a/x.csv", logger_name="mine", streamlevel="warning"), DataFileDirectory("a")):
        with pytest.raises(ValueError, match="no good"):
            made.logger.error("no good", exc_type=ValueError)  # type: ignore[call-arg]
    assert (DataFile("a/x.csv").filename, DataFileDirectory("a").dirpath) == ("x.csv", Path("a"))
    assert repr(DataFile("a")) == "<DataFile a>"


@pytest.mark.parametrize("mode", BY_MODE)
def test_each_mode_has_its_type(mode: str) -> None:
    assert type_for(mode) is BY_MODE[mode]
    assert type_for(mode, BY_MODE[mode]) is BY_MODE[mode]


def test_a_type_that_keeps_more_than_the_mode_needs_is_taken() -> None:
    assert type_for("disk", DownloadDataFileToMemoryAndDisk) is DownloadDataFileToMemoryAndDisk


def test_a_type_that_does_not_fit_the_mode_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        type_for("memory", DownloadDataFileToDisk)
    assert str(caught.value) == (
        "datafile_type DownloadDataFileToDisk does not hold files as mode 'memory' does; "
        "derive it from DownloadDataFileToMemory, or choose another mode"
    )
    with pytest.raises(UsageError, match=r"^mode 'tape' is not known; choose one of memory, disk, both$"):
        type_for("tape")


class Lengths(ReproducerMessage):
    @property
    def msg_value(self) -> int:
        return len(self.datafile.bytestring)


def test_a_results_key_is_made_of_folder_and_name() -> None:
    message = Lengths(DownloadDataFileToMemory.of(in_memory(), "out"), "further", arguments=1)
    assert message.msg_key == "sub_deep_x.csv_chunk_processing_result"
    assert message.msg_value == len(CONTENT)
    assert message.callback_kwargs == {
        "filename": "x.csv", "rel_filepath": Path("sub/deep/x.csv"), "n_total_chunks": 3
    }  # fmt: skip
    assert (message.get_log_msg(), "x.csv" in (message.get_log_msg(1) or "")) == (None, True)


def test_the_key_of_a_result_of_a_file_in_no_folder_begins_with_an_underscore() -> None:
    message = Lengths(DownloadDataFileToMemory.of(in_memory("x.csv"), "out"))
    assert message.msg_key == "_x.csv_chunk_processing_result"


def test_a_result_without_a_value_cannot_be_made() -> None:
    with pytest.raises(TypeError, match="abstract"):
        ReproducerMessage(DownloadDataFileToMemory.of(in_memory(), "out"))  # type: ignore[abstract]
