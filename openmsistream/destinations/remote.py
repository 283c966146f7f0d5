"""Any file system that fsspec knows as a destination: SFTP, WebDAV, SMB, Google's and Microsoft's storage."""

from __future__ import annotations

import itertools
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from openmsistream.config import container
from openmsistream.errors import ConfigError, OpenMSIStreamError
from openmsistream.files.names import BadName, parts_of
from openmsistream.processing.file import File
from openmsistream.transfer.disk.common import part_name

from .contract import DestinationError, Put, Unreachable
from .reading import Reading, is_content_of

_PIECE = 4 << 20
_MOVES = 5
"""Times that a file is moved over what is there: another process may put one there between the removal and the move."""

_AWAY = (ConnectionError, TimeoutError, EOFError, socket.gaierror)
_serials = itertools.count()


class RemoteDestination:
    """A folder of a remote file system, named by a URL such as `sftp://host/data` or `abfs://container/data`.

    Further keyword arguments are those of fsspec's file system, credentials for example. A file is written beside its
    place under a hidden name and then moved there, which most of these file systems do at once. Most keep no digests:
    `exists` reads back a file of the same size, which happens only for what is put a second time.
    """

    def __init__(self, url: str, **storage_options: Any) -> None:
        self.url = url
        self._options = storage_options
        self._own = threading.local()  # a connection for each thread: few of these clients can be shared
        self._root: str = self._connect()[1]

    def _connect(self) -> tuple[Any, str]:
        """A file system of this thread's own, and the root's path in it."""
        try:
            from fsspec.core import url_to_fs
        except ImportError as error:
            what = "remote file systems need fsspec, which is not installed"
            raise ConfigError(what, container.extra("remote")) from error
        shown = _shown(self.url)
        try:
            files, root = url_to_fs(self.url, skip_instance_cache=True, **self._options)
        except ImportError as error:  # fsspec says which package this kind of file system needs
            raise ConfigError(f"{shown} cannot be used yet: {error}", "install that package") from error
        except TypeError as error:
            raise ConfigError(f"{shown} does not take these options: {error}", "look into fsspec's pages") from error
        except ValueError as error:
            raise ConfigError(f"{shown} names no file system: {error}", "write it as in sftp://host/folder") from error
        except Exception as error:  # each kind of file system has errors of its own; some connect here
            raise self._failed("cannot be reached", error) from error
        self._own.files = files
        return files, root.rstrip("/")

    @property
    def _files(self) -> Any:
        found = getattr(self._own, "files", None)
        return self._connect()[0] if found is None else found

    def close(self) -> None:
        """Connections end with the threads that made them."""

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
            self._make(folder)
            try:
                with self._files.open(hidden, "wb") as part, Reading(file) as reading:
                    while data := reading.read(_PIECE):
                        part.write(data)
                self._move(hidden, place)
            except BaseException:
                self._remove(hidden)
                raise
        return Put.SENT

    def _make(self, folder: str) -> None:
        try:
            self._files.makedirs(folder, exist_ok=True)
        except Exception:
            if not self._files.isdir(folder):  # there it is, when another thread made it meanwhile
                raise

    def _move(self, hidden: str, place: str) -> None:
        """Put a file in its place. Where the file system does not move over what is there, that has to go just before."""
        for attempt in range(_MOVES):
            try:
                self._files.mv(hidden, place)
                return
            except Exception as error:
                if attempt + 1 == _MOVES or not _is_about_what_is_there(error):
                    raise
            self._remove(place)

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
        """What a file system says, in our words; the next call makes a new connection then."""
        try:
            yield
        except OpenMSIStreamError:
            raise
        except Exception as error:
            self._own.files = None
            raise self._failed(what, error) from error

    def _failed(self, what: str, error: Exception) -> DestinationError:
        text = f"{_shown(self.url)} {what}: {str(error) or type(error).__name__}"
        if isinstance(error, _AWAY):
            return Unreachable(text, "look at the address, the network and the server")
        if isinstance(error, PermissionError):
            return DestinationError(text, "look at the rights there")
        final = isinstance(error, (FileNotFoundError, NotADirectoryError, NotImplementedError))
        return DestinationError(text, "look at the server", retriable=not final)


def _is_about_what_is_there(error: Exception) -> bool:
    return isinstance(error, FileExistsError) or "already exists" in str(error).lower()


def _shown(url: str) -> str:
    """The URL without a password."""
    scheme, found, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    user, at, host = host.rpartition("@")
    return f"{scheme}{found}{user.partition(':')[0]}{at}{host}{slash}{path}"
