"""A real Girder server for this folder's tests, what may stand before it, and a collection of each test's own."""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from between import Between, between
from catalogue import Catalogue
from girder_server import GirderServer, NoGirder, free_port, python_with_girder


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


@pytest.fixture
def catalogue(girder: GirderServer, line: Between) -> Catalogue:
    return Catalogue(girder, line, f"Lab {uuid.uuid4().hex[:8]}")
