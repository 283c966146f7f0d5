"""A Girder server as a destination: files become items in folders, with metadata by which they are recognised."""

from __future__ import annotations

import hashlib
import logging
import threading
import zlib
from collections.abc import Mapping
from enum import Enum
from pathlib import PurePosixPath
from typing import Any, Self

import openmsistream
from openmsistream.processing.file import File

from .contract import DestinationError, Put
from .girder_connection import Connection
from .girder_content import PIECE, Content
from .girder_errors import GirderError
from .girder_folders import Folders, Parts, Root, plain
from .girder_patience import Patience
from .girder_upload import Uploads

log = logging.getLogger(__name__)

_AT_A_TIME = 64
"""Locks for paths; two paths that share one wait for each other, which is seldom with so many."""


class Stored(Enum):
    """How an upload ended that did not fail."""

    SENT = "sent"
    ALREADY_THERE = "already there"
    OTHER_KEPT = "other content kept"
    """An item of that name has other content, and it is not to be replaced."""


class GirderDestination:
    """Folders and items of a Girder server below `root`. `metadata` are put on each item, beside its SHA-256.

    An item is recognised by `checksum.sha256` in its metadata; one without it (put there by hand, or by a program that was
    killed) is read and compared. With `replace_existing` other content under the same name is replaced, without it kept.
    Any thread may use it. `close` it in the end.
    """

    def __init__(
        self, connection: Connection, root: Root, metadata: Mapping[str, Any], *, replace_existing: bool = False,
        patience: Patience | None = None,
    ) -> None:  # fmt: skip
        self._connection = connection
        self.root = root
        self.url = connection.url
        self._metadata = dict(metadata)
        self._folders = Folders(connection, root, metadata)
        self._replace = replace_existing
        self._patience = patience or Patience()
        self._uploads = Uploads(connection, self._patience)
        self._paths = [threading.Lock() for _ in range(_AT_A_TIME)]

    def __repr__(self) -> str:
        return f"<GirderDestination {self.root} at {self.url}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End all waiting for the server, and let go of connections."""
        self._patience.end()
        self._connection.close()

    @property
    def client(self) -> Any:
        """A `girder_client.GirderClient` that is logged in, for programs that want more of the server."""
        return self._connection.client()

    # -- what every destination does -------------------------------------------------------------------

    def check(self) -> None:
        """Is it a Girder, does it take the key, and is the root folder there, or could it be made?"""
        self._connection.check()
        self._folders.of(())

    def exists(self, file: File) -> bool:
        """Is there an item of this path with this very content?"""
        folders = _folders_of(file)
        try:
            return self._exists(folders, file)
        except GirderError as error:
            if not (error.says_unknown and self._folders.forget(folders)):
                raise
            return self._exists(folders, file)

    def _exists(self, folders: Parts, file: File) -> bool:
        folder = self._folders.at(folders)
        item = None if folder is None else self._item(folder, _name_of(file))
        return item is not None and self._is(item, self._file_of(item), Content(file), file)

    def put(self, file: File) -> Put:
        """Have the file in Girder, or other content of its path where that is not to be replaced."""
        return Put.SENT if self.upload(file) is Stored.SENT else Put.ALREADY_THERE

    # -- with metadata of one's own --------------------------------------------------------------------

    def upload(self, file: File, metadata: Mapping[str, Any] | None = None) -> Stored:
        """As `put`; `metadata` are added for this item, or stand in place of those of all. Raises DestinationError."""
        content = Content(file)
        with self._paths[zlib.crc32(file.path.encode()) % _AT_A_TIME]:
            tries = self._patience.for_doing(file.path)
            while True:
                try:
                    stored = self._upload(file, content, metadata or {})
                    self._patience.answered()
                    return stored
                except DestinationError as error:
                    tries.wait_after(error)

    def _upload(self, file: File, content: Content, metadata: Mapping[str, Any]) -> Stored:
        folders = _folders_of(file)
        try:
            return self._upload_to(self._folders.of(folders), file, content, metadata)
        except GirderError as error:
            if not (error.says_unknown and self._folders.forget(folders)):
                raise
            log.info("the folder of %s has gone from Girder, or something in it; it is looked for again", file.path)
            return self._upload_to(self._folders.of(folders), file, content, metadata)

    def _upload_to(self, folder: str, file: File, content: Content, metadata: Mapping[str, Any]) -> Stored:
        name = _name_of(file)
        item = self._item(folder, name)
        if item is None:
            made = self._uploads.make(file, content, name, folder, "folder")["itemId"]
            if self._describe(made, file, content, metadata) != name:
                self._not_twice(made, folder, file, content)
            return Stored.SENT
        there = self._file_of(item)
        if there is not None and self._is(item, there, content, file):
            if _sha256_of(item) is None:
                self._describe(item["_id"], file, content, metadata)
            return Stored.ALREADY_THERE
        if there is not None and not self._replace:
            log.warning(
                "%s is in Girder already, with other content, which was kept; --replace_existing would replace it",
                file.path,
            )
            return Stored.OTHER_KEPT
        # Until the new one is there the old digest would be wrong, should this program end in between.
        self._connection.put(f"item/{item['_id']}/metadata", {"checksum": None})
        if there is None:
            self._uploads.make(file, content, name, item["_id"], "item")
        else:
            self._uploads.replace(there["_id"], file, content)
        self._describe(item["_id"], file, content, metadata)
        return Stored.SENT

    # -- items -----------------------------------------------------------------------------------------

    def _item(self, folder: str, name: str) -> dict[str, Any] | None:
        found = self._connection.get("item", folderId=folder, name=name, limit=1, sort="created", sortdir=1)
        return found[0] if found else None

    def _file_of(self, item: Mapping[str, Any]) -> dict[str, Any] | None:
        """An item may have many files, or none. Ours has one, of the item's name."""
        files: list[dict[str, Any]] = self._connection.get(f"item/{item['_id']}/files", limit=0)
        same = [file for file in files if file["name"] == item["name"]]
        return next(iter(same or files), None)

    def _is(self, item: Mapping[str, Any], there: Mapping[str, Any] | None, content: Content, file: File) -> bool:
        """Has the item the content of the file?"""
        if there is None or there["size"] != file.size:
            return False
        known = _sha256_of(item)
        if known is not None:
            return known == content.sha256
        if file.digest == f"sha512:{there.get('sha512')}":  # shown by Girder's plugin hashsum_download
            return True
        return self._sha256_there(there["_id"], file) == content.sha256

    def _sha256_there(self, there: str, file: File) -> str:
        """Read back what Girder has; it cannot send every file (5.0 none with "ß" in its name)."""
        sha256 = hashlib.sha256()
        try:
            for piece in self._connection.pieces(f"file/{there}/download", PIECE):
                sha256.update(piece)
        except GirderError as error:
            if error.status != 500:
                raise
            if self._replace:
                return "unknown"
            raise GirderError(
                f"{file.path} is in Girder already, without a digest, and Girder cannot read it", f"{error.what}; delete it "
                "there, or replace it by --replace_existing", retriable=True, status=500,
            ) from error  # fmt: skip
        return sha256.hexdigest()

    def _describe(self, item: str, file: File, content: Content, metadata: Mapping[str, Any]) -> str:
        """Put the metadata on an item; last, so that the digest never speaks of what is not there. Gives its name."""
        own = {**self._metadata, **metadata}
        others = own.get("checksum")
        own["checksum"] = {**(others if isinstance(others, Mapping) else {}), "sha256": content.sha256}
        return str(self._connection.put(f"item/{item}/metadata", own)["name"])

    def _not_twice(self, made: str, folder: str, file: File, content: Content) -> None:
        """An item that was just made has a number in its name, since one of that name was there.

        When that one has the same content, it came meanwhile from another program, or from an upload of ours whose answer
        was lost and that went on; then ours is removed.
        """
        other = self._item(folder, _name_of(file))
        if other is not None and self._is(other, self._file_of(other), content, file):
            self._connection.delete(f"item/{made}")
        else:
            log.warning("%s is in Girder with a number in its name, since another of its name was there", file.path)


def _folders_of(file: File) -> Parts:
    return tuple(plain(part) for part in PurePosixPath(file.path).parent.parts)


def _name_of(file: File) -> str:
    name = plain(file.name)
    if not name:
        raise GirderError(f"{file.path!r} cannot be in Girder: its name is nothing but blanks", "give it another name")
    return name


def _sha256_of(item: Mapping[str, Any]) -> str | None:
    """The digest that stands in an item's metadata."""
    checksum = item.get("meta", {}).get("checksum")
    known = checksum.get("sha256") if isinstance(checksum, Mapping) else None
    return known if isinstance(known, str) else None


def metadata_for(topic: str, own: Mapping[str, Any]) -> dict[str, Any]:
    """What is put on every item and folder, with what somebody wants to have there beside it."""
    return {"OpenMSIStreamVersion": openmsistream.__version__, "KafkaTopic": topic, **own}
