"""What both kinds of target folder share: the names of parts, and the error for a link or file where a folder must be."""

from __future__ import annotations

import shutil
from pathlib import Path

from openmsistream.errors import FolderError
from openmsistream.files.names import PART_PREFIX

PART_SUFFIX = ".part"


class NotAFolder(OSError):
    """A component of the path below the root is a link or a file, so nothing can be put below it."""


def part_name(generation: str, serial: int) -> str:
    """The name under which a generation is written before it is whole: hidden, and never longer than a system allows.

    `serial` differs for each part that this process makes: after a rebalance a generation may be received again while
    its earlier part is still being put in place.
    """
    return f"{PART_PREFIX}{generation}-{serial}{PART_SUFFIX}"


def usage(root: Path) -> shutil._ntuple_diskusage:
    """Bytes in all, used and free where the root is. Raises FolderError when the root is gone."""
    try:
        return shutil.disk_usage(root)
    except FileNotFoundError as error:
        raise FolderError(f"the folder {root} is gone", "make it again, then start this program again") from error
    except OSError as error:
        raise FolderError(
            f"the disk of the folder {root} cannot be asked for its space: {error.strerror}",
            "look at it, then start this program again",
        ) from error


def is_part(name: str) -> bool:
    return name.startswith(PART_PREFIX) and name.endswith(PART_SUFFIX)
