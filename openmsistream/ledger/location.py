"""Where the ledger of a folder lives: in the folder's LOGS/ when that is a local disk, else in the user's state folder."""

from __future__ import annotations

import hashlib
import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path

from openmsistream.config import container
from openmsistream.config.places import user_state_dir
from openmsistream.errors import LedgerError
from openmsistream.files.names import STATE_FOLDER

from . import filesystem

STATE_DIR_VARIABLE = "OPENMSISTREAM_STATE_DIR"

_ID = re.compile("[0-9a-f]{12}")
"""How an engine calls a container that nobody gave a name as a host."""


def state_folder(root: Path, state_dir: Path | None = None, environ: Mapping[str, str] = os.environ) -> Path:
    """The folder for the state of programs that work on `root`; not made yet.

    `state_dir` (the option) decides, then the environment's OPENMSISTREAM_STATE_DIR, then the kind of file system.
    Under a state folder shared by many roots each root has a folder of its own. Raises LedgerError for a network share.
    """
    chosen = state_dir or (Path(environ[STATE_DIR_VARIABLE]) if environ.get(STATE_DIR_VARIABLE) else None)
    if chosen is None and filesystem.is_local(root):
        return root / STATE_FOLDER
    base = chosen if chosen is not None else user_state_dir()
    place = base / "folders" / _name_for(root)
    nearest = next(p for p in (place, *place.parents) if p.exists())
    if not filesystem.is_local(nearest):
        raise LedgerError(
            f"the ledger cannot live in {base}: its file system ({filesystem.kind(nearest) or 'unknown'}) is not "
            "a local disk, and locks cannot be trusted there",
            f"name a folder on a local disk with --state_dir or {STATE_DIR_VARIABLE}",
        )
    return place


def host_name(root: Path | None, state_dir: Path | None = None) -> str:
    """The name of this machine; in a container that was given none, that of the first one that worked on `root`.

    An engine calls each container after its id, so that one that is made again would count as another machine. `root` None:
    nothing is kept.
    """
    name = socket.gethostname()
    if root is None or not container.inside() or not _ID.fullmatch(name):
        return name
    kept = state_folder(root, state_dir) / "host"
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with kept.open("x", encoding="ascii") as file:
            file.write(name)
    except FileExistsError:
        try:
            return kept.read_text(encoding="ascii").strip() or name
        except (OSError, UnicodeDecodeError):
            return name
    except OSError:
        return name
    return name


def _name_for(root: Path) -> str:
    """A folder name for this root: readable, and unique by a digest of the whole path."""
    resolved = root.resolve()
    readable = re.sub(r"[^A-Za-z0-9._-]+", "_", resolved.name)[:40] or "root"
    return f"{readable}-{hashlib.sha256(os.fsencode(resolved)).hexdigest()[:12]}"
