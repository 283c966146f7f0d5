"""The folders of a Girder server that files go to: found or made once, and looked for again when somebody deleted them."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from openmsistream.errors import UsageError

from .girder_command_line import DEFAULT_COLLECTION
from .girder_errors import GirderError

log = logging.getLogger(__name__)

_WRITE = 1
"""Girder's levels of access: 0 read, 1 write, 2 all."""

_PAGE = 100

Parts = tuple[str, ...]


class Api(Protocol):
    """Requests to the server."""

    url: str

    def get(self, path: str, **params: object) -> Any: ...

    def post(self, path: str, params: Mapping[str, object]) -> Any: ...


@dataclass(frozen=True)
class Root:
    """The folder below which all is put: an id, or a collection and a path in it, both made when they are missing.

    `public`: may everybody read a collection that has to be made?
    """

    folder_id: str | None = None
    collection: str = DEFAULT_COLLECTION
    path: Parts = ()
    public: bool = False

    @classmethod
    def of(
        cls, topic: str, folder_id: str | None = None, collection: str | None = None, path: str | None = None,
        public: bool = False,
    ) -> Root:  # fmt: skip
        """From the arguments of the program. Without a path it is `<collection>/<topic>`, in the collection."""
        if folder_id and (collection or path):
            log.warning("the root folder is that of the id %s; collection and path are not used", folder_id)
        name = plain(collection or DEFAULT_COLLECTION)
        parts = tuple(plain(part) for part in (path or "").split("/") if part.strip())
        if not name:
            raise UsageError("the name of the collection is empty", f"leave it out for {DEFAULT_COLLECTION!r}")
        return cls(folder_id or None, name, parts or (name, plain(topic)), public)

    def __str__(self) -> str:
        return f"folder {self.folder_id}" if self.folder_id else "/".join((self.collection, *self.path))


class Folders:
    """Where each folder is, by its path below the root. `metadata` are put on the root, unless it is named by an id,
    and on all folders below. Any thread may use it; one at a time makes folders."""

    def __init__(self, api: Api, root: Root, metadata: Mapping[str, Any]) -> None:
        self._api = api
        self._root = root
        self._metadata = json.dumps(metadata)
        self._known: dict[Parts, str] = {}
        self._making = threading.Lock()

    def of(self, parts: Parts) -> str:
        """The id of the folder with this path, which is made when it is missing. Raises GirderError."""
        known = self._known.get(parts)
        if known is not None:
            return known
        with self._making:
            return self._find(parts)

    def at(self, parts: Parts) -> str | None:
        """The same, and None when it is missing. Makes nothing."""
        if parts in self._known:
            return self._known[parts]
        parent = self.at(parts[:-1]) if parts else None
        if parts:
            return None if parent is None else self._named(parent, "folder", parts[-1])
        if self._root.folder_id:
            return self._root.folder_id
        return self._walk()

    def forget(self, parts: Parts) -> bool:
        """Look for this folder and those above it anew next time. Was anything known of it?"""
        with self._making:
            gone = [self._known.pop(parts[:count], None) for count in range(len(parts) + 1)]
            return any(gone)

    def _find(self, parts: Parts) -> str:
        if parts not in self._known:
            self._known[parts] = (
                self._make(self._find(parts[:-1]), "folder", parts[-1], metadata=self._metadata)
                if parts
                else self._find_root()
            )
        return self._known[parts]

    # -- the root --------------------------------------------------------------------------------------

    def _find_root(self) -> str:
        if self._root.folder_id:
            return self._by_id(self._root.folder_id)
        folder, kind = self._collection(self._root.collection), "collection"
        for place, name in enumerate(self._root.path, 1):
            more: dict[str, object] = {"public": True} if self._root.public and kind == "collection" else {}
            if place == len(self._root.path):
                more["metadata"] = self._metadata
            folder, kind = self._make(folder, kind, name, **more), "folder"
        return folder

    def _by_id(self, folder_id: str) -> str:
        try:
            found = self._api.get(f"folder/{folder_id}")
        except GirderError as error:
            if not error.says_unknown:
                raise
            raise GirderError(
                f"Girder at {self._api.url} has no folder with the id {folder_id}",
                "copy the id from the address of the folder's page in Girder", status=error.status,
            ) from error  # fmt: skip
        if found.get("_accessLevel", _WRITE) < _WRITE:
            raise GirderError(
                f"the API key may not write to folder {found.get('name')} ({folder_id}) of Girder at {self._api.url}",
                "the owner of the API key needs write access there", status=403,
            )  # fmt: skip
        return folder_id

    def _collection(self, name: str) -> str:
        found = self._collection_named(name)
        if found is not None:
            return found
        try:
            made = self._api.post("collection", {"name": name, "public": self._root.public})
        except GirderError as error:
            if error.status not in (401, 403):
                raise
            raise GirderError(
                f"Girder at {self._api.url} shows no collection {name} to this API key, and it may not make one",
                "have an administrator make it, or allow its owner to make collections; or name a folder by "
                "--girder_root_folder_id", status=error.status,
            ) from error  # fmt: skip
        log.info(
            "made the collection %s, which %s", name, "everybody may read" if self._root.public else "is not public"
        )
        return str(made["_id"])

    def _collection_named(self, name: str) -> str | None:
        """There is no way to ask for a collection by its name, but to go through all of them."""
        start = 0
        while page := self._api.get("collection", limit=_PAGE, offset=start, sort="name"):
            for collection in page:
                if collection["name"] == name:
                    return str(collection["_id"])
            start += len(page)
        return None

    def _walk(self) -> str | None:
        """The root by its path, without making anything."""
        folder, kind = self._collection_named(self._root.collection), "collection"
        for name in self._root.path:
            if folder is None:
                return None
            folder, kind = self._named(folder, kind, name), "folder"
        return folder

    # -- folders ---------------------------------------------------------------------------------------

    def _make(self, parent: str, kind: str, name: str, **more: object) -> str:
        """Make a folder, or take the one of that name."""
        if not name:
            raise GirderError("a folder whose name is nothing but blanks cannot be in Girder", "give it another name")
        about = {"parentId": parent, "parentType": kind, "name": name, "reuseExisting": True, **more}
        made = self._api.post("folder", about)
        # Girder looks and makes in two steps, so that two programs may each have made one: both take the older one.
        return self._named(parent, kind, name) or str(made["_id"])

    def _named(self, parent: str, kind: str, name: str) -> str | None:
        found = self._api.get("folder", parentId=parent, parentType=kind, name=name, limit=1, sort="created", sortdir=1)
        return str(found[0]["_id"]) if found else None


def plain(name: str) -> str:
    """A name as Girder keeps it: without blanks before and after it."""
    return name.strip()
