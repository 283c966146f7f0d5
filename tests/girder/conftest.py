"""A real Girder server for this folder's tests, what may stand before it, and destinations in a collection of the test's own."""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from between import Between, between
from girder_server import GirderServer, NoGirder, free_port, python_with_girder

from openmsistream.destinations.girder import GirderDestination, metadata_for
from openmsistream.destinations.girder_connection import Connection
from openmsistream.destinations.girder_folders import Root
from openmsistream.destinations.girder_key import ApiKey
from openmsistream.destinations.girder_patience import Patience
from openmsistream.files import digest
from openmsistream.processing.file import File, Source

TOPIC = "scans"


@pytest.fixture(scope="session")
def new_girder(pytestconfig: pytest.Config) -> Callable[[Path], GirderServer]:
    """Starts a server in a folder; skips the test where none can be had, and says so among the warnings of the run."""

    def start(place: Path) -> GirderServer:
        try:
            place.joinpath("files").mkdir(parents=True)
            server = GirderServer(python_with_girder(pytestconfig.cache.mkdir("girder-server")), place, free_port())
            server.start()
        except NoGirder as error:
            warnings.warn(f"NOT TESTED against a Girder server: {error}", stacklevel=2)
            pytest.skip(f"no Girder server: {error}")
        return server

    return start


@pytest.fixture(scope="session")
def girder(
    new_girder: Callable[[Path], GirderServer], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GirderServer]:
    """A server for all tests of this process; each uses a collection of its own, none may end it."""
    server = new_girder(tmp_path_factory.mktemp("girder"))
    yield server
    server.kill()


@pytest.fixture
def line(girder: GirderServer) -> Iterator[Between]:
    """What stands between this test and the server."""
    with between(girder.url) as made:
        yield made


@dataclass
class Catalogue:
    """A collection of a test's own. Its root folder is `path`."""

    girder: GirderServer
    line: Between
    name: str

    @property
    def path(self) -> str:
        return f"/collection/{self.name}/{self.name}/{TOPIC}"

    def destination(self, *, user: str = "admin", public: bool = False, replace: bool = False) -> GirderDestination:
        """A destination that waits next to nothing between tries."""
        return GirderDestination(
            Connection(self.line.url, ApiKey(self.girder.keys[user])),
            Root.of(TOPIC, collection=self.name, public=public),
            metadata_for(TOPIC, {"lab": "A"}),
            replace_existing=replace,
            patience=Patience(first_wait=0.01, tries=3),
        )


@pytest.fixture
def catalogue(girder: GirderServer, line: Between) -> Catalogue:
    return Catalogue(girder, line, f"Lab {uuid.uuid4().hex[:8]}")


def file_of(path: str, content: bytes, place: Path | None = None, kind: str = digest.BLAKE3) -> File:
    """A file that is whole, in memory or on disk."""
    if place is not None:
        place.write_bytes(content)
    return File(
        path, Source(TOPIC, 0, 0, "g"), size=len(content), digest=digest.of(content, kind),
        data=content if place is None else None, place=place,
    )  # fmt: skip
