"""A Girder server in trouble, and what lies between it and us: nothing is lost, nothing is there twice, nothing half."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from between import Between, Trouble, answers, between, cuts_in_the_middle, first, loses_the_answer, says
from catalogue import TOPIC, Catalogue, file_of
from girder_server import GirderServer

from openmsistream.destinations.contract import DestinationError, Put, Unreachable
from openmsistream.destinations.girder import GirderDestination, metadata_for
from openmsistream.destinations.girder_connection import Connection
from openmsistream.destinations.girder_folders import Root
from openmsistream.destinations.girder_key import ApiKey
from openmsistream.destinations.girder_patience import Patience

LARGE = os.urandom(12_000_000)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("girder_content", "girder_upload", "girder"):
        monkeypatch.setattr(f"openmsistream.destinations.{module}.PIECE", 5 << 20)


@pytest.mark.parametrize(
    "trouble", [answers(500), answers(403), answers(429), answers(502), loses_the_answer, cuts_in_the_middle]
)
@pytest.mark.parametrize(
    "where", ["GET .*/item", "POST .*/folder", "POST .*/file", "PUT .*/metadata", "file/chunk.*offset=5242880"]
)
def test_a_request_that_fails_is_made_good(catalogue: Catalogue, where: str, trouble: Trouble) -> None:
    destination = catalogue.destination()
    content = LARGE if "chunk" in where else b"hello"
    catalogue.line.cause(where, trouble)
    destination.put(file_of("run/a.bin", content))
    assert catalogue.girder.names(f"{catalogue.path}/run") == ["a.bin"]
    assert catalogue.girder.content(f"{catalogue.path}/run/a.bin") == content
    assert "sha256" in catalogue.girder.find(f"{catalogue.path}/run/a.bin")["meta"]["checksum"]


def test_an_upload_goes_on_with_the_piece_that_did_not_arrive(catalogue: Catalogue) -> None:
    catalogue.line.cause("file/chunk.*offset=5242880", answers(504))
    catalogue.destination().put(file_of("a.bin", LARGE))
    assert catalogue.line.count("POST .*file/chunk") == 4
    assert catalogue.girder.content(f"{catalogue.path}/a.bin") == LARGE


def test_an_upload_goes_on_after_a_piece_whose_answer_was_lost(catalogue: Catalogue) -> None:
    catalogue.line.cause("file/chunk.*offset=5242880", loses_the_answer)
    catalogue.destination().put(file_of("a.bin", LARGE))
    assert catalogue.line.count("POST .*file/chunk") == 3
    assert catalogue.girder.content(f"{catalogue.path}/a.bin") == LARGE


def test_a_piece_that_arrived_in_part_makes_all_begin_anew(catalogue: Catalogue) -> None:
    catalogue.line.cause("file/chunk.*offset=5242880", cuts_in_the_middle)
    catalogue.line.cause("GET .*file/offset", says({"offset": 7_000_000}))
    catalogue.destination().put(file_of("a.bin", LARGE))
    assert catalogue.line.count("POST .*file/chunk.*offset=0$") == 2
    assert catalogue.girder.content(f"{catalogue.path}/a.bin") == LARGE


def test_a_file_that_came_twice_since_an_answer_came_late_is_there_once(catalogue: Catalogue) -> None:
    destination = catalogue.destination()
    destination.check()
    again = catalogue.destination()
    catalogue.line.cause("POST .*/file", first(lambda: again.put(file_of("a.bin", b"hello"))))
    destination.put(file_of("a.bin", b"hello"))
    assert catalogue.girder.names(catalogue.path) == ["a.bin"]


def test_a_last_piece_whose_answer_was_lost_is_found_to_be_there(catalogue: Catalogue) -> None:
    catalogue.line.cause("file/chunk.*offset=10485760", loses_the_answer)
    catalogue.destination().put(file_of("a.bin", LARGE))
    assert catalogue.line.count("POST .*file/chunk") == 3
    assert catalogue.girder.names(catalogue.path) == ["a.bin"]
    assert "checksum" in catalogue.girder.find(f"{catalogue.path}/a.bin")["meta"]


def test_what_is_given_up_leaves_nothing_behind(catalogue: Catalogue) -> None:
    before = catalogue.girder.unfinished()
    catalogue.line.cause("file/chunk.*offset=5242880", answers(413, "too large"))
    with pytest.raises(DestinationError, match=r"takes no request of that size.*client_max_body_size"):
        catalogue.destination().put(file_of("a.bin", LARGE))
    assert catalogue.girder.unfinished() == before
    assert catalogue.girder.find(f"{catalogue.path}/a.bin") is None


def test_a_replacement_that_fails_leaves_the_old_content(catalogue: Catalogue) -> None:
    destination = catalogue.destination(replace=True)
    destination.put(file_of("a.bin", b"old"))
    catalogue.line.cause("file/chunk", answers(500), times=100)
    with pytest.raises(DestinationError, match="could not do it now"):
        destination.put(file_of("a.bin", LARGE))
    assert catalogue.girder.content(f"{catalogue.path}/a.bin") == b"old"


def test_a_digest_never_speaks_of_content_that_is_not_there(catalogue: Catalogue) -> None:
    """Killed after a replacement and before its metadata: the first content, when it comes again, is sent again."""
    destination = catalogue.destination(replace=True)
    destination.put(file_of("a.txt", b"AAA"))
    catalogue.line.cause("PUT .*/contents", first(lambda: catalogue.line.cause("PUT .*/metadata", answers(500), 100)))
    with pytest.raises(DestinationError):
        destination.put(file_of("a.txt", b"BBB"))
    catalogue.line._troubles.clear()
    assert catalogue.girder.content(f"{catalogue.path}/a.txt") == b"BBB"
    assert catalogue.destination(replace=True).put(file_of("a.txt", b"AAA")) is Put.SENT
    assert catalogue.girder.content(f"{catalogue.path}/a.txt") == b"AAA"


def test_what_stays_forbidden_is_given_up_and_may_be_tried_again(catalogue: Catalogue) -> None:
    destination = catalogue.destination()
    destination.check()
    catalogue.line.cause("POST .*/file", answers(403, "Write access denied for folder x"), times=100)
    with pytest.raises(DestinationError, match=r"does not allow it: Write access denied.*needs write access") as raised:
        destination.put(file_of("a", b"1"))
    assert raised.value.retriable
    assert catalogue.line.count("POST .*/file") == 3


def test_a_refusal_for_good_is_not_tried_again(catalogue: Catalogue) -> None:
    destination = catalogue.destination()
    destination.check()
    catalogue.line.cause("POST .*/file", answers(418, "no tea"), times=100)
    with pytest.raises(DestinationError, match=r"refused: no tea \(status 418") as raised:
        destination.put(file_of("a", b"1"))
    assert not raised.value.retriable
    assert catalogue.line.count("POST .*/file") == 1


def test_metadata_that_girder_does_not_take_fail_the_file(catalogue: Catalogue) -> None:
    with pytest.raises(DestinationError, match=r"refused: Invalid key a\.b: keys must not contain"):
        catalogue.destination().upload(file_of("a", b"1"), {"a.b": 1})


def test_a_token_that_has_run_out_is_renewed(catalogue: Catalogue) -> None:
    destination = catalogue.destination()
    destination.check()
    destination._connection._token = "run out"
    assert destination.put(file_of("a", b"1")) is Put.SENT
    assert catalogue.line.count("api_key/token") == 2


def test_the_key_is_in_no_url_and_in_no_error(catalogue: Catalogue) -> None:
    destination = catalogue.destination()
    key = catalogue.girder.keys["admin"]
    destination.put(file_of("a", b"1"))
    catalogue.line.cause("token", answers(400, f"Invalid API key {key}."))
    destination._connection._token = ""
    with pytest.raises(DestinationError, match=r"refused the API key from .*: Invalid API key \*\*\*\*") as raised:
        destination.put(file_of("b", b"1"))
    assert key not in f"{raised.value!r} {destination!r} {vars(destination)} {vars(destination._connection)}"
    assert not any(key in request for request in catalogue.line.seen)


def test_without_a_server_it_is_unreachable(catalogue: Catalogue) -> None:
    destination = catalogue.destination()
    catalogue.line.close()
    with pytest.raises(Unreachable, match=r"no Girder answers at http://127.0.0.1:\d+/api/v1: Connection refused"):
        destination.put(file_of("a", b"1"))


# -- a server of the test's own ----------------------------------------------------------------------------------


@pytest.fixture
def own(new_girder: Callable[[Path], GirderServer], tmp_path: Path) -> Iterator[GirderServer]:
    """A server that this test may kill."""
    server = new_girder(tmp_path / "girder")
    yield server
    server.kill()


def at(server: GirderServer, line: Between) -> GirderDestination:
    """A destination that waits until the server is back."""
    return GirderDestination(
        Connection(line.url, ApiKey(server.keys["admin"])), Root.of(TOPIC, collection="Lab"), metadata_for(TOPIC, {}),
        patience=Patience(first_wait=0.05, tries=3, through_outages=True),
    )  # fmt: skip


def test_a_server_that_is_killed_in_the_middle_of_a_file_gets_the_rest_when_it_is_back(
    own: GirderServer, caplog: pytest.LogCaptureFixture
) -> None:
    with between(own.url) as line:
        destination = at(own, line)
        destination.put(file_of("before", b"1"))
        line.cause("file/chunk.*offset=5242880", first(own.kill))
        line.cause("GET .*file/offset", answers(502), times=3)
        line.cause("GET .*file/offset", first(own.start))
        destination.put(file_of("run/a.bin", LARGE))
        assert own.content(f"/collection/Lab/Lab/{TOPIC}/run/a.bin") == LARGE
        assert own.names(f"/collection/Lab/Lab/{TOPIC}/run") == ["a.bin"]
        assert line.count("file/chunk.*offset=0$") == 1
    assert "files wait until it answers" in caplog.text
    assert "Girder answers again" in caplog.text


def test_closing_ends_the_wait_for_a_server(own: GirderServer) -> None:
    with between(own.url) as line:
        destination = at(own, line)
        destination.check()
        own.kill()
        line.cause("GET", answers(503), times=1000)
        failed: list[BaseException] = []

        def put() -> None:
            try:
                destination.put(file_of("a", b"1"))
            except DestinationError as error:
                failed.append(error)

        thread = threading.Thread(target=put)
        thread.start()
        while line.count("GET .*/item") < 3 and thread.is_alive():
            thread.join(0.02)
        destination.close()
        thread.join(10)
        assert isinstance(failed[0], Unreachable)
