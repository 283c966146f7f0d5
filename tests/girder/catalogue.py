"""A collection of a test's own on a Girder server, and files to put there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from between import Between
from girder_server import GirderServer

from openmsistream.destinations.girder import GirderDestination, metadata_for
from openmsistream.destinations.girder_connection import Connection
from openmsistream.destinations.girder_folders import Root
from openmsistream.destinations.girder_key import ApiKey
from openmsistream.destinations.girder_patience import Patience
from openmsistream.files import digest
from openmsistream.processing.file import File, Source

TOPIC = "scans"


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


def file_of(path: str, content: bytes, place: Path | None = None, kind: str = digest.BLAKE3) -> File:
    """A file that is whole, in memory or on disk."""
    if place is not None:
        place.write_bytes(content)
    return File(
        path, Source(TOPIC, 0, 0, "g"), size=len(content), digest=digest.of(content, kind),
        data=content if place is None else None, place=place,
    )  # fmt: skip
