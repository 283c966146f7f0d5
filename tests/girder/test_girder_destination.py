"""Files and a real Girder server: what is there afterwards, and what is not sent again."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from between import Between
from catalogue import TOPIC, Catalogue, file_of
from girder_server import GirderServer

from openmsistream.destinations import girder_content
from openmsistream.destinations.contract import Put
from openmsistream.destinations.girder import Stored
from openmsistream.files import digest
from openmsistream.testing.destinations import HARD_NAMES, PROMISES, Trial

PIECES = os.urandom(12_000_000)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """As small as Girder allows pieces to be, so that a file of 12 MB has three."""
    for module in ("girder_content", "girder_upload", "girder"):
        monkeypatch.setattr(f"openmsistream.destinations.{module}.PIECE", 5 << 20)


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_what_every_destination_promises(promise: object, catalogue: Catalogue, tmp_path: Path) -> None:
    names = tuple(name for name in HARD_NAMES if name == name.strip())  # Girder takes blanks away
    destination = catalogue.destination(replace=True)

    def held(file: object) -> bytes | None:
        return catalogue.girder.content(f"{catalogue.path}/{file.path}")  # type: ignore[attr-defined]

    promise(Trial(destination, held, tmp_path, names, TOPIC))  # type: ignore[operator]


# -- what is there afterwards ------------------------------------------------------------------------------------


def test_a_file_has_the_metadata_that_programs_look_for(catalogue: Catalogue) -> None:
    import openmsistream

    catalogue.destination().upload(file_of("run 1/a.txt", b"hello"), {"sample": 7})
    assert catalogue.girder.find(f"{catalogue.path}/run 1/a.txt")["meta"] == {
        "OpenMSIStreamVersion": openmsistream.__version__,
        "KafkaTopic": TOPIC,
        "lab": "A",
        "sample": 7,
        "checksum": {"sha256": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"},
    }


def test_folders_below_the_collection_have_the_metadata_too(catalogue: Catalogue) -> None:
    catalogue.destination().put(file_of("run 1/a.txt", b"hello"))
    for path in (catalogue.path, f"{catalogue.path}/run 1"):
        assert catalogue.girder.find(path)["meta"]["lab"] == "A"
    assert catalogue.girder.find(f"/collection/{catalogue.name}/{catalogue.name}")["meta"] == {}


def test_metadata_of_a_file_may_replace_those_of_all_but_not_the_digest(catalogue: Catalogue) -> None:
    catalogue.destination().upload(file_of("a", b"hello"), {"KafkaTopic": "x", "checksum": {"sha256": "0", "crc": 1}})
    meta = catalogue.girder.find(f"{catalogue.path}/a")["meta"]
    assert meta["KafkaTopic"] == "x"
    assert meta["checksum"]["crc"] == 1
    assert meta["checksum"]["sha256"].startswith("2cf24d")


def test_a_collection_is_not_public_unless_that_is_asked_for(catalogue: Catalogue) -> None:
    catalogue.destination().check()
    assert catalogue.girder.find(f"/collection/{catalogue.name}")["public"] is False
    assert catalogue.girder.find(catalogue.path)["public"] is False


def test_a_collection_is_public_with_its_folders_when_that_is_asked_for(catalogue: Catalogue) -> None:
    catalogue.destination(public=True).put(file_of("sub/a", b"1"))
    for path in (f"/collection/{catalogue.name}", catalogue.path, f"{catalogue.path}/sub"):
        assert catalogue.girder.find(path)["public"] is True


def test_a_collection_that_is_there_stays_as_public_as_it_is(catalogue: Catalogue) -> None:
    catalogue.destination().check()
    catalogue.destination(public=True).put(file_of("a", b"1"))
    assert catalogue.girder.find(f"/collection/{catalogue.name}")["public"] is False


def test_the_kind_of_a_file_is_told_by_its_name(catalogue: Catalogue) -> None:
    destination = catalogue.destination()
    for name, kind in (("a.tif", "image/tiff"), ("b.unheard", "application/octet-stream")):
        destination.put(file_of(name, b"1"))
        item = catalogue.girder.find(f"{catalogue.path}/{name}")
        (file,) = catalogue.girder.ask(f"item/{item['_id']}/files")
        assert file["mimeType"] == kind


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_large_file_goes_in_pieces(catalogue: Catalogue, tmp_path: Path, on_disk: bool) -> None:
    file = file_of("large.bin", PIECES, tmp_path / "large" if on_disk else None)
    assert catalogue.destination().put(file) is Put.SENT
    assert catalogue.girder.content(f"{catalogue.path}/large.bin") == PIECES
    assert catalogue.line.count("POST .*file/chunk") == 3


def test_a_file_in_memory_is_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    file = file_of("large.bin", PIECES)
    pieces = list(girder_content.Content(file).pieces())
    assert all(isinstance(piece, memoryview) and piece.obj is file.read_bytes() for piece in pieces)


def test_a_file_of_exactly_one_piece_goes_in_one_request(catalogue: Catalogue) -> None:
    content = PIECES[: 5 << 20]
    catalogue.destination().put(file_of("one.bin", content))
    assert catalogue.girder.content(f"{catalogue.path}/one.bin") == content
    assert catalogue.line.count("file/chunk") == 0


def test_blanks_around_names_are_left_out_as_girder_does(catalogue: Catalogue) -> None:
    destination = catalogue.destination()
    assert destination.put(file_of(" run 1 / a.txt ", b"hello")) is Put.SENT
    assert catalogue.girder.content(f"{catalogue.path}/run 1/a.txt") == b"hello"
    assert catalogue.destination().put(file_of(" run 1 / a.txt ", b"hello")) is Put.ALREADY_THERE


# -- what is there already ---------------------------------------------------------------------------------------


def test_other_content_is_kept_with_a_warning_unless_it_is_to_be_replaced(
    catalogue: Catalogue, caplog: pytest.LogCaptureFixture
) -> None:
    destination = catalogue.destination()
    destination.put(file_of("a.txt", b"first"))
    assert destination.upload(file_of("a.txt", b"other")) is Stored.OTHER_KEPT
    assert catalogue.girder.content(f"{catalogue.path}/a.txt") == b"first"
    assert "a.txt is in Girder already, with other content, which was kept; --replace_existing" in caplog.text


def test_other_content_is_replaced_in_place(catalogue: Catalogue) -> None:
    destination = catalogue.destination(replace=True)
    destination.put(file_of("a.txt", b"first"))
    before = catalogue.girder.find(f"{catalogue.path}/a.txt")
    assert destination.upload(file_of("a.txt", b"other"), {"n": 2}) is Stored.SENT
    after = catalogue.girder.find(f"{catalogue.path}/a.txt")
    assert after["_id"] == before["_id"]
    assert after["meta"]["n"] == 2
    assert after["meta"]["checksum"] != before["meta"]["checksum"]
    assert catalogue.girder.content(f"{catalogue.path}/a.txt") == b"other"


def test_what_is_there_is_recognised_after_a_restart_and_sent_by_nobody_again(catalogue: Catalogue) -> None:
    catalogue.destination().put(file_of("run/large.bin", PIECES))
    again = catalogue.destination()
    catalogue.line.seen.clear()
    assert again.put(file_of("run/large.bin", PIECES)) is Put.ALREADY_THERE
    assert catalogue.line.count("POST .*file|PUT|download") == 0


def test_an_item_without_our_digest_is_read_and_compared(catalogue: Catalogue) -> None:
    """As somebody leaves it who uploads by hand, or a program that was killed before it had written the metadata."""
    destination = catalogue.destination()
    destination.put(file_of("a.txt", b"hello"))
    item = catalogue.girder.find(f"{catalogue.path}/a.txt")
    catalogue.girder.ask(f"item/{item['_id']}/metadata?fields=%5B%22checksum%22%5D", "DELETE")
    assert destination.upload(file_of("a.txt", b"HELLO")) is Stored.OTHER_KEPT
    assert destination.upload(file_of("a.txt", b"hello")) is Stored.ALREADY_THERE
    assert "checksum" in catalogue.girder.find(f"{catalogue.path}/a.txt")["meta"]


def test_an_item_that_somebody_emptied_gets_its_file_again(catalogue: Catalogue) -> None:
    destination = catalogue.destination()
    destination.put(file_of("a.txt", b"hello"))
    item = catalogue.girder.find(f"{catalogue.path}/a.txt")
    (file,) = catalogue.girder.ask(f"item/{item['_id']}/files")
    catalogue.girder.ask(f"file/{file['_id']}", "DELETE")
    assert destination.put(file_of("a.txt", b"hello")) is Put.SENT
    assert catalogue.girder.content(f"{catalogue.path}/a.txt") == b"hello"


def test_a_file_of_openmsistreams_digest_is_as_good(catalogue: Catalogue) -> None:
    destination = catalogue.destination()
    assert destination.put(file_of("a", b"hello", kind=digest.SHA512)) is Put.SENT
    assert destination.put(file_of("a", b"hello")) is Put.ALREADY_THERE


def test_a_file_beside_a_folder_of_its_name_gets_a_number_which_is_said(
    catalogue: Catalogue, caplog: pytest.LogCaptureFixture
) -> None:
    destination = catalogue.destination()
    destination.put(file_of("run/a", b"1"))
    destination.put(file_of("run", b"2"))
    assert catalogue.girder.names(catalogue.path) == ["run (1)"]
    assert "run is in Girder with a number in its name, since another of its name was there" in caplog.text


# -- folders -----------------------------------------------------------------------------------------------------


def test_a_folder_is_looked_for_once(catalogue: Catalogue, line: Between) -> None:
    destination = catalogue.destination()
    for number in range(5):
        destination.put(file_of(f"run/sub/{number}", b"1"))
    assert line.count("POST .*/folder") == 4  # two to the root, run, and sub
    assert line.count("GET .*/collection") <= 2
    assert line.count("api_key/token") == 1


def test_a_folder_that_somebody_deleted_is_made_again(catalogue: Catalogue) -> None:
    destination = catalogue.destination()
    destination.put(file_of("run/sub/a", b"1"))
    folder = catalogue.girder.find(f"{catalogue.path}/run")
    catalogue.girder.ask(f"folder/{folder['_id']}", "DELETE")
    assert destination.put(file_of("run/sub/b", b"2")) is Put.SENT
    assert catalogue.girder.content(f"{catalogue.path}/run/sub/b") == b"2"


def test_a_collection_that_somebody_deleted_is_made_again(catalogue: Catalogue) -> None:
    destination = catalogue.destination()
    destination.put(file_of("run/a", b"1"))
    collection = catalogue.girder.find(f"/collection/{catalogue.name}")
    catalogue.girder.ask(f"collection/{collection['_id']}", "DELETE")
    assert not destination.exists(file_of("run/a", b"1"))
    assert destination.put(file_of("run/a", b"1")) is Put.SENT


def test_many_workers_make_a_folder_once(catalogue: Catalogue) -> None:
    destination = catalogue.destination()
    _at_once(*(lambda n=n: destination.put(file_of(f"new/deep/{n}", b"1")) for n in range(8)))
    assert catalogue.line.count("POST .*/folder") == 4
    assert len(catalogue.girder.names(f"{catalogue.path}/new/deep")) == 8


def test_programs_that_make_a_folder_at_once_put_files_into_the_same_one(catalogue: Catalogue) -> None:
    catalogue.destination().check()
    programs = [catalogue.destination() for _ in range(4)]
    _at_once(*(lambda n=n, p=p: p.put(file_of(f"new/{n}", b"1")) for n, p in enumerate(programs)))
    assert len({program._folders.of(("new",)) for program in programs}) == 1


def _at_once(*works: object) -> None:
    begin = threading.Barrier(len(works))
    failed: list[BaseException] = []

    def run(work: object) -> None:
        begin.wait(10)
        try:
            work()  # type: ignore[operator]
        except Exception as error:  # noqa: BLE001 - told below, in the thread that can fail
            failed.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failed


def test_a_folder_named_by_its_id_is_the_root(catalogue: Catalogue, girder: GirderServer) -> None:
    from openmsistream.destinations.girder_folders import Root

    destination = catalogue.destination()
    destination.put(file_of("here/a", b"1"))
    folder = girder.find(f"{catalogue.path}/here")
    other = catalogue.destination()
    other._folders._root = Root.of(TOPIC, folder_id=folder["_id"])
    other.put(file_of("below/b", b"2"))
    assert girder.content(f"{catalogue.path}/here/below/b") == b"2"
    assert "lab" in girder.find(f"{catalogue.path}/here/below")["meta"]
