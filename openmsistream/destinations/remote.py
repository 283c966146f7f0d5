"""Any file system that fsspec knows as a destination: SFTP, WebDAV, SMB, Google's and Microsoft's storage."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from openmsistream.errors import ConfigError
from openmsistream.files.names import BadName, parts_of
from openmsistream.processing.file import File
from openmsistream.transfer.disk.common import part_name

from .contract import DestinationError, Put
from .reading import Reading, is_content_of

_PIECE = 4 << 20
_serials = itertools.count()


class RemoteDestination:
    """A folder of a remote file system, named by a URL such as `sftp://host/data` or `abfs://container/data`.

    Further keyword arguments are those of fsspec's file system, credentials for example. A file is written beside its
    place under a hidden name and then moved there, which most of these file systems do at once. Most keep no digests:
    `exists` reads back a file of the same size, which happens only for what is put a second time.
    """

    def __init__(self, url: str, **storage_options: Any) -> None:
        try:
            from fsspec.core import url_to_fs
        except ImportError as error:
            raise ConfigError(
                "remote file systems need fsspec, which is not installed", 'pip install "openmsistream[fsspec]"'
            ) from error
        self.url = url
        options = {"use_listings_cache": False, **storage_options}
        try:
            self._files, self._root = url_to_fs(url, **options)
        except ImportError as error:  # fsspec says which package this kind of file system needs
            raise ConfigError(f"{_shown(url)} cannot be used yet: {error}", "install that package") from error
        except ValueError as error:
            raise ConfigError(
                f"{_shown(url)} names no file system: {error}", "write it as in sftp://host/folder"
            ) from error
        except Exception as error:
            raise self._failed("cannot be reached", error) from error

    def close(self) -> None:
        """Connections belong to fsspec, which shares them and lets go of them."""

    def check(self) -> None:
        """Is the folder there, and can something be written to it?"""
        name = f"{self._root}/{part_name(f'check-{os.getpid()}', next(_serials))}"
        with self._told("cannot be asked"):
            there = self._files.isdir(self._root)
        if not there:
            raise DestinationError(f"there is no folder {_shown(self.url)}", "make it; it is not made by this program")
        with self._told("cannot be written to"):
            self._files.pipe_file(name, b"check")
            self._files.rm_file(name)

    def exists(self, file: File) -> bool:
        """Does it hold these very bytes under this path?"""
        place = self._place(file)
        with self._told(f"cannot be asked for {file.path}"):
            self._files.invalidate_cache(self._files._parent(place))
            try:
                if self._files.info(place)["size"] != file.size:
                    return False
                with self._files.open(place, "rb") as there:
                    return is_content_of(file, there)
            except (FileNotFoundError, IsADirectoryError):
                return False

    def put(self, file: File) -> Put:
        """Write the file, unless it is there already."""
        if self.exists(file):
            return Put.ALREADY_THERE
        place = self._place(file)
        folder = self._files._parent(place)
        hidden = f"{folder}/{part_name(f'put-{os.getpid()}', next(_serials))}"
        with self._told(f"does not take {file.path}"):
            self._files.makedirs(folder, exist_ok=True)
            try:
                with self._files.open(hidden, "wb") as part, Reading(file) as reading:
                    while data := reading.read(_PIECE):
                        part.write(data)
                self._move(hidden, place)
            except BaseException:
                self._remove(hidden)
                raise
        return Put.SENT

    def _move(self, hidden: str, place: str) -> None:
        try:
            self._files.mv(hidden, place)
        except FileExistsError:  # not every file system moves over what is there
            self._files.rm_file(place)
            self._files.mv(hidden, place)

    def _remove(self, hidden: str) -> None:
        """What was begun goes again, where that is still possible; what failed before is the error, not this."""
        try:
            self._files.rm_file(hidden)
        except Exception:  # noqa: BLE001 - as above
            return

    def _place(self, file: File) -> str:
        try:
            return "/".join((self._root, *parts_of(file.path)))
        except BadName as error:
            raise DestinationError(f"{file.path!r} cannot be put anywhere: {error}") from error

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """What a file system says, in our words."""
        try:
            yield
        except DestinationError:
            raise
        except Exception as error:
            raise self._failed(what, error) from error

    def _failed(self, what: str, error: Exception) -> DestinationError:
        final = isinstance(error, (PermissionError, FileNotFoundError, NotADirectoryError, NotImplementedError))
        said = str(error) or type(error).__name__
        return DestinationError(
            f"{_shown(self.url)} {what}: {said}",
            "look at its rights"
            if isinstance(error, PermissionError)
            else "look at the address, the network and the server",
            retriable=not final,
        )


def _shown(url: str) -> str:
    """The URL without a password."""
    scheme, found, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    user, at, host = host.rpartition("@")
    return f"{scheme}{found}{user.partition(':')[0]}{at}{host}{slash}{path}"
