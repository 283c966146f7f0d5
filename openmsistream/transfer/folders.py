"""The folders that programs work on: there, and usable as asked, or an error that says why not."""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path

from openmsistream.config import container
from openmsistream.errors import FolderError
from openmsistream.files.names import STATE_FOLDER

_ANOTHER = "name another folder"
_WRITABLE = {
    errno.EACCES: f"give this user the right to, or {_ANOTHER}",
    errno.EPERM: f"give this user the right to, or {_ANOTHER}",
    errno.EROFS: f"have it mounted for writing, or {_ANOTHER}",
    errno.ENOSPC: f"make room there, or {_ANOTHER}",
    errno.EDQUOT: f"make room there, or {_ANOTHER}",
}


def check_folder(root: Path) -> None:
    """Raise FolderError unless this is a folder that can be read."""
    if not root.exists():
        raise FolderError(f"the folder {root} does not exist", "make it, or correct the name")
    if not root.is_dir():
        raise FolderError(f"{root} is a file, not a folder", "name the folder that it is in")
    try:
        with os.scandir(root) as entries:
            next(entries, None)
    except OSError as error:
        raise _unusable(f"the folder {root} cannot be read", root, error, "give this user the right to") from error


def prepare_folder(root: Path) -> None:
    """Make the target folder when it is missing; raise FolderError unless files can be made in it."""
    try:
        root.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise FolderError(f"{root} is a file, not a folder", "name a folder to write to") from error
    except OSError as error:
        raise _unusable(f"the folder {root} cannot be made", root, error, "make it, or name another") from error
    probe = root / f".oms-{secrets.token_hex(8)}"  # asking for rights would not tell why there are none
    try:
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        otherwise = _WRITABLE.get(error.errno or 0, _ANOTHER)
        raise _unusable(f"the folder {root} cannot be written to", root, error, otherwise) from error
    try:
        os.listdir(root)
    except OSError as error:
        raise _unusable(f"the folder {root} cannot be read", root, error, _WRITABLE[errno.EACCES]) from error


def _unusable(what: str, place: Path, error: OSError, otherwise: str) -> FolderError:
    """The error, with what to type in a container, where the folder is somebody's on the host."""
    return FolderError(f"{what}: {error.strerror}", container.advice(place, error) or otherwise)


def refuse_loop(root: Path, topic: str) -> None:
    """A folder that is being sent must not hold what comes of its files. Raises FolderError."""
    here = root.resolve()
    for folder in (here, *here.parents):
        for ledger in (folder / STATE_FOLDER).glob("upload-*.sqlite"):
            if folder != here or ledger.name == f"upload-{topic}.sqlite":
                raise FolderError(
                    f"the output folder {root} lies in {folder}, whose files are sent to topic "
                    f"{ledger.stem.removeprefix('upload-')}",
                    "what is written there would be sent as well; name another folder with --output_dir (output_dir=)",
                )
