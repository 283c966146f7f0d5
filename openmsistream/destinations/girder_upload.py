"""The bytes of a file on their way to Girder, in requests of a bounded size that go on where a broken line left them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openmsistream.processing.file import File

from .contract import DestinationError, Unreachable
from .girder_connection import Connection
from .girder_content import PIECE, Content, media_type
from .girder_errors import GirderError
from .girder_patience import Patience

FileThere = dict[str, Any]
"""What Girder tells of a file: among others `_id`, `itemId`, `name` and `size`."""


class Uploads:
    """Makes files in Girder. Nothing of one is seen, and nothing replaced, until all of it is there."""

    def __init__(self, connection: Connection, patience: Patience) -> None:
        self._connection = connection
        self._patience = patience

    def make(self, file: File, content: Content, name: str, parent: str, kind: str) -> FileThere:
        """A new file in an item, or with an item of its own in a folder: `kind` says what the parent is."""
        about = {"parentType": kind, "parentId": parent, "name": name, "mimeType": media_type(name), "size": file.size}
        if file.size > PIECE:
            return self._pieces(self._connection.post("file", about), file, content)
        body = next(content.pieces(), None)
        made: FileThere = self._connection.post("file", about, body)
        return made

    def replace(self, there: str, file: File, content: Content) -> None:
        """New content for the file with this id."""
        if not file.size:
            assert content.sha256  # reads it: the next request is all that an empty file needs
        begun = self._connection.put(f"file/{there}/contents", size=file.size)
        if file.size:
            self._pieces(begun, file, content)

    def _pieces(self, begun: Mapping[str, Any], file: File, content: Content) -> FileThere:
        upload, offset, answer = str(begun["_id"]), 0, {}
        try:
            for piece in content.pieces():
                answer = self._piece(upload, offset, memoryview(piece), file)
                offset += len(piece)
        except DestinationError:
            self._drop(upload)
            raise
        return answer

    def _piece(self, upload: str, offset: int, piece: memoryview, file: File) -> FileThere:
        """Send one piece; when that breaks off, ask whether it has come, and send it again if nothing of it has.

        Where a part of it has come, all begins anew: the server may still be busy with that part, and would put the rest
        beside it.
        """
        tries = self._patience.for_doing(f"upload of {file.path}")
        while True:
            try:
                if tries.any and self._has_come(upload, offset, len(piece), file):
                    return {}
                answer: FileThere = self._connection.post("file/chunk", {"uploadId": upload, "offset": offset}, piece)
                self._patience.answered()
                return answer
            except (GirderError, Unreachable) as error:
                tries.wait_after(error)

    def _has_come(self, upload: str, offset: int, length: int, file: File) -> bool:
        """Has the server this piece of an upload? Raises GirderError when that is not known yet."""
        try:
            at = int(self._connection.get("file/offset", uploadId=upload)["offset"])
        except GirderError as error:
            if not error.says_unknown:
                raise
            raise _begin_again("it is finished, or was dropped there") from error
        if at not in (offset, offset + length):
            raise _begin_again(f"it broke off at byte {at}")
        if at == file.size:
            raise GirderError("Girder has all of it and has not put it together yet", "look at its log", retriable=True)
        return at > offset

    def _drop(self, upload: str) -> None:
        """Have the server throw away what it has; the error that led to it is what counts."""
        try:
            self._connection.delete(f"file/upload/{upload}")
        except DestinationError:
            pass  # it does not answer, or knows of none; an administrator can drop what is left there


def _begin_again(why: str) -> DestinationError:
    """An upload cannot be gone on with; what is there in the meantime tells what to do."""
    return DestinationError(f"an upload to Girder was lost: {why}", retriable=True)
