"""GirderUploadStreamProcessor: its arguments, its hooks, and what it does with copies on this disk. Kafka is not asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from between import Between, answers
from catalogue import TOPIC, Catalogue, file_of

from openmsistream.destinations.girder_processor import GirderUploadStreamProcessor
from openmsistream.errors import UsageError
from openmsistream.processing.data_file import BY_MODE
from openmsistream.processing.file import File

Make = Callable[..., GirderUploadStreamProcessor]


@pytest.fixture
def make(catalogue: Catalogue, tmp_path: Path) -> Iterator[Make]:
    """Makes processors for this test's collection."""
    config = tmp_path / "test.config"
    config.write_text("[broker]\nbootstrap.servers = localhost:1\n[consumer]\n", "utf-8")
    made: list[GirderUploadStreamProcessor] = []

    def processor(kind: type[GirderUploadStreamProcessor] = GirderUploadStreamProcessor, **more: Any) -> Any:
        key = more.pop("key", catalogue.girder.keys["admin"])
        named = {"collection_name": catalogue.name, "output_dir": tmp_path / "out", **more}
        made.append(kind(catalogue.line.url, key, config, TOPIC, **named))
        return made[-1]

    yield processor
    for one in made:
        one.close()


def run(processor: Any, file: File, mode: str = "memory") -> BaseException | None:
    """The hook on a file, as the engine calls it."""
    datafile = BY_MODE[mode].of(file, "out")
    said: BaseException | None = processor._process_downloaded_data_file(datafile, threading.Lock())
    return said


def test_a_file_is_uploaded(make: Make, catalogue: Catalogue) -> None:
    assert run(make(metadata='{"lab": "B"}'), file_of("run/a", b"hello")) is None
    assert catalogue.girder.find(f"{catalogue.path}/run/a")["meta"]["lab"] == "B"


def test_a_failure_is_given_back_and_not_raised(make: Make, catalogue: Catalogue) -> None:
    catalogue.line.cause("POST .*/file", answers(418), times=100)
    failed = run(make(), file_of("run/a", b"hello"))
    assert "refused: status 418" in str(failed)
    assert failed is not None
    assert not failed.retriable  # type: ignore[attr-defined]


class Uploader(GirderUploadStreamProcessor):
    """As programs are written for OpenMSIStream: with metadata of its own, by the method's hidden name."""

    def _process_downloaded_data_file(self, datafile: Any, lock: Any) -> BaseException | None:
        metadata = {"sample": datafile.filename.split("_")[0]}
        return self._GirderUploadStreamProcessor__process_downloaded_data_file(  # type: ignore[attr-defined,no-any-return]
            datafile, metadata=metadata
        )


def test_a_subclass_adds_metadata_by_the_hidden_name_of_the_method(make: Make, catalogue: Catalogue) -> None:
    assert run(make(Uploader), file_of("s7_a.txt", b"1")) is None
    meta = catalogue.girder.find(f"{catalogue.path}/s7_a.txt")["meta"]
    assert (meta["sample"], meta["KafkaTopic"]) == ("s7", TOPIC)


def test_a_subclass_is_given_the_exception_by_the_hidden_name(make: Make, catalogue: Catalogue) -> None:
    catalogue.line.cause("POST .*/file", answers(418), times=100)
    assert isinstance(run(make(Uploader), file_of("s7_a.txt", b"1")), Exception)


def test_girders_own_client_is_there_for_programs_that_read_it(make: Make, catalogue: Catalogue) -> None:
    processor: Any = make()
    client = processor._GirderUploadStreamProcessor__girder_client
    assert [found["name"] for found in client.listCollection()].count(catalogue.name) == 0
    processor.destination.check()
    assert catalogue.name in [found["name"] for found in client.listCollection()]
    assert client is processor.girder_client


@pytest.mark.parametrize(("mode", "stays"), [("disk", False), ("both", True)])
def test_a_copy_that_is_in_girder_is_removed_in_mode_disk_only(
    make: Make, tmp_path: Path, mode: str, stays: bool
) -> None:
    place = tmp_path / "copy"
    processor = make(mode=mode)
    for _ in ("sent", "already there"):
        assert run(processor, file_of("a", b"hello", place), mode) is None
        assert place.exists() is stays


def test_a_copy_stays_when_its_upload_failed(make: Make, line: Between, tmp_path: Path) -> None:
    line.cause("POST .*/file", answers(418), times=100)
    assert run(make(mode="disk"), file_of("a", b"hello", tmp_path / "copy"), "disk") is not None
    assert (tmp_path / "copy").exists()


def test_a_copy_stays_when_girder_kept_other_content(make: Make, tmp_path: Path) -> None:
    processor = make(mode="disk")
    run(processor, file_of("a", b"hello"))
    assert run(processor, file_of("a", b"other", tmp_path / "copy"), "disk") is None
    assert (tmp_path / "copy").exists()


def test_a_copy_stays_when_that_is_asked_for(make: Make, tmp_path: Path) -> None:
    run(make(mode="disk", delete_on_disk_mode=False), file_of("a", b"hello", tmp_path / "copy"), "disk")
    assert (tmp_path / "copy").exists()


def test_replacing_is_asked_for_by_its_old_name(make: Make, catalogue: Catalogue) -> None:
    run(make(), file_of("a", b"hello"))
    run(make(replace_existing=True), file_of("a", b"other"))
    assert catalogue.girder.content(f"{catalogue.path}/a") == b"other"


def test_metadata_may_be_a_dictionary(make: Make, catalogue: Catalogue) -> None:
    run(make(metadata={"n": [1, 2]}), file_of("a", b"1"))
    assert catalogue.girder.find(f"{catalogue.path}/a")["meta"]["n"] == [1, 2]


@pytest.mark.parametrize("metadata", ["{", "[1]", "word", "{'a': 1}"])
def test_metadata_that_are_no_json_object_are_refused_at_once(make: Make, metadata: str) -> None:
    with pytest.raises(UsageError, match=r"metadata are (not JSON|JSON, but not an object).*give an object such as"):
        make(metadata=metadata)


def test_no_key_is_said_at_once(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GIRDER_API_KEY", raising=False)
    monkeypatch.delenv("GIRDER_API_KEY_FILE", raising=False)
    with pytest.raises(UsageError, match="there is no API key for Girder"):
        make(key=None)


def test_an_unknown_argument_is_refused(make: Make) -> None:
    with pytest.raises(TypeError, match="replace_exsting"):
        make(replace_exsting=True)


def test_the_run_begins_with_a_look_at_the_server(make: Make, catalogue: Catalogue) -> None:
    with pytest.raises(Exception, match="refused the API key"):
        make(key="wrong").process_files_as_read()


def test_a_topic_of_many_parts_gets_its_own_folder_by_default(make: Make) -> None:
    assert str(make(collection_name="Lab").destination.root) == f"Lab/Lab/{TOPIC}"
    assert str(make(girder_root_folder_path="deep/er").destination.root).endswith("/deep/er")
