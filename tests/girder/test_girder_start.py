"""What is wrong with a server, a key or a folder is said at the start, in one line with what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from between import Between, answers, says
from catalogue import TOPIC, Catalogue, file_of
from girder_server import GirderServer

from openmsistream.destinations.contract import DestinationError, Unreachable
from openmsistream.destinations.girder import GirderDestination, metadata_for
from openmsistream.destinations.girder_connection import Connection
from openmsistream.destinations.girder_folders import Root
from openmsistream.destinations.girder_key import ApiKey
from openmsistream.errors import UsageError

Check = Callable[..., str]


@pytest.fixture
def refusal(girder: GirderServer, line: Between) -> Check:
    """What the check at the start says, which must refuse."""

    def check(url: str = "", key: str = "", **root: object) -> str:
        connection = Connection(url or line.url, ApiKey(key or girder.keys["admin"]))
        with GirderDestination(connection, Root.of(TOPIC, **root), metadata_for(TOPIC, {})) as made:  # type: ignore[arg-type]
            with pytest.raises(DestinationError) as raised:
                made.check()
            assert raised.value.exit_code == 11
            return str(raised.value)

    return check


def test_nobody_listens(refusal: Check, line: Between) -> None:
    line.close()
    assert f"no Girder answers at {line.url}: Connection refused; look at the URL, the network" in refusal()


def test_a_host_that_nobody_knows(refusal: Check) -> None:
    said = refusal("http://girder.invalid/api/v1")
    assert said.startswith("no Girder answers at http://girder.invalid/api/v1: ")


def test_a_url_without_the_path_of_the_api(refusal: Check, line: Between) -> None:
    said = refusal(line.url.removesuffix("/api/v1"))
    assert "is not the API of a Girder server; look at the URL, which usually ends in /api/v1" in said


@pytest.mark.parametrize("body", [{"hello": 1}, [], "text"])
def test_something_else_answers(refusal: Check, line: Between, body: object) -> None:
    line.cause("system/version", says(body))
    assert "is not the API of a Girder server" in refusal()


def test_a_server_that_has_moved(refusal: Check, line: Between) -> None:
    line.cause("system/version", answers(301))
    assert "has moved to https://elsewhere.example.org/api/v1/system/version; give its new URL" in refusal()


def test_a_server_in_trouble_is_not_waited_for(refusal: Check, line: Between) -> None:
    line.cause("system/version", answers(503), times=10)
    assert "cannot be reached: status 503" in refusal()
    assert line.count("system/version") == 1


def test_a_key_that_is_refused(refusal: Check) -> None:
    said = refusal(key="k" * 40)
    assert "refused the API key from the argument girder_api_key: Invalid API key. (status 400 Bad Request)" in said
    assert "look in Girder under My account, API keys, whether it is there and active" in said
    assert "k" * 40 not in said


def test_a_collection_that_may_not_be_made(refusal: Check, girder: GirderServer) -> None:
    said = refusal(key=girder.keys["guest"], collection="Not there")
    assert (
        "shows no collection Not there to this API key, and it may not make one; have an administrator make it" in said
    )


def test_a_collection_that_may_not_be_written_to(refusal: Check, girder: GirderServer, catalogue: Catalogue) -> None:
    catalogue.destination(public=True).check()
    said = refusal(key=girder.keys["guest"], collection=catalogue.name)
    assert "does not allow it: Write access denied for collection" in said


@pytest.mark.parametrize("folder", ["0123456789abcdef01234567", "nonsense"])
def test_a_folder_that_is_not_there(refusal: Check, folder: str) -> None:
    said = refusal(folder_id=folder)
    assert f"has no folder with the id {folder}; copy the id from the address of the folder's page" in said


def test_a_folder_that_may_only_be_read(refusal: Check, girder: GirderServer, catalogue: Catalogue) -> None:
    catalogue.destination(public=True).check()
    folder = girder.find(catalogue.path)["_id"]
    said = refusal(key=girder.keys["guest"], folder_id=folder)
    assert f"the API key may not write to folder {TOPIC} ({folder})" in said


def test_a_collection_among_many_is_found(catalogue: Catalogue, line: Between, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openmsistream.destinations.girder_folders._PAGE", 1)
    catalogue.destination().check()
    catalogue.destination().check()
    assert line.count("POST .*/collection") == 1


@pytest.mark.parametrize(
    "url", ["girder.example.org", "ftp://girder.example.org", "", "http://[broken", "http:///api/v1"]
)
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(UsageError, match=r"is not the URL of a Girder server; give one such as https://"):
        Connection(url, ApiKey("key")).check()


def test_a_collection_without_a_name() -> None:
    with pytest.raises(UsageError, match="the name of the collection is empty"):
        Root.of(TOPIC, collection="  ")


def test_the_root_is_where_openmsistream_has_it() -> None:
    assert str(Root.of("topic")) == "WholeTale Catalog/WholeTale Catalog/topic"
    assert str(Root.of("topic", collection="Lab")) == "Lab/Lab/topic"
    assert str(Root.of("topic", collection="Lab", path="/a/b/")) == "Lab/a/b"


def test_a_name_of_blanks_fails_its_file(catalogue: Catalogue) -> None:
    with pytest.raises(DestinationError, match="its name is nothing but blanks; give it another name"):
        catalogue.destination().put(file_of("run/ ", b"1"))
    with pytest.raises(DestinationError, match="a folder whose name is nothing but blanks"):
        catalogue.destination().put(file_of(" /a", b"1"))


def test_without_girders_library_only_its_client_is_missing(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    from openmsistream.errors import ConfigError

    monkeypatch.setitem(sys.modules, "girder_client", None)
    destination = catalogue.destination()
    destination.put(file_of("a", b"1"))
    with pytest.raises(ConfigError, match=r'pip install "openmsistream\[girder\]"'):
        _ = destination.client


def test_without_requests_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from openmsistream.errors import ConfigError

    monkeypatch.setitem(sys.modules, "requests", None)
    with pytest.raises(
        ConfigError, match=r'needs requests, which is not installed; pip install "openmsistream\[girder\]"'
    ):
        Connection("http://localhost", ApiKey("key"))


# -- the key -----------------------------------------------------------------------------------------------------


def test_the_key_is_looked_for_from_the_nearest_place_to_the_farthest(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("of-file\n")
    two.write_text("\ufeffof-other-file\r\n", "utf-8")
    environ = {"GIRDER_API_KEY": "of-variable", "GIRDER_API_KEY_FILE": str(two)}
    assert ApiKey.find("given", one, environ).reveal() == "given"
    assert ApiKey.find(None, one, environ).reveal() == "of-file"
    assert ApiKey.find("", None, environ).reveal() == "of-variable"
    assert ApiKey.find(None, None, {"GIRDER_API_KEY_FILE": str(two)}).reveal() == "of-other-file"


def test_no_key_is_said_with_where_it_may_be() -> None:
    with pytest.raises(UsageError, match="there is no API key for Girder; set GIRDER_API_KEY, or name a file"):
        ApiKey.find(None, None, {})


def test_a_file_without_a_key(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"missing with the API key for Girder cannot be read: No such file"):
        ApiKey.find(None, tmp_path / "missing", {})
    for content in (b"", b"two\nlines", b"\xff\xfe\x00"):
        (tmp_path / "bad").write_bytes(content)
        with pytest.raises(UsageError, match="bad does not hold one line with an API key"):
            ApiKey.find(None, tmp_path / "bad", {})


def test_a_key_is_not_shown() -> None:
    assert repr(ApiKey("secret")) == "<ApiKey from the argument girder_api_key>"
    assert "secret" not in json.dumps(str(ApiKey("secret")))


def test_unreachable_and_refused_are_told_apart(catalogue: Catalogue) -> None:
    catalogue.line.cause("GET .*/item", answers(502), times=100)
    with pytest.raises(Unreachable):
        catalogue.destination().put(file_of("a", b"1"))
